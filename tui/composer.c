/* Rows around the cursor, moving among them, and walking through earlier inputs. */
#include "tui/composer.h"

#include <stdlib.h>
#include <string.h>

#include "tui/glyph.h"
#include "tui/wrap.h"

/* Lines longer than this are broken here, wherever that is, so that rows can be found. */
#define SEGMENT 8192
#define MARK    2 /* columns of "❯ " */

void composer_release(struct composer *c)
{
	for (size_t i = 0; i < c->n_inputs; i++)
		buf_release(&c->inputs[i]);
	free(c->inputs);
	buf_release(&c->draft);
	editbuf_release(&c->edit);
	*c = (struct composer){0};
}

void composer_add_input(struct composer *c, struct str text)
{
	struct buf *inputs;

	if (text.n == 0 ||
	    (c->n_inputs > 0 && str_eq(buf_str(&c->inputs[c->n_inputs - 1]), text))) {
		c->walking = c->n_inputs;
		return;
	}
	if (c->n_inputs == COMPOSER_INPUTS) {
		buf_release(&c->inputs[0]);
		c->n_inputs--;
		memmove(c->inputs, c->inputs + 1, c->n_inputs * sizeof(*c->inputs));
	}
	inputs = realloc(c->inputs, (c->n_inputs + 1) * sizeof(*inputs));
	if (!inputs)
		return;
	c->inputs = inputs;
	c->inputs[c->n_inputs] = (struct buf){0};
	buf_adds(&c->inputs[c->n_inputs++], text);
	c->walking = c->n_inputs;
}

/* ---- rows ---- */

static size_t line_start(const struct editbuf *e, size_t at)
{
	const char *nl = at > 0 ? memrchr(buf_z(&e->text), '\n', at) : NULL;

	return nl ? (size_t)(nl - buf_z(&e->text)) + 1 : 0;
}

static size_t char_border(const struct editbuf *e, size_t at)
{
	while (at > 0 && ((unsigned char)e->text.data[at] & 0xC0) == 0x80)
		at--;
	return at;
}

/* The segment of its line that `at` is in: [*from, *to), without the '\n'. */
static void segment_of(const struct editbuf *e, size_t at, size_t *from, size_t *to)
{
	size_t line = line_start(e, at), n = e->text.len;
	size_t k = (at - line) / SEGMENT;

	*from = k > 0 ? char_border(e, line + k * SEGMENT) : line;
	for (;;) {
		size_t limit = line + ++k * SEGMENT;
		const char *nl;

		if (limit > n)
			limit = n;
		nl = *from < limit ? memchr(buf_z(&e->text) + *from, '\n', limit - *from)
				   : NULL;
		if (nl || limit == n) {
			*to = nl ? (size_t)(nl - buf_z(&e->text)) : n;
			return;
		}
		*to = char_border(e, limit);
		if (at < *to)
			return;
		/* The character that spans the border moved it down to `at`. */
		*from = *to;
	}
}

/* The row that begins at `at`: returns where the next one begins; SIZE_MAX after the last. */
static size_t row_next(const struct composer *c, size_t at, size_t *end)
{
	const struct editbuf *e = &c->edit;
	size_t from, to, shown, used;

	segment_of(e, at, &from, &to);
	used = wrap_row(buf_z(&e->text) + at, to - at, c->width, true, &shown);
	*end = at + used;
	if (at + used < to)
		return at + used;
	if (to < e->text.len)
		return e->text.data[to] == '\n' ? to + 1 : to;
	return SIZE_MAX;
}

/* Where the row begins that holds `at`. */
static size_t row_of(const struct composer *c, size_t at)
{
	size_t from, to, end;

	segment_of(&c->edit, at, &from, &to);
	for (;;) {
		size_t next = row_next(c, from, &end);

		if (next == SIZE_MAX || next > at || next > to)
			return from;
		from = next;
	}
}

/* Where the row before the one at `row` begins; `row` itself at the text's beginning. */
static size_t row_before(const struct composer *c, size_t row)
{
	return row == 0 ? 0 : row_of(c, row - 1);
}

static int column_of(const struct composer *c, size_t row, size_t at)
{
	return glyph_columns(buf_z(&c->edit.text) + row, at - row);
}

/* The place in the row nearest to a column. */
static size_t place_at(const struct composer *c, size_t row, int column)
{
	const struct editbuf *e = &c->edit;
	size_t end, next = row_next(c, row, &end), at = row;
	int used = 0;

	/* The end of a row that goes on is the beginning of the next one. */
	if (next == end && end > row)
		end = glyph_prev(buf_z(&e->text), end);
	while (at < end) {
		int w;
		size_t n = glyph_next(buf_z(&e->text) + at, e->text.len - at, &w);

		if (used + w > column)
			break;
		used += w;
		at += n;
	}
	return at;
}

