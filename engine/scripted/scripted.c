/*
 * The scripted engine: answers come from a file, turn by turn, with the delays,
 * errors, tool calls and floods that a test of the program above wants to see.
 *
 * A script is JSON Lines; empty lines and lines that begin with # are skipped.
 * Before the first turn may stand
 *
 *   {"info": {"model_name": S, "model_path": S, "identity": S, "backend": S, "ctx_tokens": N,
 *             "vocab": N, "weight_bytes": N, "cache_bytes": N, "scratch_bytes": N}}
 *   {"load": {"bytes": N, "steps": N, "delay_ms": N, "error": TEXT}}
 *
 * Loading sends `steps` EV_LOAD events, `delay_ms` apart; with `error` it then fails.
 * A turn is a run of steps that "done" or "error" closes:
 *
 *   {"prefill": {"tokens": N, "cached": N}, "delay_ms": N, "chunk": N}
 *   {"thinking": TEXT, "delay_ms": N, "chunk": N, "repeat": N}
 *   {"text": TEXT, "delay_ms": N, "chunk": N, "repeat": N}
 *   {"call": {"name": S, "arguments": {…} or TEXT}, "delay_ms": N, "repeat": N}
 *   {"bad_call": TEXT or {"name": S, "why": TEXT}, "delay_ms": N, "repeat": N}
 *   {"notice": TEXT, "delay_ms": N, "repeat": N}
 *   {"pause": MS}                    (-1: until cancelled)
 *   {"error": TEXT or {"code": S, "text": TEXT}}
 *   {"done": {"stop": S, "usage": {…}}}       or {"done": S}, {"done": {}}
 *
 * `delay_ms` is waited before each piece: a text's piece is `chunk` characters (4) and counts
 * as one token, a prefill's is `chunk` tokens (512).  A call's pieces are its beginning, each
 * argument and its end; arguments given as TEXT are passed on as they are, which may be no
 * JSON.  Ended thinking leaves out what is left of it, pauses after thinking included.
 * `repeat` plays the step so often; a flood is a large number there.  Error codes are
 * failed, usage, model, limit, nomem, io, refused, store, cancelled, timeout.  "done" without
 * "stop" means "tool_calls" after a good call, else "stop"; usage fields that are not given
 * are counted.  A turn without "prefill" prefills an invented count of tokens at once.
 *
 * A turn may be opened by a line with conditions:
 *
 *   {"turn": {"task": "title", "again": true, "expect": TEXT, "expect_tool": TEXT,
 *             "expect_system": TEXT, "expect_tools": TEXT, "expect_calls": IDS,
 *             "expect_results": IDS, "expect_messages": N, "expect_effort": S,
 *             "expect_resume": N}}
 *
 * expect…: the last user, tool or system message contains the text, or what the system message
 * offers does; the ids of the calls of the last answer that has any, and of the calls whose
 * results follow it, are these ("0 1"); so many messages; that effort; so many resume ids.  A turn that finds it otherwise fails with ERR_USAGE and says
 * what it found.  "task": the turn answers requests for a title, and no others do; plain and
 * title turns are counted apart.  When turns run out, play goes on at the one marked "again";
 * without one the request fails.
 *
 * Thinking is left out under effort none.  Ids are invented: 1 or 2 opens an answer, 3 closes
 * its thinking, 0 ends it, and the others count up from 1000 by their place in the turn.  So
 * a request with resume_ids goes on exactly where they end: it plays the turn that was played
 * last once more (the first one in a new engine), silently up to there but for its calls.
 * A prefill is told as one id before the turn's steps; who resumes such an answer gives it again.
 */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/utf8.h"
#include "engine/scripted/script.h"
#include "engine/session/desk.h"

#define QUEUE_EVENTS 256

enum {
	ID_END = 0,
	ID_THINK = 1,
	ID_CHAT = 2,
	ID_THINK_END = 3,
	ID_FIRST = 1000,
	ID_SPAN = 100000
};

struct scripted {
	struct engine base;
	struct desk desk;
	struct script script;
	pthread_t thread;
	_Atomic bool ready;
	/* Engine thread only: the next turn of plain [0] and title [1] requests, and the last.
	 */
	size_t next[2], last[2];
	bool played[2];
};

