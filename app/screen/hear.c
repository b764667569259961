#include "app/talk/record.h"
#include "app/screen/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"

void screen_error(struct screen *s, const char *text)
{
	size_t i = transcript_add(s->said, ITEM_ERROR, 0, -1);

	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i, str_of(text));
	else
		tui_say(s->tui, STYLE_ERROR, "%s", text);
	s->dirty = true;
}

static bool turn_is_shown(const struct screen *s)
{
	return s->turn_talk == s->talk;
}

static void count_rate(struct screen *s)
{
	int64_t ms;

	if (s->first_token_ms < 0)
		return;
	ms = clock_ms() - s->first_token_ms;
	/* The first moments say little. */
	if (ms > 500)
		s->status.tokens_per_s = (double)s->n_tokens * 1000 / (double)ms;
}

static void end_thinking_item(struct screen *s, int64_t tokens)
{
	int64_t now = clock_ms();

	if (s->thinking_over || s->thinking_from_ms < 0)
		return;
	s->thinking_over = true;
	s->answer->thinking_ms = now - s->thinking_from_ms;
	s->answer->thinking_tokens = tokens;
	if (turn_is_shown(s) && s->thinking_item != TRANSCRIPT_NONE)
		transcript_finish(s->said, s->thinking_item,
				  s->interrupted ? ITEM_STOPPED : ITEM_DONE,
				  s->answer->thinking_ms, tokens, now);
}

static void hear_thinking(struct screen *s, struct str text)
{
	int64_t now = clock_ms();

	if (s->thinking_from_ms < 0)
		s->thinking_from_ms = now;
	buf_adds(&s->answer->thinking, text);
	s->status.phase = s->interrupted ? STATUS_STOPPING : STATUS_THINKING;
	if (!turn_is_shown(s) || s->opt->hide_thinking)
		return;
	if (s->thinking_item == TRANSCRIPT_NONE)
		s->thinking_item = transcript_add(s->said, ITEM_THINKING, 0, now);
	if (s->thinking_item != TRANSCRIPT_NONE)
		transcript_append(s->said, s->thinking_item, text);
}

static void hear_text(struct screen *s, struct str text)
{
	end_thinking_item(s, s->n_tokens > 0 ? s->n_tokens : -1);
	buf_adds(&s->answer->text, text);
	s->status.phase = s->interrupted ? STATUS_STOPPING : STATUS_ANSWERING;
	if (!turn_is_shown(s))
		return;
	if (s->answer_item == TRANSCRIPT_NONE)
		s->answer_item = transcript_add(s->said, ITEM_ANSWER, 0, clock_ms());
	if (s->answer_item != TRANSCRIPT_NONE)
		transcript_append(s->said, s->answer_item, text);
}

/* The call of that index, made where it is new; NULL without memory, or for a nonsense index.
 */
static struct talk_call *call_at(struct screen *s, int index)
{
	struct talk_message *m = s->answer;
	struct talk_call *calls;
	size_t *items;

	if (index < 0 || (size_t)index > m->n_calls)
		return NULL;
	if ((size_t)index < m->n_calls)
		return &m->calls[index];
	calls = realloc(m->calls, (m->n_calls + 1) * sizeof(*calls));
	if (calls == NULL)
		return NULL;
	m->calls = calls;
	items = realloc(s->call_items, (m->n_calls + 1) * sizeof(*items));
	if (items == NULL)
		return NULL;
	s->call_items = items;
	calls[m->n_calls] = (struct talk_call){0};
	items[m->n_calls] = TRANSCRIPT_NONE;
	s->n_call_items = m->n_calls + 1;
	return &calls[m->n_calls++];
}

