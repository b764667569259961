/* The machine: what happened, and what is to be done next. */
#include "app/agent/machine.h"

#include <stdlib.h>
#include <string.h>

#include "app/agent/prepare.h"

int agent_open(struct agent **out, const struct agent_config *c, const struct agent_ops *ops,
	       void *ctx, struct err *err)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return err_nomem(err, "agent", sizeof(*a));
	a->config = *c;
	a->ops = ops;
	a->ctx = ctx;
	*out = a;
	return 0;
}

void agent_close(struct agent *a)
{
	if (!a)
		return;
	BUG_ON(a->state != AGENT_IDLE);
	calls_release(&a->calls);
	early_reset(&a->early);
	buf_release(&a->arguments);
	buf_release(&a->shown);
	job_news_release(&a->prepared);
	buf_release(&a->suggest);
	job_news_release(&a->failed_run);
	free(a);
}

enum agent_state agent_state(const struct agent *a)
{
	return a->state;
}

enum agent_mode agent_mode(const struct agent *a)
{
	return a->config.mode;
}

void agent_set_mode(struct agent *a, enum agent_mode mode)
{
	a->config.mode = mode;
}

const struct agent_counts *agent_counts(const struct agent *a)
{
	return &a->counts;
}

void agent_begin(struct agent *a)
{
	BUG_ON(a->state != AGENT_IDLE);
	a->state = AGENT_ANSWERING;
	a->counts = (struct agent_counts){0};
	a->limits = (struct limits){0};
	a->allowed = a->config.rounds;
	a->wrong_rounds = 0;
	a->retried = a->restarted = false;
	early_reset(&a->early);
}

static void finish(struct agent *a, enum agent_end why, const struct err *err)
{
	static const struct err none;

	a->state = AGENT_IDLE;
	calls_release(&a->calls);
	a->ops->ended(a->ctx, why, err ? err : &none);
}

static void finish_with(struct agent *a, enum agent_end why, int code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	finish(a, why, &err);
}

void machine_give_up(struct agent *a, enum agent_end why, const struct err *err,
		     const char *skip)
{
	if (a->failed.code)
		return;
	a->end = why;
	a->failed = *err;
	if (!a->skip)
		a->skip = skip;
}

void machine_give_up_with(struct agent *a, enum agent_end why, int code, const char *text,
			  const char *skip)
{
	struct err err;

	err_set(&err, code, "%s", text);
	machine_give_up(a, why, &err, skip);
}

bool machine_is_last_round(const struct agent *a)
{
	return a->counts.rounds + 1 == a->allowed;
}

/* ---- one call ---- */

bool machine_run(struct agent *a, const char *by)
{
	struct agent_news n = machine_news(a, AGENT_STARTS);
	struct err err = {0};

	a->good = true;
	if (machine_store_start(a, &n, by, &err)) {
		machine_give_up(a, AGENT_FAILED, &err, "that it begins could not be kept");
		machine_answer_skipped(a, "that it begins could not be kept");
		return true;
	}
	if (!machine_begin_job(a, &n))
		return true;
	a->by = by;
	a->counts.calls++;
	a->ops->show(a->ctx, &n);
	return false;
}

/* One more of the same: true, it was answered. */
static bool repeats(struct agent *a)
{
	static const char again[] = "this is the third identical call; its result has not "
				    "changed. Do something else or answer.";
	const struct call *c = &a->calls.v[a->at];
	enum limits_say say = limits_ask(&a->limits, buf_str(&c->name), buf_str(&a->arguments));

	if (say == LIMITS_GO)
		return false;
	a->good = true;
	if (say == LIMITS_ENDS)
		machine_give_up_with(a, AGENT_LIMIT, ERR_LIMIT,
				     "the model makes the same call again and again",
				     "the turn ends, since calls repeat themselves");
	machine_answer_not_run(a, TOOL_SKIPPED, again, (struct str){0}, "policy");
	return true;
}

/* True: its arguments are not what the tool takes, and it was answered. */
static bool is_wrong(struct agent *a)
{
	const struct call *c = &a->calls.v[a->at];
	struct buf why = {0};
	struct err err = {0};
	int rc;

	buf_reset(&a->arguments);
	rc = tool_set_check(a->config.tools, buf_str(&c->name), buf_str(&c->arguments),
			    &a->arguments, &why);
	if (!rc)
		return false;
	buf_reset(&a->arguments);
	if (rc == ERR_USAGE && !buf_failed(&why)) {
		machine_answer_not_run(a, TOOL_ERROR, "", buf_str(&why), "policy");
	} else {
		err_nomem(&err, "arguments", c->arguments.len);
		machine_give_up(a, AGENT_FAILED, &err, "there is no memory for it");
		machine_answer_skipped(a, a->skip);
	}
	buf_release(&why);
	return true;
}