/* One turn being played. */
struct play {
	struct scripted *s;
	const struct turn_request *req;
	const struct script_turn *turn;
	uint64_t number;
	size_t n_ids;      /* ids of the answer so far, the silent ones included */
	size_t resumed[2]; /* bytes of text [0] and thinking [1] that resumed ids stand for */
	bool thinks;       /* the effort asks for thinking */
	bool in_thinking;  /* no </think> yet */
	bool closed;       /* the queue is closed: stop at once */
	int n_calls, n_good;
	int64_t started_ms, prefilled_ms;
	struct turn_usage usage;
	bool over; /* a limit was met or the turn was cancelled: */
	enum stop_reason stop;
};

static void push(struct play *p, struct event *ev)
{
	ev->turn = p->number;
	if (event_queue_push(p->s->base.events, ev))
		p->closed = p->over = true;
}

/* The id in place n of an answer; those of control tokens depend on where they are asked for.
 */
static token_id text_id(size_t n)
{
	return (token_id)(ID_FIRST + n % ID_SPAN);
}

static void fail(struct play *p, const struct err *why);

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
		fail(p, &why);
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
		fail(p, &why);
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
static void fail(struct play *p, const struct err *why)
{
	struct event ev = {.kind = EV_ERROR, .err = *why};

	if (p->closed)
		return;
	fill_times(p);
	ev.usage = p->usage;
	desk_done(&p->s->desk);
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
	desk_done(&p->s->desk);
	push(p, &ev);
	p->closed = p->over = true;
}

