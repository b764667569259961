/*
 * One turn: encode, find what the sequence holds already, prefill the rest, then
 * choose, send and feed back one token at a time until something ends it.
 *
 * The sequence keeps prompt and answer (but for the last id, which was chosen and
 * not fed).  The next turn's prompt replays the answer by its ids, so that only
 * the new message is computed; where it parts from what is held further back, a
 * frontier on the way there is gone back to.
 */
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/pass/hosting.h"
#include "engine/session/sampler.h"
#include "engine/session/session.h"
#include "engine/session/answer.h"

_Static_assert(USAGE_PLACES == DRAFT_MAX, "usage has a place for each draft of a step");

struct turn {
	struct session *s;
	const struct turn_request *req;
	uint64_t number;
	struct tokens prompt; /* the ids of a resumed answer included */
	size_t resume_at;     /* where the answer's ids after the opening one begin */
	token_id opening;     /* <think> or </think>, -1: none (raw, tasks) */
	size_t prefill_at;    /* where the text that a fresh answer begins with is */
	struct sample_how how;
	/*
	 * What was chosen behind the last row that ran and, where it drafted, behind each row that
	 * was accepted: ahead[at] is next, and with at < n_accepted the sequence holds it already.
	 */
	struct forward_cycle cycle;
	struct choice ahead[1 + DRAFT_MAX];
	int at;
	struct answer answer;
	int64_t n_out;
	int64_t started_ms, decode_ms;
	struct turn_usage usage;
	bool stopped;
	enum stop_reason stop;
	struct err err;
};

static void stop_with(struct turn *t, enum stop_reason stop)
{
	t->stopped = true;
	t->stop = stop;
}

static bool is_stop_id(const struct session *s, token_id id)
{
	for (size_t i = 0; i < s->n_stop_ids; i++) {
		if (s->stop_ids[i] == id)
			return true;
	}
	return false;
}

static bool is_opening(const struct session *s, token_id id)
{
	return id >= 0 && (id == s->think || id == s->think_end);
}

static void push(struct turn *t, struct event *ev)
{
	ev->turn = t->number;
	event_queue_push(t->s->base.events, ev);
}

static void notice_replaced(struct turn *t, size_t n_replaced)
{
	struct event ev = {.kind = EV_NOTICE};

	if (n_replaced == 0)
		return;
	buf_addf(&ev.text, "%zu byte sequence%s of the prompt %s not UTF-8 and became U+FFFD",
		 n_replaced, n_replaced == 1 ? "" : "s", n_replaced == 1 ? "was" : "were");
	push(t, &ev);
}

/* The ids of an unfinished answer, in place of the opening one the prompt ends with. */
static int add_resumed(struct turn *t)
{
	const struct turn_request *req = t->req;

	if (req->n_resume_ids == 0)
		return 0;
	if (t->opening >= 0) {
		if (!is_opening(t->s, req->resume_ids[0]))
			return err_set(&t->err, ERR_USAGE,
				       "resumed answer: its first id is %d, "
				       "expected <think> or </think>",
				       (int)req->resume_ids[0]);
		t->opening = req->resume_ids[0];
		t->prompt.n--;
	}
	for (size_t i = 0; i < req->n_resume_ids; i++) {
		if (is_stop_id(t->s, req->resume_ids[i]))
			return err_set(&t->err, ERR_USAGE,
				       "resumed answer: id %zu of %zu ends it: "
				       "nothing is left to resume",
				       i, req->n_resume_ids);
	}
	t->resume_at = t->prompt.n + (t->opening >= 0);
	tokens_add_all(&t->prompt, req->resume_ids, req->n_resume_ids);
	return 0;
}

/* The text a fresh answer begins with, behind thinking that is empty. */
static int add_prefill(struct turn *t, size_t *n_replaced)
{
	const struct turn_request *req = t->req;

	t->prefill_at = t->prompt.n;
	if (!req->prefill.n || req->is_raw || req->n_resume_ids)
		return 0;
	if (t->opening >= 0 && t->opening == t->s->think) {
		if (t->s->think_end < 0)
			return err_set(&t->err, ERR_MODEL,
				       "the tokenizer has no control token " TOKEN_THINK_END);
		tokens_add(&t->prompt, t->s->think_end);
	}
	return tokenizer_encode(t->s->tok, req->prefill, &t->prompt, n_replaced, &t->err);
}

