/* The loop of calls, on a fake owner and a scripted runner: what it does in each state,
 * whatever happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/agent/agent.h"
#include "app/agent/limits.h"
#include "app/tools/runner_ops.h"
#include "tests/support/scripted_agent.h"

/*
 * An answer is spelled line by line: "text T", "think T", "call NAME ARGUMENTS", "bad NAME
 * WHY"; alone: "cut" (the limit of tokens), "full" (the context), "interrupted", "error",
 * "unkept" (a call, in an answer that could not be kept).
 */
struct play {
	const char *answers[12], *jobs; /* the runner's script */
	/* y, n, s(top), r (no, with a reason), S(ession), A(lways), e (always, a rule of one's
	 * own), one each */
	const char *decides;
	enum agent_mode mode;
	const char *allow, *ask, *deny; /* a rule of each */
	bool nobody;
	int64_t rounds;        /* 0: 25 */
	size_t keep_fails_at;  /* the result that is not kept, from 1; 0: none */
	size_t ask_fails_at;   /* the request that is not taken */
	size_t begin_fails_at; /* the call of which it is not kept that it begins */
	const char *log;
};

struct owner {
	const struct play *play;
	struct agent_ops ops;
	struct scripted_agent a;
	struct buf log;
	size_t n_answers, n_decides, n_kept, n_asked, n_begun;
	enum history_call_begun begun; /* of the last call */
	uint64_t question;
	enum agent_end end;
	struct err err;
	bool ended;
	const char *joins; /* what the user said meanwhile */
};

static struct err err;

/* ---- the owner's side ---- */

static int ask_model(void *ctx, bool again, struct err *e)
{
	struct owner *o = ctx;

	buf_addf(&o->log, "%s\n", again ? "ask again" : "ask");
	if (again)
		talk_rewind(o->a.talk, o->a.talk->leaf->parent);
	o->n_asked++;
	return o->n_asked == o->play->ask_fails_at ? err_set(e, ERR_LIMIT, "too long") : 0;
}

static void stop_model(void *ctx)
{
	buf_addz(&((struct owner *)ctx)->log, "stop model\n");
}

static void ask_user(void *ctx, const struct approval *p)
{
	struct owner *o = ctx;

	o->question = p->number;
	if (p->question == AGENT_ASKS_ROUNDS)
		buf_addf(&o->log, "more than %d rounds?\n", (int)p->rounds);
	else
		buf_addf(&o->log, "%.*s %.*s (%s, %zu of %zu%s%.*s)?\n", (int)p->tool.n,
			 p->tool.p, (int)p->arguments.n, p->arguments.p,
			 tool_class_name(p->cls), p->place, p->n, p->rule.n ? "; " : "",
			 (int)p->rule.n, p->rule.n ? p->rule.p : "");
	buf_adds(&o->log, p->diff);
}

static void show(void *ctx, const struct agent_news *n)
{
	struct owner *o = ctx;
	int len = (int)n->text.n;

	switch (n->kind) {
	case AGENT_STARTS:
		buf_addf(&o->log, "run %.*s\n", (int)n->tool.n, n->tool.p);
		break;
	case AGENT_PRINTS:
		buf_addf(&o->log, "prints %.*s\n", len, n->text.p);
		break;
	case AGENT_RESULT:
		buf_addf(&o->log, "%.*s %s: %.*s\n", (int)n->ref.n, n->ref.p,
			 tool_state_name(n->state), len, n->text.p);
		break;
	case AGENT_ROUND:
		buf_addf(&o->log, "round %d\n", (int)n->round);
		break;
	case AGENT_NOTICE:
		buf_addf(&o->log, "note %.*s\n", len, n->text.p);
		break;
	}
}

static int keep(void *ctx, const struct talk_result *r, struct err *e)
{
	struct owner *o = ctx;
	struct talk_message *m = talk_message_result(r, e);

	assert_non_null(m);
	talk_say(o->a.talk, m, 1);
	if (++o->n_kept != o->play->keep_fails_at)
		return 0;
	return err_set(e, ERR_STORE, "the disk is full");
}

static int begin_call(void *ctx, const struct talk_call *c, struct err *e)
{
	struct owner *o = ctx;

	assert_true(c->name.n && c->cls.n && c->grade.n && c->by.n);
	assert_int_equal(str_is(c->by, "rule"), c->rule.n && !str_is(c->by, "once"));
	if (++o->n_begun != o->play->begin_fails_at)
		return 0;
	return err_set(e, ERR_STORE, "the disk is full");
}

static int find_call(void *ctx, const struct talk_message *answer, struct str ref,
		     enum history_call_begun *begun, struct err *e)
{
	(void)e;
	assert_int_equal(answer->role, CHAT_ASSISTANT);
	*begun = str_is(ref, "1") ? ((struct owner *)ctx)->begun : HISTORY_NOT_BEGUN;
	return 0;
}

static const char *outputs(void *ctx)
{
	(void)ctx;
	return "talk";
}

static int join(void *ctx, struct err *e)
{
	struct owner *o = ctx;
	struct talk_message *m;

	/* What is heard now is no second answer to the last question. */
	assert_int_not_equal(agent_state(o->a.agent), AGENT_WAITS);
	if (!o->joins)
		return 0;
	m = talk_message_say(CHAT_USER, str_of(o->joins), e);
	assert_non_null(m);
	talk_say(o->a.talk, m, 1);
	buf_addf(&o->log, "joins %s\n", o->joins);
	o->joins = NULL;
	return 0;
}

static void ended(void *ctx, enum agent_end why, const struct err *e)
{
	static const char *const names[] = {"done",  "stopped", "cut",
					    "limit", "refused", "failed"};
	struct owner *o = ctx;

	assert_false(o->ended);
	assert_int_equal(agent_state(o->a.agent), AGENT_IDLE);
	o->ended = true;
	o->end = why;
	o->err = *e;
	assert_int_equal(e->code != 0, why != AGENT_DONE && why != AGENT_STOPPED);
	buf_addf(&o->log, "%s%s%s\n", names[why], e->code ? ": " : "", e->text);
}

static const struct agent_ops all_ops = {
	.ask_model = ask_model,
	.stop_model = stop_model,
	.ask_user = ask_user,
	.show = show,
	.keep = keep,
	.join = join,
	.begin = begin_call,
	.find = find_call,
	.outputs = outputs,
	.ended = ended,
};

