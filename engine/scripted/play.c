/* The pieces of a turn, one after the other, with their delays and the reasons to stop. */
#include "engine/scripted/play.h"

#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/utf8.h"

enum {
	ID_END = 0,
	ID_THINK = 1,
	ID_CHAT = 2,
	ID_THINK_END = 3,
	ID_FIRST = 1000,
	ID_SPAN = 100000
};

/* So long a call that is to be ended waits for it. */
#define EXPECT_CALL_ENDED_MS 5000

static void push(struct play *p, struct event *ev)
{
	ev->turn = p->number;
	if (event_queue_push(p->events, ev))
		p->closed = p->over = true;
}

/* The id in place n of an answer; those of control tokens depend on where they are asked for.
 */
static token_id text_id(size_t n)
{
	return (token_id)(ID_FIRST + n % ID_SPAN);
}

static void stop_for(struct play *p, enum stop_reason stop)
{
	if (!p->over) {
		p->over = true;
		p->stop = stop;
	}
}

/* Accounts for one id.  True: it is new, so its text is to be sent. */
static bool produce(struct play *p, token_id id)
{
	int64_t max = p->req->sampling.max_tokens;
	size_t n = p->n_ids;
	struct event ev = {.kind = EV_TOKENS, .n_ids = 1};

	if (n >= p->req->n_resume_ids && max > 0 && p->usage.output_tokens >= max) {
		stop_for(p, STOP_LENGTH);
		return false;
	}
	p->n_ids++;
	if (n < p->req->n_resume_ids) {
		struct err why;

		if (p->req->resume_ids[n] == id)
			return false;
		err_set(&why, ERR_USAGE, "script line %d: resume id %zu is %d, expected %d",
			p->turn->line, n, (int)p->req->resume_ids[n], (int)id);
		play_fail(p, &why);
		return false;
	}
	if (n > 0 || p->req->is_raw) { /* an opening id belongs to the prompt */
		p->usage.output_tokens++;
		p->usage.thinking_tokens += p->in_thinking;
	}
	ev.ids = malloc(sizeof(*ev.ids));
	if (ev.ids) {
		ev.ids[0] = id;
		push(p, &ev);
	} else {
		struct err why;

		err_nomem(&why, "token id", sizeof(*ev.ids));
		play_fail(p, &why);
	}
	return !p->over;
}

static void send(struct play *p, enum event_kind kind, struct str text, int call)
{
	struct event ev = {.kind = kind, .call = call};

	buf_adds(&ev.text, text);
	push(p, &ev);
}

static void fill_times(struct play *p)
{
	int64_t now = clock_ms();

	p->usage.total_ms = now - p->started_ms;
	p->usage.prefill_ms = p->prefilled_ms ? p->prefilled_ms - p->started_ms : 0;
	p->usage.decode_ms = p->prefilled_ms ? now - p->prefilled_ms : 0;
}

/* Ends the turn with an error. */
void play_fail(struct play *p, const struct err *why)
{
	struct event ev = {.kind = EV_ERROR, .err = *why};

	if (p->closed)
		return;
	fill_times(p);
	ev.usage = p->usage;
	desk_done(p->desk);
	push(p, &ev);
	p->closed = p->over = true;
}

static void finish(struct play *p, enum stop_reason stop, const struct script_step *st)
{
	struct event ev = {.kind = EV_DONE, .stop = stop};

	if (p->closed)
		return;
	fill_times(p);
	ev.usage = p->usage;
	if (st && st->has_usage)
		ev.usage = st->usage;
	desk_done(p->desk);
	push(p, &ev);
	p->closed = p->over = true;
}

/* What happens between two pieces: the delay, and the reasons to stop. */
static bool before_piece(struct play *p, const struct script_step *st)
{
	struct desk *d = p->desk;

	if (p->n_ids >= p->req->n_resume_ids)
		desk_pause(d, p->number, st->delay_ms, st->kind == STEP_THINKING);
	if (desk_cancelled(d, p->number))
		stop_for(p, STOP_INTERRUPTED);
	return !p->over;
}

