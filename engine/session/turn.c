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
#include "engine/session/turn.h"

_Static_assert(USAGE_PLACES == DRAFT_MAX, "usage has a place for each draft of a step");

static void stop_with(struct turn *t, enum stop_reason stop)
{
	t->stopped = true;
	t->stop = stop;
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
		const struct answer_closed closed = {
			.n = t->req->n_resume_closing - 1, /* but for the end token */
			.why = t->req->resume_why,
		};

		rc = answer_resume(&t->answer, t->prompt.ids + t->resume_at,
				   t->prompt.n - t->resume_at,
				   t->req->resume_counted ? &had : NULL,
				   t->ended && t->req->n_resume_closing ? &closed : NULL,
				   &t->err);
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

	session_tell(t, &ev);
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

/*
 * One step of decoding, of whose tokens `room` are still wanted.  What the last one gave is told
 * at once, and once: a reader who wakes takes a processor from the step, for each time it does.
 */
static int step(struct turn *t, token_id id, int64_t room)
{
	struct event_queue *events = t->s->base.events;
	struct drafting *d = &t->s->drafting;
	int depth = drafting_depth(d, t->req->sampling.draft, room);
	double began;
	int rc;

	event_queue_quiet(events, false);
	began = clock_s();
	t->cycle.depth = 0;
	rc = depth ? feed_drafting(t, id, depth) : feed(t, &id, 1, true);
	event_queue_quiet(events, true);
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
		session_tell(t, &notice);
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
	if (is_stop_id(t->s, id)) {
		t->ending = (struct ending){.ids = {id}, .n = 1};
		stop_with(t, STOP_END);
		return;
	}
	answer_send_id(&t->answer, id);
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

/* The answer ends here where its call is not wanted, or too long: true. */
static bool ends_call(struct turn *t, struct ending *e)
{
	const struct session *s = t->s;
	const char *why = answer_too_long(&t->answer);

	if (desk_call_ended(&s->desk, t->number))
		why = "the call was ended";
	return why && s->n_stop_ids && ending_of(e, &t->answer, s->stop_ids[0], why);
}

/* By ids that nobody chose, which are held but for the last. */
static int end_call(struct turn *t, const struct ending *e, int64_t room)
{
	int64_t n = (int64_t)e->n - 1, chunk = model_prefill_chunk(t->s->model);
	int rc = drop_ahead(t);

	if (rc || t->n_out + n >= room) {
		stop_with(t, STOP_CONTEXT);
		return rc;
	}
	t->ending = *e;
	t->answer.n_closing = e->n;
	t->n_out += n + 1;
	t->usage.output_tokens += n + 1;
	stop_with(t, STOP_END);
	for (int64_t i = 0; i < n; i++)
		answer_push(&t->answer, e->ids[i]);
	event_queue_quiet(t->s->base.events, false);
	for (int64_t i = 0; !rc && i < n; i += chunk)
		rc = feed(t, e->ids + i, n - i < chunk ? n - i : chunk, false);
	return rc;
}

static int decode_ids(struct turn *t)
{
	struct session *s = t->s;
	int64_t max = t->req->sampling.max_tokens;
	int64_t room = model_ctx_tokens(s->model) - (int64_t)t->prompt.n;
	int64_t most = max > 0 && max < room ? max : room;

	send_beginning(t);
	while (!t->stopped) {
		struct ending ending;
		token_id id;
		int rc;

		if (t->answer.closed || desk_cancelled(&s->desk, t->number)) {
			stop_with(t, STOP_INTERRUPTED);
			break;
		}
		if (ends_call(t, &ending))
			return end_call(t, &ending, room);
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

static int decode(struct turn *t)
{
	int rc;

	event_queue_quiet(t->s->base.events, true);
	rc = decode_ids(t);
	event_queue_quiet(t->s->base.events, false);
	return rc;
}

/*
 * The ids that end it come last, in one piece: whoever has them has all that was told of its
 * calls, also that one was cut, which its ids do not say.
 */
static int finish(struct turn *t, int *n_calls)
{
	int rc = answer_finish(&t->answer, t->stop != STOP_END, n_calls, &t->err);

	if (!rc && t->ending.n)
		answer_send_ids(&t->answer, t->ending.ids, t->ending.n);
	return !rc && t->answer.nomem ? err_nomem(&t->err, "answer", 0) : rc;
}

static int run(struct turn *t)
{
	struct session *s = t->s;
	int n_calls = 0;
	int rc = session_encode(t);

	if (!rc)
		rc = open_answer(t);
	/* It is whole: nothing is computed. */
	if (!rc && t->ended) {
		t->usage.cached_tokens = t->usage.prompt_tokens;
		stop_with(t, STOP_END);
	}
	if (!rc && !t->stopped)
		rc = prefill(t);
	t->decode_ns = clock_ns();
	if (!rc && !t->stopped)
		rc = decode(t);
	/* The answer's end: what follows may part from here, a title or the next message. */
	if (!rc && t->n_out > 0)
		prefix_end(&s->prefix);
	if (!rc) {
		rc = finish(t, &n_calls);
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

	t.started_ns = t.decode_ns = clock_ns();
	rc = run(&t);
	count_experts(&t);
	now = clock_ns();
	t.usage.decode_ns = now - t.decode_ns;
	t.usage.prefill_ms = (t.decode_ns - t.started_ns) / 1000000;
	t.usage.decode_ms = t.usage.decode_ns / 1000000;
	t.usage.total_ms = (now - t.started_ns) / 1000000;
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
	session_tell(&t, &ev);
}