static void owner_open(struct owner *o, const struct play *p)
{
	const struct scripted_agent_setup su = {.mode = p->mode,
						.rounds = p->rounds,
						.jobs = p->jobs,
						.rules = {p->allow, p->ask, p->deny}};

	*o = (struct owner){.play = p, .ops = all_ops};
	if (p->nobody)
		o->ops.ask_user = NULL;
	scripted_agent_open(&o->a, &su, &o->ops, o);
}

static void owner_close(struct owner *o)
{
	assert_true(o->ended);
	scripted_agent_close(&o->a);
	buf_release(&o->log);
}

/* ---- what happens ---- */

static void add_part(struct talk_message *m, const char *line, size_t n, int *n_calls)
{
	static const struct {
		const char *word;
		enum history_kind kind;
	} kinds[] = {{"text ", HISTORY_TEXT},
		     {"think ", HISTORY_THINKING},
		     {"call ", HISTORY_CALL},
		     {"bad ", HISTORY_CALL}};
	struct talk_part *p;
	size_t k = 0, at;

	while (strncmp(line, kinds[k].word, strlen(kinds[k].word)) != 0)
		k++;
	at = strlen(kinds[k].word);
	p = talk_message_add_part(m, kinds[k].kind, &err);
	if (kinds[k].kind == HISTORY_CALL) {
		size_t name =
			(size_t)((const char *)memchr(line + at, ' ', n - at) - line) - at;

		buf_addf(&p->ref, "%d", (*n_calls)++);
		buf_add(&p->name, line + at, name);
		at += name + 1;
		p->call = k == 2 ? CALL_WHOLE : CALL_BAD;
	}
	buf_add(k == 3 ? &p->why : &p->text, line + at, n - at);
}

static struct talk_message *message(const char *spelled)
{
	struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);
	int n_calls = 0;

	assert_non_null(m);
	while (*spelled) {
		size_t n = strcspn(spelled, "\n");

		add_part(m, spelled, n, &n_calls);
		spelled += n + (spelled[n] == '\n');
	}
	return m;
}

static void tell_answer(struct owner *o, const char *spelled)
{
	struct agent_answer a = {.done = true, .stop = STOP_END};
	static const struct {
		const char *word;
		enum stop_reason stop;
	} stops[] = {{"cut", STOP_LENGTH},
		     {"full", STOP_CONTEXT},
		     {"interrupted", STOP_INTERRUPTED}};

	assert_non_null(spelled);
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(spelled, stops[i].word) == 0) {
			a.stop = stops[i].stop;
			spelled = "text a";
		}
	}
	if (strcmp(spelled, "unkept") == 0) {
		err_set(&a.kept, ERR_STORE, "the disk is full");
		spelled = "call read_file {\"path\": \"a\"}";
	}
	if (strcmp(spelled, "error") == 0) {
		a.done = false;
		err_set(&a.err, ERR_MODEL, "no GPU");
	} else {
		talk_say(o->a.talk, message(spelled), 1);
		a.said = o->a.talk->leaf;
	}
	agent_answered(o->a.agent, &a);
}

static void decide(struct owner *o)
{
	char c = o->play->decides ? o->play->decides[o->n_decides++] : 0;

	if (!c)
		fail_msg("nobody was to be asked:\n%s", buf_z(&o->log));
	agent_decide(o->a.agent, o->question,
		     c == 'y'   ? DECIDE_YES
		     : c == 's' ? DECIDE_STOP
		     : c == 'S' ? DECIDE_SESSION
		     : c == 'A' || c == 'e' ? DECIDE_ALWAYS
				: DECIDE_NO,
		     c == 'r'	? STR_LIT("use make")
		     : c == 'e' ? STR_LIT("edit b*")
				: (struct str){0});
}

/* One thing that the machine waits for. */
static void step(struct owner *o)
{
	struct pollfd fd;

	switch (agent_state(o->a.agent)) {
	case AGENT_IDLE:
		break;
	case AGENT_ANSWERING:
		tell_answer(o, o->play->answers[o->n_answers++]);
		break;
	case AGENT_WAITS:
		decide(o);
		break;
	case AGENT_RUNS:
		scripted_agent_await(&o->a);
		break;
	case AGENT_STOPS:
		if (agent_fds(o->a.agent, &fd, 1))
			scripted_agent_await(&o->a);
		else
			tell_answer(o, "interrupted");
		break;
	}
}

static void to_the_end(struct owner *o)
{
	while (!o->ended)
		step(o);
}

static void play(const struct play *p)
{
	struct owner o;

	owner_open(&o, p);
	to_the_end(&o);
	if (strcmp(buf_z(&o.log), p->log) != 0)
		fail_msg("got\n%s\nexpected\n%s", buf_z(&o.log), p->log);
	assert_int_equal(runner_next(o.a.runner, &(struct job_news){0}) > 0, 0);
	owner_close(&o);
}

#define LS   "call read_file {\"path\": \"a\"}"
#define MAKE "call shell {\"command\": \"make\"}"
#define EDIT "call edit_file {\"path\": \"a\", \"old\": \"b\", \"new\": \"c\"}"

#define PROTECTED "call edit_file {\"path\": \"x/AGENTS.md\", \"old\": \"b\", \"new\": \"c\"}"
#define TWO_JOBS                                                                               \
	"{\"expect\": {\"grade\": \"read\"}}\n"                                                \
	"{\"expect\": {\"grade\": \"write\"}, \"output\": \"A\"}"

#define NO_TOOL                                                                                \
	"error: error: unknown tool: nope; the tools are shell, read_file, write_file, "       \
	"edit_file, "                                                                          \
	"list_files, search_files\n"
#define NO_SUCH                                                                                \
	"error: error: unknown parameter: wrong; the parameters are command, timeout "         \
	"(shell)\n"

