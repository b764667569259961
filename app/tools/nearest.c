/*
 * A line is known by two numbers: a hash of all that is not blank in it, and 64 bits, one set
 * for each word.  A place is as near as its lines and the text's share of the bits that either
 * has.
 */
#include "app/tools/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/tools/clean.h"
#include "engine/base/err.h"
#include "engine/base/utf8.h"

#define FNV_BASE  14695981039346656037ull
#define FNV_PRIME 1099511628211ull
#define MIX       0xBF58476D1CE4E5B9ull /* so that the highest bits depend on all */

struct known {
	struct str line; /* without its end */
	uint64_t solid;  /* hash of what is not blank */
	uint64_t words;
};

struct known_lines {
	struct known *v;
	size_t n;
};

struct place_near {
	size_t at;
	double share; /* 0 … 1; 2: it differs in blanks alone */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

static struct known know(struct str line)
{
	struct known k = {.line = line, .solid = FNV_BASE};
	uint64_t word = FNV_BASE;

	for (size_t i = 0; i < line.n; i++) {
		uint64_t c = (unsigned char)line.p[i];

		if (is_blank(line.p[i]))
			continue;
		k.solid = (k.solid ^ c) * FNV_PRIME;
		word = (word ^ c) * FNV_PRIME;
		if (is_word(line.p[i]) && i + 1 < line.n && is_word(line.p[i + 1]))
			continue;
		k.words |= 1ull << ((word ^ word >> 29) * MIX >> 58);
		word = FNV_BASE;
	}
	return k;
}

static int know_lines(struct known_lines *l, struct str s)
{
	struct str line;
	size_t n = 1;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	l->v = calloc(n, sizeof(*l->v));
	if (!l->v)
		return ERR_NOMEM;
	while (str_line(&s, &line))
		l->v[l->n++] = know(line);
	return 0;
}

static bool differs_in_blanks(const struct known_lines *f, size_t at,
			      const struct known_lines *t)
{
	if (f->n - at < t->n)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (f->v[at + i].solid != t->v[i].solid)
			return false;
	return true;
}

static double share_at(const struct known_lines *f, size_t at, const struct known_lines *t)
{
	int both = 0, either = 0;

	if (differs_in_blanks(f, at, t))
		return 2;
	for (size_t i = 0; i < t->n && i < NEAREST_LINES; i++) {
		uint64_t a = at + i < f->n ? f->v[at + i].words : 0, b = t->v[i].words;

		both += __builtin_popcountll(a & b);
		either += __builtin_popcountll(a | b);
	}
	return either ? (double)both / either : 0;
}

/* Into the list, the nearest first; one that overlaps a nearer one is none. */
static void note(struct place_near v[NEAREST_PLACES], size_t at, double share, size_t lines)
{
	size_t i = 0;

	for (size_t k = 0; k < NEAREST_PLACES; k++) {
		bool meets = v[k].share > 0 && at - v[k].at < lines;

		if (meets && v[k].share >= share)
			return;
		if (meets) { /* it takes its place: those behind move up */
			memmove(&v[k], &v[k + 1], (NEAREST_PLACES - k - 1) * sizeof(*v));
			v[NEAREST_PLACES - 1] = (struct place_near){0, 0};
		}
	}
	while (i < NEAREST_PLACES && v[i].share >= share)
		i++;
	if (i == NEAREST_PLACES)
		return;
	memmove(&v[i + 1], &v[i], (NEAREST_PLACES - i - 1) * sizeof(*v));
	v[i] = (struct place_near){at, share};
}

/* The first line, from 1, that is not the text's as it is; the last where all are. */
static size_t first_other(const struct known_lines *f, size_t at, const struct known_lines *t)
{
	size_t i = 0;

	while (i + 1 < t->n && str_eq(f->v[at + i].line, t->v[i].line))
		i++;
	return at + i + 1;
}

static void add_clipped(struct buf *out, struct str line)
{
	struct buf clean = {0};
	struct str s = line;

	if (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	if (s.n > NEAREST_CLIP)
		s.n = NEAREST_CLIP - utf8_partial_tail((struct str){s.p, NEAREST_CLIP});
	clean_add(&clean, s);
	buf_addc(out, '\n');
	buf_adds(out, buf_str(&clean));
	if (s.n + 1 < line.n)
		buf_addf(out, " [\xE2\x80\xA6 %zu bytes]", line.n - s.n);
	out->failed |= buf_failed(&clean);
	buf_release(&clean);
}

static void add_place(struct buf *out, const struct known_lines *f, const struct known_lines *t,
		      const struct place_near *p)
{
	size_t end = p->at + (t->n < NEAREST_LINES ? t->n : NEAREST_LINES);

	if (end > f->n)
		end = f->n;
	if (end == p->at + 1)
		buf_addf(out, "\n[near it: line %zu", end);
	else
		buf_addf(out, "\n[near it: lines %zu-%zu", p->at + 1, end);
	if (p->share > 1)
		buf_addf(out, "; differs in whitespace at line %zu", first_other(f, p->at, t));
	buf_addz(out, "]");
	for (size_t i = p->at; i < end; i++)
		add_clipped(out, f->v[i].line);
}

int nearest_add(struct buf *out, struct str file, struct str text)
{
	struct known_lines f = {0}, t = {0};
	struct place_near v[NEAREST_PLACES] = {0};
	int rc = know_lines(&t, text);

	if (!rc)
		rc = know_lines(&f, file);
	for (size_t i = 0; !rc && i < f.n; i++) {
		double share = share_at(&f, i, &t);

		if (share >= 0.5)
			note(v, i, share, t.n < NEAREST_LINES ? t.n : NEAREST_LINES);
	}
	for (size_t i = 0; !rc && i < NEAREST_PLACES && v[i].share > 0; i++)
		add_place(out, &f, &t, &v[i]);
	free(f.v);
	free(t.v);
	return rc ? rc : buf_failed(out) ? ERR_NOMEM : 0;
}
