/* Finding text in the transcript, and marking it where it is drawn. */
#include "tui/transcript_private.h"

#include <stdlib.h>

#include "engine/base/fold.h"
#include "engine/base/utf8.h"
#include "tui/glyph.h"

/*
 * Text as it is compared (engine/base/fold.h), with where each byte came from; one blank for
 * each line that goes on behind a blank.
 */
struct folded {
	struct buf text;
	size_t *line, *byte; /* of each byte of text */
	size_t cap;
	bool failed;
};

static void folded_release(struct folded *f)
{
	buf_release(&f->text);
	free(f->line);
	free(f->byte);
}

static bool folded_reserve(struct folded *f, size_t n)
{
	size_t cap = f->cap > 0 ? f->cap * 2 : 256, *line, *byte;

	if (n <= f->cap)
		return true;
	line = realloc(f->line, cap * sizeof(*line));
	if (line)
		f->line = line;
	byte = line ? realloc(f->byte, cap * sizeof(*byte)) : NULL;
	if (byte)
		f->byte = byte;
	f->failed |= !byte;
	if (byte)
		f->cap = cap;
	return byte != NULL;
}

/* One folded character, of that line's character at `byte`. */
static void add_folded(struct folded *f, uint32_t cp, size_t line, size_t byte)
{
	char bytes[4];
	size_t n = utf8_encode(cp, bytes);

	if (!folded_reserve(f, f->text.len + n))
		return;
	for (size_t i = 0; i < n; i++) {
		f->line[f->text.len + i] = line;
		f->byte[f->text.len + i] = byte;
	}
	buf_add(&f->text, bytes, n);
	f->failed |= buf_failed(&f->text);
}

static void fold_str(struct folded *f, struct str s, size_t from, size_t line)
{
	uint32_t folded[FOLD_MAX];

	for (size_t i = from; i < s.n && !f->failed;) {
		uint32_t cp = 0xFFFD;
		int len = utf8_decode(s.p + i, s.n - i, &cp);
		size_t n = fold_char(cp, folded);

		for (size_t k = 0; k < n; k++)
			if (folded[k] < 0x80 || fold_sign(folded[k]) != FOLD_NOTHING)
				add_folded(f, folded[k], line, i);
		i += len > 0 ? (size_t)len : 1;
	}
}

static bool add_match(struct item *it, struct match m)
{
	struct match *v = realloc(it->matches, (it->n_matches + 1) * sizeof(*v));

	if (!v)
		return false;
	it->matches = v;
	v[it->n_matches++] = m;
	return true;
}

/* Where the last character before folded byte `end` ends in its line, its accents with it. */
static size_t end_in_line(const struct lines *l, const struct folded *f, size_t end)
{
	size_t line = f->line[end - 1], at = f->byte[end - 1];

	while (end < f->text.len && f->line[end] == line && f->byte[end] == at)
		end++;
	return end < f->text.len && f->line[end] == line ? f->byte[end] : l->v[line].n;
}

/* Where bytes [from, to) of the folded text stand: one match a line. */
static void add_span(struct item *it, const struct folded *f, size_t from, size_t to)
{
	const struct lines *l = &it->doc.lines;

	while (from < to) {
		size_t line = f->line[from], end = from, last;

		while (end < to && f->line[end] == line)
			end++;
		last = end_in_line(l, f, end);
		if (f->byte[from] < l->v[line].n &&
		    !add_match(it, (struct match){line, f->byte[from], last, it->n_numbers}))
			return;
		from = end;
	}
	it->n_numbers++;
}

void item_match(struct transcript *t, struct item *it)
{
	struct lines *l = &it->doc.lines;

	if (it->matched == t->query_no)
		return;
	it->n_matches = it->n_numbers = 0;
	it->matched = t->query_no;
	for (size_t i = 0; i < l->n;) {
		struct folded f = {0};
		const char *hit;
		size_t at = 0;

		do {
			if (l->v[i].join == LINE_AFTER_BLANK)
				add_folded(&f, ' ', i - 1, l->v[i - 1].n);
			fold_str(&f, lines_text(l, i), l->v[i].lead, i);
			i++;
		} while (i < l->n && l->v[i].join != LINE_OWN);
		while (!f.failed && at < f.text.len &&
		       (hit = fold_find((struct str){f.text.data + at, f.text.len - at},
					buf_str(&t->query)))) {
			size_t from = (size_t)(hit - f.text.data);

			add_span(it, &f, from, from + t->query.len);
			at = from + t->query.len;
		}
		folded_release(&f);
	}
}

