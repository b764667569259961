/* Embedding, rotary angles, norms, the ring of final streams and what joins the draft head. */
#include "tests/gpu/harness.h"

#include <stdio.h>
#include <stdlib.h>

/* Rows of a call: what decoding has, and what prefilling has, odd ones among them. */
static const int rows[] = {1, 2, 3, 5, 8, 16, 127, 129, 511};
/* Widths: tiny models', Flash's, Pro's. */
static const int widths[] = {64, 256, 1536, 4096, 7168};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define EACH_SHAPE(n_tok, d)                                                                   \
	for (size_t i_ = 0; i_ < COUNT(rows) * COUNT(widths); i_++)                            \
		for (int n_tok = rows[i_ % COUNT(rows)], d = widths[i_ / COUNT(rows)],         \
			 once_ = 1;                                                            \
		     once_; once_ = 0)

/* ---------------------------------------------------------------- embedding */

#define VOCAB 777

struct embed_case {
	int d, n_copy, out_f32, first;
	struct pair ids, table, out;
};

static int embed(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct embed_case *k = ctx;
	struct embed_args a = {
		.n_tok = n,
		.d = k->d,
		.n_copy = k->n_copy,
		.first = k->first,
		.n_row = VOCAB - k->first,
		.ids = bench_at(&k->ids, side, (size_t)t0),
		.table = k->table.p[side],
		.out_f32 = k->out_f32,
		.out = bench_at(&k->out, side, (size_t)t0 * (size_t)(k->n_copy * k->d)),
	};

	return be->ops->embed(be, &a, err);
}

static void an_embedding_is_copied_to_each_stream_exactly(void **state)
{
	struct bench *b = *state;

	EACH_SHAPE(n_tok, d)
	{
		struct embed_case k = {
			.d = d,
			.n_copy = n_tok % 2 ? 4 : 1,
			.out_f32 = n_tok % 3 != 0,
			.first = n_tok % 5 ? 0 : VOCAB / 2, /* half of the ids are not there */
		};
		int32_t ids[511];
		size_t n = (size_t)(n_tok * k.n_copy * d);

		bench_case(b, "embed, %d rows of %d, %d copies", n_tok, d, k.n_copy);
		for (int t = 0; t < n_tok; t++)
			ids[t] = t == 0 ? VOCAB - 1 : bench_below(b, VOCAB);
		k.ids = bench_ints(b, ids, (size_t)n_tok);
		k.table = bench_normal(b, PAIR_BF16, (size_t)VOCAB * (size_t)d, 1.0);
		k.out = bench_out(b, k.out_f32 ? PAIR_F32 : PAIR_ACT, n);
		bench_run(b, n_tok, embed, &k);
		bench_compare(b, "out", &k.out, n_tok, (size_t)(k.n_copy * d), 0, 0);
	}
}

/* ------------------------------------------------------------------- angles */

struct rope_case {
	struct pair step, freq, out;
};

static int rope(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct rope_case *k = ctx;
	struct rope_args a = {
		.n_tok = n,
		.step = k->step.p[side],
		.freq = k->freq.p[side],
		.out = bench_at(&k->out, side, (size_t)t0 * ROPE_DIM),
	};

	return be->ops->rope(be, &a, err);
}

static void an_angle_is_as_precise_at_a_million_as_at_0(void **state)
{
	static const int64_t positions[] = {0, 1, 4095, 65536, 1048575 - 511};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(positions); i++) {
		int n_tok = rows[i % COUNT(rows)];
		int64_t pos = positions[i / COUNT(rows)];
		struct rope_case k;

		bench_case(b, "rope, %d rows from %lld", n_tok, (long long)pos);
		k.step = bench_step(b, pos, 0);
		k.freq = bench_freq(b);
		k.out = bench_out(b, PAIR_F32, (size_t)n_tok * ROPE_DIM);
		bench_run(b, n_tok, rope, &k);
		bench_compare(b, "out", &k.out, n_tok, ROPE_DIM, 1e-8, 3e-8);
	}
}

/* --------------------------------------------------------------------- norm */

struct norm_case {
	int d, x_f32, in_place;
	struct pair x, norm, out;
};

static int norm(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct norm_case *k = ctx;
	size_t at = (size_t)t0 * (size_t)k->d;
	struct rms_norm_args a = {
		.n_tok = n,
		.d = k->d,
		.x_f32 = k->x_f32,
		.eps = 1e-6f,
		.x = bench_at(&k->x, side, at),
		.norm = k->norm.p[side],
		.out = bench_at(k->in_place ? &k->x : &k->out, side, at),
	};

	return be->ops->rms_norm(be, &a, err);
}

static void a_norm_is_that_of_the_cpu_but_for_its_rounding(void **state)
{
	static const double deviations[] = {1e-4, 1.0, 300.0};
	struct bench *b = *state;

	EACH_SHAPE(n_tok, d)
	{
		double deviation = deviations[(n_tok + d / 64) % 3];
		struct norm_case k = {.d = d, .x_f32 = n_tok % 2, .in_place = n_tok % 4 == 0};
		size_t n = (size_t)n_tok * (size_t)d;

		bench_case(b, "rms_norm, %d rows of %d around %g%s", n_tok, d, deviation,
			   k.in_place ? ", in place"
			   : k.x_f32  ? ", of float32"
				      : "");
		k.x = bench_normal(b, k.x_f32 ? PAIR_F32 : PAIR_ACT, n, deviation);
		k.norm = bench_normal(b, PAIR_BF16, (size_t)d, 1.0);
		k.out = bench_out(b, PAIR_ACT, n);
		bench_run(b, n_tok, norm, &k);
		bench_compare(b, "out", k.in_place ? &k.x : &k.out, n_tok, (size_t)d, 0.002,
			      0.003);
	}
}