static const struct play plays[] = {
	{.answers = {"text hello"}, .log = "done\n"},
	{.answers = {LS, "text there"},
	 .jobs = "{\"output\": \"A\"}",
	 .log = "run read_file\nprints A\n0 ok: A\nround 1\nask\ndone\n"},
	{.answers = {MAKE, "text there"},
	 .jobs = "{\"expect\": {\"command\": \"make\", \"grade\": \"write\"}, \"output\": "
		 "\"no\", "
		 "\"exit\": 2}",
	 .decides = "y",
	 .log = "shell {\"command\": \"make\"} (run, 1 of 1)?\nrun shell\nprints no\n"
		"0 error: no\n[exit code 2]\nround 1\nask\ndone\n"},
	/* No is no, for this call alone. */
	{.answers = {MAKE "\n" LS, "text sorry"},
	 .jobs = "{\"output\": \"A\"}",
	 .decides = "n",
	 .log = "shell {\"command\": \"make\"} (run, 1 of 2)?\n0 denied: error: denied by the "
		"user\n"
		"run read_file\nprints A\n1 ok: A\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text sorry"},
	 .jobs = "{\"expect\": {\"grade\": \"read\"}, \"diff\": \"-b\\n+c\\n\"}",
	 .decides = "r",
	 .log = "edit_file {\"path\": \"a\", \"old\": \"b\", \"new\": \"c\"} (edit, 1 of 1)?\n"
		"-b\n+c\n0 denied: error: denied by the user: use make\nround 1\nask\ndone\n"},
	{.answers = {MAKE "\n" LS},
	 .decides = "s",
	 .log = "shell {\"command\": \"make\"} (run, 1 of 2)?\n0 denied: error: denied by the "
		"user\n"
		"1 skipped: error: not run: stopped by the user\nstopped\n"},
	/* Nobody to ask. */
	{.answers = {MAKE "\n" LS, "text sorry"},
	 .jobs = "{\"output\": \"A\"}",
	 .nobody = true,
	 .log = "0 refused: error: denied: nobody can be asked; allowed are: read_file, "
		"list_files, "
		"search_files\nrun read_file\nprints A\n1 ok: A\nround 1\nask\ndone\n"},
	{.answers = {MAKE "\n" EDIT "\n" MAKE "\n" LS},
	 .nobody = true,
	 .log = "0 refused: error: denied: nobody can be asked; allowed are: read_file, "
		"list_files, "
		"search_files\n"
		"1 refused: error: denied: nobody can be asked; allowed are: read_file, "
		"list_files, "
		"search_files\n"
		"2 refused: error: denied: nobody can be asked; allowed are: read_file, "
		"list_files, "
		"search_files\n"
		"3 skipped: error: not run: too much was refused\n"
		"refused: 3 calls were refused, since nobody could be asked\n"},
	{.answers = {MAKE "\n" MAKE "\n" MAKE "\n" MAKE, "text sorry"},
	 .mode = AGENT_NEVER,
	 .log = "0 denied: error: denied: only what reads may run here\n"
		"1 denied: error: denied: only what reads may run here\n"
		"2 denied: error: denied: only what reads may run here\n"
		"3 denied: error: denied: only what reads may run here\n"
		"round 1\nask\ndone\n"},
	/* A plan: whatever is allowed otherwise. */
	{.answers = {MAKE "\n" EDIT "\n" LS, "text sorry"},
	 .jobs = "{}",
	 .mode = AGENT_PLAN,
	 .allow = "edit a",
	 .log = "0 denied: error: denied: plan mode: only what reads runs; say what you would do\n"
		"1 denied: error: denied: plan mode: only what reads runs; say what you would do\n"
		"run read_file\n2 ok: (no output)\nround 1\nask\ndone\n"},
	/* All or nothing. */
	{.answers = {LS "\nbad shell no end", "text sorry"},
	 .log = "0 error: error: the calls were not well formed: no end. None was run. Write "
		"the calls "
		"again.\n"
		"1 error: error: the calls were not well formed: no end. None was run. Write "
		"the calls "
		"again.\nround 1\nask\ndone\n"},
	{.answers = {"bad shell x", "call nope {}", "call shell {\"wrong\": 1}"},
	 .log = "0 error: error: the calls were not well formed: x. None was run. Write the "
		"calls "
		"again.\nround 1\nask\n0 " NO_TOOL "round 2\nask\n"
		"0 " NO_SUCH ""
		"failed: the model made nothing but wrong calls three times in a row\n"},
	/* One good call starts the count anew. */
	{.answers = {"call nope {}", "call nope {}", LS "\ncall nope {}", "call nope {}",
		     "text a"},
	 .jobs = "{}",
	 .log = "0 " NO_TOOL "round 1\nask\n0 " NO_TOOL "round 2\nask\n"
		"run read_file\n0 ok: (no output)\n1 " NO_TOOL "round 3\nask\n"
		"0 " NO_TOOL "round 4\nask\ndone\n"},
	/* An empty answer is asked for once more. */
	{.answers = {"think hm", "text yes"},
	 .log = "note the answer was empty after thinking: asked once more\nask again\ndone\n"},
	{.answers = {"think hm\ntext  ", "text x"},
	 .log = "note the answer was empty after thinking: asked once more\nask again\ndone\n"},
	{.answers = {"think hm", "think hm"},
	 .log = "note the answer was empty after thinking: asked once more\nask again\ndone\n"},
	{.answers = {"think hm\ntext yes"}, .log = "done\n"},
	/* The model's own ends. */
	{.answers = {"cut"}, .log = "cut: the answer reached its limit of tokens\n"},
	{.answers = {"full"}, .log = "cut: the answer filled the context\n"},
	{.answers = {"interrupted"}, .log = "stopped\n"},
	{.answers = {"error"}, .log = "failed: no GPU\n"},
	{.answers = {"unkept"}, .log = "failed: the disk is full\n"},
	{.answers = {LS, "error"},
	 .jobs = "{}",
	 .log = "run read_file\n0 ok: (no output)\nround 1\nask\nfailed: no GPU\n"},
	{.answers = {LS},
	 .jobs = "{}",
	 .ask_fails_at = 1,
	 .log = "run read_file\n0 ok: (no output)\nround 1\nask\nfailed: too long\n"},
	/* Rounds. */
	{.answers = {LS, "call read_file {\"path\": \"b\"}", "text a"},
	 .jobs = "{}\n{}",
	 .nobody = true,
	 .rounds = 2,
	 .log = "run read_file\n0 ok: (no output)\nround 1\nask\nrun read_file\n0 ok: (no "
		"output)\n"
		"[this was the last tool round; answer now]\nround 2\nask\ndone\n"},
	{.answers = {LS, "call read_file {\"path\": \"b\"}\ncall read_file {\"path\": \"b\"}"},
	 .jobs = "{}\n{}",
	 .nobody = true,
	 .rounds = 1,
	 .log = "run read_file\n0 ok: (no output)\n[this was the last tool round; answer now]\n"
		"round 1\nask\n0 skipped: error: not run: that was the last tool round\n"
		"1 skipped: error: not run: that was the last tool round\n"
		"limit: the model went on to call tools after its last round\n"},
	{.answers = {LS, "call read_file {\"path\": \"b\"}", "text a"},
	 .jobs = "{}\n{}",
	 .rounds = 1,
	 .decides = "yn",
	 .log = "more than 1 rounds?\nrun read_file\n0 ok: (no output)\nround 1\nask\n"
		"more than 2 rounds?\nrun read_file\n0 ok: (no output)\n"
		"[this was the last tool round; answer now]\nround 2\nask\ndone\n"},
	{.answers = {LS "\n" LS},
	 .rounds = 1,
	 .decides = "s",
	 .log = "more than 1 rounds?\n0 skipped: error: not run: stopped by the user\n"
		"1 skipped: error: not run: stopped by the user\n"
		"[this was the last tool round; answer now]\nstopped\n"},
	/* Circles. */
	{.answers = {LS "\n" LS "\n" LS "\n" LS "\n" LS "\n" LS},
	 .jobs = "{}\n{}",
	 .log = "run read_file\n0 ok: (no output)\nrun read_file\n1 ok: (no output)\n"
		"2 skipped: error: this is the third identical call; its result has not "
		"changed. Do "
		"something else or answer.\n"
		"3 skipped: error: this is the third identical call; its result has not "
		"changed. Do "
		"something else or answer.\n"
		"4 skipped: error: this is the third identical call; its result has not "
		"changed. Do "
		"something else or answer.\n"
		"5 skipped: error: not run: the turn ends, since calls repeat themselves\n"
		"limit: the model makes the same call again and again\n"},
	/* The same with another result, or after a change, is something else. */
	{.answers = {LS "\n" LS "\n" LS "\n" EDIT "\n" LS "\n" LS, "text a"},
	 .jobs = "{}\n{\"output\": \"A\"}\n{\"output\": \"A\"}\n{}\n{\"output\": \"A\"}\n"
		 "{\"output\": \"A\"}\n{\"output\": \"A\"}",
	 .decides = "y",
	 .log = "run read_file\n0 ok: (no output)\nrun read_file\nprints A\n1 ok: A\n"
		"run read_file\nprints A\n2 ok: A\nedit_file {\"path\": \"a\", \"old\": \"b\", "
		"\"new\": \"c\"} (edit, 4 of "
		"6)?\n"
		"run edit_file\nprints A\n3 ok: A\nrun read_file\nprints A\n4 ok: A\n"
		"run read_file\nprints A\n5 ok: A\nround 1\nask\ndone\n"},
	/* A runner that dies. */
	{.answers = {LS "\n" LS, "text a"},
	 .jobs = "{\"output\": \"A\", \"die\": true}\n{}",
	 .log = "run read_file\nprints A\n0 lost: error: the process that ran this ended; what "
		"it did "
		"is not known. Look before you repeat it.\n"
		"run read_file\n1 ok: (no output)\nround 1\nask\ndone\n"},
	{.answers = {LS "\n" LS "\n" LS},
	 .jobs = "{\"die\": true}\n{\"die\": true}\n{}",
	 .log = "run read_file\n0 lost: error: the process that ran this ended; what it did "
		"is not known. Look before you repeat it.\n"
		"run read_file\n1 lost: error: the process that ran this ended; what it did "
		"is not known. Look before you repeat it.\n"
		"2 skipped: error: not run: the tools' process has ended\n"
		"failed: the tools' process has ended\n"},
	/* What cannot be changed is not asked about; what can is, with what would change. */
	{.answers = {EDIT "\n" LS, "text a"},
	 .jobs = "{\"output\": \"error: no\", \"state\": \"error\"}\n{}",
	 .log = "0 error: error: no\nrun read_file\n1 ok: (no output)\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .jobs = "{\"expect\": {\"grade\": \"read\"}, \"diff\": \"-b\\n+c\\n\"}\n"
		 "{\"expect\": {\"grade\": \"write\"}, \"output\": \"A\"}",
	 .decides = "y",
	 .log = "edit_file {\"path\": \"a\", \"old\": \"b\", \"new\": \"c\"} "
		"(edit, 1 of 1)?\n"
		"-b\n+c\nrun edit_file\nprints A\n0 ok: A\nround 1\nask\ndone\n"},
	{.answers = {EDIT "\n" LS, "text a"},
	 .jobs = "{\"die\": true}\n{}",
	 .log = "0 skipped: error: not run: the process that looked at the file ended\n"
		"run read_file\n1 ok: (no output)\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .jobs = "{}",
	 .decides = "y",
	 .begin_fails_at = 1,
	 .log = "edit_file {\"path\": \"a\", \"old\": \"b\", \"new\": \"c\"} "
		"(edit, 1 of 1)?\n"
		"0 skipped: error: not run: that it begins could not be kept\n"
		"failed: the disk is full\n"},
	/* An answer that makes a rule: the next such call is not asked about. */
	{.answers = {EDIT, "call edit_file {\"path\": \"b1\", \"old\": \"b\", \"new\": \"c\"}",
		     "text a"},
	 .jobs = TWO_JOBS "\n" TWO_JOBS,
	 .decides = "e",
	 .log = "edit_file {\"path\": \"a\", \"old\": \"b\", \"new\": \"c\"} (edit, 1 of 1)?\n"
		"note the rule holds until the program ends: nothing keeps it\n"
		"run edit_file\nprints A\n0 ok: A\nround 1\nask\n"
		"run edit_file\nprints A\n0 ok: A\nround 2\nask\ndone\n"},
	/* Where none was suggested, it is a yes. */
	{.answers = {MAKE "\n" MAKE, "text a"},
	 .jobs = "{}\n{}",
	 .decides = "Sy",
	 .log = "shell {\"command\": \"make\"} (run, 1 of 2)?\nrun shell\n0 ok: (no output)\n"
		"shell {\"command\": \"make\"} (run, 2 of 2)?\nrun shell\n1 ok: (no output)\n"
		"round 1\nask\ndone\n"},
	/* Modes and rules: a script has no sandbox, so that a command is asked about in any. */
	{.answers = {EDIT, "text a"},
	 .jobs = TWO_JOBS,
	 .mode = AGENT_EDITS,
	 .log = "run edit_file\nprints A\n0 ok: A\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .jobs = TWO_JOBS,
	 .mode = AGENT_AUTO,
	 .nobody = true,
	 .log = "run edit_file\nprints A\n0 ok: A\nround 1\nask\ndone\n"},
	{.answers = {PROTECTED, "text a"},
	 .jobs = "{}\n{}",
	 .mode = AGENT_AUTO,
	 .allow = "edit **",
	 .decides = "n",
	 .log = "edit_file {\"path\": \"x/AGENTS.md\", \"old\": \"b\", \"new\": \"c\"} "
		"(leave, 1 of 1)?\n0 denied: error: denied by the user\nround 1\nask\ndone\n"},
	{.answers = {MAKE, "text a"},
	 .mode = AGENT_AUTO,
	 .allow = "shell make",
	 .decides = "n",
	 .log = "shell {\"command\": \"make\"} (run, 1 of 1)?\n0 denied: error: denied by the "
		"user\nround 1\nask\ndone\n"},
	{.answers = {MAKE, "text a"},
	 .mode = AGENT_EDITS,
	 .nobody = true,
	 .allow = "edit src/**",
	 .log = "0 refused: error: denied: nobody can be asked; allowed are: read_file, "
		"list_files, search_files; allow = edit src/**\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .jobs = TWO_JOBS,
	 .nobody = true,
	 .allow = "edit a",
	 .log = "run edit_file\nprints A\n0 ok: A\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .jobs = TWO_JOBS,
	 .mode = AGENT_NEVER,
	 .allow = "edit a",
	 .log = "run edit_file\nprints A\n0 ok: A\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .jobs = "{\"diff\": \"-b\\n+c\\n\"}",
	 .mode = AGENT_EDITS,
	 .ask = "edit a",
	 .decides = "n",
	 .log = "edit_file {\"path\": \"a\", \"old\": \"b\", \"new\": \"c\"} (edit, 1 of 1; "
		"ask = edit a)?\n"
		"-b\n+c\n0 denied: error: denied by the user\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .jobs = TWO_JOBS,
	 .mode = AGENT_EDITS,
	 .ask = "edit a",
	 .decides = "y",
	 .log = "edit_file {\"path\": \"a\", \"old\": \"b\", \"new\": \"c\"} "
		"(edit, 1 of 1; ask = edit a)?\n"
		"run edit_file\nprints A\n0 ok: A\nround 1\nask\ndone\n"},
	{.answers = {EDIT, "text a"},
	 .mode = AGENT_AUTO,
	 .nobody = true,
	 .ask = "edit a",
	 .log = "0 refused: error: denied: nobody can be asked; allowed are: read_file, "
		"list_files, search_files\nround 1\nask\ndone\n"},
	{.answers = {EDIT "\n" MAKE "\n" EDIT "\n" EDIT, "text a"},
	 .mode = AGENT_AUTO,
	 .nobody = true,
	 .deny = "edit *",
	 .allow = "edit a",
	 .log = "0 denied: error: denied: deny = edit *\n"
		"1 refused: error: denied: nobody can be asked; allowed are: read_file, "
		"list_files, search_files; allow = edit a\n"
		"2 denied: error: denied: deny = edit *\n"
		"3 denied: error: denied: deny = edit *\n"
		"round 1\nask\ndone\n"},
	{.answers = {"call shell {\"command\": \"echo; git -C x push\"}", "text a"},
	 .deny = "shell git push",
	 .log = "0 denied: error: denied: deny = shell git push\nround 1\nask\ndone\n"},
	{.answers = {LS, "text a"},
	 .jobs = "{}",
	 .deny = "edit **",
	 .log = "run read_file\n0 ok: (no output)\nround 1\nask\ndone\n"},
	/* One that does not take the call. */
	{.answers = {LS "\n" LS},
	 .jobs = "{\"expect\": {\"tool\": \"shell\"}}",
	 .log = "0 skipped: error: not run: runner's script, line 1: tool is 'read_file', "
		"expected "
		"'shell'\n1 skipped: error: not run: the tools' process does not run\n"
		"failed: runner's script, line 1: tool is 'read_file', expected 'shell'\n"},
	/* What cannot be kept. */
	{.answers = {LS "\n" LS},
	 .jobs = "{}",
	 .begin_fails_at = 2,
	 .log = "run read_file\n0 ok: (no output)\n"
		"1 skipped: error: not run: that it begins could not be kept\n"
		"failed: the disk is full\n"},
	{.answers = {LS "\n" LS},
	 .jobs = "{}",
	 .keep_fails_at = 1,
	 .log = "run read_file\n0 ok: (no output)\n"
		"1 skipped: error: not run: the result before it could not be kept\n"
		"failed: the disk is full\n"},
	{.answers = {MAKE "\n" LS},
	 .decides = "n",
	 .keep_fails_at = 1,
	 .log = "shell {\"command\": \"make\"} (run, 1 of 2)?\n0 denied: error: denied by the "
		"user\n"
		"1 skipped: error: not run: the result before it could not be kept\n"
		"failed: the disk is full\n"},
};

static void a_turn_goes_as_its_answers_calls_and_decisions_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
		play(&plays[i]);
}