/* All or nothing: a malformed call takes the others with it. */
static void answer_malformed(struct agent *a)
{
	const struct call *bad = &a->calls.v[0];
	struct buf why = {0};

	while (!bad->bad)
		bad++;
	buf_addf(&why, "%s. None was run. Write the calls again.",
		 bad->why.len ? buf_z(&bad->why) : "the answer was cut");
	machine_answer_not_run(a, TOOL_ERROR, "the calls were not well formed: ", buf_str(&why),
			       "policy");
	buf_release(&why);
}

/* False: it waits for the user, or runs. */
static bool take_call(struct agent *a)
{
	if (a->skip) {
		machine_answer_skipped(a, a->skip);
	} else if (a->calls.any_bad) {
		answer_malformed(a);
	} else if (a->at >= LIMITS_CALLS) {
		machine_answer_skipped(a, "more than 16 calls");
	} else if (a->calls.v[a->at].cut) {
		machine_answer_cut(a);
	} else if (!is_wrong(a) && !repeats(a)) {
		return machine_judge(a);
	}
	return true;
}

/* ---- a round ---- */

static bool ended_with_round(struct agent *a)
{
	const struct err why = a->failed;

	a->wrong_rounds = a->good ? 0 : a->wrong_rounds + 1;
	if (why.code)
		finish(a, a->end, &why);
	else if (a->stopped)
		finish(a, AGENT_STOPPED, NULL);
	else if (a->wrong_rounds >= LIMITS_WRONG)
		finish_with(a, AGENT_FAILED, ERR_FAILED,
			    "the model made nothing but wrong calls three times in a row");
	else
		return false;
	return true;
}

static void ask_model(struct agent *a, bool again)
{
	struct err err = {0};

	calls_release(&a->calls);
	early_reset(&a->early);
	a->state = AGENT_ANSWERING;
	if (a->ops->ask_model(a->ctx, again, &err))
		finish(a, AGENT_FAILED, &err);
}

static void end_round(struct agent *a)
{
	struct agent_news n = {.kind = AGENT_ROUND, .exit = -1, .ms = -1};
	struct err err = {0};

	n.round = ++a->counts.rounds;
	if (ended_with_round(a))
		return;
	a->ops->show(a->ctx, &n);
	if (a->ops->join && a->ops->join(a->ctx, &err)) {
		finish(a, AGENT_FAILED, &err);
		return;
	}
	ask_model(a, false);
}

/* Every call that needs neither the user nor time, from the one at hand on. */
void machine_go_on(struct agent *a)
{
	for (; a->at < a->calls.n; a->at++) {
		if (!a->calls.v[a->at].done && !take_call(a))
			return;
	}
	end_round(a);
}

void machine_go_on_behind(struct agent *a)
{
	a->at++;
	machine_go_on(a);
}

static void begin_round(struct agent *a, const struct talk_message *m)
{
	a->at = a->given = 0;
	a->used_tokens = m->context_tokens;
	a->good = a->stopped = false;
	a->skip = NULL;
	a->failed = (struct err){0};
	buf_reset(&a->arguments);
	if (a->counts.rounds >= a->allowed)
		machine_give_up_with(a, AGENT_LIMIT, ERR_LIMIT,
				     "the model went on to call tools after its last round",
				     "that was the last tool round");
	if (machine_is_last_round(a) && a->ops->ask_user)
		machine_ask(a, AGENT_ASKS_ROUNDS);
	else
		machine_go_on(a);
}

/* ---- what happens ---- */

/* But for thinking. */
static bool says_nothing(const struct talk_message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_parts; i++) {
		const struct buf *text = &m->parts[i].text;

		n += m->parts[i].kind == HISTORY_TEXT &&
		     strspn(buf_z(text), " \t\r\n") < text->len;
	}
	return !n && talk_message_bytes(m, HISTORY_THINKING);
}

static void retry(struct agent *a)
{
	const struct agent_news n = {
		.kind = AGENT_NOTICE,
		.text = STR_LIT("the answer was empty after thinking: asked once more"),
		.exit = -1,
		.ms = -1,
	};

	a->retried = true;
	a->ops->show(a->ctx, &n);
	ask_model(a, true);
}

