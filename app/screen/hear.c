/* What the engine says, and what a turn leaves. */
#include "app/screen/private.h"

#include <stdio.h>

#include "app/talk/stop.h"
#include "engine/base/clock.h"

/* Events taken before keys get their turn again. */
#define EVENTS_AT_ONCE 64

static bool turn_is_shown(const struct screen *s)
{
	return s->turn.talk == s->talk;
}

static enum status_phase phase_of_tools(const struct screen *s)
{
	if (!screen_acts(s))
		return STATUS_IDLE;
	switch (agent_state(s->acts.agent)) {
	case AGENT_WAITS:
		return STATUS_ASKING;
	case AGENT_STOPS:
		return STATUS_STOPPING;
	case AGENT_IDLE:
	case AGENT_ANSWERING:
	case AGENT_RUNS:
		break;
	}
	return STATUS_RUNNING;
}

enum status_phase screen_phase(const struct screen *s)
{
	if (s->engine_failed)
		return STATUS_NO_ENGINE;
	if (!s->ready)
		return STATUS_LOADING;
	switch (s->turn.state) {
	case TURN_IDLE:
		return phase_of_tools(s);
	case TURN_READING:
		return STATUS_PREFILL;
	case TURN_THINKING:
		return STATUS_THINKING;
	case TURN_ANSWERING:
	case TURN_CALLING:
		return STATUS_ANSWERING;
	case TURN_STOPPING:
		return STATUS_STOPPING;
	}
	return STATUS_IDLE;
}

static void count_rate(struct screen *s)
{
	int64_t ms = clock_ms() - s->turn.first_token_ms;

	/* The first moments say little. */
	if (s->turn.first_token_ms >= 0 && ms > 500)
		s->status.tokens_per_s = (double)s->turn.n_tokens * 1000 / (double)ms;
}

void screen_tell_unsaved(struct screen *s, const struct talk *t, const struct err *err)
{
	if (t == s->talk)
		screen_error(s, err->text);
	tui_say(s->tui, STYLE_ERROR, "not kept, tried again with the next message: %s",
		err->text);
}

static void show_usage(struct screen *s, const struct turn_usage *u)
{
	s->status.context_used = u->prompt_tokens + u->output_tokens;
	s->status.cached = u->cached_tokens;
	s->status.from_disk = u->disk_tokens;
	s->status.disk_ms = u->disk_ms;
	if (u->decode_ms > 0)
		s->status.tokens_per_s = (double)u->output_tokens * 1000 / (double)u->decode_ms;
	if (u->chosen_experts > 0)
		s->status.on_gpu =
			1 - (double)u->hosted_experts / (double)u->chosen_experts;
	if (u->drafted > 0 && u->output_tokens > u->accepted)
		s->status.per_step =
			(double)u->output_tokens / (double)(u->output_tokens - u->accepted);
}

void screen_after_turn(struct screen *s, bool whole)
{
	/* Where tools ran, the last answer is known by now to be the last. */
	if (s->acts.agent && turn_is_shown(s))
		screen_add_stop(s);
	screen_show_list(s);
	screen_send_next(s);
	screen_price_after_turn(s);
	if (whole)
		screen_ask_title(s, s->turn.talk);
	s->status.phase = screen_phase(s);
}

/* The answer joins the tree, and its items become those of a message. */
static void finish(struct screen *s, const struct event *last)
{
	bool shown = turn_is_shown(s);
	struct talk_message *said;
	struct err err = {0};
	int rc = turn_end(&s->turn, last, 0, &said, &err);

	show_usage(s, &last->usage);
	screen_note_read_rate(s, &last->usage);
	if (shown && said)
		screen_live_end(s, said);
	s->live.n = 0;
	if (s->turn.refused && shown) {
		screen_give_back(s, &last->err);
		screen_show_list(s);
		if (screen_acts(s))
			screen_answered(s, last, NULL, &err);
		return;
	}
	if (shown && said) {
		bool news = screen_catch_up(s);

		screen_show_siblings(s);
		if (!screen_acts(s))
			screen_add_stop(s);
		if (news)
			screen_tell_news(s);
	}
	if (rc)
		screen_tell_unsaved(s, s->turn.talk, &err);
	if (!shown && last->kind == EV_ERROR)
		tui_say(s->tui, STYLE_ERROR, "%s", last->err.text);
	screen_show_list(s);
	if (screen_acts(s))
		screen_answered(s, last, said, &err);
	else
		screen_after_turn(s, last->kind == EV_DONE);
}