static void hear_call(struct screen *s, const struct event *ev)
{
	struct talk_call *c;
	size_t item;

	end_thinking_item(s, -1);
	c = call_at(s, ev->call);
	if (c == NULL)
		return;
	if (ev->kind == EV_CALL_BEGIN) {
		buf_adds(&c->name, buf_str(&ev->text));
		if (turn_is_shown(s))
			s->call_items[ev->call] =
				transcript_add(s->said, ITEM_TOOL, 0, clock_ms());
	} else if (ev->kind == EV_CALL_PARAM) {
		if (c->arguments.len > 0)
			buf_addz(&c->arguments, ", ");
		buf_adds(&c->arguments, buf_str(&ev->text));
	} else {
		buf_reset(&c->arguments);
		buf_adds(&c->arguments, buf_str(&ev->text));
		c->bad = ev->kind == EV_CALL_BAD;
	}
	item = (size_t)ev->call < s->n_call_items ? s->call_items[ev->call] : TRANSCRIPT_NONE;
	if (!turn_is_shown(s) || item == TRANSCRIPT_NONE)
		return;
	if (c->bad)
		transcript_append(s->said, item, buf_str(&c->arguments));
	else
		transcript_set_call(s->said, item, buf_str(&c->name), buf_str(&c->arguments));
	if (ev->kind == EV_CALL_BEGIN)
		transcript_set_call(s->said, item, buf_str(&c->name), (struct str){0});
	if (ev->kind == EV_CALL_END || ev->kind == EV_CALL_BAD)
		transcript_finish(s->said, item, c->bad ? ITEM_FAILED : ITEM_DONE, -1, -1,
				  clock_ms());
}

static void hear_tokens(struct screen *s, const struct event *ev)
{
	struct err err;

	if (s->first_token_ms < 0)
		s->first_token_ms = clock_ms();
	s->n_tokens += (int64_t)ev->n_ids;
	if (talk_message_add_ids(s->answer, ev->ids, ev->n_ids, &err) < 0) {
		/* Without all ids the answer can't be gone on with, but its text stands. */
		s->answer->n_ids = 0;
	}
	count_rate(s);
}

static void note_usage(struct history_run *run, const struct turn_usage *u)
{
	run->finished_ms = clock_wall_ms();
	run->prompt_tokens = u->prompt_tokens;
	run->cached_tokens = u->cached_tokens;
	run->thinking_tokens = u->thinking_tokens;
	run->output_tokens = u->output_tokens;
	run->drafted = u->drafted;
	run->accepted = u->accepted;
	run->prefill_ms = u->prefill_ms;
	run->decode_ms = u->decode_ms;
	run->total_ms = u->total_ms;
}

/* ---- journal ---- */

/* The store hears what the model says as it comes, so that a crash leaves it there. */
static void journal_event(struct screen *s, const struct event *ev)
{
	struct err err = {0};
	bool says = ev->kind == EV_THINKING || ev->kind == EV_TEXT || ev->kind == EV_TOKENS ||
		    ev->kind == EV_CALL_BEGIN;

	if (s->answer == NULL || s->unjournalled)
		return;
	if (s->journal == NULL && says) {
		/* The model is known by now, also where it was still loading at the question.
		 */
		int64_t started_ms = s->answer->run.run.started_ms;

		screen_note_run(s, &s->answer->run);
		s->answer->run.run.started_ms = started_ms;
		if (talk_store_begin(&s->talks, s->turn_talk, s->answer, s->resumed,
				     &s->journal, &err) < 0)
			tui_say(s->tui, STYLE_ERROR, "not kept until it ends: %s", err.text);
		s->unjournalled = s->journal == NULL;
	}
	if (s->journal != NULL)
		record_feed(s->journal, ev);
}

int screen_journal_due_ms(const struct screen *s)
{
	return s->journal != NULL ? history_answer_due_ms(s->journal) : -1;
}

void screen_drained(struct screen *s)
{
	struct err err = {0};

	if (screen_journal_due_ms(s) == 0 && history_answer_flush(s->journal, &err) < 0) {
		tui_say(s->tui, STYLE_ERROR, "not kept so far: %s", err.text);
		s->dirty = true;
	}
}

/* The journal becomes the message; where that fails, saving it as a whole is tried. */
static void journal_end(struct screen *s, struct talk_message *m)
{
	struct err err = {0};

	if (s->journal == NULL)
		return;
	talk_store_end(s->journal, m, &err);
	s->journal = NULL;
}

