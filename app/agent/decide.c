/* What the user is asked, and what becomes of the answer. */
#include "app/agent/machine.h"

/* ---- asking ---- */

/* The call at hand is a command, with a sandbox around it. */
static bool can_widen(const struct agent *a)
{
	return machine_layer(a) != SANDBOX_OFF;
}

void machine_ask(struct agent *a, enum agent_question question)
{
	struct approval p = {.number = ++a->question, .question = question};

	a->asks = question;
	a->state = AGENT_WAITS;
	if (question == AGENT_ASKS_ROUNDS) {
		p.rounds = a->allowed;
	} else {
		struct agent_news n = machine_news(a, AGENT_STARTS);

		p.tool = n.tool;
		p.arguments = n.arguments;
		p.cls = a->cls;
		p.grade = n.grade;
		p.layer = machine_layer(a);
		p.diff = buf_str(&a->prepared.diff);
		p.always = a->cls == TOOL_LEAVE && call_class(n.tool) == TOOL_EDIT;
		p.rule = a->rule;
		p.place = a->at + 1;
		p.n = a->calls.n;
	}
	if (question == AGENT_ASKS_CALL) {
		machine_suggest(a);
		p.suggest = buf_str(&a->suggest);
		p.widens = can_widen(a);
	}
	a->ops->ask_user(a->ctx, &p);
}

/* ---- answers ---- */

static void decide_rounds(struct agent *a, enum decision d)
{
	if (d == DECIDE_YES)
		a->allowed += a->config.rounds;
	if (d == DECIDE_STOP)
		machine_stop_round(a);
	machine_go_on(a);
}

static void tell(const struct agent *a, const char *what, const struct err *err)
{
	struct buf text = {0};
	struct agent_news n = {.kind = AGENT_NOTICE, .exit = -1, .ms = -1};

	buf_addf(&text, "%s: %s", what, err->text);
	n.text = buf_str(&text);
	a->ops->show(a->ctx, &n);
	buf_release(&text);
}

/* Who is to be said to have let the call run. */
static const char *learn(struct agent *a, enum decision d, struct str rules)
{
	bool always = d == DECIDE_ALWAYS;
	struct err err = {0};

	if (!rules.n)
		rules = buf_str(&a->suggest);
	if (!a->config.rules || !rules.n)
		return "once";
	if (rules_learn(a->config.rules, always ? RULES_HERE : RULES_SESSION, rules, &err)) {
		tell(a, "no rule was made", &err);
		return "once";
	}
	if (always && !a->ops->learn)
		err_set(&err, ERR_USAGE, "nothing keeps it");
	else if (always && !a->ops->learn(a->ctx, rules, &err))
		return "always";
	if (always)
		tell(a, "the rule holds until the program ends", &err);
	return "session";
}

static void decide_call(struct agent *a, enum decision d, struct str reason)
{
	struct buf why = {0};

	if (d == DECIDE_YES || d == DECIDE_SESSION || d == DECIDE_ALWAYS) {
		if (machine_run(a, d == DECIDE_YES ? "once" : learn(a, d, reason)))
			machine_go_on_behind(a);
		return;
	}
	if (d == DECIDE_NOBODY) {
		machine_refuse(a);
		machine_go_on_behind(a);
		return;
	}
	a->good = true;
	if (d == DECIDE_STOP)
		machine_stop_round(a);
	if (reason.n)
		buf_addz(&why, ": ");
	buf_adds(&why, reason);
	machine_answer_not_run(a, TOOL_DENIED, "denied by the user", buf_str(&why), "user");
	buf_release(&why);
	machine_go_on_behind(a);
}

static void decide_wider(struct agent *a, enum decision d)
{
	if (d == DECIDE_YES && !machine_run_wider(a))
		return;
	if (d == DECIDE_STOP)
		machine_stop_round(a);
	if (d != DECIDE_YES)
		machine_keep_narrow(a);
	machine_go_on_behind(a);
}

void agent_decide(struct agent *a, uint64_t number, enum decision d, struct str text)
{
	if (a->state != AGENT_WAITS || number != a->question)
		return;
	/* It is answered: whoever is called from here on has no question to answer. */
	a->state = AGENT_RUNS;
	if (a->asks == AGENT_ASKS_ROUNDS)
		decide_rounds(a, d);
	else if (a->asks == AGENT_ASKS_WIDER)
		decide_wider(a, d);
	else
		decide_call(a, d, text);
}

bool agent_widen(struct agent *a, uint64_t number, unsigned grade)
{
	if (a->state != AGENT_WAITS || number != a->question || a->asks != AGENT_ASKS_CALL ||
	    !can_widen(a))
		return false;
	a->widened |= grade;
	return true;
}

unsigned agent_grade(struct str word)
{
	static const struct {
		const char *name;
		unsigned grade;
	} rows[] = {{"network", GRADE_NET}, {"git", GRADE_GIT}, {"outside", GRADE_OUTSIDE}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_is(word, rows[i].name))
			return rows[i].grade;
	return 0;
}
