/* Running a tiny model, and holding what comes of it against its golden results. */
#include "tests/support/golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct golden golden_open(const char *dir)
{
	struct golden g = {0};
	struct err err = {0};
	const struct tensor *t;
	char path[600];

	snprintf(path, sizeof(path), "%s/golden.safetensors", dir);
	assert_int_equal(safetensors_open_file(&g.st, path, &err), 0);
	t = safetensors_find(g.st, "ids");
	g.ids = t->data;
	g.n = (int)t->shape[0];
	t = safetensors_find(g.st, "long_ids");
	g.long_ids = t->data;
	g.n_long = (int)t->shape[0];
	return g;
}

struct model *golden_model(struct setup s)
{
	struct model_options opt = {
		.dir = s.dir,
		.isa = s.isa,
		.n_threads = s.n_threads,
		.prefill_chunk = s.chunk,
		.ctx_tokens = 4096,
		.n_ranks = s.n_ranks,
		.backend = "cpu",
	};
	struct err err = {0};
	struct model *m;

	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

void golden_forward(struct seq *s, const token_id *ids, int n, float *logits, float *draft)
{
	struct err err = {0};

	if (seq_forward(s, ids, n, WANT_ALL, logits, draft, &err))
		fail_msg("%s", err.text);
}

static void run(struct model *m, const token_id *ids, int n, int prefill, float *logits,
		float *draft)
{
	size_t vocab = (size_t)model_config(m)->vocab;
	struct err err = {0};
	struct seq *s;
	int at = 0;

	assert_int_equal(seq_new(&s, m, &err), 0);
	while (at < n) {
		int left = prefill - at, chunk = model_prefill_chunk(m);
		int rows = left <= 0 ? 1 : left < chunk ? left : chunk;

		golden_forward(s, ids + at, rows, logits + (size_t)at * vocab,
			       draft + (size_t)(at ? at - 1 : 0) * vocab);
		at += rows;
	}
	seq_free(s);
}

struct golden_rows golden_rows_of(struct setup s, const token_id *ids, int n, int prefill)
{
	struct model *m = golden_model(s);
	struct golden_rows r = {.vocab = (size_t)model_config(m)->vocab};

	r.bytes = (size_t)n * r.vocab * sizeof(float);
	r.logits = malloc(r.bytes);
	r.draft = calloc(1, r.bytes);
	assert_true(r.logits && r.draft);
	run(m, ids, n, prefill, r.logits, r.draft);
	model_close(m);
	return r;
}

void golden_rows_free(struct golden_rows *r)
{
	free(r->logits);
	free(r->draft);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void golden_compare(const struct golden *g, const char *name, const float *ours, int first,
		    double median, double most)
{
	const struct tensor *t = safetensors_find(g->st, name);
	size_t n = (size_t)t->shape[0], vocab = (size_t)t->shape[1];
	const float *ref = t->data;
	double *rel = malloc(n * sizeof(*rel));

	assert_non_null(rel);
	for (size_t i = 0; i < n; i++) {
		double d = 0, r = 0;

		for (size_t k = 0; k < vocab; k++) {
			double o = (double)ours[((size_t)first + i) * vocab + k];
			double e = (double)ref[i * vocab + k];

			d += (o - e) * (o - e);
			r += e * e;
		}
		rel[i] = sqrt(d / r);
		assert_true(isfinite(rel[i]));
	}
	qsort(rel, n, sizeof(*rel), by_size);
	if (rel[n / 2] > median || rel[n * 95 / 100] > most)
		fail_msg("%s: median %g (at most %g), 95 %% %g (at most %g)", name, rel[n / 2],
			 median, rel[n * 95 / 100], most);
	free(rel);
}

void golden_same_bits(const struct golden_rows *a, const struct golden_rows *b,
		      const char *what, int k)
{
	if (memcmp(a->logits, b->logits, a->bytes) != 0)
		fail_msg("%s %d: logits differ", what, k);
	if (memcmp(a->draft, b->draft, a->bytes) != 0)
		fail_msg("%s %d: draft logits differ", what, k);
}
