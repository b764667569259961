/* Putting text into cells, clipped and filtered. */
#include "tui/surface.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"
#include "tui/glyph.h"
#include "tui/theme.h"

static const struct cell blank = {.cp = {' '}, .n = 1, .width = 1};

static int clamp_side(int n)
{
	return n < 1 ? 1 : n > SURFACE_MAX_SIDE ? SURFACE_MAX_SIDE : n;
}

int surface_init(struct surface *s, int w, int h, struct err *err)
{
	*s = (struct surface){0};
	return surface_resize(s, w, h, err);
}

void surface_release(struct surface *s)
{
	free(s->cells);
	free(s->joins);
	*s = (struct surface){0};
}

int surface_resize(struct surface *s, int w, int h, struct err *err)
{
	size_t n;
	struct cell *cells;
	uint8_t *joins;

	w = clamp_side(w);
	h = clamp_side(h);
	n = (size_t)w * (size_t)h;
	joins = malloc((size_t)h * sizeof(*joins));
	cells = joins ? realloc(s->cells, n * sizeof(*cells)) : NULL;
	if (!cells) {
		free(joins);
		return err_nomem(err, "screen", n * sizeof(*cells));
	}
	free(s->joins);
	s->joins = joins;
	s->cells = cells;
	s->w = w;
	s->h = h;
	surface_clear(s);
	return 0;
}

void surface_clear(struct surface *s)
{
	for (size_t i = 0; i < (size_t)s->w * (size_t)s->h; i++)
		s->cells[i] = blank;
	memset(s->joins, ROW_ENDS, (size_t)s->h);
	s->cursor_on = false;
	s->cursor_x = s->cursor_y = 0;
}

bool cell_equal(const struct cell *a, const struct cell *b)
{
	return a->n == b->n && a->width == b->width && a->style == b->style &&
	       memcmp(a->cp, b->cp, a->n * sizeof(a->cp[0])) == 0;
}

struct view surface_view(struct surface *s)
{
	return (struct view){s, 0, 0, s->w, s->h};
}

struct view view_sub(struct view v, int x, int y, int w, int h)
{
	if (x < 0) {
		w += x;
		x = 0;
	}
	if (y < 0) {
		h += y;
		y = 0;
	}
	if (x > v.w)
		x = v.w;
	if (y > v.h)
		y = v.h;
	if (w > v.w - x)
		w = v.w - x;
	if (h > v.h - y)
		h = v.h - y;
	return (struct view){v.s, v.x + x, v.y + y, w < 0 ? 0 : w, h < 0 ? 0 : h};
}

static struct cell *cell_at(struct view v, int x, int y)
{
	return &v.s->cells[(size_t)(v.y + y) * (size_t)v.s->w + (size_t)(v.x + x)];
}

/* Sets one cell; halves of wide characters that it cuts become blanks. */
static void set_cell(struct view v, int x, int y, const struct cell *c)
{
	struct cell *row = &v.s->cells[(size_t)(v.y + y) * (size_t)v.s->w];
	int at = v.x + x;

	if (row[at].width == 0 && at > 0) {
		row[at - 1].cp[0] = ' ';
		row[at - 1].n = 1;
		row[at - 1].width = 1;
	}
	if (row[at].width == 2 && at + 1 < v.s->w) {
		row[at + 1].cp[0] = ' ';
		row[at + 1].n = 1;
		row[at + 1].width = 1;
	}
	row[at] = *c;
}

static void put_wide(struct view v, int x, int y, struct cell *c)
{
	struct cell right = {.style = c->style};

	if (x < 0 || x + 1 >= v.w) {
		c->cp[0] = ' ';
		c->n = c->width = 1;
		if (x >= 0 && x < v.w)
			set_cell(v, x, y, c);
		if (x + 1 >= 0 && x + 1 < v.w)
			set_cell(v, x + 1, y, c);
		return;
	}
	set_cell(v, x, y, c);
	set_cell(v, x + 1, y, &right);
	/* The right half just cut the left one, which is what it should be. */
	*cell_at(v, x, y) = *c;
}

static void combine(struct view v, int x, int y, uint32_t cp)
{
	struct cell *c;

	if (x < 0 || x >= v.w)
		return;
	c = cell_at(v, x, y);
	if (c->width == 0 && x > 0)
		c = cell_at(v, x - 1, y);
	if (c->n > 0 && c->n < CELL_CPS)
		c->cp[c->n++] = cp;
}

