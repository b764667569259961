/*
 * How fast the history is: opening a conversation of 10,000 messages, searching among
 * 100,000.  Prints the median of several runs beside its bound; exits 1 where one is missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "history/history.h"
#include "tests/support/median.h"

#define N_LONG 10000
#define N_ALL  100000
#define N_RUNS 9

static void die(const struct err *err)
{
	fprintf(stderr, "%s\n", err->text);
	exit(2);
}

/* Sixty words a message out of 20,000, small numbers far more often than large ones. */
static void add_words(struct buf *out, unsigned *x)
{
	for (int i = 0; i < 60; i++) {
		unsigned a, b;

		*x = *x * 1664525u + 1013904223u;
		a = *x >> 12;
		*x = *x * 1664525u + 1013904223u;
		b = *x >> 12;
		buf_addf(out, "w%u ",
			 (unsigned)((unsigned long long)(a % 20000) * (b % 20000) / 20000));
	}
}

static int64_t fill(struct history *h, size_t n, size_t per_conversation)
{
	struct history_import *in;
	struct buf line = {0};
	struct err err;
	unsigned x = 7;
	size_t said = 0;

	if (history_import_begin(&in, h, &err))
		die(&err);
	while (said < n) {
		buf_reset(&line);
		buf_addf(&line,
			 "{\"type\": \"conversation\", \"format\": 1, \"title\": \"t\","
			 " \"title_from\": \"user\", \"created_ms\": 1, \"updated_ms\": 2,"
			 " \"leaf\": %zu}",
			 per_conversation);
		if (history_import_line(in, buf_str(&line), &err))
			die(&err);
		for (size_t i = 1; i <= per_conversation; i++, said++) {
			buf_reset(&line);
			buf_addf(
				&line,
				"{\"type\": \"message\", \"n\": %zu, \"parent\": %zu, \"role\":"
				" \"%s\", \"created_ms\": 3, \"parts\": [{\"kind\": \"text\","
				" \"text\": \"",
				i, i - 1, i % 2 ? "user" : "assistant");
			add_words(&line, &x);
			buf_addz(&line, "common");
			if (said == n / 2)
				buf_addz(&line, " singular");
			buf_addz(&line, "\"}]}");
			if (history_import_line(in, buf_str(&line), &err))
				die(&err);
		}
	}
	if (history_import_end(in, NULL, &err))
		die(&err);
	buf_release(&line);
	{
		int64_t id = 0;

		if (history_last(h, &id, &err))
			die(&err);
		return id;
	}
}

static int report(const char *what, double ms[N_RUNS], double bound)
{
	double median = median_of(ms, N_RUNS);

	printf("%-44s %8.2f ms  (bound %g)%s\n", what, median, bound,
	       median < bound ? "" : "  MISSED");
	return median < bound ? 0 : 1;
}

static int bench_open(const char *path)
{
	struct history *h;
	struct history_tree *t;
	struct err err;
	double ms[N_RUNS];
	int64_t id;

	if (history_open(&h, path, &err))
		die(&err);
	id = fill(h, N_LONG, N_LONG);
	for (int i = 0; i < N_RUNS; i++) {
		double start = clock_s() * 1e3;

		if (history_tree_open(&t, h, id, &err))
			die(&err);
		ms[i] = clock_s() * 1e3 - start;
		history_tree_free(t);
	}
	history_close(h);
	return report("open a conversation of 10,000 messages", ms, 50);
}

static int bench_search(const char *path)
{
	static const struct {
		const char *what, *query;
		size_t least;
		double bound;
	} cases[] = {
		{"a rare word among 100,000 messages", "singular", 1, 10},
		{"a common word, newest first", "common", 50, 20},
		{"a prefix", "w1*", 50, 100},
		{"a longer prefix", "w123*", 50, 100},
		{"a phrase of common words", "\"w1 w2\"", 0, 100},
	};
	struct history *h;
	struct err err;
	double start = clock_s() * 1e3;
	int missed = 0;

	if (history_open(&h, path, &err))
		die(&err);
	fill(h, N_ALL, 100);
	printf("%-44s %8.0f ms\n", "write 100,000 messages", clock_s() * 1e3 - start);
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct history_query q = {.text = str_of(cases[k].query)};
		double ms[N_RUNS];

		for (int i = 0; i < N_RUNS; i++) {
			struct history_hits hits;

			start = clock_s() * 1e3;
			if (history_search(h, &q, &hits, &err))
				die(&err);
			ms[i] = clock_s() * 1e3 - start;
			if (hits.n < cases[k].least) {
				fprintf(stderr, "%s: %zu hits\n", cases[k].query, hits.n);
				exit(2);
			}
			history_hits_release(&hits);
		}
		missed |= report(cases[k].what, ms, cases[k].bound);
	}
	history_close(h);
	return missed;
}

int main(void)
{
	char dir[] = "/tmp/history_bench.XXXXXX", path[64];
	static const char *const names[] = {"long.db", "all.db"};
	int missed;

	if (!mkdtemp(dir))
		return 2;
	snprintf(path, sizeof(path), "%s/%s", dir, names[0]);
	missed = bench_open(path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s", dir, names[1]);
	missed |= bench_search(path);
	unlink(path);
	rmdir(dir);
	return missed;
}