/* The turn is over: the answer joins the tree, if anything was said. */
static void finish(struct screen *s, const struct turn_usage *u, bool whole, const char *stop)
{
	struct talk_message *m = s->answer;
	struct talk *t = s->turn_talk;
	struct talk_message *leaf = t->leaf;

	end_thinking_item(s, u->thinking_tokens);
	if (m->thinking_tokens < 0 || u->thinking_tokens > 0)
		m->thinking_tokens = u->thinking_tokens > 0 ? u->thinking_tokens : -1;
	m->unfinished = !whole;
	m->context_tokens = u->prompt_tokens + u->output_tokens;
	s->answer = NULL;
	s->turn = 0;
	if (m->text.len + m->thinking.len + m->n_calls > 0) {
		m->run.run.stop = stop;
		note_usage(&m->run.run, u);
		journal_end(s, m);
		talk_say(t, m, clock_wall_ms());
		screen_save(s, t);
	} else {
		m->run.run.stop = stop;
		journal_end(s, m);
		talk_message_free(m);
		t->leaf = leaf;
	}
	s->status.phase = STATUS_IDLE;
	s->status.context_used = u->prompt_tokens + u->output_tokens;
	s->status.cached = u->cached_tokens;
	if (u->decode_ms > 0)
		s->status.tokens_per_s = (double)u->output_tokens * 1000 / (double)u->decode_ms;
	if (u->drafted > 0 && u->output_tokens > u->accepted)
		s->status.per_step =
			(double)u->output_tokens / (double)(u->output_tokens - u->accepted);
}

/* The items of the answer that came are those of a message now. */
static void settle_items(struct screen *s, bool follow)
{
	if (s->turn_talk != s->talk)
		return;
	screen_show_talk(s);
	if (follow)
		transcript_follow(s->said);
}

static const char *why_stopped(enum stop_reason stop)
{
	switch (stop) {
	case STOP_LENGTH:
		return "the limit of tokens was reached; /continue goes on with it";
	case STOP_CONTEXT:
		return "the context is full: begin a new conversation, or edit an earlier "
		       "message";
	case STOP_CALLS:
		return "the model asks for a tool; tools don't run here, so the turn ends";
	case STOP_END:
	case STOP_INTERRUPTED:
		break;
	}
	return NULL;
}

static void hear_done(struct screen *s, const struct event *ev)
{
	const char *why = why_stopped(ev->stop);
	bool shown = turn_is_shown(s);
	size_t i;

	finish(s, &ev->usage, ev->stop == STOP_END || ev->stop == STOP_CALLS,
	       stop_reason_name(ev->stop));
	if (shown) {
		/* Same items, now of a message: only their ids and states change. */
		const struct talk_message *m = s->talk->leaf;
		int64_t id = m != NULL && m->role == CHAT_ASSISTANT ? m->id : 0;

		if (s->thinking_item != TRANSCRIPT_NONE) {
			transcript_set_id(s->said, s->thinking_item, id);
			/* The model's own count, as it is shown from the store. */
			if (id != 0)
				transcript_set_number(s->said, s->thinking_item,
						      m->thinking_tokens);
		}
		for (size_t k = 0; k < s->n_call_items; k++)
			if (s->call_items[k] != TRANSCRIPT_NONE)
				transcript_set_id(s->said, s->call_items[k], id);
		if (s->answer_item != TRANSCRIPT_NONE) {
			transcript_set_id(s->said, s->answer_item, id);
			transcript_finish(s->said, s->answer_item,
					  m != NULL && m->unfinished ? ITEM_STOPPED : ITEM_DONE,
					  -1, -1, clock_ms());
		} else if (id != 0 && m->unfinished) {
			settle_items(s, transcript_following(s->said));
		}
		screen_show_siblings(s);
		if (why != NULL) {
			i = transcript_add(s->said, ITEM_NOTICE, 0, -1);
			if (i != TRANSCRIPT_NONE)
				transcript_append(s->said, i, str_of(why));
		}
	}
	s->thinking_item = s->answer_item = TRANSCRIPT_NONE;
	s->n_call_items = 0;
	screen_show_list(s);
	screen_send_next(s);
	screen_ask_title(s, s->turn_talk);
}