static int encode(struct turn *t)
{
	const struct turn_request *req = t->req;
	struct session *s = t->s;
	int64_t ctx = model_ctx_tokens(s->model);
	size_t n_replaced = 0;
	int rc;

	if (req->is_raw)
		rc = prompt_encode_raw(req->raw, s->tok, &t->prompt, &n_replaced, &t->err);
	else
		rc = prompt_encode(&req->chat, s->flavour, s->tok, &t->prompt, &n_replaced,
				   &t->err);
	if (rc)
		return rc;
	if (t->prompt.n == 0)
		return err_set(&t->err, ERR_USAGE, "prompt: no tokens");
	if (!req->is_raw && is_opening(s, t->prompt.ids[t->prompt.n - 1]))
		t->opening = t->prompt.ids[t->prompt.n - 1];
	if (!req->is_raw && is_stop_id(s, t->prompt.ids[t->prompt.n - 1]))
		return err_set(&t->err, ERR_USAGE,
			       "the last message is an answer: nothing asks for another");
	t->resume_at = t->prompt.n;
	rc = add_resumed(t);
	if (!rc)
		rc = add_prefill(t, &n_replaced);
	if (rc)
		return rc;
	if (tokens_failed(&t->prompt))
		return err_nomem(&t->err, "prompt", t->prompt.n * sizeof(token_id));
	t->usage.prompt_tokens = (int64_t)t->prompt.n;
	if (t->usage.prompt_tokens >= ctx)
		return err_set(&t->err, ERR_LIMIT,
			       "the conversation has %lld tokens, the context "
			       "holds %lld",
			       (long long)t->usage.prompt_tokens, (long long)ctx);
	notice_replaced(t, n_replaced);
	return 0;
}

static int open_answer(struct turn *t)
{
	enum dsml_mode mode =
		t->opening >= 0 && t->opening == t->s->think ? DSML_THINKING : DSML_CHAT;
	int rc = sampler_init(&t->how, &t->req->sampling, t->s->n_choices, &t->err);

	if (!rc)
		rc = answer_init(&t->answer, t->s->base.events, t->number, t->s->tok,
				 t->req->is_raw, mode, &t->err);
	if (!rc && t->req->n_resume_ids) {
		const struct answer_had had = {
			.text = t->req->resume_text_bytes,
			.thinking = t->req->resume_thinking_bytes,
		};

		rc = answer_resume(&t->answer, t->prompt.ids + t->resume_at,
				   t->prompt.n - t->resume_at,
				   t->req->resume_counted ? &had : NULL, &t->err);
	}
	return rc;
}

static void send_prefill(struct turn *t, int64_t done, int64_t all)
{
	struct event ev = {.kind = EV_PREFILL,
			   .progress = (uint64_t)done,
			   .progress_all = (uint64_t)all,
			   .cached = (uint64_t)t->usage.cached_tokens,
			   .disk = (uint64_t)t->usage.disk_tokens,
			   .disk_ms = (uint64_t)t->usage.disk_ms};

	push(t, &ev);
}

/* Runs n ids and holds them; with `choose`, the token that follows is chosen. */
static int feed(struct turn *t, const token_id *ids, int64_t n, bool choose)
{
	const struct forward call = {
		.ids = ids,
		.n = (int)n,
		.want = choose ? WANT_LAST : WANT_NONE,
		.choices = choose ? t->ahead : NULL,
		.how = &t->how,
	};

	t->at = 0;
	t->cycle.n_accepted = 0;
	return prefix_run(&t->s->prefix, call, &t->err);
}

static int cut_draft(void *ctx, const float *sure, int depth)
{
	return drafting_cut(ctx, sure, depth);
}

/* The same with one id and what is drafted behind it. */
static int feed_drafting(struct turn *t, token_id id, int depth)
{
	const struct forward call = {
		.ids = &id,
		.n = 1,
		.want = WANT_ALL,
		.choices = t->ahead,
		.how = &t->how,
		.cycle = &t->cycle,
	};

	t->at = 0;
	t->cycle = (struct forward_cycle){.depth = depth, .cut_ctx = &t->s->drafting};
	if (t->req->sampling.draft == DRAFT_AUTO)
		t->cycle.cut = cut_draft;
	return prefix_run(&t->s->prefix, call, &t->err);
}

