/*
 * The greedy algorithm of Myers (1986) over what is left between the equal beginnings and ends:
 * for d = 0, 1, …, the farthest that d lines taken out or put in lead to on each diagonal
 * (lines of `before` - lines of `after` = k).  All rows are kept, so that the way can be walked
 * back; row d has d + 1 entries: DIFF_MOST of them take 8 MiB.
 */
#include "app/tools/diff.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "app/tools/clean.h"
#include "engine/base/err.h"

struct line {
	struct str text; /* with its \n */
	uint64_t hash;
};

struct lines {
	struct line *v;
	size_t n;
};

/* Lines [a, a_end) of one became lines [b, b_end) of the other. */
struct change {
	size_t a, a_end, b, b_end;
};

struct diff {
	struct lines a, b; /* what may differ, with DIFF_CONTEXT equal lines around it */
	size_t skipped;    /* lines before that */
	int *rows[DIFF_MOST + 1];
	struct change *changes; /* from the last to the first */
	size_t n_changes;
};

/* ---- lines ---- */

static size_t count_lines(struct str s)
{
	size_t n = 0;

	for (const char *p = s.p, *end; s.n && (end = memchr(p, '\n', s.n)); p = end + 1) {
		s.n -= (size_t)(end + 1 - p);
		n++;
	}
	return n + (s.n > 0);
}

static int split(struct lines *l, struct str s)
{
	l->v = calloc(count_lines(s) + 1, sizeof(*l->v));
	if (!l->v)
		return ERR_NOMEM;
	while (s.n) {
		const char *end = memchr(s.p, '\n', s.n);
		size_t n = end ? (size_t)(end - s.p) + 1 : s.n;

		l->v[l->n++] = (struct line){{s.p, n}, XXH3_64bits(s.p, n)};
		s = (struct str){s.p + n, s.n - n};
	}
	return 0;
}

static bool same(const struct diff *d, size_t i, size_t k)
{
	return d->a.v[i].hash == d->b.v[k].hash && str_eq(d->a.v[i].text, d->b.v[k].text);
}

/* Where the line begins that the byte belongs to. */
static size_t line_begin(struct str s, size_t at)
{
	while (at && s.p[at - 1] != '\n')
		at--;
	return at;
}

/* Bytes at the beginning that both have, in whole lines but the last DIFF_CONTEXT. */
static size_t equal_begin(struct str a, struct str b)
{
	size_t n = 0, most = a.n < b.n ? a.n : b.n;

	while (n < most && a.p[n] == b.p[n])
		n++;
	n = line_begin(a, n);
	for (int i = 0; n && i < DIFF_CONTEXT; i++)
		n = line_begin(a, n - 1);
	return n;
}

/* The same at the end, in whole lines but the first DIFF_CONTEXT. */
static size_t equal_end(struct str a, struct str b)
{
	size_t n = 0, most = a.n < b.n ? a.n : b.n;

	while (n < most && a.p[a.n - n - 1] == b.p[b.n - n - 1])
		n++;
	/* The first of these lines may be the end of a longer one. */
	for (int i = 0; n && i < DIFF_CONTEXT + 1; i++) {
		const char *end = memchr(a.p + a.n - n, '\n', n);

		n = end ? n - (size_t)(end + 1 - (a.p + a.n - n)) : 0;
	}
	return n;
}

static struct str within(struct str s, size_t begin, size_t end)
{
	return (struct str){s.p ? s.p + begin : "", s.n - begin - end};
}

/* ---- the way ---- */

/* How far d steps lead on diagonal k, from what d - 1 lead to. */
static int step(const int *last, int d, int k)
{
	int down, right;

	if (d == 0)
		return 0;
	/* Row d - 1 has the diagonals -(d-1), -(d-3), … d-1: k is at (k + d - 1) / 2. */
	down = k < d ? last[(k + 1 + d - 1) / 2] : -1;
	right = k > -d ? last[(k - 1 + d - 1) / 2] + 1 : -1;
	return right > down ? right : down;
}

/* One row; true where the end of both is reached.  What lies outside of both goes no further.
 */
static bool make_row(const struct diff *d, int n, int *row)
{
	int na = (int)d->a.n, nb = (int)d->b.n;

	for (int k = -n; k <= n; k += 2) {
		int x = step(n ? d->rows[n - 1] : NULL, n, k), y = x - k;

		while (x < na && y >= 0 && y < nb && same(d, (size_t)x, (size_t)y)) {
			x++;
			y++;
		}
		row[(k + n) / 2] = x;
		if (x == na && y == nb)
			return true;
	}
	return false;
}

/* The number of steps; -1: too many.  ERR_NOMEM. */
static int find_way(struct diff *d, int *steps)
{
	*steps = -1;
	for (int n = 0; n <= DIFF_MOST; n++) {
		d->rows[n] = malloc(((size_t)n + 1) * sizeof(int));
		if (!d->rows[n])
			return ERR_NOMEM;
		if (make_row(d, n, d->rows[n])) {
			*steps = n;
			break;
		}
	}
	return 0;
}

/* A step at the end of all that is known so far, from the last to the first. */
static void add_step(struct diff *d, size_t a, size_t b, bool out)
{
	struct change *c = d->n_changes ? &d->changes[d->n_changes - 1] : NULL;

	if (!c || c->a != a + out || c->b != b + !out) {
		c = &d->changes[d->n_changes++];
		*c = (struct change){a + out, a + out, b + !out, b + !out};
	}
	c->a = a;
	c->b = b;
}

