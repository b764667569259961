/* A turn from its request to what is kept of it. */
#include "app/talk/turn.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/talk/request.h"
#include "engine/base/clock.h"

#define JOURNAL_PAUSE_MS 20

void turn_release(struct turn *t)
{
	history_answer_free(t->journal);
	talk_message_free(t->answer);
	buf_release(&t->given_back);
	*t = (struct turn){0};
}

/* ---- beginning ---- */

/* How the answer is made: settings go with it … */
static void note_settings(const struct turn *t, struct talk_run *r)
{
	static const char *const efforts[] = {"none", "low", "high", "max"};
	const struct sampling *how = &t->opt->sampling;

	r->known = true;
	r->run.effort = efforts[t->opt->effort];
	r->run.temperature = how->temperature;
	r->run.top_p = how->top_p;
	r->run.min_p = how->min_p;
	r->run.top_k = how->top_k;
	r->run.max_tokens = how->max_tokens;
}

/* … and model and device, once they are known. */
static void note_engine(const struct turn *t, struct talk_run *r)
{
	const struct engine_info *info = t->engine->ops->info(t->engine);

	if (!info)
		return;
	r->run.ctx_tokens = info->ctx_tokens;
	snprintf(r->model, sizeof(r->model), "%s", info->model_name);
	snprintf(r->identity, sizeof(r->identity), "%s", info->identity);
	snprintf(r->device, sizeof(r->device), "%s", info->backend);
}

static void tell(const struct turn *t, const char *what, const struct err *err)
{
	char text[sizeof(err->text) + 40];

	snprintf(text, sizeof(text), "%s: %s", what, err->text);
	if (t->trouble)
		t->trouble(t->ctx, text);
}

/* The store hears what the model says as it comes, so that a crash leaves it there. */
static void begin_journal(struct turn *t)
{
	struct err err = {0};

	if (t->journal || t->unjournalled)
		return;
	note_engine(t, &t->answer->made);
	if (talk_store_begin(t->talks, t->talk, t->answer, t->resumed, &t->journal, &err))
		tell(t, "not kept until it ends", &err);
	t->unjournalled = !t->journal;
}

static int submit(struct turn *t, struct talk *talk, const struct talk_message *resume,
		  uint64_t *seed, struct err *err)
{
	struct turn_request req = {.sampling = request_sampling(t->opt)};
	struct request r;
	int rc = request_build(&r, talk, (enum chat_effort)t->opt->effort, err);

	if (!rc) {
		req.chat = r.chat;
		req.prefill = str_of(t->opt->prefill);
		req.conversation = str_of(talk_store_uid(t->talks, talk));
		if (resume)
			request_resume(&req, resume);
		*seed = req.sampling.seed += t->again;
		rc = t->engine->ops->submit(t->engine, &req, &t->number, err);
	}
	request_release(&r);
	return rc;
}

/* What was asked goes into the store, once. */
static int keep_question(struct turn *t, struct err *err)
{
	struct err why = {0};

	if (t->kept)
		return 0;
	t->kept = true;
	if (!t->asked || !talk_store_save(t->talks, t->talk, &why))
		return 0;
	t->dropped = t->unkept ? t->unkept(t->ctx, &why) : 0;
	return t->dropped ? err_set(err, t->dropped, "%s", why.text) : 0;
}

/* As if it had not been asked. */
static void take_back(struct turn *t, struct talk *talk)
{
	struct err ignored;

	if (t->asked) {
		talk_message_add_text(talk->leaf, HISTORY_TEXT, &t->given_back);
		talk_unsay(talk, t->before);
		talk->asks_system = t->asks_system;
		talk->asks_tools = t->asks_tools;
	}
	if (t->back)
		talk_rewind(talk, t->back);
	t->back = NULL;
	/* What was kept while the model was loading stays, as a branch that is not shown. */
	talk_store_show(t->talks, talk, &ignored);
}

static int begin(struct turn *t, struct talk *talk, struct talk_message *resume,
		 struct err *err)
{
	struct talk_message *answer = NULL;
	uint64_t seed = 0;
	int rc = 0;