/* One step of decoding, of whose tokens `room` are still wanted. */
static int step(struct turn *t, token_id id, int64_t room)
{
	struct drafting *d = &t->s->drafting;
	int depth = drafting_depth(d, t->req->sampling.draft, room);
	double began = clock_s();
	int rc;

	t->cycle.depth = 0;
	rc = depth ? feed_drafting(t, id, depth) : feed(t, &id, 1, true);
	if (rc)
		return rc;
	(depth && d->is_sure ? drafting_note_block : drafting_note)(
		d, t->cycle.depth, t->cycle.n_accepted, clock_s() - began);
	t->usage.steps++;
	t->usage.drafted += t->cycle.depth;
	for (int i = 0; i < t->cycle.depth; i++)
		t->usage.drafted_at[i]++;
	return 0;
}

/* How many of the ids held are not yet part of the answer. */
static int n_ahead(const struct turn *t)
{
	return t->cycle.n_accepted - t->at;
}

/* The sequence as it would be, had nothing been drafted. */
static int drop_ahead(struct turn *t)
{
	int n = n_ahead(t);

	t->cycle.n_accepted = t->at;
	return n ? prefix_roll_back(&t->s->prefix, prefix_len(&t->s->prefix) - n, &t->err) : 0;
}

/* Of the prompt, what is on disk and not in memory. */
static void recall(struct turn *t)
{
	struct session *s = t->s;
	int64_t n = (int64_t)t->prompt.n, began = clock_ms();
	int64_t have = prefix_found(&s->prefix, t->prompt.ids, n), found = 0;
	struct event notice = {.kind = EV_NOTICE};

	if (n - 1 - have >= WORTH_RECALLING)
		found = disk_recall(s->disk, &s->tree, t->prompt.ids, n - 1, have);
	if (found) {
		t->usage.disk_tokens = found - have;
		t->usage.disk_ms = clock_ms() - began;
	}
	if (disk_in_trouble(s->disk, &notice.text))
		push(t, &notice);
}

static int prefill(struct turn *t)
{
	struct session *s = t->s;
	int64_t n = (int64_t)t->prompt.n, at, cached;

	if (s->disk)
		recall(t);
	at = cached = prefix_begin(&s->prefix, t->prompt.ids, n, &t->err);
	if (at < 0)
		return (int)at;
	t->usage.cached_tokens = cached;
	send_prefill(t, 0, n - cached);
	while (at < n) {
		int64_t end = prefix_next(&s->prefix);
		int rc;

		if (desk_cancelled(&s->desk, t->number)) {
			stop_with(t, STOP_INTERRUPTED);
			return 0;
		}
		rc = feed(t, t->prompt.ids + at, end - at, end == n);
		if (rc)
			return rc;
		at = end;
		send_prefill(t, at - cached, n - cached);
	}
	return 0;
}

/* The id that comes next, as chosen or by the user's wish to end the thinking. */
static int choose(struct turn *t, token_id *id)
{
	struct session *s = t->s;

	if (answer_in_thinking(&t->answer) && s->think_end >= 0 &&
	    desk_thinking_ended(&s->desk, t->number)) {
		*id = s->think_end;
		return 0;
	}
	return sampler_take(&t->ahead[t->at], prefix_len(&s->prefix) - n_ahead(t), id, &t->err);
}

/* Whether the sequence holds this id already, since it was drafted and accepted. */
static bool is_ahead(const struct turn *t, token_id id)
{
	return n_ahead(t) > 0 && t->ahead[t->at].id == id;
}

/* The id is held, and what follows it is chosen. */
static int hold(struct turn *t, token_id id, int64_t room)
{
	int rc;

	if (is_ahead(t, id)) {
		t->at++;
		return 0;
	}
	rc = drop_ahead(t);
	return rc ? rc : step(t, id, room);
}

/* Accounts for a chosen id and sends what it says. */
static void take(struct turn *t, token_id id)
{
	t->n_out++;
	t->usage.output_tokens++;
	if (is_ahead(t, id)) {
		t->usage.accepted++;
		t->usage.accepted_at[t->at]++;
	}
	t->usage.thinking_tokens += answer_in_thinking(&t->answer);
	answer_send_id(&t->answer, id);
	if (is_stop_id(t->s, id))
		stop_with(t, STOP_END);
	else
		answer_push(&t->answer, id);
}