static int count_rows(const struct composer *c, int max)
{
	size_t at = 0, end;
	int n = 1;

	while (n < max && (at = row_next(c, at, &end)) != SIZE_MAX)
		n++;
	return n;
}

static int text_width(int width)
{
	/* One column stays free for the cursor behind a full row. */
	return width > MARK + 3 ? width - MARK - 1 : 2;
}

int composer_height(struct composer *c, int width, int max)
{
	int banner = c->banner && max > 1;

	c->width = text_width(width);
	return count_rows(c, max - banner) + banner;
}

/* Moves `top` so that the cursor's row is among `h`. */
static void keep_visible(struct composer *c, int h)
{
	size_t row = row_of(c, c->edit.at), at, end;
	size_t earliest = row;

	for (int i = 1; i < h; i++)
		earliest = row_before(c, earliest);
	c->top = row_of(c, c->top < c->edit.text.len ? c->top : c->edit.text.len);
	if (c->top > row)
		c->top = row;
	if (c->top < earliest)
		c->top = earliest;
	/* No empty rows below while there is text above. */
	at = c->top;
	for (int i = 1; i < h; i++) {
		at = row_next(c, at, &end);
		if (at == SIZE_MAX) {
			for (int k = i; k < h; k++)
				c->top = row_before(c, c->top);
			break;
		}
	}
}

static void draw_text(struct composer *c, struct view v)
{
	const struct editbuf *e = &c->edit;
	size_t cursor_row = row_of(c, e->at);
	size_t at = c->top;

	for (int y = 0; y < v.h && at != SIZE_MAX; y++) {
		size_t end, row = at;

		at = row_next(c, row, &end);
		view_put(v, MARK, y, (struct str){buf_z(&e->text) + row, end - row},
			 STYLE_TEXT);
		if (row == cursor_row && c->focused) {
			int x = column_of(c, row, e->at);

			view_cursor(v, MARK + (x < c->width ? x : c->width), y);
		}
	}
}

void composer_draw(struct composer *c, struct view v)
{
	const struct editbuf *e = &c->edit;

	c->width = text_width(v.w);
	view_fill(v, 0, 0, v.w, v.h, ' ', STYLE_TEXT);
	if (c->banner && v.h > 1) {
		view_put_cut(v, MARK, 0, v.w - MARK, str_of(c->banner), STYLE_NOTICE);
		v = view_sub(v, 0, 1, v.w, v.h - 1);
	}
	keep_visible(c, v.h);
	view_putz(v, 0, 0, c->top == 0 ? "❯" : "↑", c->focused ? STYLE_USER : STYLE_FAINT);
	if (e->text.len == 0)
		view_put_cut(v, MARK, 0, v.w - MARK,
			     STR_LIT("Ask anything. Enter sends, Ctrl-J makes a new line, F1 "
				     "helps."),
			     STYLE_FAINT);
	draw_text(c, v);
}

static void recall(struct composer *c, size_t which)
{
	if (c->walking == c->n_inputs) {
		buf_reset(&c->draft);
		buf_adds(&c->draft, buf_str(&c->edit.text));
	}
	c->walking = which;
	editbuf_set(&c->edit,
		    which == c->n_inputs ? buf_str(&c->draft) : buf_str(&c->inputs[which]));
}

void composer_up(struct composer *c)
{
	size_t row = row_of(c, c->edit.at);

	if (c->goal < 0)
		c->goal = column_of(c, row, c->edit.at);
	if (row > 0) {
		int goal = c->goal;

		editbuf_move_to(&c->edit, place_at(c, row_before(c, row), goal));
	} else if (c->walking > 0) {
		recall(c, c->walking - 1);
		c->goal = -1;
	}
}

void composer_down(struct composer *c)
{
	size_t row = row_of(c, c->edit.at), end;
	size_t next = row_next(c, row, &end);

	if (c->goal < 0)
		c->goal = column_of(c, row, c->edit.at);
	if (next != SIZE_MAX) {
		editbuf_move_to(&c->edit, place_at(c, next, c->goal));
	} else if (c->walking < c->n_inputs) {
		recall(c, c->walking + 1);
		c->goal = -1;
	}
}

void composer_click(struct composer *c, int x, int y)
{
	size_t at = c->top, end;

	y -= c->banner ? 1 : 0;
	for (; y > 0; y--) {
		size_t next = row_next(c, at, &end);

		if (next == SIZE_MAX)
			break;
		at = next;
	}
	editbuf_move_to(&c->edit, place_at(c, at, x > MARK ? x - MARK : 0));
	c->goal = -1;
}

void composer_changed(struct composer *c)
{
	c->goal = -1;
}
