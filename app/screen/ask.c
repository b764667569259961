/* A turn begins: questions, what waits, interrupting. */
#include "app/screen/private.h"

#include <stdlib.h>

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

void screen_ask_title(struct screen *s, struct talk *t)
{
	if (!turn_runs(&s->turn) && !s->queue && !tui_draft(s->tui).n)
		title_ask(&s->title, s->engine, s->opt, t);
}

/* ---- answers ---- */

static bool begin(struct screen *s, struct talk_message *resume)
{
	struct err err = {0};

	title_cancel(&s->title, s->engine);
	if (turn_begin(&s->turn, s->talk, resume, &err)) {
		screen_error(s, err.text);
		return false;
	}
	s->live.n = 0;
	s->status.phase = s->ready ? STATUS_PREFILL : STATUS_LOADING;
	s->status.done = s->status.all = 0;
	s->status.rate = s->status.tokens_per_s = s->status.per_step = 0;
	s->status.cached = -1;
	s->dirty = true;
	return true;
}

void screen_answer(struct screen *s)
{
	if (s->engine_failed)
		screen_error(s, "there is no model: the message is kept; see the error above");
	else
		begin(s, NULL);
}

void screen_continue(struct screen *s, struct talk_message *m)
{
	/* The chosen one may be what was asked: its answer is meant. */
	if (m->role == CHAT_USER && m->newest_child)
		m = m->newest_child;
	if (!turn_may_resume(m)) {
		tui_say(s->tui, STYLE_NOTICE,
			"this answer is whole: there is nothing to go on with");
		return;
	}
	if (!begin(s, m))
		return;
	screen_show_talk(s);
	transcript_follow(s->said);
}

void screen_interrupt(struct screen *s)
{
	if (!turn_runs(&s->turn))
		return;
	turn_stop(&s->turn);
	if (s->ready)
		s->status.phase = STATUS_STOPPING;
	screen_recall_queue(s);
	s->dirty = true;
}

/* ---- questions ---- */

static void enqueue(struct screen *s, struct str text)
{
	struct queued *q = calloc(1, sizeof(*q)), **at = &s->queue;

	if (q)
		buf_adds(&q->text, text);
	if (!q || buf_failed(&q->text)) {
		free(q);
		tui_edit(s->tui, 0, text);
		tui_say(s->tui, STYLE_ERROR, "out of memory: the message was not sent");
		return;
	}
	while (*at)
		at = &(*at)->next;
	*at = q;
	s->status.queued++;
	transcript_add_waiting(s->said, text);
}

void screen_send(struct screen *s, struct str text)
{
	struct err err = {0};

	if (turn_runs(&s->turn) || (s->queue && !s->resending)) {
		enqueue(s, text);
		return;
	}
	if (talk_ask(s->talk, text, s->opt->system, clock_wall_ms(), &err)) {
		tui_edit(s->tui, 0, text);
		tui_say(s->tui, STYLE_ERROR, "out of memory: the message was not sent");
		return;
	}
	screen_show_talk(s);
	/* One that waited goes off by itself: its writer may read elsewhere. */
	if (!s->resending)
		transcript_follow(s->said);
	/* Where the store refuses, the chat goes on and it is tried again later. */
	if (talk_store_save(s->talks, s->talk, &err))
		screen_tell_unsaved(s, s->talk, &err);
	screen_show_list(s);
	screen_answer(s);
}

void screen_send_next(struct screen *s)
{
	struct queued *q = s->queue;

	if (!q || turn_runs(&s->turn))
		return;
	s->queue = q->next;
	s->status.queued--;
	s->resending = true;
	screen_send(s, buf_str(&q->text));
	s->resending = false;
	buf_release(&q->text);
	free(q);
}

void screen_drop_queue(struct screen *s)
{
	while (s->queue) {
		struct queued *q = s->queue;

		s->queue = q->next;
		buf_release(&q->text);
		free(q);
	}
	s->status.queued = 0;
}

/* What waits comes back to be edited, rather than going off by itself. */
void screen_recall_queue(struct screen *s)
{
	struct buf back = {0};

	if (!s->queue)
		return;
	for (const struct queued *q = s->queue; q; q = q->next) {
		buf_adds(&back, buf_str(&q->text));
		buf_addc(&back, '\n');
	}
	buf_adds(&back, tui_draft(s->tui));
	if (!buf_failed(&back)) {
		tui_edit(s->tui, tui_editing(s->tui), buf_str(&back));
		screen_drop_queue(s);
		screen_show_talk(s);
	}
	buf_release(&back);
}
