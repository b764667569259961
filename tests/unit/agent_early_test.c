/* Calls that are refused while the model writes them: which, when, and what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/agent/agent.h"
#include "app/agent/limits.h"
#include "tests/support/scripted_agent.h"

static struct err err;

struct owner {
	struct agent_ops ops;
	struct scripted_agent a;
	struct buf log;
	int n_ended; /* calls */
	bool over;
};

static int ask_model(void *ctx, bool again, struct err *e)
{
	(void)again;
	(void)e;
	buf_addz(&((struct owner *)ctx)->log, "ask\n");
	return 0;
}

static void stop_model(void *ctx)
{
	(void)ctx;
}

static void end_call(void *ctx)
{
	((struct owner *)ctx)->n_ended++;
}

static void ask_user(void *ctx, const struct approval *p)
{
	buf_addf(&((struct owner *)ctx)->log, "%.*s?\n", (int)p->tool.n, p->tool.p);
}

static void show(void *ctx, const struct agent_news *n)
{
	struct owner *o = ctx;

	if (n->kind == AGENT_RESULT)
		buf_addf(&o->log, "%.*s %s: %.*s\n", (int)n->ref.n, n->ref.p,
			 tool_state_name(n->state), (int)n->text.n, n->text.p);
}

static int keep(void *ctx, const struct talk_result *r, struct err *e)
{
	struct talk_message *m = talk_message_result(r, e);

	assert_non_null(m);
	talk_say(((struct owner *)ctx)->a.talk, m, 1);
	return 0;
}

static void ended(void *ctx, enum agent_end why, const struct err *e)
{
	struct owner *o = ctx;

	(void)why;
	buf_addf(&o->log, "over: %s\n", e->code ? e->text : "");
	o->over = true;
}

static void owner_open(struct owner *o, enum agent_mode mode, bool nobody, const char *allow,
		       const char *deny, int64_t rounds)
{
	static const char *const names[] = {"read_file", "write_file", "edit_file", "shell"};
	const struct scripted_agent_setup su = {.mode = mode,
						.rounds = rounds,
						.jobs = "{\"output\": \"A\"}\n",
						.rules = {[RULE_ALLOW] = allow, [RULE_DENY] = deny},
						.tools = {.names = names, .n_names = 4}};

	*o = (struct owner){.ops = {.ask_model = ask_model,
				    .stop_model = stop_model,
				    .end_call = end_call,
				    .ask_user = nobody ? NULL : ask_user,
				    .show = show,
				    .keep = keep,
				    .ended = ended}};
	scripted_agent_open(&o->a, &su, &o->ops, o);
}

static void owner_close(struct owner *o)
{
	agent_leave(o->a.agent);
	scripted_agent_close(&o->a);
	buf_release(&o->log);
}

static void tell(struct owner *o, enum event_kind kind, int call, const char *text, bool early)
{
	struct event ev = {.kind = kind, .call = call, .early = early};

	buf_addz(&ev.text, text);
	agent_event(o->a.agent, &ev);
	event_release(&ev);
}

static void add_call(struct talk_message *m, int call, const char *name, const char *text,
		     enum talk_call_state state)
{
	struct talk_part *p = talk_message_add_part(m, HISTORY_CALL, &err);

	assert_non_null(p);
	buf_addf(&p->ref, "%d", call);
	buf_addz(&p->name, name);
	buf_addz(&p->text, text);
	p->call = state;
	if (state == CALL_CUT)
		buf_addz(&p->why, "the call was ended");
}

static void answer(struct owner *o, struct talk_message *m)
{
	struct agent_answer a = {.done = true, .stop = STOP_CALLS, .said = m};

	talk_say(o->a.talk, m, 1);
	agent_answered(o->a.agent, &a);
	while (agent_state(o->a.agent) == AGENT_RUNS)
		scripted_agent_await(&o->a);
}

/* ---- one call ---- */

#define ASK_NOBODY                                                                             \
	"refused: error: denied: nobody can be asked; allowed are: read_file, list_files, "    \
	"search_files"