	if (resume)
		rc = talk_message_copy(&answer, resume, err);
	else if (!(answer = talk_message_new(CHAT_ASSISTANT, err)))
		rc = ERR_NOMEM;
	if (!rc && resume) {
		answer_reopen(answer);
		talk_rewind(talk, resume->parent);
	}
	if (!rc && !resume && t->opt->prefill)
		buf_addz(&answer->prefill, t->opt->prefill);
	if (!rc && buf_failed(&answer->prefill))
		rc = err_nomem(err, "answer", answer->prefill.len);
	if (!rc)
		rc = submit(t, talk, resume, &seed, err);
	if (rc) {
		talk_message_free(answer);
		return rc;
	}
	answer->made = (struct talk_run){.run = {.seed = seed, .started_ms = clock_wall_ms()}};
	answer->made.run.resumed_tokens = resume ? (int64_t)resume->n_ids : 0;
	note_settings(t, &answer->made);
	note_engine(t, &answer->made);
	t->state = TURN_READING;
	t->talk = talk;
	t->answer = answer;
	t->journal = NULL;
	t->unjournalled = t->journal_failed = false;
	t->resumed = resume ? resume->stored : 0;
	t->began_ms = clock_ms();
	t->first_token_ms = -1;
	t->n_tokens = 0;
	t->kept = t->read = t->refused = false;
	t->dropped = 0;
	buf_reset(&t->given_back);
	talk->back = NULL;
	/* What was asked before is kept already; what is loading may take minutes. */
	if (!t->asked)
		begin_journal(t);
	else if (!t->engine->ops->info(t->engine))
		keep_question(t, err);
	return 0;
}

int turn_begin(struct turn *t, struct talk *talk, struct talk_message *resume, struct err *err)
{
	int rc;

	t->asked = false;
	t->back = resume ? talk->leaf : talk->back;
	rc = begin(t, talk, resume, err);
	if (rc)
		take_back(t, talk);
	return rc;
}

int turn_begin_again(struct turn *t, struct talk *talk, struct err *err)
{
	int rc;

	talk_try_from(talk, talk->leaf->parent);
	t->again = true;
	rc = turn_begin(t, talk, NULL, err);
	t->again = false;
	return rc;
}

int turn_ask(struct turn *t, struct talk *talk, struct talk_message *question, struct err *err)
{
	int rc;

	t->back = talk->back;
	t->before = talk->leaf;
	t->asks_system = talk->asks_system;
	t->asks_tools = talk->asks_tools;
	rc = talk_ask(talk, question, t->opt->system, clock_wall_ms(), err);
	if (rc)
		talk_message_free(question);
	t->asked = !rc;
	if (!rc)
		rc = begin(t, talk, NULL, err);
	if (rc)
		take_back(t, talk);
	return rc;
}

const char *turn_helps(const struct turn *t)
{
	if (!t->refused)
		return NULL;
	/* Nothing but a system prompt stands before it. */
	if (t->asked && !talk_last(t->talk, CHAT_USER))
		return "less text does, or --ctx N at the start, which gives it more room";
	return "/new begins without what was said, an earlier message can be edited or forked "
	       "from, "
	       "and --ctx N at the start gives it more room";
}

/* ---- the journal ---- */

int turn_due_ms(const struct turn *t)
{
	return t->journal ? history_answer_due_ms(t->journal) : -1;
}

int turn_pause_ms(const struct turn *t)
{
	int due = turn_due_ms(t);

	return due >= 0 && due < JOURNAL_PAUSE_MS ? JOURNAL_PAUSE_MS : due;
}

/* A journal that fails is told once; the answer goes on and its commit is tried anyway. */
void turn_drained(struct turn *t)
{
	struct err err = {0};

	if (turn_due_ms(t) || !history_answer_flush(t->journal, &err) || t->journal_failed)
		return;
	t->journal_failed = true;
	tell(t, "not kept so far", &err);
}

/* ---- what comes ---- */

static void go(struct turn *t, enum event_kind kind)
{
	if (t->state == TURN_STOPPING)
		return;
	switch (kind) {
	case EV_THINKING:
		t->state = TURN_THINKING;
		break;
	case EV_TEXT:
		t->state = TURN_ANSWERING;
		break;
	case EV_CALL_BEGIN:
	case EV_CALL_TEXT:
	case EV_CALL_PARAM:
	case EV_CALL_END:
	case EV_CALL_BAD:
	case EV_CALL_CUT:
		t->state = TURN_CALLING;
		break;
	case EV_PREFILL:
		t->state = TURN_READING;
		break;
	case EV_LOAD:
	case EV_READY:
	case EV_NOTICE:
	case EV_TOKENS:
	case EV_PRICE:
	case EV_DONE:
	case EV_ERROR:
		break;
	}
}

bool turn_owns(const struct turn *t, const struct event *ev)
{
	return ev->turn && turn_runs(t) && ev->turn == t->number;
}

/* An error that says, before anything is read, that all of it is too much. */
static bool refuses(const struct turn *t, const struct event *ev)
{
	return ev->kind == EV_ERROR && ev->err.code == ERR_LIMIT && !t->read &&
	       t->engine->ops->info(t->engine);
}