static void end_thinking(struct play *p)
{
	if (!p->in_thinking)
		return;
	produce(p, ID_THINK_END);
	p->in_thinking = false;
}

/* The first `chunk` characters of s. */
static struct str first_piece(struct str s, int chunk)
{
	size_t n = 0;

	while (n < s.n && chunk-- > 0) {
		uint32_t cp;
		int step = utf8_decode(s.p + n, s.n - n, &cp);

		n += step > 0 ? (size_t)step : 1;
	}
	return (struct str){s.p, n};
}

/* A piece whose id was resumed: what of it the caller does not have is sent after all. */
static void send_unknown(struct play *p, bool thinking, struct str piece)
{
	size_t has = thinking ? p->req->resume_thinking_bytes : p->req->resume_text_bytes;
	size_t before = p->resumed[thinking];

	p->resumed[thinking] += piece.n;
	if (!p->req->resume_counted || p->over || has >= before + piece.n)
		return;
	if (has > before) {
		piece.p += has - before;
		piece.n -= has - before;
	}
	send(p, thinking ? EV_THINKING : EV_TEXT, piece, 0);
}

static void play_stream(struct play *p, const struct script_step *st)
{
	bool thinking = st->kind == STEP_THINKING;
	struct str rest = buf_str(&st->text);

	if (thinking && !p->in_thinking)
		return;
	if (!thinking)
		end_thinking(p);
	while (rest.n && before_piece(p, st)) {
		struct str piece = first_piece(rest, st->chunk);

		if (thinking && desk_thinking_ended(p->desk, p->number)) {
			end_thinking(p);
			return;
		}
		if (produce(p, text_id(p->n_ids)))
			send(p, thinking ? EV_THINKING : EV_TEXT, piece, 0);
		else
			send_unknown(p, thinking, piece);
		rest.p += piece.n;
		rest.n -= piece.n;
	}
}

static void play_prefilled(struct play *p)
{
	if (!p->req->prefill.n || p->req->is_raw)
		return;
	end_thinking(p);
	if (produce(p, text_id(p->n_ids)))
		send(p, EV_TEXT, p->req->prefill, 0);
	else
		send_unknown(p, false, p->req->prefill);
	p->usage.output_tokens = p->usage.thinking_tokens = 0;
}

/* The first id of a call; false: the turn is over. */
static bool begin_call(struct play *p, const struct script_step *st, int *call)
{
	*call = p->n_calls++;
	end_thinking(p);
	if (!before_piece(p, st))
		return false;
	/* Calls are told again where an answer is resumed, so what produce() says is not asked.
	 */
	produce(p, text_id(p->n_ids));
	return !p->over;
}

/* The first events of a call and its arguments: it is well-formed. */
static void send_early(struct play *p, enum event_kind kind, struct str text, int call)
{
	struct event ev = {.kind = kind, .call = call, .early = true};

	buf_adds(&ev.text, text);
	push(p, &ev);
}

/* A piece of the call; false: it goes no further, the turn is over or the call was ended. */
static bool call_goes_on(struct play *p, const struct script_step *st)
{
	return !p->over && !desk_call_ended(p->desk, p->number) && before_piece(p, st) &&
	       !desk_call_ended(p->desk, p->number);
}

/* What is written of a text argument as it comes, where the script says in which pieces. */
static void play_value(struct play *p, const struct script_step *st, size_t i, int call)
{
	struct str rest = buf_str(&st->values[i]);

	while (st->chunk && rest.n && call_goes_on(p, st)) {
		struct str piece = first_piece(rest, st->chunk);

		produce(p, text_id(p->n_ids));
		if (!p->over)
			send(p, EV_CALL_TEXT, piece, call);
		rest.p += piece.n;
		rest.n -= piece.n;
	}
}