static void hear_engine_error(struct screen *s, const struct event *ev)
{
	s->engine_failed = true;
	s->status.done = s->status.all = 0;
	screen_error(s, ev->err.text);
}

static void hear_ready(struct screen *s)
{
	const struct engine_info *info = s->engine->ops->info(s->engine);

	s->ready = true;
	screen_price_later(s);
	s->status.done = s->status.all = 0;
	s->status.rate = 0;
	if (!info)
		return;
	snprintf(s->status.model, sizeof(s->status.model), "%.63s", info->model_name);
	snprintf(s->status.backend, sizeof(s->status.backend), "%.63s", info->backend);
	s->status.context_all = info->ctx_tokens;
	/* What filled a smaller one can be gone on with. */
	if (stop_way(s->talk->leaf, 0) != stop_way(s->talk->leaf, info->ctx_tokens))
		screen_show_talk(s);
	s->status.memory = info->weight_bytes + info->cache_bytes + info->scratch_bytes;
}

void screen_note_disk(struct screen *s, const struct event *ev)
{
	/* What was restored before it, while it was written, stays told. */
	if (!ev->disk)
		return;
	s->status.from_disk = (int64_t)ev->disk;
	s->status.disk_ms = (int64_t)ev->disk_ms;
}

static void hear_progress(struct screen *s, const struct event *ev)
{
	int64_t since = ev->kind == EV_LOAD ? s->load_ms : s->turn.began_ms;
	int64_t ms = clock_ms() - since;
	uint64_t base = ev->kind == EV_PREFILL ? ev->cached : 0;

	s->status.done = ev->progress;
	s->status.all = ev->progress_all;
	if (ms > 200 && ev->progress > base)
		s->status.rate = (double)(ev->progress - base) * 1000 / (double)ms;
	if (ev->kind != EV_PREFILL)
		return;
	s->status.cached = (int64_t)ev->cached;
	screen_note_disk(s, ev);
}

static void hear_turn(struct screen *s, const struct event *ev)
{
	struct err err;
	size_t part;

	if (turn_hear(&s->turn, ev, &part, &err))
		screen_error(s, err.text);
	else if (ev->kind == EV_CALL_TEXT && turn_is_shown(s))
		screen_live_writing(s, part, buf_str(&ev->text));
	else if (part != ANSWER_NO_PART && turn_is_shown(s))
		screen_live_part(s, part, buf_str(&ev->text));
	if (screen_acts(s))
		agent_event(s->acts.agent, ev);
	if (ev->kind == EV_PREFILL)
		hear_progress(s, ev);
	else if (ev->kind == EV_TOKENS)
		count_rate(s);
	else if (ev->kind == EV_DONE || ev->kind == EV_ERROR)
		finish(s, ev);
}

static void hear_engine(struct screen *s, const struct event *ev)
{
	size_t i;

	if (ev->kind == EV_LOAD) {
		hear_progress(s, ev);
	} else if (ev->kind == EV_READY) {
		hear_ready(s);
	} else if (ev->kind == EV_ERROR) {
		hear_engine_error(s, ev);
	} else if (ev->kind == EV_NOTICE) {
		i = transcript_add(s->said, ITEM_NOTICE, 0, -1);
		if (i != TRANSCRIPT_NONE)
			transcript_append(s->said, i, buf_str(&ev->text));
	}
}

static void take_event(struct screen *s, struct event *ev)
{
	bool named;

	if (title_event(&s->title, s->engine, s->talks, ev, &named)) {
		if (named)
			screen_show_list(s);
		return;
	}
	/* News of a turn that is no longer ours is nobody's. */
	if (turn_owns(&s->turn, ev))
		hear_turn(s, ev);
	else if (ev->kind == EV_PRICE)
		screen_hear_price(s, ev);
	else if (!ev->turn)
		hear_engine(s, ev);
	s->status.phase = screen_phase(s);
	s->dirty = true;
}

void screen_take_events(struct screen *s)
{
	struct event ev;

	for (int i = 0; i < EVENTS_AT_ONCE && !s->quit; i++) {
		if (event_queue_pop(s->engine->events, &ev, 0) <= 0) {
			turn_drained(&s->turn);
			return;
		}
		take_event(s, &ev);
		event_release(&ev);
	}
}

void screen_leave_turn(struct screen *s)
{
	struct talk_message *said;
	struct err ignored;

	if (turn_runs(&s->turn)) {
		turn_stop(&s->turn);
		turn_end(&s->turn, NULL, 0, &said, &ignored);
	}
	screen_leave_tools(s);
}
