/*
 * Calls that are ended while the model writes them: what is refused whatever its other arguments
 * are need not be written to its end.  What would be asked about never is.
 */
#include "app/agent/machine.h"

#include "engine/base/jsontree.h"

void early_reset(struct early *e)
{
	buf_release(&e->path);
	*e = (struct early){0};
}

/* By the mode, where no rule speaks. */
static bool is_refused(const struct agent *a, enum tool_class cls)
{
	enum verdict v = call_judge(a->config.mode, cls);

	return v == VERDICT_DENY || (v == VERDICT_ASK && !a->ops->ask_user);
}

static enum early_word judge_name(struct agent *a, struct str name)
{
	const struct rules *rules = a->config.rules;
	enum tool_class cls = call_class(name);
	struct rules_verdict named = {.rule = {"", 0}};

	if (!tool_set_has(a->config.tools, name))
		return EARLY_UNKNOWN;
	if (rules)
		rules_judge_tool(rules, name, &named);
	a->early.allowed = named.kind == RULES_RUN;
	if (named.kind == RULES_DENY)
		a->early.rule = named.rule;
	else if (rules)
		a->early.rule = rules_deny_all(rules, cls);
	if (a->early.rule.n)
		return EARLY_RULE;
	/* Commands may only look, which needs no leave. */
	if (cls != TOOL_EDIT || !is_refused(a, cls))
		return EARLY_NONE;
	/* Nothing is allowed while there is but a plan. */
	if (a->config.mode == AGENT_PLAN)
		return EARLY_REFUSED;
	return a->early.allowed || (rules && rules_allow_any(rules, cls)) ? EARLY_NONE
									  : EARLY_REFUSED;
}

static void begin(struct agent *a, const struct event *ev)
{
	struct early *e = &a->early;

	e->cls = call_class(buf_str(&ev->text));
	if (ev->call >= LIMITS_CALLS || a->counts.rounds >= a->allowed)
		e->word = EARLY_LATE;
	else
		e->word = judge_name(a, buf_str(&ev->text));
}

/* As the model wrote it; where it leads can only be judged stricter. */
static enum early_word judge_path(struct agent *a, struct str path)
{
	enum tool_class cls = call_edit_class(path);
	struct rules_verdict v = {.rule = {"", 0}};

	if (tools_never_write(path))
		return EARLY_PROTECTED;
	if (a->config.rules && rules_is_outside(a->config.rules, path))
		return EARLY_OUTSIDE;
	if (a->config.rules)
		rules_judge_edit(a->config.rules, path, &v);
	a->early.rule = v.rule;
	if (v.kind == RULES_DENY)
		return EARLY_RULE;
	if (v.kind == RULES_SILENT && a->early.allowed && cls == TOOL_EDIT)
		return EARLY_NONE;
	if (v.kind != RULES_RUN && is_refused(a, cls))
		return EARLY_REFUSED;
	return v.kind == RULES_ASK && !a->ops->ask_user ? EARLY_REFUSED : EARLY_NONE;
}

/* `"path": "src/main.c"` */
static void take_parameter(struct agent *a, struct str text)
{
	struct early *e = &a->early;
	struct json_tree tree = {0};
	struct buf object = {0};
	struct str path = {0};

	if (e->cls != TOOL_EDIT)
		return;
	buf_addf(&object, "{%.*s}", (int)text.n, text.p);
	if (!buf_failed(&object) && !json_tree_parse(&tree, buf_str(&object), 0, NULL))
		path = json_str(json_object_get(tree.root, "path"));
	if (path.n) {
		buf_adds(&e->path, path);
		e->word = judge_path(a, path);
	}
	json_tree_release(&tree);
	buf_release(&object);
}

void agent_event(struct agent *a, const struct event *ev)
{
	struct early *e = &a->early;

	if (a->state != AGENT_ANSWERING || !ev->early || e->word || !a->ops->end_call)
		return;
	if (ev->kind == EV_CALL_BEGIN)
		begin(a, ev);
	else if (ev->kind == EV_CALL_PARAM)
		take_parameter(a, buf_str(&ev->text));
	if (!e->word)
		return;
	e->call = ev->call;
	a->ops->end_call(a->ctx);
}

static void answer_unknown(struct agent *a)
{
	const struct call *c = &a->calls.v[a->at];
	struct buf args = {0}, why = {0};

	if (tool_set_check(a->config.tools, buf_str(&c->name), STR_LIT("{}"), &args, &why) ==
	    ERR_USAGE)
		machine_answer_not_run(a, TOOL_ERROR, "", buf_str(&why), "policy");
	else
		machine_answer_skipped(a, "there is no memory for it");
	buf_release(&args);
	buf_release(&why);
}

static void answer_forbidden(struct agent *a, const char *what)
{
	struct buf why = {0};

	a->good = true;
	buf_adds(&why, buf_str(&a->early.path));
	buf_addz(&why, what);
	machine_answer_not_run(a, TOOL_DENIED, "denied: ", buf_str(&why), "policy");
	buf_release(&why);
}

/* Cut for another reason, or in an earlier run of the program. */
static void answer_why(struct agent *a)
{
	machine_answer_not_run(a, TOOL_ERROR, "", buf_str(&a->calls.v[a->at].why), "policy");
}

void machine_answer_cut(struct agent *a)
{
	const struct early *e = &a->early;

	switch (e->call == (int)a->at ? e->word : EARLY_NONE) {
	case EARLY_NONE:
	case EARLY_LATE:
		answer_why(a);
		break;
	case EARLY_UNKNOWN:
		answer_unknown(a);
		break;
	case EARLY_RULE:
		machine_deny(a, e->rule);
		break;
	case EARLY_REFUSED:
		machine_refuse(a);
		break;
	case EARLY_PROTECTED:
		answer_forbidden(a, TOOLS_PROTECTED);
		break;
	case EARLY_OUTSIDE:
		answer_forbidden(a, TOOLS_OUTSIDE);
		break;
	}
}