/* An answer with so many calls, which read the first `n_files` files in turn; played to its
 * end. */
static void play_calls(struct owner *o, int n_calls, int n_files)
{
	struct buf answer = {0}, jobs = {0};
	struct play p = {0};

	for (int i = 0; i < n_calls; i++) {
		buf_addf(&answer, "%scall read_file {\"path\": \"%d\"}", i ? "\n" : "",
			 i % n_files);
		buf_addz(&jobs, "{}\n");
	}
	p = (struct play){.answers = {buf_z(&answer), "text a"}, .jobs = buf_z(&jobs)};
	owner_open(o, &p);
	to_the_end(o);
	buf_release(&answer);
	buf_release(&jobs);
	o->play = NULL;
}

static void more_than_sixteen_calls_do_not_run(void **state)
{
	struct owner o;

	(void)state;
	play_calls(&o, 18, 18);
	assert_int_equal(agent_counts(o.a.agent)->calls, 16);
	assert_non_null(strstr(buf_z(&o.log), "15 ok: "));
	assert_non_null(strstr(buf_z(&o.log),
			       "16 skipped: error: not run: more than 16 calls\n"
			       "17 skipped: error: not run: more than 16 calls\n"));
	owner_close(&o);
}

static void a_circle_of_four_calls_is_one_too(void **state)
{
	struct owner o;

	(void)state;
	play_calls(&o, 12, 4);
	assert_int_equal(o.end, AGENT_LIMIT);
	assert_int_equal(agent_counts(o.a.agent)->calls, 8);
	owner_close(&o);
}