static const struct row {
	enum agent_mode mode;
	bool nobody;
	const char *allow, *deny;
	const char *tool, *path;
	int ends_at; /* 1: its name, 2: its path, 0: it isn't ended */
	const char *result;
} rows[] = {
	/* Where it may be asked about, or run, it is heard to its end. */
	{AGENT_ASK, false, NULL, NULL, "write_file", "a.c", 0, ""},
	{AGENT_EDITS, true, NULL, NULL, "write_file", "a.c", 0, ""},
	{AGENT_ASK, true, "edit **", NULL, "write_file", "a.c", 0, ""},
	{AGENT_NEVER, false, NULL, NULL, "read_file", "a.c", 0, ""},
	{AGENT_NEVER, false, NULL, NULL, "shell", NULL, 0, ""},
	{AGENT_ASK, true, NULL, NULL, "shell", NULL, 0, ""},
	{AGENT_AUTO, false, NULL, "shell rm", "shell", NULL, 0, ""},
	/* What nobody can allow. */
	{AGENT_AUTO, false, NULL, NULL, "nope", NULL, 1,
	 "error: error: unknown tool: nope; the tools are shell, read_file, write_file, edit_file"},
	{AGENT_AUTO, false, NULL, NULL, "write_file", "x/.git/hooks/y", 2,
	 "denied: error: denied: x/.git/hooks/y is protected (it belongs to version control)"},
	{AGENT_AUTO, false, NULL, NULL, "read_file", ".git/config", 0, ""},
	{AGENT_AUTO, false, NULL, NULL, "write_file", "/etc/passwd", 2,
	 "denied: error: denied: /etc/passwd leads outside the workspace"},
	{AGENT_AUTO, false, NULL, NULL, "write_file", "a/../../x", 2,
	 "denied: error: denied: a/../../x leads outside the workspace"},
	{AGENT_AUTO, false, NULL, NULL, "write_file", "/workx/a", 2,
	 "denied: error: denied: /workx/a leads outside the workspace"},
	{AGENT_AUTO, false, NULL, NULL, "write_file", "/work/a", 0, ""},
	{AGENT_AUTO, false, NULL, NULL, "write_file", "b/../a", 0, ""},
	{AGENT_AUTO, false, NULL, NULL, "write_file", "~/a", 0, ""},
	{AGENT_AUTO, false, NULL, NULL, "read_file", "/etc/passwd", 0, ""},
	/* Rules. */
	{AGENT_AUTO, false, NULL, "shell *", "shell", NULL, 1,
	 "denied: error: denied: deny = shell *"},
	{AGENT_AUTO, false, NULL, "edit **", "edit_file", "a.c", 1,
	 "denied: error: denied: deny = edit **"},
	{AGENT_AUTO, false, NULL, "tool read_file", "read_file", "a.c", 1,
	 "denied: error: denied: deny = tool read_file"},
	{AGENT_AUTO, false, NULL, "edit src", "edit_file", "src/a.c", 2,
	 "denied: error: denied: deny = edit src"},
	{AGENT_AUTO, false, NULL, "edit src", "edit_file", "lib/a.c", 0, ""},
	/* The mode, or nobody to ask. */
	{AGENT_NEVER, false, NULL, NULL, "write_file", "a.c", 1,
	 "denied: error: denied: only what reads may run here"},
	{AGENT_PLAN, false, "edit **", NULL, "write_file", "a.c", 1,
	 "denied: error: denied: plan mode: only what reads runs; say what you would do"},
	{AGENT_ASK, true, NULL, NULL, "write_file", "a.c", 1, ASK_NOBODY},
	{AGENT_ASK, true, "edit src/**", NULL, "write_file", "a.c", 2,
	 ASK_NOBODY "; allow = edit src/**"},
	{AGENT_EDITS, true, NULL, NULL, "write_file", "AGENTS.md", 2, ASK_NOBODY},
};

static void what_is_refused_whatever_follows_is_ended_and_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct talk_message *m;
		struct buf path = {0}, want = {0};
		struct owner o;
		int ended_at = 0;

		owner_open(&o, r->mode, r->nobody, r->allow, r->deny, 25);
		tell(&o, EV_CALL_BEGIN, 0, r->tool, true);
		ended_at = o.n_ended ? 1 : 0;
		buf_addf(&path, "\"path\": \"%s\"", r->path ? r->path : "");
		if (r->path)
			tell(&o, EV_CALL_PARAM, 0, buf_z(&path), true);
		tell(&o, EV_CALL_PARAM, 0, "\"content\": \"x\"", true);
		ended_at = o.n_ended && !ended_at ? 2 : ended_at;
		if (ended_at != r->ends_at || o.n_ended > 1)
			fail_msg("row %zu: ended at %d, %d times", i, ended_at, o.n_ended);
		if (r->ends_at) {
			m = talk_message_new(CHAT_ASSISTANT, &err);
			add_call(m, 0, r->tool, "{\"path\": \"cut\"}", CALL_CUT);
			answer(&o, m);
			buf_addf(&want, "0 %s\nask\n", r->result);
			assert_string_equal(buf_z(&o.log), buf_z(&want));
		}
		owner_close(&o);
		buf_release(&path);
		buf_release(&want);
	}
}