/* An answer that ended by itself. */
static void take_whole(struct agent *a, const struct talk_message *m)
{
	struct err err = {0};

	calls_release(&a->calls);
	if (!m)
		finish(a, AGENT_DONE, NULL);
	else if (calls_take(&a->calls, m, &err))
		finish(a, AGENT_FAILED, &err);
	else if (a->calls.n)
		begin_round(a, m);
	else if (says_nothing(m) && !a->retried)
		retry(a);
	else
		finish(a, AGENT_DONE, NULL);
}

void agent_answered(struct agent *a, const struct agent_answer *m)
{
	BUG_ON(a->job || (a->state != AGENT_ANSWERING && a->state != AGENT_STOPS));
	a->ctx_tokens = m->ctx_tokens;
	if (a->state == AGENT_STOPS)
		finish(a, AGENT_STOPPED, NULL);
	else if (!m->done)
		finish(a, m->err.code == ERR_CANCELLED ? AGENT_STOPPED : AGENT_FAILED, &m->err);
	else if (m->kept.code) /* before anything is done on its word */
		finish(a, AGENT_FAILED, &m->kept);
	else if (m->stop == STOP_INTERRUPTED)
		finish(a, AGENT_STOPPED, NULL);
	else if (m->stop == STOP_LENGTH)
		finish_with(a, AGENT_CUT, ERR_LIMIT, "the answer reached its limit of tokens");
	else if (m->stop == STOP_CONTEXT)
		finish_with(a, AGENT_CUT, ERR_LIMIT, "the answer filled the context");
	else
		take_whole(a, m->said);
}

void machine_stop_round(struct agent *a)
{
	a->stopped = true;
	a->skip = "stopped by the user";
}

void agent_stop(struct agent *a)
{
	switch (a->state) {
	case AGENT_IDLE:
		return;
	case AGENT_WAITS:
		agent_decide(a, a->question, DECIDE_STOP, (struct str){0});
		return;
	case AGENT_ANSWERING:
	case AGENT_RUNS:
	case AGENT_STOPS:
		break;
	}
	a->state = AGENT_STOPS;
	machine_stop_round(a);
	if (a->job)
		runner_stop(a->config.runner, a->job);
	else
		a->ops->stop_model(a->ctx);
}

void agent_leave(struct agent *a)
{
	if (a->state == AGENT_IDLE)
		return;
	a->stopped = true;
	a->skip = "the program ended";
	if (a->job) {
		machine_answer_lost(a, "the program ended while this ran; ");
		machine_go_on_behind(a);
	} else if (a->state == AGENT_WAITS && a->asks == AGENT_ASKS_WIDER) {
		machine_keep_narrow(a);
		machine_go_on_behind(a);
	} else if (a->state == AGENT_WAITS) {
		machine_go_on(a);
	} else {
		finish(a, AGENT_STOPPED, NULL);
	}
}

int agent_prepare(struct agent *a, struct talk *t, const char *fresh, int64_t ctx_tokens,
		  struct err *err)
{
	const struct prepare p = {&a->config, a->ops, a->ctx, fresh, ctx_tokens};

	/* What was read in another conversation was not read in this one. */
	if (a->shown_in != t->id)
		buf_reset(&a->shown);
	a->shown_in = t->id;
	return prepare_branch(&p, t, err);
}

int agent_look(const struct agent *a, const struct talk *t, const char *fresh,
	       int64_t ctx_tokens, struct buf *system, struct str *tools, struct err *err)
{
	const struct prepare p = {&a->config, a->ops, a->ctx, fresh, ctx_tokens};
	return prepare_look(&p, t, system, tools, err);
}

bool agent_may_resume(const struct talk *t)
{
	const struct talk_message *m = talk_message_answer(t->leaf);

	for (size_t i = 0; m && !m->unfinished && i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind == HISTORY_CALL &&
		    !talk_message_has_result(t->leaf, buf_str(&p->ref)))
			return true;
	}
	return false;
}

int agent_resume(struct agent *a, struct talk *t, int64_t ctx_tokens, struct err *err)
{
	const struct prepare p = {&a->config, a->ops, a->ctx, NULL, ctx_tokens};
	const struct talk_message *m = talk_message_answer(t->leaf);
	int rc = prepare_lost(&p, t, err);

	if (rc)
		return rc;
	agent_begin(a);
	a->ctx_tokens = ctx_tokens;
	rc = calls_take(&a->calls, m, err);
	if (rc) {
		calls_release(&a->calls);
		a->state = AGENT_IDLE;
		return rc;
	}
	for (size_t i = 0; i < a->calls.n; i++)
		a->calls.v[i].done =
			talk_message_has_result(t->leaf, buf_str(&a->calls.v[i].ref));
	begin_round(a, m);
	return 0;
}