static void play_params(struct play *p, const struct script_step *st, int call)
{
	for (size_t i = 0; i < st->n_params; i++) {
		play_value(p, st, i, call);
		if (!call_goes_on(p, st))
			return;
		produce(p, text_id(p->n_ids));
		if (!p->over)
			send_early(p, EV_CALL_PARAM, buf_str(&st->params[i]), call);
	}
}

/* Whether it was, and is told as such: the turn ends with it.  One that is to be is waited for. */
static bool cut_call(struct play *p, const struct script_step *st, int call)
{
	struct event cut = {.kind = EV_CALL_CUT, .call = call, .progress = 2};
	struct err why;

	if (p->over)
		return false;
	if (st->expect_call_ended)
		desk_pause(p->desk, p->number, EXPECT_CALL_ENDED_MS, false);
	if (desk_cancelled(p->desk, p->number)) {
		stop_for(p, STOP_INTERRUPTED);
		return false;
	}
	if (desk_call_ended(p->desk, p->number)) {
		produce(p, text_id(p->n_ids));
		produce(p, ID_END);
		if (p->over)
			return false;
		buf_addz(&cut.text, "the call was ended");
		push(p, &cut);
		finish(p, STOP_CALLS, NULL);
		return true;
	}
	if (st->expect_call_ended) {
		err_set(&why, ERR_USAGE, "script line %d: the call was not ended", st->line);
		play_fail(p, &why);
	}
	return false;
}

static void play_call(struct play *p, const struct script_step *st)
{
	int call;

	if (!begin_call(p, st, &call))
		return;
	send_early(p, EV_CALL_BEGIN, buf_str(&st->name), call);
	play_params(p, st, call);
	if (cut_call(p, st, call))
		return;
	if (!p->over && before_piece(p, st))
		produce(p, text_id(p->n_ids));
	if (!p->over)
		send(p, EV_CALL_END, buf_str(&st->text), call);
	if (!p->over)
		p->n_good++;
	else if (!p->closed) /* begun and not closed: nobody may take it for a call */
		send(p, EV_CALL_BAD, STR_LIT("the call is cut off"), call);
}

static void play_bad_call(struct play *p, const struct script_step *st)
{
	int call;

	if (!begin_call(p, st, &call))
		return;
	if (st->name.len)
		send(p, EV_CALL_BEGIN, buf_str(&st->name), call);
	send(p, EV_CALL_BAD, buf_str(&st->text), call);
}

static void send_prefill(struct play *p, int64_t done, int64_t all, int64_t cached)
{
	struct event ev = {.kind = EV_PREFILL,
			   .progress = (uint64_t)done,
			   .progress_all = (uint64_t)all,
			   .cached = (uint64_t)cached};

	push(p, &ev);
}

static void play_prefill(struct play *p, const struct script_step *st)
{
	int64_t tokens = st->tokens >= 0 ? st->tokens : p->usage.prompt_tokens;
	int64_t cached = st->cached < tokens ? st->cached : tokens;
	int64_t todo = tokens - cached;
	int64_t done = 0;

	p->usage.prompt_tokens = tokens;
	p->usage.cached_tokens = cached;
	do {
		desk_pause(p->desk, p->number, st->delay_ms, false);
		if (desk_cancelled(p->desk, p->number)) {
			stop_for(p, STOP_INTERRUPTED);
			return;
		}
		done += todo - done < st->chunk ? todo - done : st->chunk;
		send_prefill(p, done, todo, cached);
	} while (done < todo && !p->over);
}

static void play_error(struct play *p, const struct script_step *st)
{
	struct err why;

	desk_pause(p->desk, p->number, st->delay_ms, false);
	err_set(&why, st->code, "%s", buf_z(&st->text));
	play_fail(p, &why);
}

static void play_done(struct play *p, const struct script_step *st)
{
	enum stop_reason stop = p->n_good ? STOP_CALLS : STOP_END;

	if (!before_piece(p, st))
		return;
	if (st->has_stop)
		stop = st->stop;
	if (stop == STOP_END || stop == STOP_CALLS) {
		end_thinking(p);
		produce(p, ID_END);
		if (p->over)
			return;
	}
	finish(p, stop, st);
}