void item_draw_matches(const struct transcript *t, size_t index, size_t line, struct view v,
		       int y)
{
	const struct item *it = t->items[index];
	struct str s = lines_text(&it->doc.lines, line);

	for (size_t i = 0; i < it->n_matches; i++) {
		const struct match *m = &it->matches[i];
		bool here = t->hit && t->hit_item == index && t->hit_number == m->number;

		if (m->line != line || m->to > s.n)
			continue;
		view_restyle(v, transcript_gutter(t) + glyph_columns(s.p, m->from), y,
			     glyph_columns(s.p + m->from, m->to - m->from),
			     here ? STYLE_MATCH_HERE : STYLE_MATCH);
	}
}

static bool contains(struct str hay, const char *needle, size_t n)
{
	unsigned char first = (unsigned char)needle[0];

	if (first >= 0x80)
		return true; /* what folds to others than ASCII: only the layout tells */
	for (size_t i = 0; i + n <= hay.n; i++) {
		size_t k = 0;

		while (k < n) {
			unsigned char c = (unsigned char)hay.p[i + k];

			if (c >= 0x80 || (unsigned char)needle[k] >= 0x80)
				return true;
			if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (unsigned char)needle[k])
				break;
			k++;
		}
		if (k == n)
			return true;
	}
	return false;
}

/* A quick no: the source has not even the query's first word.  Markup may stand between words.
 */
static bool may_match(const struct transcript *t, const struct item *it)
{
	size_t n = 0;

	while (n < t->query.len && t->query.data[n] != ' ')
		n++;
	return n == 0 || contains(buf_str(&it->doc.src), t->query.data, n);
}

/* Goes to match `number` of item `i`, unfolding what hides it. */
static void go(struct transcript *t, size_t i, size_t number)
{
	struct item *it = t->items[i];
	struct item_rows r = item_layout(t, it);
	size_t row = 0;

	for (size_t k = 0; k < it->n_matches; k++) {
		if (it->matches[k].number != number)
			continue;
		row = item_row_of(&r, it->matches[k].line, it->doc.lines.n);
		if (row == SIZE_MAX) {
			it->folded = false;
			r = item_layout(t, it);
			row = item_row_of(&r, it->matches[k].line, it->doc.lines.n);
		}
		break;
	}
	t->hit = true;
	t->hit_item = i;
	t->hit_number = number;
	transcript_show(t, i, row);
	t->chosen = i;
}

/* How many matches item i has; it is laid out as if unfolded. */
static size_t count(struct transcript *t, size_t i)
{
	struct item *it = t->items[i];
	bool folded = it->folded;

	if (!may_match(t, it))
		return 0;
	it->folded = false;
	item_layout(t, it);
	it->folded = folded;
	item_match(t, it);
	return it->n_numbers;
}

bool transcript_search_next(struct transcript *t, int step)
{
	size_t i = t->hit ? t->hit_item : transcript_chosen(t);
	size_t n;

	if (t->query.len == 0 || t->n == 0)
		return false;
	n = count(t, i);
	if (t->hit) {
		if (step > 0 && t->hit_number + 1 < n) {
			go(t, i, t->hit_number + 1);
			return true;
		}
		if (step < 0 && t->hit_number > 0 && t->hit_number <= n) {
			go(t, i, t->hit_number - 1);
			return true;
		}
	} else if (n > 0) {
		go(t, i, step > 0 ? 0 : n - 1);
		return true;
	}
	for (size_t k = 0; k < t->n; k++) {
		i = step > 0 ? (i + 1) % t->n : (i + t->n - 1) % t->n;
		n = count(t, i);
		if (n > 0) {
			go(t, i, step > 0 ? 0 : n - 1);
			return true;
		}
	}
	return false;
}

bool transcript_search(struct transcript *t, struct str query, int step)
{
	buf_reset(&t->query);
	fold_add(&t->query, query);
	t->query_no++;
	t->hit = false;
	return transcript_search_next(t, step);
}

bool transcript_searching(const struct transcript *t)
{
	return t->query.len > 0;
}