/* ---- every state, whatever happens ---- */

enum place { IN_ANSWER, IN_QUESTION, IN_RUN, IN_STOP_OF_ANSWER, IN_STOP_OF_RUN, N_PLACES };
enum happening { STOP, STOP_TWICE, DEATH, UNKEPT, LEAVE, STALE, N_HAPPENINGS };

/* Two calls, the first asked about; its job prints A and would take an hour. */
static const struct play two = {
	.answers = {MAKE "\n" LS},
	.jobs = "{\"output\": \"A\", \"delay_ms\": 1, \"stubborn_ms\": 20}\n{}",
};

static void go_to(struct owner *o, enum place at)
{
	if (at == IN_STOP_OF_ANSWER)
		agent_stop(o->a.agent);
	if (at == IN_ANSWER || at == IN_STOP_OF_ANSWER)
		return;
	tell_answer(o, two.answers[0]);
	assert_int_equal(agent_state(o->a.agent), AGENT_WAITS);
	if (at == IN_QUESTION)
		return;
	agent_decide(o->a.agent, o->question, DECIDE_YES, (struct str){0});
	scripted_agent_await(&o->a);
	assert_int_equal(agent_state(o->a.agent), AGENT_RUNS);
	assert_non_null(strstr(buf_z(&o->log), "prints A"));
	if (at == IN_STOP_OF_RUN)
		agent_stop(o->a.agent);
}