/* From the end of both back to their beginning. */
static int walk_back(struct diff *d, int steps)
{
	int k = (int)d->a.n - (int)d->b.n;

	d->changes = calloc((size_t)steps + 1, sizeof(*d->changes));
	if (!d->changes)
		return ERR_NOMEM;
	for (int n = steps; n > 0; n--) {
		const int *last = d->rows[n - 1];
		int x = step(last, n, k);
		bool out = k > -n && last[(k - 1 + n - 1) / 2] + 1 == x;
		int y = x - k;

		add_step(d, (size_t)(x - out), (size_t)(y - !out), out);
		k += out ? -1 : 1;
	}
	return 0;
}

/* ---- showing ---- */

static void add_lines(struct buf *out, char sign, const struct lines *l, size_t from, size_t to)
{
	for (; from < to; from++) {
		struct str s = l->v[from].text;

		buf_addc(out, sign);
		buf_adds(out, s);
		if (s.p[s.n - 1] != '\n')
			buf_addz(out, "\n\\ No newline at end of file\n");
	}
}

static void add_range(struct buf *out, char sign, size_t skipped, size_t from, size_t to)
{
	/* Of no lines the one before is told. */
	buf_addf(out, "%c%zu", sign, skipped + from + (to > from));
	if (to - from != 1)
		buf_addf(out, ",%zu", to - from);
}

/* Changes [i, last] going down: those so near that their context meets. */
static void add_hunk(const struct diff *d, size_t i, size_t last, struct buf *out)
{
	const struct change *first = &d->changes[i], *end = &d->changes[last];
	size_t before = first->a < DIFF_CONTEXT ? first->a : DIFF_CONTEXT;
	size_t left = d->a.n - end->a_end, after = left < DIFF_CONTEXT ? left : DIFF_CONTEXT;
	size_t at = first->a - before;

	buf_addz(out, "@@ ");
	add_range(out, '-', d->skipped, at, end->a_end + after);
	buf_addz(out, " ");
	add_range(out, '+', d->skipped, first->b - before, end->b_end + after);
	buf_addz(out, " @@\n");
	for (size_t n = i + 1; n-- > last;) {
		const struct change *c = &d->changes[n];

		add_lines(out, ' ', &d->a, at, c->a);
		add_lines(out, '-', &d->a, c->a, c->a_end);
		add_lines(out, '+', &d->b, c->b, c->b_end);
		at = c->a_end;
	}
	add_lines(out, ' ', &d->a, at, end->a_end + after);
}

static void add_hunks(const struct diff *d, struct buf *out)
{
	for (size_t i = d->n_changes; i > 0;) {
		size_t last = i - 1;

		while (last > 0 &&
		       d->changes[last - 1].a - d->changes[last].a_end <= 2 * DIFF_CONTEXT)
			last--;
		add_hunk(d, i - 1, last, out);
		i = last;
	}
}

static void add_too_different(struct buf *out, struct str before, struct str after)
{
	buf_addf(out, "too different, %zu lines -> %zu lines\n", count_lines(before),
		 count_lines(after));
}

static int compare(struct diff *d, struct str before, struct str after, struct buf *out)
{
	int steps = 0, rc = find_way(d, &steps);

	if (!rc && steps < 0)
		add_too_different(out, before, after);
	else if (!rc)
		rc = walk_back(d, steps);
	if (!rc && steps > 0)
		add_hunks(d, out);
	return rc;
}

int diff_add(struct buf *out, struct str before, struct str after)
{
	size_t begin, end, na, nb;
	struct diff *d;
	int rc;

	if (str_eq(before, after))
		return 0;
	begin = equal_begin(before, after);
	end = equal_end(within(before, begin, 0), within(after, begin, 0));
	na = count_lines(within(before, begin, end));
	nb = count_lines(within(after, begin, end));
	if ((na > nb ? na - nb : nb - na) > DIFF_MOST) {
		add_too_different(out, before, after);
		return buf_failed(out) ? ERR_NOMEM : 0;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return ERR_NOMEM;
	d->skipped = begin ? count_lines(within(before, 0, before.n - begin)) : 0;
	rc = split(&d->a, within(before, begin, end));
	if (!rc)
		rc = split(&d->b, within(after, begin, end));
	if (!rc)
		rc = compare(d, before, after, out);
	for (size_t i = 0; i <= DIFF_MOST; i++)
		free(d->rows[i]);
	free(d->changes);
	free(d->a.v);
	free(d->b.v);
	free(d);
	return rc ? rc : buf_failed(out) ? ERR_NOMEM : 0;
}

/* The beginning of it, on a line border. */
static void add_shown(struct buf *out, struct str diff)
{
	size_t n = 0, more = 0;

	for (size_t i = 0; i < diff.n; i++) {
		if (diff.p[i] != '\n')
			continue;
		if (i < DIFF_BYTES)
			n = i + 1;
		else
			more++;
	}
	clean_add(out, (struct str){diff.p, n});
	if (more)
		buf_addf(out, "[%zu more lines]\n", more);
}

int diff_add_shown(struct buf *out, struct str before, struct str after)
{
	struct buf diff = {0};
	int rc = diff_add(&diff, before, after);

	if (!rc)
		add_shown(out, buf_str(&diff));
	buf_release(&diff);
	return rc ? rc : buf_failed(out) ? ERR_NOMEM : 0;
}
