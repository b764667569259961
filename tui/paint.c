/* Comparing two surfaces and writing what differs. */
#include "tui/paint.h"

#include <string.h>

#include "engine/base/utf8.h"

/* A gap of so many equal cells is written again: moving over it costs as much. */
#define GAP_MAX 5
/* So many blanks at a row's end are erased instead of written. */
#define ERASE_MIN 6

struct brush {
	const struct paint_caps *caps;
	struct buf *out;
	int x, y;  /* where the terminal's cursor is; x < 0: unknown */
	int style; /* what is set; < 0: unknown */
};

/* What ASCII terminals see for the characters that views themselves draw. */
static const struct {
	uint32_t cp;
	char ascii;
} ascii_of[] = {
	{0x2500, '-'},  {0x2502, '|'}, {0x250C, '+'}, {0x2510, '+'}, {0x2514, '+'},
	{0x2518, '+'},  {0x251C, '+'}, {0x2524, '+'}, {0x252C, '+'}, {0x2534, '+'},
	{0x253C, '+'},  {0x2026, '~'}, {0x2022, '*'}, {0x25B8, '>'}, {0x25BE, 'v'},
	{0x2191, '^'},  {0x2193, 'v'}, {0x2190, '<'}, {0x2192, '>'}, {0x2588, '#'},
	{0x2591, '.'},  {0x2713, '+'}, {0x2717, 'x'}, {0x258C, '|'}, {0x203A, '>'},
	{0x2039, '<'},  {0x00B7, '.'}, {0x2013, '-'}, {0x2014, '-'}, {0x2018, '\''},
	{0x2019, '\''}, {0x201C, '"'}, {0x201D, '"'}, {0x25E6, 'o'}, {0x2605, '*'},
	{0x25CF, '*'},  {0x276F, '>'}, {0x00D7, 'x'}, {0x2610, '-'}, {0x2611, 'x'},
	{0x25CB, 'o'},  {0x258F, '|'}, {0x00A0, ' '},
};

static char ascii_for(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(ascii_of) / sizeof(ascii_of[0]); i++) {
		if (ascii_of[i].cp == cp)
			return ascii_of[i].ascii;
	}
	return '?';
}

static void set_style(struct brush *b, uint16_t style)
{
	if (b->style == style)
		return;
	buf_addz(b->out, b->caps->reset);
	buf_addz(b->out, b->caps->role[style_role(style)]);
	for (int i = 0; i < STYLE_N_ATTRS; i++) {
		if (style & (STYLE_BOLD << i))
			buf_addz(b->out, b->caps->attr[i]);
	}
	b->style = style;
}

static void move_to(struct brush *b, int x, int y)
{
	if (b->x == x && b->y == y)
		return;
	b->caps->move(b->caps->move_ctx, x, y, b->out);
	b->x = x;
	b->y = y;
}

/* Terminals disagree about the columns of these: joiners, flags, skin tones, new emoji. */
static bool width_is_doubtful(const struct cell *c)
{
	return c->n > 1 || c->cp[0] >= 0x1F000 || (c->cp[0] >= 0x2600 && c->cp[0] < 0x27C0);
}

static void write_cell(struct brush *b, const struct cell *c, int x, int y, int w)
{
	char bytes[4];

	set_style(b, c->style);
	if (b->caps->ascii) {
		for (int i = 0; i < c->width; i++)
			buf_addc(b->out,
				 c->cp[0] < 0x7F ? (char)c->cp[0] : ascii_for(c->cp[0]));
	} else {
		if (width_is_doubtful(c) && c->width > 0) {
			/* Its columns first as blanks: what the terminal leaves open is clean.
			 */
			move_to(b, x, y);
			for (int i = 0; i < c->width; i++)
				buf_addc(b->out, ' ');
			b->x = -1;
			move_to(b, x, y);
		}
		for (int i = 0; i < c->n; i++)
			buf_add(b->out, bytes, utf8_encode(c->cp[i], bytes));
	}
	b->x = x + c->width;
	/* Past the last column some terminals wrap and some wait: the place is unknown. */
	if (b->x >= w || (!b->caps->ascii && width_is_doubtful(c)))
		b->x = -1;
}

static bool is_bare(const struct cell *c)
{
	return c->n == 1 && c->cp[0] == ' ' && c->style == STYLE_TEXT;
}

