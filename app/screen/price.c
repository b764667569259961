/*
 * What Enter would read: asked of the engine in a pause of the typing, while nothing else goes
 * on, and shown in the status until the next key.  On the way the engine reads ahead what
 * stands before the draft, so that only the draft is left.  In the transcript it is what
 * answering the chosen question again would read, or editing it.
 */
#include "app/screen/private.h"

#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"

/* So long nobody types before it is asked. */
#define PAUSE_MS 400

void screen_price_later(struct screen *s)
{
	s->price_ms = clock_ms() + PAUSE_MS;
	s->price_ahead = true;
	s->price = 0;
	s->status.reads_of = 0;
}

void screen_price_after_turn(struct screen *s)
{
	screen_price_later(s);
	s->price_ahead = false;
}

/* The question that would change: what is being edited, else the one that the keys are at. */
static int64_t changed_question(const struct screen *s)
{
	int64_t at = tui_chosen_question(s->tui);

	return at ? at : tui_editing(s->tui);
}

void screen_price_after_key(struct screen *s)
{
	struct str draft = tui_draft(s->tui);

	if (!s->talk)
		return;
	if (s->priced_leaf == s->talk->leaf && s->priced_question == changed_question(s) &&
	    s->priced.len == draft.n &&
	    (!draft.n || memcmp(s->priced.data, draft.p, draft.n) == 0))
		return;
	/* So that the same keys again wait no longer. */
	s->priced_leaf = s->talk->leaf;
	s->priced_question = changed_question(s);
	buf_reset(&s->priced);
	buf_adds(&s->priced, draft);
	screen_price_later(s);
}

int screen_price_due_ms(const struct screen *s)
{
	if (!s->ready || s->engine_failed || screen_busy(s) || title_busy(&s->title))
		return -1;
	return clock_left_ms(s->price_ms);
}

/* The draft, in its place; or the chosen question as it is. */
static struct price_of what_is_wanted(struct screen *s)
{
	struct talk_message *changed = talk_find(s->talk, changed_question(s));

	if (changed && tui_chosen_question(s->tui))
		return (struct price_of){.talk = s->talk, .leaf = changed};
	return (struct price_of){.talk = s->talk,
				 .leaf = changed ? changed->parent : s->talk->leaf,
				 .draft = tui_draft(s->tui),
				 .instead = changed};
}

static int ask(struct screen *s, const struct price_of *of, struct err *err)
{
	/* Where the keys only pass by nothing is read. */
	bool ahead = s->price_ahead && !tui_chosen_question(s->tui);
	int rc = price_ask(&s->turn, of, ahead, &s->priced_said, &s->price, err);

	/* What was cancelled (a title) may not have ended yet. */
	if (rc == ERR_USAGE)
		s->price_ms = clock_ms() + PAUSE_MS;
	return rc == ERR_USAGE ? 0 : rc;
}

void screen_price(struct screen *s)
{
	struct price_of of = what_is_wanted(s);
	struct buf system = {0};
	struct err err = {0};
	int rc;

	s->price_ms = 0;
	price_said_release(&s->priced_said);
	rc = screen_look_at_tools(s, &system, &of.tools, &err);
	if (!rc) {
		of.system = buf_str(&system);
		rc = ask(s, &of, &err);
	}
	buf_release(&system);
	/* A figure less; what is wrong is said when it is sent. */
	if (rc)
		log_add(LOG_DEBUG, "price: %s", err.text);
}

/* Which of them a message is, near `from` in all likelihood; n: none. */
static size_t find_said(const struct price_said *said, int64_t id, size_t from)
{
	for (size_t k = 0; k < said->n; k++) {
		size_t i = (from + k) % said->n;

		if (said->ids[i] == id)
			return i;
	}
	return said->n;
}

/* Where the cache of each message lies, which the ruler shows. */
static void show_places(struct screen *s, const struct event *ev)
{
	size_t n = s->priced_said.n, at = 0;

	for (size_t i = 0; i < transcript_n(s->said); i++) {
		int64_t id = transcript_id(s->said, i);

		at = id ? find_said(&s->priced_said, id, at) : n;
		if (at < n)
			transcript_set_place(s->said, i,
					     at < ev->in_memory ? PLACE_MEMORY
					     : at < ev->on_disk ? PLACE_DISK
								: PLACE_COLD);
	}
}

void screen_hear_price(struct screen *s, const struct event *ev)
{
	if (!s->price || ev->turn != s->price)
		return;
	show_places(s, ev);
	screen_note_disk(s, ev);
	if (!tui_draft(s->tui).n && !tui_chosen_question(s->tui))
		return;
	s->status.reads = (int64_t)ev->progress;
	s->status.reads_of = (int64_t)ev->progress_all;
	s->status.reads_s = s->read_rate > 0 ? (double)ev->progress / s->read_rate : 0;
}

void screen_note_read_rate(struct screen *s, const struct turn_usage *u)
{
	int64_t n = u->prompt_tokens - u->cached_tokens, ms = u->prefill_ms - u->disk_ms;

	/* Short prompts say little. */
	if (n >= 32 && ms > 0)
		s->read_rate = (double)n * 1000 / (double)ms;
}