int view_put(struct view v, int x, int y, struct str text, uint16_t style)
{
	int last = x - 1; /* column of the last spacing character */
	bool inside = y >= 0 && y < v.h;

	for (size_t i = 0; i < text.n;) {
		struct cell c = {.n = 1, .width = 1, .style = style};
		uint32_t cp = 0xFFFD;
		int n = utf8_decode(text.p + i, text.n - i, &cp);
		int w;

		i += n > 0 ? (size_t)n : 1;
		cp = cp == '\t' ? ' ' : cp == '\n' ? 0x240A : termsafe_map(cp);
		w = glyph_width(cp);
		if (w == 0) {
			if (inside && last >= x - 1 && last >= 0)
				combine(v, last, y, cp);
			continue;
		}
		c.cp[0] = cp;
		c.width = (uint8_t)w;
		if (inside) {
			if (w == 2)
				put_wide(v, x, y, &c);
			else if (x >= 0 && x < v.w)
				set_cell(v, x, y, &c);
		}
		last = x;
		x += w;
	}
	return x;
}

int view_putz(struct view v, int x, int y, const char *z, uint16_t style)
{
	return view_put(v, x, y, str_of(z), style);
}

int view_putf(struct view v, int x, int y, uint16_t style, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return view_putz(v, x, y, text, style);
}

int view_put_cut(struct view v, int x, int y, int columns, struct str text, uint16_t style)
{
	int used = 0;
	size_t fits = 0; /* bytes that leave room for the ellipsis */

	for (size_t i = 0; i < text.n;) {
		int w;
		size_t n = glyph_next(text.p + i, text.n - i, &w);

		if (used + w > columns) {
			if (columns < 1)
				return x;
			x = view_put(v, x, y, (struct str){text.p, fits}, style);
			return view_putz(v, x, y, "…", style);
		}
		used += w;
		i += n;
		if (used < columns)
			fits = i;
	}
	return view_put(v, x, y, text, style);
}

void view_fill(struct view v, int x, int y, int w, int h, uint32_t cp, uint16_t style)
{
	struct cell c = {.cp = {cp}, .n = 1, .width = 1, .style = style};
	struct view r = view_sub(v, x, y, w, h);

	for (int j = 0; j < r.h; j++) {
		for (int i = 0; i < r.w; i++)
			set_cell(r, i, j, &c);
	}
}

void view_restyle(struct view v, int x, int y, int n, uint16_t style)
{
	struct view r = view_sub(v, x, y, n, 1);

	for (int i = 0; i < r.w && r.h > 0; i++)
		cell_at(r, i, 0)->style = style;
}

void view_join(struct view v, int y, enum row_join join)
{
	if (v.x == 0 && v.w == v.s->w && y >= 0 && y + 1 < v.h)
		v.s->joins[v.y + y] = (uint8_t)join;
}

void view_cursor(struct view v, int x, int y)
{
	if (x < 0 || y < 0 || x >= v.w || y >= v.h)
		return;
	v.s->cursor_x = v.x + x;
	v.s->cursor_y = v.y + y;
	v.s->cursor_on = true;
}

struct view view_box(struct view v, const char *title, uint16_t style)
{
	view_fill(v, 0, 0, v.w, v.h, ' ', STYLE_TEXT);
	view_fill(v, 1, 0, v.w - 2, 1, 0x2500, style);
	view_fill(v, 1, v.h - 1, v.w - 2, 1, 0x2500, style);
	view_fill(v, 0, 1, 1, v.h - 2, 0x2502, style);
	view_fill(v, v.w - 1, 1, 1, v.h - 2, 0x2502, style);
	view_putz(v, 0, 0, "┌", style);
	view_putz(v, v.w - 1, 0, "┐", style);
	view_putz(v, 0, v.h - 1, "└", style);
	view_putz(v, v.w - 1, v.h - 1, "┘", style);
	if (title && title[0] != '\0' && v.w > 6) {
		int x = view_putz(v, 2, 0, " ", style);

		x = view_put_cut(v, x, 0, v.w - 6, str_of(title), STYLE_TITLE);
		view_putz(v, x, 0, " ", style);
	}
	return view_sub(v, 1, 1, v.w - 2, v.h - 2);
}

static void dump_row(const struct surface *s, int y, bool styles, struct buf *out)
{
	const struct cell *row = &s->cells[(size_t)y * (size_t)s->w];
	int end = 0;

	for (int x = 0; x < s->w; x++) {
		bool bare = styles ? row[x].style == STYLE_TEXT
				   : row[x].n == 1 && row[x].cp[0] == ' ';

		if (!bare)
			end = x + 1;
	}
	for (int x = 0; x < end; x++) {
		char bytes[4];

		if (styles) {
			buf_addc(out, theme_role(style_role(row[x].style))->letter);
			continue;
		}
		for (int i = 0; i < row[x].n; i++)
			buf_add(out, bytes, utf8_encode(row[x].cp[i], bytes));
	}
	buf_addc(out, '\n');
}

void surface_dump(const struct surface *s, struct buf *out)
{
	buf_addf(out, "--- %dx%d\n", s->w, s->h);
	for (int y = 0; y < s->h; y++)
		dump_row(s, y, false, out);
	if (s->cursor_on)
		buf_addf(out, "--- cursor %d,%d\n", s->cursor_x, s->cursor_y);
	buf_addz(out, "--- styles\n");
	for (int y = 0; y < s->h; y++)
		dump_row(s, y, true, out);
}
