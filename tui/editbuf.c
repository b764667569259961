/* Edits, the steps that undo them, and where clusters, words and lines end. */
#include "tui/editbuf.h"

#include <string.h>

#include "engine/base/utf8.h"
#include "tui/glyph.h"

void editbuf_release(struct editbuf *e)
{
	for (size_t i = 0; i < e->n_steps; i++)
		buf_release(&e->steps[i].removed);
	buf_release(&e->text);
	buf_release(&e->kill);
	*e = (struct editbuf){0};
}

static void forget_steps(struct editbuf *e)
{
	for (size_t i = 0; i < e->n_steps; i++)
		buf_release(&e->steps[i].removed);
	e->n_steps = 0;
	e->typing = e->killing = false;
}

void editbuf_set(struct editbuf *e, struct str text)
{
	forget_steps(e);
	buf_reset(&e->text);
	utf8_add_clean(&e->text, text);
	if (buf_failed(&e->text))
		buf_reset(&e->text);
	e->at = e->text.len;
}

/* A new step, the oldest one making room. */
static struct edit_step *push_step(struct editbuf *e)
{
	if (e->n_steps == EDITBUF_UNDO) {
		buf_release(&e->steps[0].removed);
		memmove(e->steps, e->steps + 1, (EDITBUF_UNDO - 1) * sizeof(e->steps[0]));
		e->n_steps--;
	}
	e->steps[e->n_steps] = (struct edit_step){0};
	return &e->steps[e->n_steps++];
}

/* Puts `text` where [from, to) is, without a step. */
static bool splice(struct editbuf *e, size_t from, size_t to, struct str text)
{
	size_t old = e->text.len, tail = old - to;

	if (text.n > EDITBUF_MAX - (old - (to - from)))
		return false;
	if (text.n > to - from) {
		if (!buf_reserve(&e->text, text.n - (to - from))) {
			/* The failure is sticky; what was there is whole. */
			e->text.failed = false;
			return false;
		}
	}
	if (e->text.data) {
		memmove(e->text.data + from + text.n, e->text.data + to, tail);
		if (text.n > 0)
			memcpy(e->text.data + from, text.p, text.n);
		e->text.len = from + text.n + tail;
		e->text.data[e->text.len] = '\0';
	}
	return true;
}

bool editbuf_replace(struct editbuf *e, size_t from, size_t to, struct str text)
{
	struct buf clean = {0}, removed = {0};
	struct edit_step *step;
	bool ok;

	utf8_add_clean(&clean, text);
	buf_add(&removed, buf_z(&e->text) + from, to - from);
	ok = !buf_failed(&clean) && !buf_failed(&removed) &&
	     splice(e, from, to, buf_str(&clean));
	if (ok) {
		step = push_step(e);
		step->at = from;
		step->removed = removed;
		step->inserted = clean.len;
		step->cursor = e->at;
		e->at = from + clean.len;
		removed = (struct buf){0};
	}
	e->typing = e->killing = false;
	buf_release(&clean);
	buf_release(&removed);
	return ok;
}

bool editbuf_insert(struct editbuf *e, struct str text)
{
	struct edit_step *last = e->n_steps > 0 ? &e->steps[e->n_steps - 1] : NULL;
	bool joins = e->typing && text.n <= 4 && last && last->at + last->inserted == e->at &&
		     text.n > 0 && text.p[0] != ' ';
	size_t before = e->n_steps;
	bool ok = editbuf_replace(e, e->at, e->at, text);

	if (ok && joins && e->n_steps >= 2 && e->n_steps >= before) {
		struct edit_step *now = &e->steps[e->n_steps - 1];

		e->steps[e->n_steps - 2].inserted += now->inserted;
		buf_release(&now->removed);
		e->n_steps--;
	}
	e->typing = ok && text.n <= 4;
	return ok;
}

bool editbuf_undo(struct editbuf *e)
{
	struct edit_step *s;

	if (e->n_steps == 0)
		return false;
	s = &e->steps[e->n_steps - 1];
	if (!splice(e, s->at, s->at + s->inserted, buf_str(&s->removed)))
		return false;
	e->at = s->cursor;
	buf_release(&s->removed);
	e->n_steps--;
	e->typing = e->killing = false;
	return true;
}

static bool is_word_byte(char c)
{
	return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t target_of(const struct editbuf *e, enum edit_move move)
{
	const char *p = buf_z(&e->text), *nl;
	size_t at = e->at, n = e->text.len;
	int w;

	switch (move) {
	case EDIT_LEFT:
		return glyph_prev(p, at);
	case EDIT_RIGHT:
		return at < n ? at + glyph_next(p + at, n - at, &w) : n;
	case EDIT_WORD_LEFT:
		while (at > 0 && !is_word_byte(p[at - 1]))
			at--;
		while (at > 0 && is_word_byte(p[at - 1]))
			at--;
		return at;
	case EDIT_WORD_RIGHT:
		while (at < n && !is_word_byte(p[at]))
			at++;
		while (at < n && is_word_byte(p[at]))
			at++;
		return at;
	case EDIT_LINE_START:
		nl = at > 0 ? memrchr(p, '\n', at) : NULL;
		return nl ? (size_t)(nl - p) + 1 : 0;
	case EDIT_LINE_END:
		nl = at < n ? memchr(p + at, '\n', n - at) : NULL;
		return nl ? (size_t)(nl - p) : n;
	case EDIT_TEXT_START:
		return 0;
	case EDIT_TEXT_END:
		return n;
	}
	return at;
}

void editbuf_move_to(struct editbuf *e, size_t at)
{
	e->at = at < e->text.len ? at : e->text.len;
	e->typing = e->killing = false;
}

void editbuf_move(struct editbuf *e, enum edit_move move)
{
	editbuf_move_to(e, target_of(e, move));
}

void editbuf_delete(struct editbuf *e, enum edit_move move, bool kill)
{
	size_t to = target_of(e, move);
	size_t from = to < e->at ? to : e->at, end = to < e->at ? e->at : to;
	bool more = e->killing;

	/* At a line's end, killing the line takes its break. */
	if (from == end && move == EDIT_LINE_END && end < e->text.len)
		end++;
	if (from == end)
		return;
	if (kill) {
		struct str cut = {buf_z(&e->text) + from, end - from};

		if (!more)
			buf_reset(&e->kill);
		if (to < e->at) {
			struct buf joined = {0};

			buf_adds(&joined, cut);
			buf_adds(&joined, buf_str(&e->kill));
			buf_release(&e->kill);
			e->kill = joined;
		} else {
			buf_adds(&e->kill, cut);
		}
		if (buf_failed(&e->kill))
			buf_reset(&e->kill);
	}
	editbuf_replace(e, from, end, (struct str){0});
	e->killing = kill;
}

void editbuf_yank(struct editbuf *e)
{
	if (e->kill.len > 0)
		editbuf_replace(e, e->at, e->at, buf_str(&e->kill));
}