#define DIES "{\"output\": \"A\", \"delay_ms\": 1, \"die\": true}"
#define REST "1 skipped: error: not run: stopped by the user\nstopped\n"
#define GONE "1 skipped: error: not run: the program ended\nstopped\n"

/* The end of the log; NULL: the same as if nothing had happened. */
static const char *const ends[N_PLACES][N_HAPPENINGS] = {
	[IN_ANSWER] = {"stop model\nstopped\n", "stop model\nstop model\nstopped\n", NULL, NULL,
		       "stopped\n", NULL},
	[IN_QUESTION] = {"0 denied: error: denied by the user\n" REST,
			 "0 denied: error: denied by the user\n" REST, NULL, NULL,
			 "0 skipped: error: not run: the program ended\n" GONE, NULL},
	[IN_RUN] = {"0 stopped: A\n[stopped by the user]\n" REST,
		    "0 stopped: A\n[stopped by the user]\n" REST,
		    "0 lost: error: the process that ran this ended; what it did is not known. "
		    "Look "
		    "before you repeat it.\nrun read_file\n",
		    "1 skipped: error: not run: the result before it could not be kept\n"
		    "failed: the disk is full\n",
		    "0 lost: error: the program ended while this ran; what it did is not "
		    "known. Look "
		    "before you repeat it.\n" GONE,
		    NULL},
	[IN_STOP_OF_ANSWER] = {"stopped\n", "stopped\n", "stopped\n", "stopped\n", "stopped\n",
			       "stopped\n"},
	[IN_STOP_OF_RUN] =
		{"0 stopped: A\n[stopped by the user]\n" REST,
		 "0 stopped: A\n[stopped by the user]\n" REST,
		 "0 stopped: A\n[stopped by the user]\n" REST,
		 "0 stopped: A\n[stopped by the user]\n"
		 "1 skipped: error: not run: stopped by the user\nfailed: the disk is "
		 "full\n",
		 "0 lost: error: the program ended while this ran; what it did is not "
		 "known. Look before you repeat it.\n" GONE,
		 "0 stopped: A\n[stopped by the user]\n" REST},
};

static void happen(struct owner *o, enum happening what)
{
	switch (what) {
	case STOP:
		agent_stop(o->a.agent);
		break;
	case STOP_TWICE:
		agent_stop(o->a.agent);
		agent_stop(o->a.agent);
		break;
	case LEAVE:
		agent_leave(o->a.agent);
		break;
	case STALE:
		/* A decision that comes too late, and news that are none. */
		agent_decide(o->a.agent, o->question + 1, DECIDE_STOP, (struct str){0});
		if (agent_state(o->a.agent) != AGENT_WAITS)
			agent_decide(o->a.agent, o->question, DECIDE_STOP, (struct str){0});
		agent_poll(o->a.agent);
		break;
	case DEATH:
	case UNKEPT:
	case N_HAPPENINGS:
		break; /* they are in the play */
	}
}

static void whatever_happens_in_a_state_the_turn_comes_to_its_end(void **state)
{
	static const char usual[] =
		"shell {\"command\": \"make\"} (run, 1 of 2)?\nrun shell\nprints A\n0 ok: A\n"
		"run read_file\n1 ok: (no output)\nround 1\nask\ndone\n";

	(void)state;
	for (int i = 0; i < N_PLACES * N_HAPPENINGS; i++) {
		enum place at = (enum place)(i / N_HAPPENINGS);
		enum happening what = (enum happening)(i % N_HAPPENINGS);
		const char *want = ends[at][what], *found;
		struct play p = two;
		struct owner o;

		p.answers[1] = "text a";
		p.decides = at < IN_RUN ? "y" : NULL;
		if (what == DEATH && want)
			p.jobs = at == IN_STOP_OF_RUN ? p.jobs : DIES "\n{}";
		p.keep_fails_at = what == UNKEPT && want ? 1 : 0;
		owner_open(&o, &p);
		go_to(&o, at);
		o.n_answers = at == IN_ANSWER || at == IN_STOP_OF_ANSWER ? 0 : 1;
		happen(&o, what);
		to_the_end(&o);
		found = strstr(buf_z(&o.log), want ? want : usual);
		if (!found || (want && what != DEATH && strcmp(found, want) != 0))
			fail_msg("state %d, happening %d: got\n%s\nexpected\n%s", (int)at,
				 (int)what, buf_z(&o.log), want ? want : usual);
		owner_close(&o);
	}
}

