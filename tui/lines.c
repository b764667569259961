/* The pools of lines and paragraphs; breaking, rewinding and drawing them. */
#include "tui/lines.h"

#include <stdlib.h>
#include <string.h>

#include "tui/glyph.h"
#include "tui/wrap.h"

/* Grows *v so that n more elements fit behind the `used` ones. */
static bool grow(void **v, size_t *cap, size_t used, size_t n, size_t size)
{
	size_t want = used + n, to = *cap < 16 ? 16 : *cap;
	void *p;

	if (want <= *cap)
		return true;
	while (to < want) {
		if (to > SIZE_MAX / 2 / size)
			return false;
		to *= 2;
	}
	p = realloc(*v, to * size);
	if (!p)
		return false;
	*v = p;
	*cap = to;
	return true;
}

void rich_release(struct rich *r)
{
	buf_release(&r->text);
	free(r->runs);
	*r = (struct rich){0};
}

void rich_reset(struct rich *r)
{
	buf_reset(&r->text);
	r->n_runs = 0;
	r->failed = false;
}

void rich_add(struct rich *r, struct str s, uint16_t style)
{
	if (s.n == 0 || r->failed)
		return;
	if (s.n > UINT32_MAX - r->text.len ||
	    !grow((void **)&r->runs, &r->cap_runs, r->n_runs, 1, sizeof(*r->runs))) {
		r->failed = true;
		return;
	}
	buf_adds(&r->text, s);
	if (buf_failed(&r->text)) {
		r->failed = true;
		return;
	}
	if (r->n_runs > 0 && r->runs[r->n_runs - 1].style == style)
		r->n_runs--;
	r->runs[r->n_runs++] = (struct run){(uint32_t)r->text.len, style};
}

void rich_addz(struct rich *r, const char *z, uint16_t style)
{
	rich_add(r, str_of(z), style);
}

void rich_add_rich(struct rich *r, const struct rich *more)
{
	uint32_t at = 0;

	for (size_t i = 0; i < more->n_runs; i++) {
		rich_add(r, (struct str){more->text.data + at, more->runs[i].end - at},
			 more->runs[i].style);
		at = more->runs[i].end;
	}
	r->failed |= more->failed;
}

static const char *line_start(const struct rich *r)
{
	const char *nl = r->text.len > 0 ? memrchr(r->text.data, '\n', r->text.len) : NULL;

	return nl ? nl + 1 : r->text.data;
}

void rich_add_code(struct rich *r, struct str s, uint16_t style)
{
	while (s.n > 0) {
		const char *tab = memchr(s.p, '\t', s.n);
		size_t n = tab ? (size_t)(tab - s.p) : s.n;

		rich_add(r, (struct str){s.p, n}, style);
		if (!tab)
			return;
		if (r->text.len == 0) {
			rich_addz(r, "        ", style);
		} else {
			const char *from = line_start(r);
			int col = glyph_columns(from,
						(size_t)(buf_z(&r->text) + r->text.len - from));

			rich_add(r, (struct str){"        ", (size_t)(8 - col % 8)}, style);
		}
		s = (struct str){s.p + n + 1, s.n - n - 1};
	}
}

void lines_release(struct lines *l)
{
	buf_release(&l->text);
	free(l->runs);
	free(l->v);
	*l = (struct lines){0};
}

void lines_reset(struct lines *l)
{
	buf_reset(&l->text);
	l->n_runs = l->n = 0;
	l->failed = false;
}

bool lines_failed(const struct lines *l)
{
	return l->failed || buf_failed(&l->text);
}

struct lines_mark lines_mark(const struct lines *l)
{
	return (struct lines_mark){l->text.len, l->n_runs, l->n};
}

void lines_rewind(struct lines *l, struct lines_mark to)
{
	buf_truncate(&l->text, to.text);
	l->n_runs = to.runs;
	l->n = to.n;
}

struct str lines_text(const struct lines *l, size_t i)
{
	return (struct str){buf_z(&l->text) + l->v[i].text_at, l->v[i].n};
}

/* Appends bytes [from, to) of r, with their styles, to the line being built. */
static void add_part(struct lines *l, struct line *ln, const struct rich *r, size_t from,
		     size_t to)
{
	size_t lo = 0, hi = r->n_runs;

	while (lo < hi) { /* the first run that ends after `from` */
		size_t mid = lo + (hi - lo) / 2;

		if (r->runs[mid].end <= from)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; from < to && lo < r->n_runs; lo++) {
		size_t end = r->runs[lo].end < to ? r->runs[lo].end : to;

		if (!grow((void **)&l->runs, &l->cap_runs, l->n_runs, 1, sizeof(*l->runs))) {
			l->failed = true;
			return;
		}
		buf_add(&l->text, r->text.data + from, end - from);
		ln->n += (uint32_t)(end - from);
		l->runs[l->n_runs++] = (struct run){ln->n, r->runs[lo].style};
		ln->n_runs++;
		from = end;
	}
}

void lines_add(struct lines *l, const struct rich *lead, const struct rich *r, size_t from,
	       size_t to, enum line_join join)
{
	struct line ln = {.text_at = l->text.len, .run_at = l->n_runs, .join = join};

	if (lines_failed(l) || !grow((void **)&l->v, &l->cap, l->n, 1, sizeof(*l->v))) {
		l->failed = true;
		return;
	}
	if (lead) {
		add_part(l, &ln, lead, 0, lead->text.len);
		l->failed |= lead->failed;
	}
	ln.lead = ln.n;
	if (r) {
		add_part(l, &ln, r, from, to);
		l->failed |= r->failed;
	}
	l->v[l->n++] = ln;
}

void lines_wrap(struct lines *l, const struct rich *r, int width, const struct rich *first,
		const struct rich *rest, bool words)
{
	const char *p = buf_z(&r->text);
	size_t at = 0, n = r->text.len;
	int w1 = width - (first ? glyph_columns(buf_z(&first->text), first->text.len) : 0);
	int w2 = width - (rest ? glyph_columns(buf_z(&rest->text), rest->text.len) : 0);
	const struct rich *lead = first;
	int w = w1 > 1 ? w1 : 2;

	l->failed |= r->failed;
	do {
		const char *nl = at < n ? memchr(p + at, '\n', n - at) : NULL;
		size_t end = nl ? (size_t)(nl - p) : n;
		enum line_join join = LINE_OWN;

		do {
			size_t shown;
			size_t used = wrap_row(p + at, end - at, w, words, &shown);

			lines_add(l, lead, r, at, at + shown, join);
			at += used;
			join = used > shown ? LINE_AFTER_BLANK : LINE_CUT;
			lead = rest;
			w = w2 > 1 ? w2 : 2;
		} while (at < end && !lines_failed(l));
		if (!nl)
			break;
		at = end + 1;
	} while (!lines_failed(l));
}

int lines_columns(const struct lines *l, size_t i)
{
	struct str s = lines_text(l, i);

	return glyph_columns(s.p, s.n);
}

void lines_draw(const struct lines *l, size_t i, struct view v, int x, int y)
{
	const struct line *ln = &l->v[i];
	const char *p = buf_z(&l->text) + ln->text_at;
	uint32_t at = 0;

	for (uint32_t k = 0; k < ln->n_runs; k++) {
		const struct run *run = &l->runs[ln->run_at + k];

		x = view_put(v, x, y, (struct str){p + at, run->end - at}, run->style);
		at = run->end;
	}
}