static void hear_error(struct screen *s, const struct event *ev)
{
	if (ev->turn == 0) {
		s->engine_failed = true;
		s->status.phase = STATUS_NO_ENGINE;
		s->status.done = s->status.all = 0;
		screen_error(s, ev->err.text);
		return;
	}
	/* What was said stands, as an answer that may be gone on with. */
	if (turn_is_shown(s)) {
		bool follow = transcript_following(s->said);

		finish(s, &ev->usage, false, "failed");
		settle_items(s, follow);
		screen_error(s, ev->err.text);
	} else {
		finish(s, &ev->usage, false, "failed");
		tui_say(s->tui, STYLE_ERROR, "%s", ev->err.text);
	}
	if (s->engine_failed)
		s->status.phase = STATUS_NO_ENGINE;
	screen_show_list(s);
	screen_send_next(s);
}

static void hear_ready(struct screen *s)
{
	const struct engine_info *info = s->engine->ops->info(s->engine);

	s->ready = true;
	s->status.phase = s->turn != 0 ? STATUS_PREFILL : STATUS_IDLE;
	s->status.done = s->status.all = 0;
	s->status.rate = 0;
	if (info == NULL)
		return;
	snprintf(s->status.model, sizeof(s->status.model), "%.63s", info->model_name);
	snprintf(s->status.backend, sizeof(s->status.backend), "%.63s", info->backend);
	s->status.context_all = info->ctx_tokens;
	s->status.memory = info->weight_bytes + info->cache_bytes + info->scratch_bytes;
}

static void hear_progress(struct screen *s, const struct event *ev)
{
	int64_t since = ev->kind == EV_LOAD ? s->load_ms : s->turn_ms;
	int64_t ms = clock_ms() - since;
	uint64_t base = ev->kind == EV_PREFILL ? ev->cached : 0;

	s->status.phase = ev->kind == EV_LOAD ? STATUS_LOADING
			  : s->interrupted    ? STATUS_STOPPING
					      : STATUS_PREFILL;
	s->status.done = ev->progress;
	s->status.all = ev->progress_all;
	if (ms > 200 && ev->progress > base)
		s->status.rate = (double)(ev->progress - base) * 1000 / (double)ms;
	if (ev->kind == EV_PREFILL)
		s->status.cached = (int64_t)ev->cached;
}

void screen_event(struct screen *s, struct event *ev)
{
	if (screen_hear_title(s, ev))
		return;
	s->dirty = true;
	/* News of a turn that is no longer ours. */
	if (ev->turn != 0 && (ev->turn != s->turn || s->answer == NULL))
		return;
	if (ev->turn != 0)
		journal_event(s, ev);
	switch (ev->kind) {
	case EV_LOAD:
	case EV_PREFILL:
		hear_progress(s, ev);
		break;
	case EV_READY:
		hear_ready(s);
		break;
	case EV_THINKING:
		hear_thinking(s, buf_str(&ev->text));
		break;
	case EV_TEXT:
		hear_text(s, buf_str(&ev->text));
		break;
	case EV_CALL_BEGIN:
	case EV_CALL_PARAM:
	case EV_CALL_END:
	case EV_CALL_BAD:
		hear_call(s, ev);
		break;
	case EV_NOTICE: {
		size_t i = turn_is_shown(s) || ev->turn == 0
				   ? transcript_add(s->said, ITEM_NOTICE, 0, -1)
				   : TRANSCRIPT_NONE;

		if (i != TRANSCRIPT_NONE)
			transcript_append(s->said, i, buf_str(&ev->text));
		break;
	}
	case EV_TOKENS:
		hear_tokens(s, ev);
		break;
	case EV_DONE:
		hear_done(s, ev);
		break;
	case EV_ERROR:
		hear_error(s, ev);
		break;
	}
}

void screen_leave_turn(struct screen *s)
{
	struct turn_usage none = {0};

	if (s->turn == 0)
		return;
	s->engine->ops->cancel(s->engine, s->turn);
	s->interrupted = true;
	finish(s, &none, false, stop_reason_name(STOP_INTERRUPTED));
}

void screen_turn_release(struct screen *s)
{
	history_answer_free(s->journal);
	s->journal = NULL;
	talk_message_free(s->answer);
	s->answer = NULL;
	free(s->call_items);
	title_release(&s->title);
	screen_drop_queue(s);
}