static void a_stubborn_command_is_killed_when_it_is_stopped_again(void **state)
{
	const struct play p = {.answers = {MAKE},
			       .jobs = "{\"delay_ms\": 3600000, \"stubborn_ms\": 3600000}",
			       .decides = "y"};
	struct owner o;

	(void)state;
	owner_open(&o, &p);
	step(&o);
	step(&o);
	assert_int_equal(agent_state(o.a.agent), AGENT_RUNS);
	agent_stop(o.a.agent);
	agent_poll(o.a.agent);
	assert_false(o.ended);
	agent_stop(o.a.agent);
	scripted_agent_await(&o.a);
	assert_int_equal(o.end, AGENT_STOPPED);
	assert_non_null(strstr(buf_z(&o.log), "0 stopped: [stopped by the user]\n"));
	owner_close(&o);
}

static enum sandbox_layer bwrap(const struct runner *r, struct str *why)
{
	(void)r;
	*why = (struct str){"", 0};
	return SANDBOX_BWRAP;
}

static void a_rule_that_is_taken_back_while_its_command_runs_is_named_no_more(void **state)
{
	const struct play p = {
		.answers = {MAKE, "text a"},
		.jobs = "{\"output\": \"Could not resolve host\", \"exit\": 6}\n{}",
		.decides = "y"};
	struct runner_ops ops;
	struct buf out = {0};
	struct owner o;

	(void)state;
	owner_open(&o, &p);
	ops = *o.a.runner->ops;
	ops.sandbox = bwrap;
	o.a.runner->ops = &ops;
	assert_int_equal(rules_learn(o.a.rules, RULES_SESSION, STR_LIT("shell make"), &err), 0);
	step(&o);
	assert_int_equal(agent_state(o.a.agent), AGENT_RUNS);
	assert_int_equal(agent_approve(o.a.agent, NULL, "rm 1", &out, &err), 0);
	assert_string_equal(buf_z(&out), "no longer: allow = shell make\n");
	to_the_end(&o);
	assert_string_equal(buf_z(&o.log),
			    "run shell\nprints Could not resolve host\n"
			    "shell {\"command\": \"make\"} (run, 1 of 1)?\n"
			    "run shell\n0 ok: (no output)\nround 1\nask\ndone\n");
	owner_close(&o);
	buf_release(&out);
}

static void what_the_user_says_meanwhile_joins_behind_the_results(void **state)
{
	const struct play p = {.answers = {LS, "text a"}, .jobs = "{}"};
	struct owner o;

	(void)state;
	owner_open(&o, &p);
	o.joins = "hurry";
	to_the_end(&o);
	assert_string_equal(buf_z(&o.log),
			    "run read_file\n0 ok: (no output)\nround 1\njoins hurry\n"
			    "ask\ndone\n");
	assert_int_equal(o.a.talk->leaf->parent->role, CHAT_USER);
	assert_int_equal(o.a.talk->leaf->parent->parent->role, CHAT_TOOL);
	owner_close(&o);
}

static void a_result_says_how_it_came_to_be(void **state)
{
	const struct play p = {
		.answers = {MAKE, "text a"},
		.jobs = "{\"output\": \"a\\nb\", \"exit\": 2, \"spill\": \"OUT:1\"}",
		.decides = "y"};
	const char *info;
	struct owner o;

	(void)state;
	owner_open(&o, &p);
	to_the_end(&o);
	info = buf_z(&o.a.talk->leaf->parent->parts[0].info);
	assert_memory_equal(info, "{\"state\": \"error\", \"exit\": 2, \"ms\": ", 36);
	assert_non_null(strstr(info,
			       "\"bytes\": 3, \"lines\": 2, \"grade\": \"write\", \"layer\": "
			       "\"off\", \"spill\": \"OUT:1\", \"by\": \"once\"}"));
	assert_int_equal(agent_counts(o.a.agent)->failed, 1);
	owner_close(&o);
}

