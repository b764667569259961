/* What becomes of a call: the rules' word, else the mode's. */
#include "app/agent/machine.h"

#include "engine/base/jsontree.h"

#define RULES_TOLD 5

/* What is to be done with the call at hand, and on whose word. */
struct ruling {
	enum verdict verdict;
	const char *by;
	struct str rule; /* that decides; "": none */
	unsigned grade;  /* that it adds */
	bool failed;     /* no memory to find that out */
};

/* The text argument of that name.  They were read before: what fails is memory. */
static void add_argument(const struct agent *a, const char *name, struct buf *out)
{
	struct json_tree tree = {0};

	if (json_tree_parse(&tree, buf_str(&a->arguments), 0, NULL))
		out->failed = true;
	else if (json_is_object(tree.root))
		buf_adds(out, json_str(json_object_get(tree.root, name)));
	json_tree_release(&tree);
}

/* Where the change would be made, once that is known; *below: the path from the workspace. */
static void add_true_path(const struct agent *a, struct buf *out, struct str *below)
{
	struct file_plan p;

	if (!machine_plan(a, &p))
		return;
	buf_adds(out, p.root);
	buf_addc(out, '/');
	buf_adds(out, p.path);
	*below = p.path;
}

/* What is silent leaves it to the mode, which may ask. */
static int strictness(enum rules_kind kind)
{
	static const int order[] = {
		[RULES_RUN] = 0, [RULES_SILENT] = 1, [RULES_ASK] = 2, [RULES_DENY] = 3};

	return order[kind];
}

/*
 * Both as the model wrote it and where that leads: the stricter word counts.  What other
 * programs of the user's believe is beyond an edit, and asked about in every mode.
 */
static void judge_edit(const struct agent *a, enum tool_class *cls, struct rules_verdict *v,
		       bool *failed)
{
	struct buf written = {0}, led = {0};
	struct rules_verdict there = *v;
	struct str below = {0};

	add_argument(a, "path", &written);
	add_true_path(a, &led, &below);
	*cls = call_edit_class(below.n ? below : buf_str(&written));
	if (a->config.rules)
		rules_judge_edit(a->config.rules, buf_str(&written), v);
	if (a->config.rules && led.len)
		rules_judge_edit(a->config.rules, buf_str(&led), &there);
	if (led.len && strictness(there.kind) > strictness(v->kind))
		*v = there;
	*failed = buf_failed(&written) || buf_failed(&led);
	buf_release(&written);
	buf_release(&led);
}

/* One that only looks is no more than that: it runs where nothing can be written. */
static void judge_command(const struct agent *a, enum tool_class *cls, struct rules_verdict *v,
			  bool *failed)
{
	struct buf command = {0};

	add_argument(a, "command", &command);
	*failed = buf_failed(&command);
	if (a->config.rules)
		rules_judge_command(a->config.rules, buf_str(&command), v);
	if (a->config.rules && machine_sandboxed(a))
		*cls = v->cls;
	buf_release(&command);
}

/* Elsewhere than in the workspace it is asked about. */
static void judge_read(const struct agent *a, enum tool_class *cls, struct rules_verdict *v,
		       bool *failed)
{
	struct buf path = {0};

	add_argument(a, "path", &path);
	*failed = buf_failed(&path);
	if (a->config.rules && path.len)
		rules_judge_read(a->config.rules, buf_str(&path), v);
	if (v->cls == TOOL_READ_OUTSIDE)
		*cls = TOOL_READ_OUTSIDE;
	buf_release(&path);
}

/* A change of a file that is asked about whatever allows it. */
static bool always_asks(const struct agent *a, enum tool_class cls)
{
	return cls == TOOL_LEAVE && call_class(buf_str(&a->calls.v[a->at].name)) == TOOL_EDIT;
}

/* Without a sandbox a command is asked about, whatever allows it, but that it runs without one. */
static struct ruling rule_on(struct agent *a)
{
	enum tool_class cls = call_class(buf_str(&a->calls.v[a->at].name));
	bool is_command = cls == TOOL_RUN, bare = is_command && !machine_sandboxed(a);
	struct ruling r = {.by = "mode"};
	struct rules_verdict v = {.rule = {"", 0}};

	if (is_command)
		judge_command(a, &cls, &v, &r.failed);
	else if (cls == TOOL_EDIT)
		judge_edit(a, &cls, &v, &r.failed);
	else if (cls == TOOL_READ)
		judge_read(a, &cls, &v, &r.failed);
	if (r.failed)
		return r;
	if (a->config.rules)
		rules_add_tool(a->config.rules, buf_str(&a->calls.v[a->at].name),
			       always_asks(a, cls), &v);
	/* A plan changes nothing, whatever is allowed otherwise. */
	if (a->config.mode == AGENT_PLAN && v.kind == RULES_RUN)
		v = (struct rules_verdict){.rule = {"", 0}};
	a->cls = cls;
	/* Whoever allows a command means what commands may. */
	a->looks = is_command && cls != TOOL_RUN && v.kind != RULES_RUN;
	r.verdict = call_judge(a->config.mode, bare ? TOOL_LEAVE : cls);
	r.rule = v.rule;
	if (v.kind == RULES_DENY)
		return (struct ruling){VERDICT_DENY, "rule", v.rule, 0, false};
	if (v.kind == RULES_RUN && (!bare || v.grade & GRADE_OUTSIDE))
		return (struct ruling){VERDICT_RUN, "rule", v.rule, v.grade, false};
	if (v.kind != RULES_ASK)
		r.rule = (struct str){0};
	else if (r.verdict == VERDICT_RUN)
		r.verdict = VERDICT_ASK;
	return r;
}

