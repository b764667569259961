/* Plan mode, in line mode. */
#include "app/line/askuser.h"
#include "app/line/line.h"

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
		d = askuser_plainly(l->rounds.tty, STR_LIT("Go ahead with this plan? "));
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
