/* Columns for a table: as wide as their cells where there is room, else narrowed. */
#include "tui/mdtable.h"

#include <stdlib.h>

#include "tui/glyph.h"

#define GAP    3 /* columns of " │ " */
#define NARROW 4 /* below this a column can't be read: rows become paragraphs */

void mdtable_release(struct mdtable *t)
{
	for (size_t i = 0; i < t->n; i++)
		rich_release(&t->cells[i]);
	free(t->cells);
	*t = (struct mdtable){0};
}

struct rich *mdtable_add_cell(struct mdtable *t)
{
	if (t->n == t->cap) {
		size_t cap = t->cap > 0 ? t->cap * 2 : 32;
		struct rich *cells = realloc(t->cells, cap * sizeof(*cells));

		if (!cells) {
			t->failed = true;
			return NULL;
		}
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->n] = (struct rich){0};
	return &t->cells[t->n++];
}

/* Of the cell's widest line. */
static int cell_columns(const struct rich *r)
{
	struct str s = buf_str(&r->text), line;
	int widest = 0;

	while (str_line(&s, &line)) {
		int w = glyph_columns(line.p, line.n);

		if (w > widest)
			widest = w;
	}
	return widest;
}

/* Takes from the widest columns until all fit. */
static bool fit(int *w, int n, int width)
{
	int room = width - GAP * (n - 1), total = 0;

	for (int i = 0; i < n; i++)
		total += w[i];
	while (total > room) {
		int widest = 0, second = NARROW, many = 0, less;

		for (int i = 0; i < n; i++) {
			if (w[i] > widest)
				widest = w[i];
		}
		if (widest <= NARROW)
			return false;
		for (int i = 0; i < n; i++) {
			many += w[i] == widest;
			if (w[i] < widest && w[i] > second)
				second = w[i];
		}
		less = (total - room + many - 1) / many;
		if (less > widest - second)
			less = widest - second;
		for (int i = 0; i < n && total > room; i++) {
			if (w[i] == widest) {
				w[i] -= less;
				total -= less;
			}
		}
	}
	return true;
}

static void pad(struct rich *r, int n)
{
	while (n-- > 0)
		rich_addz(r, " ", STYLE_TEXT);
}

/* The part of a cell's line that `i` is: its bytes, styled. */
static void add_line(struct rich *to, const struct lines *l, size_t i)
{
	const struct line *ln = &l->v[i];
	const char *p = buf_z(&l->text) + ln->text_at;
	uint32_t at = 0;

	for (uint32_t k = 0; k < ln->n_runs; k++) {
		const struct run *run = &l->runs[ln->run_at + k];

		rich_add(to, (struct str){p + at, run->end - at}, run->style);
		at = run->end;
	}
}

static void render_row(const struct mdtable *t, size_t row, const int *w, struct lines *out,
		       const struct rich *lead)
{
	struct lines cells[MDTABLE_MAX_COLUMNS] = {0};
	size_t height = 1;

	for (int c = 0; c < t->n_columns; c++) {
		const struct rich *cell = &t->cells[row * (size_t)t->n_columns + (size_t)c];

		lines_wrap(&cells[c], cell, w[c], NULL, NULL, true);
		if (cells[c].n > height)
			height = cells[c].n;
	}
	for (size_t y = 0; y < height; y++) {
		struct rich r = {0};

		for (int c = 0; c < t->n_columns; c++) {
			int used = 0, left;

			if (y < cells[c].n) {
				struct str s = lines_text(&cells[c], y);

				used = glyph_columns(s.p, s.n);
			}
			left = w[c] > used ? w[c] - used : 0;
			if (c > 0)
				rich_addz(&r, " │ ", STYLE_BORDER);
			if (t->align[c] == MDALIGN_RIGHT)
				pad(&r, left);
			else if (t->align[c] == MDALIGN_CENTER)
				pad(&r, left / 2);
			if (y < cells[c].n)
				add_line(&r, &cells[c], y);
			if (t->align[c] == MDALIGN_LEFT && c + 1 < t->n_columns)
				pad(&r, left);
			else if (t->align[c] == MDALIGN_CENTER && c + 1 < t->n_columns)
				pad(&r, left - left / 2);
		}
		lines_add(out, lead, &r, 0, r.text.len, LINE_OWN);
		rich_release(&r);
	}
	for (int c = 0; c < t->n_columns; c++)
		lines_release(&cells[c]);
}

static void render_rule(const struct mdtable *t, const int *w, struct lines *out,
			const struct rich *lead)
{
	struct rich r = {0};

	for (int c = 0; c < t->n_columns; c++) {
		if (c > 0)
			rich_addz(&r, "─┼─", STYLE_BORDER);
		for (int i = 0; i < w[c]; i++)
			rich_addz(&r, "─", STYLE_BORDER);
	}
	lines_add(out, lead, &r, 0, r.text.len, LINE_OWN);
	rich_release(&r);
}

/* Where columns can't be: each row one paragraph, cells apart by the same bar. */
static void render_narrow(const struct mdtable *t, size_t n_rows, struct lines *out, int width,
			  const struct rich *lead)
{
	for (size_t row = 0; row < n_rows; row++) {
		struct rich r = {0};

		for (int c = 0; c < t->n_columns; c++) {
			if (c > 0)
				rich_addz(&r, " │ ", STYLE_BORDER);
			rich_add_rich(&r, &t->cells[row * (size_t)t->n_columns + (size_t)c]);
		}
		lines_wrap(out, &r, width, lead, lead, true);
		rich_release(&r);
	}
}

void mdtable_render(const struct mdtable *t, struct lines *out, int width,
		    const struct rich *lead)
{
	int w[MDTABLE_MAX_COLUMNS] = {0};
	int n = t->n_columns;
	size_t n_rows = n > 0 ? t->n / (size_t)n : 0;
	int room = width - cell_columns(lead);

	out->failed |= t->failed;
	for (size_t row = 0; row < n_rows; row++) {
		for (int c = 0; c < n; c++) {
			int have = cell_columns(&t->cells[row * (size_t)n + (size_t)c]);

			if (have > w[c])
				w[c] = have;
		}
	}
	for (int c = 0; c < n; c++) {
		if (w[c] < 1)
			w[c] = 1;
	}
	if (!fit(w, n, room)) {
		render_narrow(t, n_rows, out, width, lead);
		return;
	}
	for (size_t row = 0; row < n_rows; row++) {
		render_row(t, row, w, out, lead);
		if (row + 1 == t->n_head)
			render_rule(t, w, out, lead);
	}
}
