/* Queries, window rows, index queries: what is rounded as it is cached must have the CPU's
 * bytes. */
#include "tests/gpu/harness.h"

#include <stdlib.h>

static const int rows[] = {1, 2, 3, 5, 8, 16, 127, 129, 511};
static const int heads[] = {1, 4, 64, 128};
static const int64_t positions[] = {0, 1, 127, 300, 1048000};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SLOTS    3

struct rows_case {
	int n_head, ring_rows;
	struct pair step, rope, in, norm, out;
};

static int query(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct rows_case *k = ctx;
	size_t t = (size_t)t0;
	struct query_args a = {
		.n_tok = n,
		.n_head = k->n_head,
		.eps = 1e-6f,
		.rope = bench_at(&k->rope, side, t * ROPE_DIM),
		.q = bench_at(&k->in, side, t * (size_t)k->n_head * HEAD_DIM),
	};

	return be->ops->query(be, &a, err);
}

static int window_row(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct rows_case *k = ctx;
	size_t t = (size_t)t0;
	struct window_row_args a = {
		.n_tok = n,
		.ring_rows = k->ring_rows,
		.eps = 1e-6f,
		.step = k->step.p[side],
		.kv = bench_at(&k->in, side, t * HEAD_DIM),
		.norm = k->norm.p[side],
		.rope = bench_at(&k->rope, side, t * ROPE_DIM),
		.ring = k->out.p[side],
	};

	return be->ops->window_row(be, &a, err);
}

static int index_query(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct rows_case *k = ctx;
	size_t t = (size_t)t0, heads_before = t * (size_t)k->n_head;
	struct index_query_args a = {
		.n_tok = n,
		.n_head = k->n_head,
		.rope = bench_at(&k->rope, side, t * ROPE_DIM),
		.q = bench_at(&k->in, side, heads_before * INDEX_DIM),
		.out = bench_at(&k->out, side, heads_before * INDEX_ROW_BYTES),
	};

	return be->ops->index_query(be, &a, err);
}

static void a_query_is_normed_and_turned(void **state)
{
	static const double deviations[] = {1e-4, 1.0, 50.0};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(heads); i++) {
		int n_tok = rows[i % COUNT(rows)];
		struct rows_case k = {.n_head = heads[i / COUNT(rows)]};
		size_t n = (size_t)n_tok * (size_t)k.n_head;

		bench_case(b, "query, %d rows of %d heads", n_tok, k.n_head);
		k.rope = bench_rope(b, positions[i % COUNT(positions)], n_tok);
		k.in = bench_normal(b, PAIR_ACT, n * HEAD_DIM, deviations[i % 3]);
		bench_run(b, n_tok, query, &k);
		bench_compare(b, "q", &k.in, (int)n, HEAD_DIM, 0.003, 0.004);
	}
}

static void a_window_row_has_the_cpus_bytes(void **state)
{
	static const double deviations[] = {1e-6, 0.01, 1.0, 1000.0};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(positions); i++) {
		int n_tok = rows[i % COUNT(rows)];
		int64_t pos = positions[i / COUNT(rows)];
		struct rows_case k = {.ring_rows = n_tok > 16 ? 656 : 144};

		bench_case(b, "window_row, %d rows from %lld", n_tok, (long long)pos);
		k.step = bench_step(b, pos, (int)(i % SLOTS));
		k.rope = bench_rope(b, pos, n_tok);
		k.in = bench_normal(b, PAIR_ACT, (size_t)n_tok * HEAD_DIM, deviations[i % 4]);
		k.norm = bench_normal(b, PAIR_BF16, HEAD_DIM, i % 2 ? 1.0 : 30.0);
		k.out = bench_rows(b, SLOTS * (size_t)k.ring_rows, true);
		bench_run(b, n_tok, window_row, &k);
		bench_same_bytes(b, "ring", &k.out, 0);
	}
}

static void an_index_query_has_the_cpus_bytes(void **state)
{
	static const double deviations[] = {1e-6, 0.01, 1.0, 1000.0};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(heads); i++) {
		int n_tok = rows[i % COUNT(rows)];
		struct rows_case k = {.n_head = heads[i / COUNT(rows)]};
		size_t n = (size_t)n_tok * (size_t)k.n_head;

		bench_case(b, "index_query, %d rows of %d heads", n_tok, k.n_head);
		k.rope = bench_rope(b, positions[i % COUNT(positions)], n_tok);
		k.in = bench_normal(b, PAIR_ACT, n * INDEX_DIM, deviations[i % 4]);
		k.out = bench_out(b, PAIR_BYTES, n * INDEX_ROW_BYTES);
		bench_run(b, n_tok, index_query, &k);
		bench_same_bytes(b, "out", &k.out, 0);
	}
}

static void rows_of_zeros_are_the_cpus(void **state)
{
	struct bench *b = *state;
	struct rows_case k = {.n_head = 1, .ring_rows = 144};
	float *zeros = calloc(HEAD_DIM, sizeof(*zeros));

	assert_non_null(zeros);
	bench_case(b, "window_row of zeros");
	k.step = bench_step(b, 5, 0);
	k.rope = bench_rope(b, 5, 1);
	k.in = bench_given(b, PAIR_ACT, zeros, HEAD_DIM);
	k.norm = bench_normal(b, PAIR_BF16, HEAD_DIM, 1.0);
	k.out = bench_rows(b, 144, true);
	bench_run(b, 1, window_row, &k);
	bench_same_bytes(b, "ring", &k.out, 0);
	bench_case(b, "index_query of zeros");
	k.rope = bench_rope(b, 5, 1);
	k.in = bench_given(b, PAIR_ACT, zeros, INDEX_DIM);
	k.out = bench_out(b, PAIR_BYTES, INDEX_ROW_BYTES);
	bench_run(b, 1, index_query, &k);
	bench_same_bytes(b, "out", &k.out, 0);
	free(zeros);
}

static void more_rows_than_the_ring_has_are_refused(void **state)
{
	struct bench *b = *state;
	struct rows_case k = {.ring_rows = 0};

	bench_case(b, "window_row, no ring");
	k.step = bench_step(b, 0, 0);
	k.rope = bench_rope(b, 0, 1);
	k.in = bench_normal(b, PAIR_ACT, HEAD_DIM, 1.0);
	k.norm = bench_normal(b, PAIR_BF16, HEAD_DIM, 1.0);
	k.out = bench_rows(b, 1, true);
	bench_refuses(b, window_row, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(a_query_is_normed_and_turned),
		BENCH_TEST(a_window_row_has_the_cpus_bytes),
		BENCH_TEST(an_index_query_has_the_cpus_bytes),
		BENCH_TEST(rows_of_zeros_are_the_cpus),
		BENCH_TEST(more_rows_than_the_ring_has_are_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