/* What happens between two pieces: the delay, and the reasons to stop. */
static bool before_piece(struct play *p, const struct script_step *st)
{
	struct desk *d = &p->s->desk;

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

		if (thinking && desk_thinking_ended(&p->s->desk, p->number)) {
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

static void play_call(struct play *p, const struct script_step *st)
{
	int call = p->n_calls++;

	end_thinking(p);
	if (!before_piece(p, st))
		return;
	/* Calls are told again where an answer is resumed, so what produce() says is not asked.
	 */
	produce(p, text_id(p->n_ids));
	if (p->over)
		return;
	send(p, EV_CALL_BEGIN, buf_str(&st->name), call);
	for (size_t i = 0; i < st->n_params && before_piece(p, st); i++) {
		produce(p, text_id(p->n_ids));
		if (!p->over)
			send(p, EV_CALL_PARAM, buf_str(&st->params[i]), call);
	}
	if (before_piece(p, st))
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
	int call = p->n_calls++;

	end_thinking(p);
	if (!before_piece(p, st))
		return;
	produce(p, text_id(p->n_ids));
	if (p->over)
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
		desk_pause(&p->s->desk, p->number, st->delay_ms, false);
		if (desk_cancelled(&p->s->desk, p->number)) {
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

	desk_pause(&p->s->desk, p->number, st->delay_ms, false);
	err_set(&why, st->code, "%s", buf_z(&st->text));
	fail(p, &why);
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
		    (!p->in_thinking || desk_thinking_ended(&p->s->desk, p->number)))
			break;
		desk_pause(&p->s->desk, p->number, st->delay_ms, st->of_thinking);
		if (desk_cancelled(&p->s->desk, p->number))
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

/* The expectations. */

static bool contains(struct str hay, struct str needle)
{
	return needle.n == 0 || (hay.n && memmem(hay.p, hay.n, needle.p, needle.n));
}

static struct str last_content(const struct turn_request *req, enum chat_role role)
{
	if (req->is_raw && role == CHAT_USER)
		return req->raw;
	for (size_t i = req->chat.n_messages; i-- > 0;) {
		if (req->chat.messages[i].role == role)
			return req->chat.messages[i].content;
	}
	return (struct str){0};
}

static bool check_text(struct play *p, bool asked, const struct buf *want, enum chat_role role,
		       const char *who)
{
	struct str found = last_content(p->req, role);
	struct err why;

	if (!asked || contains(found, buf_str(want)))
		return true;
	err_set(&why, ERR_USAGE,
		"script line %d: the last %s message is \"%.*s\", expected it "
		"to contain \"%.*s\"",
		p->turn->line, who, (int)(found.n < 150 ? found.n : 150),
		found.p ? found.p : "", (int)(want->len < 150 ? want->len : 150), buf_z(want));
	fail(p, &why);
	return false;
}

/* Fails the turn: what was found is not what the script expects. */
static bool found_otherwise(struct play *p, const char *what, struct str found, struct str want)
{
	struct err why;

	err_set(&why, ERR_USAGE, "script line %d: %s: found \"%.*s\", expected \"%.*s\"",
		p->turn->line, what, (int)(found.n < 150 ? found.n : 150),
		found.p ? found.p : "", (int)(want.n < 150 ? want.n : 150),
		want.p ? want.p : "");
	fail(p, &why);
	return false;
}

static bool check_tools(struct play *p)
{
	const struct chat *c = &p->req->chat;
	struct str want = buf_str(&p->turn->expect_tools);
	struct str found = c->n_messages ? c->messages[0].tools_json : (struct str){0};

	if (!p->turn->has_expect_tools || (want.n ? contains(found, want) : !found.n))
		return true;
	return found_otherwise(p, "tools", found, want);
}

/* The ids of the last answer's calls, or (`results`) of those that were answered, with blanks. */
static void add_ids_of(const struct chat *c, bool results, struct buf *out)
{
	size_t i = c->n_messages;

	while (i > 0 && !c->messages[i - 1].n_calls)
		i--;
	if (!i)
		return;
	for (size_t k = 0; !results && k < c->messages[i - 1].n_calls; k++) {
		buf_addz(out, out->len ? " " : "");
		buf_adds(out, c->messages[i - 1].calls[k].id);
	}
	for (; results && i < c->n_messages; i++) {
		if (c->messages[i].role != CHAT_TOOL)
			continue;
		buf_addz(out, out->len ? " " : "");
		buf_adds(out, c->messages[i].tool_call_id);
	}
}

static bool check_ids(struct play *p, const char *what, bool asked, const struct buf *want,
		      bool results)
{
	struct buf found = {0};
	bool same;

	if (!asked)
		return true;
	add_ids_of(&p->req->chat, results, &found);
	same = str_eq(buf_str(&found), buf_str(want));
	if (!same)
		found_otherwise(p, what, buf_str(&found), buf_str(want));
	buf_release(&found);
	return same;
}

static bool check_count(struct play *p, const char *what, int64_t want, int64_t found)
{
	struct err why;

	if (want < 0 || want == found)
		return true;
	err_set(&why, ERR_USAGE, "script line %d: %s: found %lld, expected %lld", p->turn->line,
		what, (long long)found, (long long)want);
	fail(p, &why);
	return false;
}

static bool meets_expectations(struct play *p)
{
	const struct script_turn *t = p->turn;
	const struct turn_request *req = p->req;

	return check_text(p, t->has_expect, &t->expect, CHAT_USER, "user") &&
	       check_text(p, t->has_expect_tool, &t->expect_tool, CHAT_TOOL, "tool") &&
	       check_text(p, t->has_expect_system, &t->expect_system, CHAT_SYSTEM, "system") &&
	       check_tools(p) &&
	       check_ids(p, "calls", t->has_expect_calls, &t->expect_calls, false) &&
	       check_ids(p, "results", t->has_expect_results, &t->expect_results, true) &&
	       check_count(p, "messages", t->expect_messages, (int64_t)req->chat.n_messages) &&
	       check_count(p, "effort", t->expect_effort, (int64_t)req->chat.effort) &&
	       check_count(p, "resume ids", t->expect_resume, (int64_t)req->n_resume_ids);
}

/* Which turn. */

static bool is_title(const struct turn_request *req)
{
	const struct chat *c = &req->chat;

	return !req->is_raw && c->n_messages &&
	       c->messages[c->n_messages - 1].task == CHAT_TASK_TITLE;
}

/* The first turn of the kind at or after `from`; else the one marked "again"; else NULL. */
static const struct script_turn *find_turn(const struct script *s, size_t from, bool title)
{
	for (size_t i = from; i < s->n_turns; i++) {
		if (s->turns[i].is_title == title)
			return &s->turns[i];
	}
	for (size_t i = 0; i < s->n_turns; i++) {
		if (s->turns[i].is_title == title && s->turns[i].again)
			return &s->turns[i];
	}
	return NULL;
}

static const struct script_turn *choose_turn(struct scripted *s, const struct turn_request *req)
{
	bool title = is_title(req);
	bool once_more = req->n_resume_ids && s->played[title];
	const struct script_turn *t =
		find_turn(&s->script, once_more ? s->last[title] : s->next[title], title);

	if (t) {
		s->last[title] = (size_t)(t - s->script.turns);
		s->next[title] = s->last[title] + 1;
		s->played[title] = true;
	}
	return t;
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

static void play_turn(struct scripted *s, const struct turn_request *req, uint64_t number)
{
	static const struct script_step plain_prefill = {
		.kind = STEP_PREFILL,
		.tokens = -1,
		.chunk = 1 << 30,
		.repeat = 1,
	};
	struct play p = {.s = s, .req = req, .number = number, .started_ms = clock_ms()};
	const struct script_step *st;
	struct err why;

	p.usage.prompt_tokens = invented_prompt_tokens(req);
	p.turn = choose_turn(s, req);
	if (!p.turn) {
		err_set(&why, ERR_USAGE, "the script has no further %s",
			is_title(req) ? "title turn" : "turn");
		fail(&p, &why);
		return;
	}
	if (!meets_expectations(&p))
		return;
	p.thinks = !req->is_raw && req->chat.effort != EFFORT_NONE && !p.turn->is_title;
	st = &s->script.steps[p.turn->first];
	if (st->kind != STEP_PREFILL)
		play_prefill(&p, &plain_prefill);
	for (size_t i = 0; i < p.turn->n_steps && !p.over; i++) {
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

static bool load(struct scripted *s)
{
	const struct script *sc = &s->script;
	struct event ev;

	for (int i = 1; i <= sc->load_steps; i++) {
		uint64_t part = (uint64_t)sc->load_bytes / (uint64_t)sc->load_steps;

		desk_pause(&s->desk, 0, sc->load_delay_ms, false);
		if (atomic_load(&s->desk.closing))
			return false;
		ev = (struct event){.kind = EV_LOAD, .progress_all = (uint64_t)sc->load_bytes};
		ev.progress = i == sc->load_steps ? ev.progress_all : part * (uint64_t)i;
		if (event_queue_push(s->base.events, &ev))
			return false;
	}
	if (sc->load_error.code) {
		desk_fail(&s->desk, &sc->load_error, s->base.events);
		return false;
	}
	atomic_store(&s->ready, true);
	ev = (struct event){.kind = EV_READY};
	return event_queue_push(s->base.events, &ev) == 0;
}

static void *run(void *arg)
{
	struct scripted *s = arg;
	struct turn_request *req;
	uint64_t number;

	if (!load(s))
		return NULL;
	while (desk_take(&s->desk, &req, &number)) {
		play_turn(s, req, number);
		free(req);
	}
	return NULL;
}

/* The table. */

static struct scripted *of(struct engine *e)
{
	return (struct scripted *)e;
}

static int scripted_submit(struct engine *e, const struct turn_request *req, uint64_t *turn,
			   struct err *err)
{
	return desk_submit(&of(e)->desk, req, turn, err);
}

static void scripted_cancel(struct engine *e, uint64_t turn)
{
	desk_cancel(&of(e)->desk, turn);
}

static void scripted_end_thinking(struct engine *e, uint64_t turn)
{
	desk_end_thinking(&of(e)->desk, turn);
}

static const struct engine_info *scripted_info(struct engine *e)
{
	return atomic_load(&of(e)->ready) ? &of(e)->script.info : NULL;
}

static void scripted_free(struct scripted *s)
{
	event_queue_free(s->base.events);
	script_close(&s->script);
	desk_release(&s->desk);
	free(s);
}

static void scripted_close(struct engine *e)
{
	struct scripted *s = of(e);

	desk_close(&s->desk);
	event_queue_close(s->base.events);
	pthread_join(s->thread, NULL);
	scripted_free(s);
}

static const struct engine_ops scripted_ops = {
	.submit = scripted_submit,
	.cancel = scripted_cancel,
	.end_thinking = scripted_end_thinking,
	.info = scripted_info,
	.close = scripted_close,
};

int engine_open_scripted(struct engine **out, struct str script, struct err *err)
{
	struct scripted *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_nomem(err, "scripted engine", sizeof(*s));
	s->base.ops = &scripted_ops;
	desk_init(&s->desk);
	rc = script_open(&s->script, script, err);
	if (!rc)
		rc = event_queue_new(&s->base.events, QUEUE_EVENTS, err);
	if (!rc)
		rc = desk_start_thread(&s->thread, run, s, err);
	if (rc) {
		scripted_free(s);
		return rc;
	}
	*out = &s->base;
	return 0;
}
