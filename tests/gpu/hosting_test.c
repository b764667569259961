/*
 * Models half of whose experts lie in the host's memory: read there they give the bits that
 * they give on the GPU; computed there, nearly the same, and the same bits for calls of many
 * rows.
 */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cache/seq.h"
#include "engine/pass/model_internal.h"

#define CTX   1024
#define CHUNK 64
#define N     192

static const char *const names[] = {"flash-tiny", "pro-micro", "nano"};

#define N_NAMES (sizeof(names) / sizeof(names[0]))

/* Not so where the CPU is tried instead of a GPU. */
static bool hosts_experts(void)
{
	struct backend_caps caps;
	struct backend *be;
	struct err err;

	bench_ok(bench_open(&be, GPU, &err), &err);
	be->caps(be, &caps);
	be->close(be);
	return caps.hosts_experts;
}

/* gpu_experts 0: all.  NULL where there is no such model. */
static struct model *open_model(const char *name, const char *hosting, int gpu_experts)
{
	struct model_options opt = {.prefill_chunk = CHUNK,
				    .ctx_tokens = CTX,
				    .hosting = hosting,
				    .gpu_experts = gpu_experts};
	struct err err = {0};
	struct model *m;
	char dir[500];

	if (!hosts_experts() || !bench_model(name, dir, sizeof(dir))) {
		print_message("no model %s with experts on the host\n", name);
		return NULL;
	}
	opt.dir = dir;
	bench_ok(bench_open(&opt.be, GPU, &err), &err);
	bench_ok(model_open(&m, &opt, &err), &err);
	return m;
}

/* Logits [N, vocab] of N tokens, `rows` a call. */
static float *logits_of(struct model *m, int rows)
{
	size_t vocab = (size_t)m->cfg.vocab;
	float *out = calloc((size_t)N * vocab, sizeof(*out));
	struct err err = {0};
	struct seq *s;

	assert_non_null(out);
	bench_ok(seq_new(&s, m, &err), &err);
	for (int i = 0; i < N; i += rows) {
		token_id ids[CHUNK];

		for (int t = 0; t < rows; t++)
			ids[t] = bench_token(m->cfg.vocab, i + t);
		bench_ok(seq_forward(s, ids, rows, WANT_ALL, out + (size_t)i * vocab, NULL,
				     &err),
			 &err);
	}
	seq_free(s);
	return out;
}

static void same(const struct model *m, const float *a, const float *b, const char *what)
{
	size_t row = (size_t)m->cfg.vocab;

	for (int t = 0; t < N; t++) {
		if (memcmp(a + (size_t)t * row, b + (size_t)t * row, row * sizeof(*a)) != 0)
			fail_msg("%s: row %d has other bits", what, t);
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The rows' median relative error: where all but the same is routed elsewhere, one is large. */
static void close_to(const struct model *m, const float *a, const float *b, const char *what)
{
	size_t row = (size_t)m->cfg.vocab;
	double error[N];

	for (size_t t = 0; t < N; t++) {
		double off = 0, all = 0;

		for (size_t i = t * row; i < (t + 1) * row; i++) {
			off += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
			all += (double)a[i] * a[i];
		}
		error[t] = sqrt(off / all);
	}
	qsort(error, N, sizeof(*error), by_size);
	print_message("%s: median %.5f, 0.9 of them %.5f, largest %.5f\n", what, error[N / 2],
		      error[N * 9 / 10], error[N - 1]);
	if (!(error[N / 2] > 0 && error[N / 2] < 0.02))
		fail_msg("%s: median error %g, expected at most 0.02 and not 0", what,
			 error[N / 2]);
}

/* What has been chosen since the last time lay on both sides; and what gains then changes
 * places. */
static void count_and_settle(struct model *m, struct hosting_count *n)
{
	struct err err = {0};

	bench_ok(hosting_take(m, n, &err), &err);
	assert_in_range(n->hosted, 1, n->chosen - 1);
	bench_ok(hosting_settle(m, &err), &err);
}

static void experts_read_on_the_host_give_the_same_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_NAMES; i++) {
		struct model *gpu = open_model(names[i], "gpu", 0), *m;
		struct hosting_count first, then;

		if (!gpu)
			continue;
		m = open_model(names[i], "host", gpu->cfg.n_experts / 2);
		assert_int_equal(m->hosting.by, HOSTING_READ);
		for (int rows = 1; rows <= CHUNK; rows *= 8) {
			float *a = logits_of(gpu, rows), *b = logits_of(m, rows);

			same(gpu, a, b, names[i]);
			count_and_settle(m, rows == 1 ? &first : &then);
			free(a);
			free(b);
		}
		assert_true(then.chosen == first.chosen && then.hosted < first.hosted);
		model_close(m);
		model_close(gpu);
	}
}

static void experts_computed_on_the_host_are_close_to_that(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_NAMES; i++) {
		struct model *gpu = open_model(names[i], "gpu", 0), *m;
		struct hosting_count first, then;
		float *one, *few, *many, *own, *own_many;

		if (!gpu)
			continue;
		own = logits_of(gpu, 1);
		own_many = logits_of(gpu, CHUNK);
		m = open_model(names[i], "cpu", gpu->cfg.n_experts / 2);
		assert_int_equal(m->hosting.by, HOSTING_COMPUTED);
		one = logits_of(m, 1);
		few = logits_of(m, 8);
		many = logits_of(m, CHUNK);
		close_to(gpu, own, one, names[i]);
		same(gpu, one, few, "8 rows a call");
		same(gpu, own_many, many, "many rows a call");
		free(one);
		free(few);
		free(many);
		count_and_settle(m, &first);
		one = logits_of(m, 1);
		few = logits_of(m, 16);
		many = logits_of(m, CHUNK);
		count_and_settle(m, &then);
		assert_true(then.chosen == first.chosen && then.hosted < first.hosted);
		close_to(gpu, own, one, "others on the host");
		same(gpu, one, few, "16 rows a call, others on the host");
		same(gpu, own_many, many, "many rows a call, others on the host");
		free(one);
		free(few);
		free(many);
		free(own);
		free(own_many);
		model_close(m);
		model_close(gpu);
	}
}

static void the_faster_one_is_chosen(void **state)
{
	struct model *m = open_model("nano", "auto", 1);

	(void)state;
	if (!m)
		return;
	assert_true(m->hosting.by == HOSTING_READ || m->hosting.by == HOSTING_COMPUTED);
	assert_int_equal(m->n_hosted, m->cfg.n_experts - 1);
	free(logits_of(m, 1));
	model_close(m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(experts_read_on_the_host_give_the_same_bits),
		cmocka_unit_test(experts_computed_on_the_host_are_close_to_that),
		cmocka_unit_test(the_faster_one_is_chosen),
	};

	return BENCH_MAIN(argc, argv, tests);
}
