/*
 * Characters are cut into runs wherever a category or a range begins or ends, so
 * that every set is made of whole runs.  All are of one kind at first; then each
 * set parts the kinds it cuts through.
 */
#include "engine/text/alphabet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/unicode.h"

static int compare_runs(const void *a, const void *b)
{
	uint32_t x = ((const struct alphabet_run *)a)->first;
	uint32_t y = ((const struct alphabet_run *)b)->first;

	return (x > y) - (x < y);
}

static int cut_runs(struct alphabet *a, const struct pattern *patterns, size_t n_patterns,
		    struct err *err)
{
	size_t n = unicode_n_runs, kept = 0;

	for (size_t i = 0; i < n_patterns; i++)
		n += 2 * patterns[i].n_ranges;
	a->runs = calloc(n, sizeof(*a->runs));
	if (!a->runs)
		return err_nomem(err, "runs of characters", n * sizeof(*a->runs));
	for (size_t i = 0; i < unicode_n_runs; i++)
		a->runs[a->n_runs++].first = unicode_runs[i] >> UNICODE_RUN_SHIFT;
	for (size_t i = 0; i < n_patterns; i++) {
		for (size_t k = 0; k < patterns[i].n_ranges; k++) {
			const struct char_range *range = &patterns[i].ranges[k];

			a->runs[a->n_runs++].first = range->first;
			if (range->last < UNICODE_LAST)
				a->runs[a->n_runs++].first = range->last + 1;
		}
	}
	qsort(a->runs, a->n_runs, sizeof(*a->runs), compare_runs);
	for (size_t i = 0; i < a->n_runs; i++) {
		if (!kept || a->runs[kept - 1].first != a->runs[i].first)
			a->runs[kept++] = a->runs[i];
	}
	a->n_runs = kept;
	return 0;
}

/* Goes over an alphabet's runs in order, asking whether each is in the set. */
struct membership {
	const struct char_set *set;
	size_t category; /* the run of unicode_runs that the last one asked for lies in */
};

static bool has(struct membership *m, uint32_t c)
{
	uint32_t category;
	bool in;

	while (m->category + 1 < unicode_n_runs &&
	       unicode_runs[m->category + 1] >> UNICODE_RUN_SHIFT <= c)
		m->category++;
	category = unicode_runs[m->category] & ((1u << UNICODE_RUN_SHIFT) - 1);
	in = m->set->categories >> category & 1;
	for (size_t i = 0; !in && i < m->set->n_ranges; i++)
		in = c >= m->set->ranges[i].first && c <= m->set->ranges[i].last;
	return in != m->set->negated;
}

static int part_kinds(struct alphabet *a, const struct char_set *set, struct err *err)
{
	struct membership m = {.set = set};
	int renamed[2 * ALPHABET_MAX_KINDS], n_kinds = 0;

	memset(renamed, -1, sizeof(renamed));
	for (size_t i = 0; i < a->n_runs; i++) {
		int *name = &renamed[2 * a->runs[i].kind + has(&m, a->runs[i].first)];

		if (*name < 0) {
			if (n_kinds == ALPHABET_MAX_KINDS)
				return err_set(
					err, ERR_MODEL,
					"they tell more than %d kinds of characters apart",
					ALPHABET_MAX_KINDS);
			*name = n_kinds++;
		}
		a->runs[i].kind = (uint8_t)*name;
	}
	return 0;
}

static int fill_table(struct alphabet *a, struct err *err)
{
	a->kind_of = malloc(UNICODE_LAST + 1);
	if (!a->kind_of)
		return err_nomem(err, "kinds of characters", UNICODE_LAST + 1);
	for (size_t i = 0; i < a->n_runs; i++) {
		uint32_t end = i + 1 < a->n_runs ? a->runs[i + 1].first : UNICODE_LAST + 1;

		memset(a->kind_of + a->runs[i].first, a->runs[i].kind, end - a->runs[i].first);
	}
	return 0;
}

int alphabet_init(struct alphabet *a, const struct pattern *patterns, size_t n_patterns,
		  struct err *err)
{
	int rc;

	*a = (struct alphabet){0};
	rc = cut_runs(a, patterns, n_patterns, err);
	for (size_t i = 0; i < n_patterns; i++) {
		for (size_t k = 0; !rc && k < patterns[i].n_parts; k++) {
			if (!patterns[i].parts[k].syntax.p)
				rc = part_kinds(a, &patterns[i].parts[k].set, err);
		}
	}
	return rc ? rc : fill_table(a, err);
}

void alphabet_release(struct alphabet *a)
{
	free(a->kind_of);
	free(a->runs);
	*a = (struct alphabet){0};
}

static void write_set(const struct alphabet *a, const struct char_set *set, struct buf *out)
{
	struct membership m = {.set = set};
	bool in[ALPHABET_MAX_KINDS] = {false}, some = false;

	for (size_t i = 0; i < a->n_runs; i++) {
		if (!in[a->runs[i].kind] && has(&m, a->runs[i].first))
			in[a->runs[i].kind] = some = true;
	}
	/* No character at all is still one character wide to what stands around it. */
	buf_addz(out, some ? "[" : "[^\\x00-\\xff");
	for (int i = 0; i < ALPHABET_MAX_KINDS; i++) {
		if (in[i])
			buf_addf(out, "\\x%02x", (unsigned)i);
	}
	buf_addc(out, ']');
}

void alphabet_write(const struct alphabet *a, const struct pattern *p, struct buf *out)
{
	for (size_t i = 0; i < p->n_parts; i++) {
		if (p->parts[i].syntax.p)
			buf_adds(out, p->parts[i].syntax);
		else
			write_set(a, &p->parts[i].set, out);
	}
}

static size_t char_bytes(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t alphabet_kinds(const struct alphabet *a, struct str text, uint8_t *out)
{
	const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
	uint8_t *to = out;

	while (p < end) {
		size_t n = char_bytes(*p);
		uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);

		for (size_t i = 1; i < n; i++)
			c = c << 6 | (p[i] & 0x3fu);
		*to++ = a->kind_of[c];
		p += n;
	}
	return (size_t)(to - out);
}

size_t alphabet_bytes(const char *p, size_t n)
{
	const char *from = p;

	while (n--)
		p += char_bytes((unsigned char)*p);
	return (size_t)(p - from);
}