/* Writes row[from..to). */
static void write_run(struct brush *b, const struct cell *row, int from, int to, int y, int w,
		      bool skip_last)
{
	int bare = to;

	if (to == w && b->caps->erase_line[0] != '\0') {
		while (bare > from && is_bare(&row[bare - 1]))
			bare--;
		if (to - bare < ERASE_MIN)
			bare = to;
	}
	for (int x = from; x<bare; x += row[x].width> 0 ? row[x].width : 1) {
		if (row[x].n == 0 || (skip_last && x + row[x].width >= w))
			continue;
		move_to(b, x, y);
		write_cell(b, &row[x], x, y, w);
	}
	if (bare < to) {
		move_to(b, bare, y);
		set_style(b, STYLE_TEXT);
		buf_addz(b->out, b->caps->erase_line);
	}
}

static size_t paint_row(struct brush *b, const struct cell *was, const struct cell *now, int y,
			int w, bool all, bool skip_last)
{
	size_t changed = 0;
	int x = 0;

	while (x < w) {
		int from, to, equal = 0;

		while (x < w && !all && cell_equal(&was[x], &now[x]))
			x++;
		if (x == w)
			break;
		from = x;
		to = x;
		for (; x < w && equal <= GAP_MAX; x++) {
			if (!all && cell_equal(&was[x], &now[x])) {
				equal++;
				continue;
			}
			equal = 0;
			changed++;
			to = x + 1;
		}
		while (from > 0 && now[from].width == 0)
			from--;
		while (to < w && now[to].width == 0)
			to++;
		write_run(b, now, from, to, y, w, skip_last);
		x = to > x ? to : x;
	}
	return changed;
}

static const struct cell *row_of(const struct surface *s, int y)
{
	return s->cells + (size_t)y * (size_t)s->w;
}

/*
 * Writes over the end of row y into the next one, so that the terminal takes both for one line:
 * what a person selects there has no line end that the text has not.
 */
static void write_join(struct brush *b, const struct surface *s, int y)
{
	const struct cell *row = row_of(s, y), *next = row_of(s, y + 1);
	int x = s->w - 1;

	if (width_is_doubtful(&next[0]))
		return;
	if (s->joins[y] == ROW_FULL) {
		x -= row[x].width == 0;
		if (x < 0 || width_is_doubtful(&row[x]))
			return;
		move_to(b, x, y);
		write_cell(b, &row[x], x, y, s->w);
	} else {
		move_to(b, x, y); /* too little room for the wide one */
	}
	write_cell(b, &next[0], 0, y + 1, s->w);
	b->y = y + 1;
}

bool paint_parts(const struct surface *shown, const struct surface *next)
{
	for (int y = 0; y < shown->h && y < next->h; y++)
		if (shown->joins[y] != ROW_ENDS && shown->joins[y] != next->joins[y])
			return true;
	return false;
}

struct paint_stats paint(const struct paint_caps *caps, struct surface *shown,
			 const struct surface *next, bool all, struct buf *out)
{
	struct brush b = {.caps = caps, .out = out, .x = -1, .y = -1, .style = -1};
	struct paint_stats stats = {0};
	size_t before = out->len, body;
	bool hidden = false;

	BUG_ON(shown->w != next->w || shown->h != next->h);
	buf_addz(out, caps->sync_on);
	if (shown->cursor_on || all) {
		buf_addz(out, caps->cursor_off);
		hidden = true;
	}
	body = out->len;
	for (int y = 0; y < next->h; y++) {
		size_t at = (size_t)y * (size_t)next->w;
		bool skip = caps->no_last_cell && y == next->h - 1;

		stats.cells += paint_row(&b, shown->cells + at, next->cells + at, y, next->w,
					 all, skip);
		if (caps->wraps && next->joins[y] != ROW_ENDS &&
		    (all || shown->joins[y] != next->joins[y]))
			write_join(&b, next, y);
	}
	if (out->len == body && !all && shown->cursor_on == next->cursor_on &&
	    shown->cursor_x == next->cursor_x && shown->cursor_y == next->cursor_y) {
		buf_truncate(out, before);
		return stats;
	}
	if (b.style > STYLE_TEXT)
		set_style(&b, STYLE_TEXT);
	if (next->cursor_on) {
		b.x = -1;
		move_to(&b, next->cursor_x, next->cursor_y);
		buf_addz(out, caps->cursor_on);
	} else if (!hidden) {
		buf_addz(out, caps->cursor_off);
	}
	buf_addz(out, caps->sync_off);
	memcpy(shown->cells, next->cells,
	       (size_t)next->w * (size_t)next->h * sizeof(*next->cells));
	memcpy(shown->joins, next->joins, (size_t)next->h);
	shown->cursor_on = next->cursor_on;
	shown->cursor_x = next->cursor_x;
	shown->cursor_y = next->cursor_y;
	stats.bytes = out->len - before;
	return stats;
}
