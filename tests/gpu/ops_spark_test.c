/* The block drafter: means of streams, rows that see each other, the sum before the head, what
 * a token says of the next. */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SLOTS    2

/* Tiny models', one that fills no block's threads, Flash's, Pro's. */
static const int widths[] = {80, 128, 4096, 7168};
static const int rows[] = {1, 2, 5, 16, 17, 129};

/* ------------------------------------------------------------------ means of streams */

struct mean_case {
	int d, n_part, at;
	struct pair x, out;
};

static int mean(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct mean_case *k = ctx;
	size_t at = (size_t)t0 * (size_t)k->d;
	struct stream_mean_args a = {
		.n_tok = n,
		.d = k->d,
		.n_part = k->n_part,
		.at = k->at,
		.x = bench_at(&k->x, side, at * HC_MULT),
		.out = bench_at(&k->out, side, at * (size_t)k->n_part),
	};

	return be->ops->stream_mean(be, &a, err);
}

/* The other pieces stay poisoned on both sides: NaN, which bench_compare() asks of both. */
static void means_stand_in_their_piece_of_the_row(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(widths); i++) {
		int n_tok = rows[i % COUNT(rows)], d = widths[i / COUNT(rows)];
		struct mean_case k = {.d = d, .n_part = 3, .at = (int)(i % 3)};
		size_t n = (size_t)n_tok * (size_t)d;

		bench_case(b, "stream_mean, %d rows of %d, piece %d", n_tok, d, k.at);
		k.x = bench_normal(b, PAIR_F32, n * HC_MULT, 1.0);
		k.out = bench_out(b, PAIR_ACT, n * (size_t)k.n_part);
		bench_run(b, n_tok, mean, &k);
		bench_compare(b, "out", &k.out, n_tok * k.n_part, (size_t)d, 0.002, 0.003);
	}
}

static void a_piece_that_the_row_has_not_is_refused(void **state)
{
	struct bench *b = *state;
	struct mean_case k = {.d = 128, .n_part = 3, .at = 3};

	bench_case(b, "stream_mean, piece 3 of 3");
	k.x = bench_normal(b, PAIR_F32, 128 * HC_MULT, 1.0);
	k.out = bench_out(b, PAIR_ACT, 128 * 3);
	bench_refuses(b, mean, &k);
}

/* --------------------------------------------------------------- the sum at the head */

struct sum_case {
	int d;
	struct pair x, fn, base, scale, out;
};

static int sum(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct sum_case *k = ctx;
	size_t at = (size_t)t0 * (size_t)k->d;
	struct mhc_head_args a = {
		.n_tok = n,
		.d = k->d,
		.eps = 1e-6f,
		.rms_eps = 1e-6f,
		.x = bench_at(&k->x, side, at * HC_MULT),
		.fn = k->fn.p[side],
		.base = k->base.p[side],
		.scale = k->scale.p[side],
		.out = bench_at(&k->out, side, at),
	};

	return be->ops->mhc_head_sum(be, &a, err);
}

static void the_sum_before_the_head_is_the_cpus(void **state)
{
	static const double deviations[] = {1e-3, 1.0, 200.0};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(widths); i++) {
		int n_tok = rows[i % COUNT(rows)], d = widths[i / COUNT(rows)];
		size_t n = (size_t)n_tok * (size_t)d;
		struct sum_case k = {.d = d};

		bench_case(b, "mhc_head_sum, %d rows of %d", n_tok, d);
		k.x = bench_normal(b, PAIR_F32, n * HC_MULT, deviations[i % 3]);
		k.fn = bench_normal(b, PAIR_F32, (size_t)(HC_MULT * HC_MULT) * (size_t)d,
				    1.0 / sqrt(HC_MULT * (double)d));
		k.base = bench_normal(b, PAIR_F32, HC_MULT, 1.0);
		k.scale = bench_normal(b, PAIR_F32, 1, 1.0);
		k.out = bench_out(b, PAIR_F32, n);
		bench_run(b, n_tok, sum, &k);
		bench_compare(b, "out", &k.out, n_tok, (size_t)d, 2e-6, 2e-5);
	}
}

/* ---------------------------------------------------------------- attention of a block */

static const struct block_case {
	int n_head, window, n_tok;
	int64_t pos;
} blocks[] = {
	{64, 128, 5, 0},   {64, 128, 5, 1},       {64, 128, 5, 127},  {64, 128, 1, 128},
	{2, 128, 5, 129},  {64, 128, 16, 1000},   {128, 128, 8, 131}, {17, 7, 3, 5},
	{64, 128, 5, 133}, {64, 128, 5, 1000003}, {1, 128, 2, 64},
};

struct operands {
	const struct block_case *c;
	int ring_rows;
	struct pair step, q, rope, sink, ring, out;
};

static int block(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct operands *k = ctx;
	size_t t = (size_t)t0, heads = t * (size_t)k->c->n_head;
	struct attention_args a = {
		.n_tok = n,
		.n_head = k->c->n_head,
		.ring_rows = k->ring_rows,
		.window = k->c->window,
		.scale = (float)(1.0 / sqrt(HEAD_DIM)),
		.step = k->step.p[side],
		.q = bench_at(&k->q, side, heads * HEAD_DIM),
		.rope = bench_at(&k->rope, side, t * ROPE_DIM),
		.sink = k->sink.p[side],
		.ring = k->ring.p[side],
		.out = bench_at(&k->out, side, heads * HEAD_DIM),
	};

	return be->ops->block_attention(be, &a, err);
}

