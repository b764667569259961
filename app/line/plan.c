/* Plan mode, in line mode. */
#include <unistd.h>

#include "app/line/askuser.h"
#include "app/line/line.h"
#include "app/output.h"

static enum decision ask(const struct line_mode *l)
{
	const struct askuser q = {.fd = l->rounds.tty,
				  .text = STR_LIT("Go ahead with this plan? ")};
	struct buf ignored = {0};
	unsigned grade;
	enum decision d = DECIDE_NO;

	if (l->rounds.tty >= 0)
		d = askuser(&q, &ignored, &grade);
	buf_release(&ignored);
	return d;
}

static void set_mode(struct line_mode *l, enum agent_mode mode)
{
	l->host.opt->approve = (int)mode;
	l->host.ops->options_changed(&l->host);
}

int line_plan(struct line_mode *l, struct err *err)
{
	struct agent *a = l->rounds.agent;
	enum decision d = DECIDE_NO;

	if (!a)
		return err_set(err, ERR_USAGE, "/plan: this session offers no tools (--tools)");
	if (agent_mode(a) != AGENT_PLAN) {
		l->before_plan = agent_mode(a);
		set_mode(l, AGENT_PLAN);
		line_say("Plan mode: only what reads runs.  /plan again goes ahead.");
		return 0;
	}
	if (agent_has_plan(l->talk))
		d = ask(l);
	if (d == DECIDE_STOP) {
		line_say("Still in plan mode.");
		return 0;
	}
	set_mode(l, l->before_plan == AGENT_EDITS ? AGENT_EDITS : AGENT_ASK);
	if (d == DECIDE_YES)
		return line_ask(l, STR_LIT(AGENT_GO_AHEAD), NULL, err);
	line_say("Plan mode is over.");
	return 0;
}