static void a_result_has_its_share_of_what_is_left_of_the_context(void **state)
{
	static const struct {
		int64_t ctx, used;
		size_t given, want;
	} cases[] = {
		{0, 100, 0, 0},
		{1000000, 0, 0, 32768},
		{20000, 10000, 0, 6000},
		{20000, 10000, 5000, 6000},
		{20000, 10000, 8000, 4000},
		{20000, 10000, 11000, 2048},
		{20000, 19000, 0, 2048},
		{20000, 30000, 0, 2048},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(limits_result(cases[i].ctx, cases[i].used, cases[i].given),
				 cases[i].want);
}

/* A branch that ends with an answer whose calls have no result, or not all. */
static void calls_without_a_result_are_told_before_the_branch_goes_on(void **state)
{
	static const struct {
		bool unfinished;
		enum history_call_begun begun;
		const char *log;
	} cases[] = {
		{false, HISTORY_BEGUN,
		 "1 lost: error: the program ended while this ran; what it did is not known. "
		 "Look "
		 "before you repeat it.\n"},
		{false, HISTORY_NOT_BEGUN, "1 skipped: error: not run: the user went on\n"},
		{true, HISTORY_NOT_BEGUN, "1 skipped: error: not run: the answer was cut\n"},
		{false, HISTORY_RUNS_ELSEWHERE, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct play p = {.answers = {"text a"}};
		int rc = cases[i].begun == HISTORY_RUNS_ELSEWHERE ? ERR_USAGE : 0;
		struct talk_result first = {.ref = STR_LIT("0"), .text = STR_LIT("A")};
		struct talk_message *m = message(LS "\n" LS "\nbad shell cut");
		struct owner o;

		owner_open(&o, &p);
		step(&o);
		o.begun = cases[i].begun;
		m->unfinished = cases[i].unfinished;
		talk_say(o.a.talk, m, 1);
		talk_say(o.a.talk, talk_message_result(&first, &err), 1);
		buf_reset(&o.log);
		assert_int_equal(agent_prepare(o.a.agent, o.a.talk, NULL, 0, &err), rc);
		assert_string_equal(buf_z(&o.log), cases[i].log);
		/* Once is enough. */
		assert_int_equal(agent_prepare(o.a.agent, o.a.talk, NULL, 0, &err), rc);
		assert_string_equal(buf_z(&o.log), cases[i].log);
		owner_close(&o);
	}
}

/* What ran is told as lost, and what had not begun is judged as if it were just said. */
static void a_cut_round_goes_on_with_the_calls_that_had_not_begun(void **state)
{
	const struct play p = {.answers = {"text a", "text b"}, .jobs = "{\"output\": \"C\"}"};
	struct talk_result first = {.ref = STR_LIT("0"), .text = STR_LIT("A")};
	struct talk_message *m = message(LS "\n" LS "\n" MAKE);
	struct owner o;

	(void)state;
	owner_open(&o, &p);
	assert_false(agent_may_resume(o.a.talk));
	step(&o);
	assert_false(agent_may_resume(o.a.talk));
	talk_say(o.a.talk, m, 1);
	assert_true(agent_may_resume(o.a.talk));
	talk_say(o.a.talk, talk_message_result(&first, &err), 1);
	assert_true(agent_may_resume(o.a.talk));
	buf_reset(&o.log);
	o.begun = HISTORY_RUNS_ELSEWHERE;
	assert_int_equal(agent_resume(o.a.agent, o.a.talk, 0, &err), ERR_USAGE);
	assert_int_equal(agent_state(o.a.agent), AGENT_IDLE);
	o.begun = HISTORY_BEGUN;
	o.ended = false;
	assert_int_equal(agent_resume(o.a.agent, o.a.talk, 0, &err), 0);
	assert_int_equal(agent_state(o.a.agent), AGENT_WAITS);
	agent_decide(o.a.agent, o.question, DECIDE_YES, (struct str){0});
	to_the_end(&o);
	assert_string_equal(buf_z(&o.log),
			    "1 lost: error: the program ended while this ran; what it did is "
			    "not known. Look "
			    "before you repeat it.\n"
			    "shell {\"command\": \"make\"} (run, 3 of 3)?\n"
			    "run shell\nprints C\n2 ok: C\nround 1\nask\ndone\n");
	assert_false(agent_may_resume(o.a.talk));
	/* Where all have theirs, or it was cut, there is nothing to go on with. */
	talk_rewind(o.a.talk, m);
	assert_true(agent_may_resume(o.a.talk));
	m->unfinished = true;
	assert_false(agent_may_resume(o.a.talk));
	owner_close(&o);
}

static const struct {
	enum tool_class cls;
	const char *tool, *arguments, *text, *subject;
} asked[] = {
	{TOOL_RUN, "shell", "{\"command\": \"make\\nmake check\", \"timeout\": 5}",
	 "Run this command?  shell\n  make\n  make check\n  timeout\n    5\n  (write; in the "
	 "sandbox, no network)\n",
	 "make …"},
	{TOOL_RUN, "shell", "{\"command\": \"ls \\u202e\\u200b\\u001b[2J\\u0007\"}",
	 "Run this command?  shell\n  ls <U+202E><U+200B><U+001B>[2J<U+0007>\n  (write; in the "
	 "sandbox, no network)\n",
	 "ls \xE2\x80\xAE\xE2\x80\x8B\x1B[2J\x07"},
	{TOOL_RUN, "shell",
	 "{\"command\": \"a\\u00a0b                                                   c\"}",
	 "Run this command?  shell\n  a<U+00A0>b␣×51c\n  (write; in the sandbox, no network)\n",
	 "a\xC2\xA0"
	 "b                                                   c"},
	{TOOL_EDIT, "edit_file",
	 "{\"path\": \"a.c\", \"old\": \"x\", \"new\": \"\\U000e0041y\"}", NULL, "a.c"},
	{TOOL_EDIT, "edit_file", "{\"path\": \"a.c\", \"old\": \"x\", \"new\": \"z\\ny\"}",
	 "Change this file?  edit_file\n  path\n    a.c\n  old\n    x\n  new\n    z\n    y\n  "
	 "(write)\n",
	 "a.c"},
};

static void what_holds_a_command_is_said(void **state)
{
	static const struct {
		enum sandbox_layer layer;
		unsigned grade;
		const char *text;
		const char *rule;
	} rows[] = {
		{SANDBOX_BWRAP, GRADE_READ, "\n  (read; in the sandbox, no network)\n", ""},
		{SANDBOX_LANDLOCK, GRADE_WRITE | GRADE_NET,
		 "\n  (write+net; in the sandbox, with the network)\n", ""},
		{SANDBOX_OFF, GRADE_WRITE, "\n  (write; without a sandbox)\n", ""},
		{SANDBOX_OFF, GRADE_WRITE,
		 "\n  (write; without a sandbox; as you want it: ask = shell make)\n",
		 "ask = shell make"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct approval p = {.tool = STR_LIT("shell"),
				     .arguments = STR_LIT("{\"command\": \"make\"}"),
				     .cls = TOOL_RUN,
				     .grade = rows[i].grade,
				     .layer = rows[i].layer,
				     .rule = str_of(rows[i].rule)};
		struct buf text = {0};

		approval_add_text(&text, &p);
		assert_non_null(strstr(buf_z(&text), rows[i].text));
		buf_release(&text);
	}
}

static void what_is_asked_hides_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct approval p = {.tool = str_of(asked[i].tool),
				     .arguments = str_of(asked[i].arguments),
				     .cls = asked[i].cls,
				     .grade = GRADE_WRITE,
				     .n = 1};
		struct buf text = {0}, subject = {0};

		approval_add_text(&text, &p);
		/* What is no JSON is shown as it is. */
		if (asked[i].text)
			assert_string_equal(buf_z(&text), asked[i].text);
		else
			assert_non_null(strstr(buf_z(&text), asked[i].arguments));
		agent_add_subject(&subject, p.arguments);
		if (asked[i].text)
			assert_string_equal(buf_z(&subject), asked[i].subject);
		buf_release(&text);
		buf_release(&subject);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_goes_as_its_answers_calls_and_decisions_say),
		cmocka_unit_test(more_than_sixteen_calls_do_not_run),
		cmocka_unit_test(a_circle_of_four_calls_is_one_too),
		cmocka_unit_test(whatever_happens_in_a_state_the_turn_comes_to_its_end),
		cmocka_unit_test(a_stubborn_command_is_killed_when_it_is_stopped_again),
		cmocka_unit_test(what_the_user_says_meanwhile_joins_behind_the_results),
		cmocka_unit_test(a_result_says_how_it_came_to_be),
		cmocka_unit_test(
			a_rule_that_is_taken_back_while_its_command_runs_is_named_no_more),
		cmocka_unit_test(a_result_has_its_share_of_what_is_left_of_the_context),
		cmocka_unit_test(calls_without_a_result_are_told_before_the_branch_goes_on),
		cmocka_unit_test(a_cut_round_goes_on_with_the_calls_that_had_not_begun),
		cmocka_unit_test(what_holds_a_command_is_said),
		cmocka_unit_test(what_is_asked_hides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