static struct operands make(struct bench *b, const struct block_case *c, int spare)
{
	struct operands k = {.c = c, .ring_rows = c->window + c->n_tok + spare};
	size_t heads = (size_t)c->n_tok * (size_t)c->n_head;

	k.step = bench_step(b, c->pos, (int)(c->pos % SLOTS));
	k.q = bench_normal(b, PAIR_ACT, heads * HEAD_DIM, 1.0);
	k.rope = bench_rope(b, c->pos, c->n_tok);
	k.sink = bench_normal(b, PAIR_F32, (size_t)c->n_head, 1.0);
	k.ring = bench_rows(b, SLOTS * (size_t)k.ring_rows, true);
	k.out = bench_out(b, PAIR_ACT, heads * HEAD_DIM);
	return k;
}

/* A row of a block is none by itself: so never row by row. */
static void rows_of_a_block_see_each_other_and_the_window(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < 2 * COUNT(blocks); i++) {
		const struct block_case *c = &blocks[i / 2];
		int spare = i % 2 ? 8 : 0;
		struct operands k;

		bench_case(b,
			   "block_attention, %d heads, window %d, %d rows from %lld, %d spare",
			   c->n_head, c->window, c->n_tok, (long long)c->pos, spare);
		k = make(b, c, spare);
		bench_run_whole(b, c->n_tok, block, &k);
		bench_compare(b, "out", &k.out, c->n_tok * c->n_head, HEAD_DIM, 0.003, 0.006);
	}
}

static void a_block_that_its_ring_cannot_hold_is_refused(void **state)
{
	static const struct block_case c = {4, 128, 1, 0};
	struct bench *b = *state;
	struct operands k;

	bench_case(b, "block_attention, a ring of the window alone");
	k = make(b, &c, -1);
	bench_refuses(b, block, &k);
}

/* ---------------------------------------------------------- what the token before says */

static const struct said_case {
	int vocab, d, rank; /* w2 in tiles where rows come in 16s and rank in 128s */
} said[] = {
	{320, 128, 64},    {37, 128, 32},      {16, 256, 128},
	{1010, 4096, 256}, {32320, 4096, 256}, {32320, 7168, 256},
};

struct markov_case {
	const struct said_case *c;
	struct pair before, w1, x, logits, confidence;
	struct weight_pair w2, proj;
};

static int markov(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct markov_case *k = ctx;
	struct markov_args a = {
		.vocab = k->c->vocab,
		.d = k->c->d,
		.rank = k->c->rank,
		.before = k->before.p[side],
		.w1 = k->w1.p[side],
		.w2 = k->w2.w[side],
		.proj = k->proj.w[side],
		.x = k->x.p[side],
		.logits = k->logits.p[side],
		.confidence = k->confidence.p[side],
	};

	(void)t0;
	(void)n;
	return be->ops->markov(be, &a, err);
}

/* A rank's part of the logits; the table has all of the vocabulary. */
static struct markov_case say(struct bench *b, const struct said_case *c, int32_t before,
			      int n_row)
{
	struct markov_case k = {.c = c};

	k.before = bench_ints(b, &before, 1);
	k.w1 = bench_normal(b, PAIR_BF16, (size_t)n_row * (size_t)c->rank, 1.0);
	k.w2 = bench_weight(b, WEIGHT_BF16, c->vocab, c->rank, 1);
	k.proj = bench_weight(b, WEIGHT_BF16, 1, c->d + c->rank, 1);
	k.x = bench_normal(b, PAIR_F32, (size_t)c->d, 1.0);
	k.logits = bench_normal(b, PAIR_F32, (size_t)c->vocab, 1.0);
	k.confidence = bench_out(b, PAIR_F32, 1);
	return k;
}

static void the_token_before_speaks_of_the_next(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < 2 * COUNT(said); i++) {
		const struct said_case *c = &said[i / 2];
		const int n_row = 50;
		int32_t before = i % 2 ? n_row - 1 : 0;
		struct markov_case k;
		double off;

		bench_case(b, "markov, %d of rank %d, rows of %d, after %d", c->vocab, c->rank,
			   c->d, before);
		k = say(b, c, before, n_row);
		bench_run(b, 1, markov, &k);
		bench_compare(b, "logits", &k.logits, 1, (size_t)c->vocab, 1e-4, 1e-4);
		off = fabs((double)bench_values(b, &k.confidence, GPU)[0] -
			   (double)bench_values(b, &k.confidence, CPU)[0]);
		if (!(off <= 1e-5)) /* of a sum of deviation 1: it may well be near 0 */
			bench_fail(b, "confidence off by %g", off);
	}
}

static void a_weight_of_another_shape_is_refused(void **state)
{
	static const struct said_case c = {320, 128, 64}, other = {320, 128, 96};
	struct bench *b = *state;
	struct markov_case k;

	bench_case(b, "markov, weights of another rank");
	k = say(b, &c, 0, 8);
	k.c = &other;
	bench_refuses(b, markov, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(means_stand_in_their_piece_of_the_row),
		BENCH_TEST(a_piece_that_the_row_has_not_is_refused),
		BENCH_TEST(the_sum_before_the_head_is_the_cpus),
		BENCH_TEST(rows_of_a_block_see_each_other_and_the_window),
		BENCH_TEST(a_block_that_its_ring_cannot_hold_is_refused),
		BENCH_TEST(the_token_before_speaks_of_the_next),
		BENCH_TEST(a_weight_of_another_shape_is_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