static void play_step(struct play *p, const struct script_step *st)
{
	switch (st->kind) {
	case STEP_PREFILL:
		play_prefill(p, st);
		break;
	case STEP_THINKING:
	case STEP_TEXT:
		play_stream(p, st);
		break;
	case STEP_CALL:
		play_call(p, st);
		break;
	case STEP_BAD_CALL:
		play_bad_call(p, st);
		break;
	case STEP_NOTICE:
		if (before_piece(p, st) && p->n_ids >= p->req->n_resume_ids)
			send(p, EV_NOTICE, buf_str(&st->text), 0);
		break;
	case STEP_PAUSE:
		/* Where a resumed answer begins, its pause is over. */
		if (p->req->n_resume_ids && p->n_ids <= p->req->n_resume_ids)
			break;
		if (st->of_thinking &&
		    (!p->in_thinking || desk_thinking_ended(p->desk, p->number)))
			break;
		desk_pause(p->desk, p->number, st->delay_ms, st->of_thinking);
		if (desk_cancelled(p->desk, p->number))
			stop_for(p, STOP_INTERRUPTED);
		break;
	case STEP_ERROR:
		play_error(p, st);
		break;
	case STEP_DONE:
		play_done(p, st);
		break;
	}
}

bool play_is_title(const struct turn_request *req)
{
	const struct chat *c = &req->chat;

	return !req->is_raw && c->n_messages &&
	       c->messages[c->n_messages - 1].task == CHAT_TASK_TITLE;
}

/* An invention, but one that grows as a conversation does: four bytes a token. */
static int64_t invented_prompt_tokens(const struct turn_request *req)
{
	size_t n = 1 + req->raw.n / 4;

	for (size_t i = 0; i < req->chat.n_messages; i++) {
		const struct chat_message *m = &req->chat.messages[i];

		n += 2 + (m->n_ids ? m->n_ids : (m->content.n + m->reasoning.n + 3) / 4);
		n += m->tools_json.n / 4;
	}
	return (int64_t)(n + req->n_resume_ids);
}

void play_turn(struct desk *desk, struct event_queue *events, const struct script_turn *turn,
	       const struct script_step *steps, const struct turn_request *req, uint64_t number)
{
	static const struct script_step plain_prefill = {
		.kind = STEP_PREFILL,
		.tokens = -1,
		.chunk = 1 << 30,
		.repeat = 1,
	};
	struct play p = {.desk = desk,
			 .events = events,
			 .req = req,
			 .turn = turn,
			 .number = number,
			 .started_ms = clock_ms()};
	const struct script_step *st;
	struct err why;

	p.usage.prompt_tokens = invented_prompt_tokens(req);
	if (!turn) {
		err_set(&why, ERR_USAGE, "the script has no further %s",
			play_is_title(req) ? "title turn" : "turn");
		play_fail(&p, &why);
		return;
	}
	if (!play_expected(&p))
		return;
	p.thinks = !req->is_raw && req->chat.effort != EFFORT_NONE && !turn->is_title;
	st = &steps[turn->first];
	/* As the engine refuses what does not fit: before it reads. */
	if (st->kind == STEP_ERROR && st->code == ERR_LIMIT) {
		play_step(&p, st);
		return;
	}
	if (st->kind != STEP_PREFILL)
		play_prefill(&p, &plain_prefill);
	for (size_t i = 0; i < turn->n_steps && !p.over; i++) {
		if (st[i].kind != STEP_PREFILL && !p.prefilled_ms) {
			p.prefilled_ms = clock_ms();
			if (!req->is_raw)
				produce(&p, p.thinks ? ID_THINK : ID_CHAT);
			p.in_thinking = p.thinks;
			play_prefilled(&p);
		}
		for (int64_t k = 0; k < st[i].repeat && !p.over; k++)
			play_step(&p, &st[i]);
	}
	finish(&p, p.stop, NULL);
}
