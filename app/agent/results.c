/* What a call came to: kept, then shown. */
#include "app/agent/machine.h"

#include <string.h>

#define LAST_ROUND "[this was the last tool round; answer now]"

/* What a rule or the user adds.  Where nothing may be written, no grade lets it be. */
static unsigned added_grade(const struct agent *a)
{
	return a->config.read_only ? a->widened & GRADE_NET : a->widened;
}

enum sandbox_layer machine_layer(const struct agent *a)
{
	struct str why;

	return call_class(buf_str(&a->calls.v[a->at].name)) == TOOL_RUN &&
			       !(added_grade(a) & GRADE_OUTSIDE)
		       ? runner_sandbox(a->config.runner, &why)
		       : SANDBOX_OFF;
}

bool machine_sandboxed(const struct agent *a)
{
	return machine_layer(a) <= SANDBOX_LANDLOCK;
}

struct agent_news machine_news(const struct agent *a, enum agent_news_kind kind)
{
	const struct call *c = &a->calls.v[a->at];
	enum tool_class cls = call_class(buf_str(&c->name));

	return (struct agent_news){
		.kind = kind,
		.ref = buf_str(&c->ref),
		.tool = buf_str(&c->name),
		.arguments = buf_str(a->arguments.len ? &a->arguments : &c->arguments),
		.grade = call_grade(cls, a->config.read_only || a->looks) | added_grade(a),
		.layer = str_of(cls == TOOL_RUN ? sandbox_layer_name(machine_layer(a)) : NULL),
		.exit = -1,
		.ms = -1,
	};
}

bool machine_plan(const struct agent *a, struct file_plan *p)
{
	return file_plan_take(buf_str(&a->prepared.plan), p);
}

/* A change is whole or not there. */
static enum history_edit_state edit_state(enum tool_state state)
{
	if (state == TOOL_OK)
		return HISTORY_EDIT_APPLIED;
	return state == TOOL_LOST || state == TOOL_TIMEOUT ? HISTORY_EDIT_LOST
							   : HISTORY_EDIT_DROPPED;
}

static bool is_users_word(const char *by)
{
	return strcmp(by, "once") == 0 || strcmp(by, "session") == 0 ||
	       strcmp(by, "always") == 0;
}

/* Of a change that was made, what was. */
static void add_edit(const struct agent *a, const char *by, struct agent_news *n)
{
	struct file_plan p;

	if (n->state != TOOL_OK || !machine_plan(a, &p))
		return;
	n->edited = p.path;
	n->diff = buf_str(&a->prepared.diff);
	n->made = !p.existed;
	n->asked = is_users_word(by);
}

void machine_answer(struct agent *a, struct agent_news *n, const char *by)
{
	struct buf text = {0}, info = {0};
	struct talk_result result;
	struct err err = {0};
	int rc = 0;

	add_edit(a, by, n);
	buf_adds(&text, n->text);
	if (machine_is_last_round(a) && a->at + 1 == a->calls.n)
		buf_addf(&text, "%s" LAST_ROUND, text.len ? "\n" : "");
	n->text = buf_str(&text);
	a->given += text.len;
	call_add_info(&info, n, by);
	if (buf_failed(&text) || buf_failed(&info))
		rc = err_nomem(&err, "result", text.len);
	result = (struct talk_result){.ref = n->ref,
				      .name = n->tool,
				      .text = n->text,
				      .info = buf_str(&info),
				      .diff = n->diff,
				      .edit = a->edit,
				      .edit_state = edit_state(n->state)};
	if (!rc)
		rc = a->ops->keep(a->ctx, &result, &err);
	if (rc)
		machine_give_up(a, AGENT_FAILED, &err,
				"the result before it could not be kept");
	a->ops->show(a->ctx, n);
	buf_release(&text);
	buf_release(&info);
	buf_reset(&a->arguments);
	job_news_release(&a->prepared);
	a->edit = 0;
	a->widened = 0;
	a->looks = false;
	a->rule = (struct str){0};
}

void machine_answer_not_run(struct agent *a, enum tool_state state, const char *what,
			    struct str why, const char *by)
{
	struct agent_news n = machine_news(a, AGENT_RESULT);
	struct buf text = {0};

	buf_addf(&text, "error: %s", what);
	buf_adds(&text, why);
	n.state = state;
	n.text = buf_str(&text);
	machine_answer(a, &n, by);
	buf_release(&text);
}

void machine_answer_skipped(struct agent *a, const char *why)
{
	machine_answer_not_run(a, TOOL_SKIPPED, "not run: ", str_of(why), "policy");
}