int turn_hear(struct turn *t, const struct event *ev, size_t *part, struct err *err)
{
	struct answer_mark before = answer_mark(t->answer);
	int rc;

	*part = ANSWER_NO_PART;
	if (t->dropped)
		return 0;
	t->refused = refuses(t, ev);
	if (t->refused)
		return 0;
	t->read = true;
	rc = keep_question(t, err);
	if (rc) {
		turn_stop(t);
		return rc;
	}
	if (ev->kind == EV_TOKENS) {
		if (t->first_token_ms < 0)
			t->first_token_ms = clock_ms();
		t->n_tokens += (int64_t)ev->n_ids;
	}
	/* It is there by now, also where it was still loading at the question. */
	if (ev->kind != EV_ERROR)
		begin_journal(t);
	rc = answer_take(t->answer, ev, clock_ms(), part, err);
	if (!rc && t->journal)
		answer_keep(t->journal, t->answer, before, *part, ev);
	go(t, ev->kind);
	if (rc)
		turn_stop(t);
	return rc;
}

void turn_stop(struct turn *t)
{
	if (!turn_runs(t))
		return;
	t->engine->ops->cancel(t->engine, t->number);
	t->state = TURN_STOPPING;
}

void turn_end_thinking(struct turn *t)
{
	if (t->state != TURN_READING && t->state != TURN_THINKING)
		return;
	t->engine->ops->end_thinking(t->engine, t->number);
	t->answer->made.run.thinking_ended = 1;
}

void turn_end_call(struct turn *t)
{
	if (t->state == TURN_CALLING)
		t->engine->ops->end_call(t->engine, t->number);
}

/* ---- the end ---- */

static void note_drafts(struct talk_run *r, const struct turn_usage *u)
{
	size_t n = 0;

	for (int i = 0; i < USAGE_PLACES && u->drafted_at[i]; i++)
		n += (size_t)snprintf(r->drafts + n, sizeof(r->drafts) - n, "%s%lld/%lld",
				      i ? " " : "", (long long)u->accepted_at[i],
				      (long long)u->drafted_at[i]);
}

static void note_usage(struct talk_run *r, const struct turn_usage *u)
{
	struct history_run *run = &r->run;

	run->finished_ms = clock_wall_ms();
	run->prompt_tokens = u->prompt_tokens;
	run->cached_tokens = u->cached_tokens;
	run->disk_tokens = u->disk_tokens;
	run->thinking_tokens = u->thinking_tokens;
	run->output_tokens = u->output_tokens;
	run->steps = u->steps;
	run->drafted = u->drafted;
	run->accepted = u->accepted;
	run->prefill_ms = u->prefill_ms;
	run->disk_ms = u->disk_ms;
	run->decode_ms = u->decode_ms;
	run->total_ms = u->total_ms;
	note_drafts(r, u);
}

static const char *stop_of(const struct event *last, int why)
{
	if (why == ERR_TIMEOUT)
		return "timeout";
	if (!last)
		return stop_reason_name(STOP_INTERRUPTED);
	return last->kind == EV_DONE ? stop_reason_name(last->stop) : "failed";
}

/* The journal is to become the message, or goes without a trace. */
static void end_journal(struct turn *t, struct talk_message *m, bool keep)
{
	struct history_answer *a = t->journal;
	struct err err = {0};

	t->journal = NULL;
	if (!a)
		return;
	if (!keep) {
		if (history_answer_drop(a, &err))
			tell(t, "not forgotten", &err);
		return;
	}
	if (m->n_parts && m->parts[m->n_parts - 1].kind == HISTORY_THINKING)
		history_answer_info(a, buf_str(&m->parts[m->n_parts - 1].info));
	m->journal = a;
}

/* An answer that was gone on with has thought before. */
static void count_thinking(struct talk_message *m, int64_t more)
{
	if (more > 0)
		m->thinking_tokens = more + (m->thinking_tokens > 0 ? m->thinking_tokens : 0);
}

int turn_end(struct turn *t, const struct event *last, int why, struct talk_message **said,
	     struct err *err)
{
	static const struct turn_usage none = {0};
	const struct turn_usage *u = last ? &last->usage : &none;
	struct talk_message *m = t->answer;
	bool whole = last && last->kind == EV_DONE && !why &&
		     (last->stop == STOP_END || last->stop == STOP_CALLS);
	bool keep;

	answer_close(m, clock_ms());
	count_thinking(m, u->thinking_tokens);
	m->context_tokens = u->prompt_tokens + u->output_tokens;
	m->unfinished = !whole && m->n_ids;
	m->made.run.stop = stop_of(last, why);
	note_usage(&m->made, u);
	m->made.run.thinking_tokens = m->thinking_tokens > 0 ? m->thinking_tokens : 0;
	keep = !t->refused && !t->dropped && (m->n_parts || (whole && m->n_ids));
	t->answer = NULL;
	t->state = TURN_IDLE;
	t->number = 0;
	end_journal(t, m, keep);
	*said = keep ? m : NULL;
	if (t->refused || t->dropped)
		take_back(t, t->talk);
	t->back = NULL;
	if (!keep) {
		talk_message_free(m);
		return 0;
	}
	talk_say(t->talk, m, clock_wall_ms());
	return talk_store_save(t->talks, t->talk, err);
}