static void a_row_of_zeros_stays_zero(void **state)
{
	struct bench *b = *state;
	struct norm_case k = {.d = 4096};
	float *zeros = calloc(4096, sizeof(*zeros));

	assert_non_null(zeros);
	bench_case(b, "rms_norm of zeros");
	k.x = bench_given(b, PAIR_ACT, zeros, 4096);
	k.norm = bench_normal(b, PAIR_BF16, 4096, 1.0);
	k.out = bench_out(b, PAIR_ACT, 4096);
	bench_run(b, 1, norm, &k);
	bench_compare(b, "out", &k.out, 1, 4096, 0, 0);
	free(zeros);
}

/* ------------------------------------------------------------ ring of streams */

struct ring_case {
	int d, keep;
	struct pair step, x, ring;
};

static int ring(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct ring_case *k = ctx;
	struct stream_ring_args a = {
		.n_tok = n,
		.d = k->d,
		.step = k->step.p[side],
		.x = bench_at(&k->x, side, (size_t)t0 * HC_MULT * (size_t)k->d),
		.ring = k->ring.p[side],
	};

	return k->keep ? be->ops->stream_keep(be, &a, err)
		       : be->ops->stream_recall(be, &a, err);
}

#define SLOTS 3

static void the_ring_gives_back_what_it_was_given(void **state)
{
	static const int64_t positions[] = {0, 1, 15, 16, 1000003};
	struct bench *b = *state;

	for (size_t i = 0; i < 2 * COUNT(rows) * COUNT(positions); i++) {
		int n_tok = rows[i / 2 % COUNT(rows)], d = n_tok > 16 ? 256 : 4096;
		int64_t pos = positions[i / 2 / COUNT(rows)];
		struct ring_case k = {.d = d, .keep = i % 2};
		size_t row = (size_t)HC_MULT * (size_t)d;

		bench_case(b, "stream_%s, %d rows of %d from %lld", k.keep ? "keep" : "recall",
			   n_tok, d, (long long)pos);
		k.step = bench_step(b, pos, (int)(i % SLOTS));
		k.x = bench_normal(b, PAIR_F32, (size_t)(1 + n_tok) * row, 1.0);
		k.ring = bench_normal(b, PAIR_F32, SLOTS * STREAM_RING * row, 1.0);
		/* Row by row, recall would have another row 0 each time. */
		if (k.keep)
			bench_run(b, n_tok, ring, &k);
		else
			bench_run_whole(b, n_tok, ring, &k);
		bench_compare(b, "x", &k.x, 1 + n_tok, row, 0, 0);
		bench_compare(b, "ring", &k.ring, SLOTS * STREAM_RING, row, 0, 0);
	}
}

/* ---------------------------------------------------------------- draft head */

struct join_case {
	int d, in_place;
	struct pair e, h, out;
};

static int join(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct join_case *k = ctx;
	size_t at = (size_t)t0 * (size_t)k->d;
	struct draft_join_args a = {
		.n_tok = n,
		.d = k->d,
		.e = bench_at(&k->e, side, at),
		.h = bench_at(&k->h, side, HC_MULT * at),
		.out = bench_at(k->in_place ? &k->h : &k->out, side, HC_MULT * at),
	};

	return be->ops->draft_join(be, &a, err);
}

static void the_draft_head_gets_the_sum_of_both(void **state)
{
	struct bench *b = *state;

	EACH_SHAPE(n_tok, d)
	{
		struct join_case k = {.d = d, .in_place = n_tok % 2};
		size_t n = (size_t)n_tok * (size_t)d;

		bench_case(b, "draft_join, %d rows of %d", n_tok, d);
		k.e = bench_normal(b, PAIR_F32, n, 1.0);
		k.h = bench_normal(b, PAIR_F32, HC_MULT * n, 1.0);
		k.out = bench_out(b, PAIR_F32, HC_MULT * n);
		bench_run(b, n_tok, join, &k);
		bench_compare(b, "out", k.in_place ? &k.h : &k.out, n_tok, HC_MULT * (size_t)d,
			      0, 0);
	}
}

/* ------------------------------------------------------------------ refusals */

static void a_width_that_no_kernel_has_is_refused(void **state)
{
	struct bench *b = *state;
	struct norm_case k = {.d = 100};

	bench_case(b, "rms_norm, rows of 100");
	k.x = bench_normal(b, PAIR_ACT, 100, 1.0);
	k.norm = bench_normal(b, PAIR_BF16, 100, 1.0);
	k.out = bench_out(b, PAIR_ACT, 100);
	bench_refuses(b, norm, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(an_embedding_is_copied_to_each_stream_exactly),
		BENCH_TEST(an_angle_is_as_precise_at_a_million_as_at_0),
		BENCH_TEST(a_norm_is_that_of_the_cpu_but_for_its_rounding),
		BENCH_TEST(a_row_of_zeros_stays_zero),
		BENCH_TEST(the_ring_gives_back_what_it_was_given),
		BENCH_TEST(the_draft_head_gets_the_sum_of_both),
		BENCH_TEST(a_width_that_no_kernel_has_is_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