void machine_suggest(struct agent *a)
{
	struct str tool = buf_str(&a->calls.v[a->at].name);
	struct file_plan p;
	struct buf argument = {0};

	buf_reset(&a->suggest);
	/* What a rule wants asked, and what is asked whatever allows it, is asked again. */
	if (!a->config.rules || a->rule.n || a->cls == TOOL_LEAVE)
		return;
	if (call_class(tool) == TOOL_RUN && machine_sandboxed(a)) {
		add_argument(a, "command", &argument);
		rules_suggest(a->config.rules, buf_str(&argument), &a->suggest);
	} else if (call_class(tool) == TOOL_EDIT && machine_plan(a, &p)) {
		rules_suggest_edit(a->config.rules, p.path, &a->suggest);
	} else if (call_class(tool) == TOOL_READ) {
		add_argument(a, "path", &argument);
		rules_suggest_read(a->config.rules, buf_str(&argument), &a->suggest);
	}
	if (buf_failed(&argument) || buf_failed(&a->suggest))
		buf_reset(&a->suggest);
	buf_release(&argument);
}

/* ---- refusing ---- */

void machine_deny(struct agent *a, struct str rule)
{
	a->good = true;
	machine_answer_not_run(a, TOOL_DENIED, "denied: ", rule, "rule");
}

/* So that the model can choose another way. */
static void add_allowed(const struct agent *a, struct buf *out)
{
	struct str rule;
	enum rule_says says;

	for (size_t i = 0, told = 0; a->config.rules && told < RULES_TOLD; i++) {
		rule = rules_at(a->config.rules, i, &says);
		if (!rule.n)
			return;
		if (says != RULE_ALLOW)
			continue;
		buf_addz(out, "; ");
		buf_adds(out, rule);
		told++;
	}
}

/* Nobody is asked in it. */
static bool mode_refuses(const struct agent *a)
{
	return a->config.mode == AGENT_NEVER || a->config.mode == AGENT_PLAN;
}

int agent_check_refused(const struct agent *a, struct err *err)
{
	int64_t n = a->counts.refused;

	if (!n || mode_refuses(a))
		return 0;
	return err_set(err, ERR_REFUSED, "%lld call%s refused, since nobody could be asked",
		       (long long)n, n == 1 ? " was" : "s were");
}

void machine_refuse(struct agent *a)
{
	static const char never[] = "denied: only what reads may run here";
	static const char plan[] = "denied: plan mode: only what reads runs; say what you would do";
	static const char nobody[] =
		"denied: nobody can be asked; allowed are: read_file, list_files, search_files";
	struct str why;
	bool plans = a->config.mode == AGENT_PLAN;
	bool by_mode = mode_refuses(a);
	struct buf allowed = {0};
	struct err err;

	a->good = true;
	a->counts.refused++;
	if (!by_mode && runner_sandbox(a->config.runner, &why) <= SANDBOX_LANDLOCK)
		buf_addz(&allowed, ", commands that only read");
	if (!plans)
		add_allowed(a, &allowed);
	machine_answer_not_run(a, by_mode ? TOOL_DENIED : TOOL_REFUSED,
			       plans     ? plan
			       : by_mode ? never
					 : nobody, buf_str(&allowed),
			       by_mode ? "mode" : "nobody");
	buf_release(&allowed);
	if (a->counts.refused >= a->config.refused && agent_check_refused(a, &err))
		machine_give_up(a, AGENT_REFUSED, &err, "too much was refused");
}

/* ---- what becomes of it ---- */

/* What would change is found out before it is judged.  True: it could not be begun. */
static bool look(struct agent *a)
{
	struct agent_news n = machine_news(a, AGENT_STARTS);

	a->good = true;
	a->prepares = true;
	return !machine_begin_job(a, &n);
}

static bool judge(struct agent *a, bool changes)
{
	struct ruling r = rule_on(a);
	struct err err = {0};

	if (r.failed) {
		err_nomem(&err, "arguments", a->arguments.len);
		machine_give_up(a, AGENT_FAILED, &err, "there is no memory for it");
		machine_answer_skipped(a, a->skip);
		return true;
	}
	if (r.verdict == VERDICT_DENY && str_is(str_of(r.by), "rule")) {
		machine_deny(a, r.rule);
		return true;
	}
	if (r.verdict == VERDICT_DENY || (r.verdict == VERDICT_ASK && !a->ops->ask_user)) {
		machine_refuse(a);
		return true;
	}
	if (changes)
		return look(a);
	a->rule = r.rule;
	if (r.verdict == VERDICT_RUN) {
		a->widened = r.grade;
		return machine_run(a, r.by);
	}
	machine_ask(a, AGENT_ASKS_CALL);
	return false;
}

bool machine_judge(struct agent *a)
{
	return judge(a, call_class(buf_str(&a->calls.v[a->at].name)) == TOOL_EDIT);
}

bool machine_judge_prepared(struct agent *a)
{
	return judge(a, false);
}