/* What the answer begins with that nobody chose. */
static void send_beginning(struct turn *t)
{
	if (t->opening >= 0 && t->req->n_resume_ids == 0)
		answer_send_id(&t->answer, t->opening);
	for (size_t i = t->prefill_at; i < t->prompt.n; i++) {
		answer_send_id(&t->answer, t->prompt.ids[i]);
		answer_push(&t->answer, t->prompt.ids[i]);
	}
}

static int decode(struct turn *t)
{
	struct session *s = t->s;
	int64_t max = t->req->sampling.max_tokens;
	int64_t room = model_ctx_tokens(s->model) - (int64_t)t->prompt.n;
	int64_t most = max > 0 && max < room ? max : room;

	send_beginning(t);
	while (!t->stopped) {
		token_id id;
		int rc;

		if (t->answer.closed || desk_cancelled(&s->desk, t->number)) {
			stop_with(t, STOP_INTERRUPTED);
			break;
		}
		rc = choose(t, &id);
		if (rc)
			return rc;
		take(t, id);
		if (t->stopped)
			break;
		if (max > 0 && t->n_out >= max) {
			stop_with(t, STOP_LENGTH);
		} else if (t->n_out >= room) {
			stop_with(t, STOP_CONTEXT);
		} else {
			rc = hold(t, id, most - t->n_out);
			if (rc)
				return rc;
		}
	}
	return drop_ahead(t);
}

static int run(struct turn *t)
{
	struct session *s = t->s;
	int n_calls = 0;
	int rc = encode(t);

	if (!rc)
		rc = open_answer(t);
	if (!rc)
		rc = prefill(t);
	t->decode_ms = clock_ms();
	if (!rc && !t->stopped)
		rc = decode(t);
	/* The answer's end: what follows may part from here, a title or the next message. */
	if (!rc && t->n_out > 0)
		prefix_end(&s->prefix);
	if (!rc) {
		rc = answer_finish(&t->answer, t->stop != STOP_END, &n_calls, &t->err);
		if (!rc && t->stop == STOP_END && n_calls > 0)
			t->stop = STOP_CALLS;
	} else if (t->answer.events) {
		/* The answer is lost, yet no call of it may stay open. */
		answer_finish(&t->answer, true, &n_calls, NULL);
	}
	return rc;
}

/* A turn that failed may have left nothing to ask. */
static void count_experts(struct turn *t)
{
	struct hosting_count n;
	struct err err;

	if (hosting_take(t->s->model, &n, &err)) {
		log_add(LOG_WARN, "counts of experts: %s", err.text);
		return;
	}
	t->usage.chosen_experts = n.chosen;
	t->usage.hosted_experts = n.hosted;
}

void session_turn(struct session *s, const struct turn_request *req, uint64_t number)
{
	struct turn t = {.s = s, .req = req, .number = number, .opening = -1};
	struct event ev = {0};
	int64_t now;
	int rc;

	t.started_ms = t.decode_ms = clock_ms();
	rc = run(&t);
	count_experts(&t);
	now = clock_ms();
	t.usage.prefill_ms = t.decode_ms - t.started_ms;
	t.usage.decode_ms = now - t.decode_ms;
	t.usage.total_ms = now - t.started_ms;
	log_add(LOG_INFO,
		"turn %llu: %s; %lld prompt tokens, %lld cached, %lld produced, "
		"prefill %lld ms, decode %lld ms in %lld steps, %lld of %lld drafts accepted",
		(unsigned long long)number, rc ? t.err.text : stop_reason_name(t.stop),
		(long long)t.usage.prompt_tokens, (long long)t.usage.cached_tokens,
		(long long)t.usage.output_tokens, (long long)t.usage.prefill_ms,
		(long long)t.usage.decode_ms, (long long)t.usage.steps,
		(long long)t.usage.accepted, (long long)t.usage.drafted);
	ev.kind = rc ? EV_ERROR : EV_DONE;
	ev.stop = t.stop;
	ev.usage = t.usage;
	ev.err = t.err;
	/* What was kept on the way stays where the turn failed, and is its conversation's, too. */
	tree_own(&s->tree, tree_owner(req->conversation), t.prompt.ids, (int64_t)t.prompt.n);
	tokens_release(&t.prompt);
	answer_release(&t.answer);
	desk_done(&s->desk);
	push(&t, &ev);
}