/* What may still become malformed is heard to its end, and so is what is not this turn's. */
static void only_what_is_well_formed_is_ended(void **state)
{
	struct owner o;

	(void)state;
	owner_open(&o, AGENT_NEVER, false, NULL, NULL, 25);
	tell(&o, EV_CALL_BEGIN, 0, "write_file", false);
	assert_int_equal(o.n_ended, 0);
	agent_stop(o.a.agent);
	tell(&o, EV_CALL_BEGIN, 0, "write_file", true);
	assert_int_equal(o.n_ended, 0);
	owner_close(&o);
}

/* Calls before the one that was ended run. */
static void the_calls_before_it_run(void **state)
{
	struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);
	struct owner o;

	(void)state;
	owner_open(&o, AGENT_NEVER, false, NULL, NULL, 25);
	tell(&o, EV_CALL_BEGIN, 0, "read_file", true);
	tell(&o, EV_CALL_BEGIN, 1, "write_file", true);
	assert_int_equal(o.n_ended, 1);
	add_call(m, 0, "read_file", "{\"path\": \"a\"}", CALL_WHOLE);
	add_call(m, 1, "write_file", "{}", CALL_CUT);
	answer(&o, m);
	assert_string_equal(buf_z(&o.log),
			    "0 ok: A\n1 denied: error: denied: only what reads may run here\nask\n");
	owner_close(&o);
}

static void the_seventeenth_call_is_ended_at_its_name(void **state)
{
	struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);
	struct owner o;

	(void)state;
	owner_open(&o, AGENT_NEVER, false, NULL, "shell *", 25);
	for (int i = 0; i < LIMITS_CALLS; i++) {
		tell(&o, EV_CALL_BEGIN, i, "read_file", true);
		add_call(m, i, "read_file", "{}", CALL_WHOLE);
	}
	assert_int_equal(o.n_ended, 0);
	tell(&o, EV_CALL_BEGIN, LIMITS_CALLS, "read_file", true);
	assert_int_equal(o.n_ended, 1);
	add_call(m, LIMITS_CALLS, "read_file", "{}", CALL_CUT);
	answer(&o, m);
	assert_non_null(strstr(buf_z(&o.log),
			       "15 error: error: missing parameter: path"));
	assert_non_null(
		strstr(buf_z(&o.log), "16 skipped: error: not run: more than 16 calls\n"));
	owner_close(&o);
}

/* After the last round nothing runs, and so nothing needs to be written. */
static void a_call_after_the_last_round_is_ended(void **state)
{
	struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);
	struct owner o;

	(void)state;
	owner_open(&o, AGENT_AUTO, true, NULL, NULL, 1);
	add_call(m, 0, "read_file", "{\"path\": \"a\"}", CALL_WHOLE);
	answer(&o, m);
	tell(&o, EV_CALL_BEGIN, 0, "read_file", true);
	assert_int_equal(o.n_ended, 1);
	m = talk_message_new(CHAT_ASSISTANT, &err);
	add_call(m, 0, "read_file", "{}", CALL_CUT);
	answer(&o, m);
	assert_true(o.over);
	assert_non_null(strstr(buf_z(&o.log), "0 skipped: error: not run: that was the last tool"));
	owner_close(&o);
}

/* A cut call of which nothing is known any more, or that the engine cut, tells why. */
static void a_cut_call_never_runs(void **state)
{
	struct owner o;

	(void)state;
	for (int mode = AGENT_ASK; mode <= AGENT_PLAN; mode++) {
		struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);

		owner_open(&o, (enum agent_mode)mode, false, "edit **", NULL, 25);
		add_call(m, 0, "write_file", "{\"path\": \"a\", \"content\": \"half\"}", CALL_CUT);
		answer(&o, m);
		assert_string_equal(buf_z(&o.log), "0 error: error: the call was ended\nask\n");
		owner_close(&o);
	}
}

/* Three rounds of nothing else end the turn, as wrong calls do. */
static void cut_calls_are_wrong_ones(void **state)
{
	struct owner o;

	(void)state;
	owner_open(&o, AGENT_AUTO, true, NULL, NULL, 25);
	for (int i = 0; i < LIMITS_WRONG; i++) {
		struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);

		assert_false(o.over);
		add_call(m, 0, "write_file", "{}", CALL_CUT);
		answer(&o, m);
	}
	assert_true(o.over);
	assert_non_null(strstr(buf_z(&o.log), "nothing but wrong calls three times in a row"));
	owner_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_refused_whatever_follows_is_ended_and_told),
		cmocka_unit_test(only_what_is_well_formed_is_ended),
		cmocka_unit_test(the_calls_before_it_run),
		cmocka_unit_test(the_seventeenth_call_is_ended_at_its_name),
		cmocka_unit_test(a_call_after_the_last_round_is_ended),
		cmocka_unit_test(a_cut_call_never_runs),
		cmocka_unit_test(cut_calls_are_wrong_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
