/* The operations of the block drafter on the CPU, against other operations and plain sums. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ops.h"

static struct backend *be;
static struct err why;
static uint64_t seed = 3;

static int open_backend(void **state)
{
	const struct backend_options o = {.n_threads = 2};

	(void)state;
	return backend_open_cpu(&be, &o, &why);
}

static int close_backend(void **state)
{
	(void)state;
	be->close(be);
	return 0;
}

static void ok(int rc)
{
	if (rc)
		fail_msg("%s", why.text);
}

static dbuf room(size_t bytes)
{
	dbuf p;

	ok(be->alloc(be, bytes, MEMORY_PLAIN, &p, &why));
	return p;
}

/* n numbers from -1 to 1 */
static dbuf floats(size_t n)
{
	dbuf p = room(n * sizeof(float));

	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		((float *)(void *)p)[i] = (float)(int64_t)(seed >> 32) / 2147483648.0f - 1;
	}
	return p;
}

static dbuf halves(size_t n)
{
	dbuf p = floats(n);

	/* the upper halves of float32 numbers */
	for (size_t i = 0; i < n; i++)
		memmove(p + 2 * i, p + 4 * i + 2, 2);
	return p;
}

static double at(dbuf p, size_t i)
{
	return (double)((const float *)(const void *)p)[i];
}

static double half_at(dbuf p, size_t i)
{
	uint32_t u = (uint32_t)((const uint16_t *)(const void *)p)[i] << 16;
	float x;

	memcpy(&x, &u, sizeof(x));
	return (double)x;
}

static dbuf step_at(int64_t pos, int n)
{
	const struct step s = {.pos0 = pos, .n_tok = n, .slot = 1};
	dbuf p = room(sizeof(s));

	memcpy(p, &s, sizeof(s));
	return p;
}

/* ----------------------------------------------------------------- attention */

#define HEADS  3
#define WINDOW 128
#define RING   150

/* As a single row sees it that stands where the block's last one does, its window so much longer. */
static void check_block(dbuf ring, int64_t pos0, int n)
{
	size_t row = (size_t)HEADS * HEAD_DIM * sizeof(float);
	dbuf q = floats((size_t)n * HEADS * HEAD_DIM), rope = floats((size_t)n * ROPE_DIM);
	dbuf sink = floats(HEADS), out = room((size_t)n * row), alone = room(row);
	const struct attention_args block = {
		.n_tok = n,
		.n_head = HEADS,
		.ring_rows = RING,
		.window = WINDOW,
		.scale = 0.05f,
		.step = step_at(pos0, n),
		.q = q,
		.rope = rope,
		.sink = sink,
		.ring = ring,
		.out = out,
	};

	ok(be->ops->block_attention(be, &block, &why));
	for (int t = 0; t < n; t++) {
		const struct attention_args one = {
			.n_tok = 1,
			.n_head = HEADS,
			.ring_rows = RING,
			.window = WINDOW + n,
			.scale = 0.05f,
			.step = step_at(pos0 + n - 1, 1),
			.q = q + (size_t)t * row,
			.rope = rope + (size_t)t * ROPE_DIM * sizeof(float),
			.sink = sink,
			.ring = ring,
			.out = alone,
		};

		ok(be->ops->attention(be, &one, &why));
		if (memcmp(alone, out + (size_t)t * row, row) != 0)
			fail_msg("a block of %d at %lld: row %d", n, (long long)pos0, t);
	}
}

static void rows_of_a_block_see_each_other_and_the_window(void **state)
{
	dbuf ring = room((size_t)2 * RING * KV_ROW_BYTES);
	const struct window_row_args rows = {
		.n_tok = RING,
		.ring_rows = RING,
		.eps = 1e-6f,
		.step = step_at(0, RING),
		.kv = floats((size_t)RING * HEAD_DIM),
		.norm = halves(HEAD_DIM),
		.rope = floats((size_t)RING * ROPE_DIM),
		.ring = ring,
	};

	(void)state;
	ok(be->ops->window_row(be, &rows, &why));
	check_block(ring, 0, 5);
	check_block(ring, 1, 5);
	check_block(ring, 127, 5);
	check_block(ring, 128, 1);
	check_block(ring, 129, 16);
	check_block(ring, 147, 5); /* round the ring's end */
	check_block(ring, 1000, 8);
}

static void a_block_that_its_ring_cannot_hold_is_refused(void **state)
{
	const struct attention_args block = {
		.n_tok = 23, .n_head = HEADS, .ring_rows = RING, .window = WINDOW};

	(void)state;
	assert_int_equal(be->ops->block_attention(be, &block, &why), ERR_MODEL);
	assert_string_equal(why.text, "block attention: 150 rows for a window of 128 and 23 more");
}

/* ----------------------------------------------------------- sums and products */

static void means_stand_in_their_piece_of_the_row(void **state)
{
	enum { N = 3, D = 64, PARTS = 4, AT = 2 };
	dbuf x = floats((size_t)N * HC_MULT * D), out = room((size_t)N * PARTS * D * sizeof(float));
	const struct stream_mean_args mean = {
		.n_tok = N, .d = D, .n_part = PARTS, .at = AT, .x = x, .out = out};

	(void)state;
	ok(be->ops->stream_mean(be, &mean, &why));
	for (size_t i = 0; i < (size_t)N * PARTS * D; i++) {
		size_t t = i / (PARTS * D), c = i % D;
		double sum = 0;

		for (size_t j = 0; j < HC_MULT; j++)
			sum += at(x, (t * HC_MULT + j) * D + c) / HC_MULT;
		if (i / D % PARTS != AT)
			sum = 0;
		assert_true(fabs(at(out, i) - sum) < 1e-6);
	}
}

static void the_sum_before_the_head_is_what_the_head_norms(void **state)
{
	enum { N = 3, D = 128 };
	struct mhc_head_args head = {
		.n_tok = N,
		.d = D,
		.eps = 1e-6f,
		.rms_eps = 1e-6f,
		.x = floats((size_t)N * HC_MULT * D),
		.fn = floats((size_t)HC_MULT * HC_MULT * D),
		.base = floats(HC_MULT),
		.scale = floats(1),
		.norm = halves(D),
		.out = room((size_t)N * D * sizeof(float)),
	};
	struct rms_norm_args norm = {
		.n_tok = N,
		.d = D,
		.eps = 1e-6f,
		.norm = head.norm,
		.out = room((size_t)N * D * sizeof(float)),
	};
	dbuf normed = head.out;

	(void)state;
	ok(be->ops->mhc_head(be, &head, &why));
	head.out = norm.x = room((size_t)N * D * sizeof(float));
	head.norm = NULL;
	ok(be->ops->mhc_head_sum(be, &head, &why));
	ok(be->ops->rms_norm(be, &norm, &why));
	assert_memory_equal(normed, norm.out, (size_t)N * D * sizeof(float));
	assert_memory_not_equal(normed, norm.x, (size_t)N * D * sizeof(float));
}

static void the_token_before_speaks_of_the_next(void **state)
{
	enum { VOCAB = 37, D = 128, RANK = 32 };
	const int32_t before = 29;
	dbuf id = room(sizeof(before)), logits = floats(VOCAB), was = room(VOCAB * sizeof(float));
	const struct markov_args a = {
		.vocab = VOCAB,
		.d = D,
		.rank = RANK,
		.before = id,
		.w1 = halves((size_t)VOCAB * RANK),
		.w2 = {WEIGHT_BF16, VOCAB, RANK, halves((size_t)VOCAB * RANK), NULL, WEIGHT_MAPPED, 0},
		.proj = {WEIGHT_BF16, 1, D + RANK, halves(D + RANK), NULL, WEIGHT_MAPPED, 0},
		.x = floats(D),
		.logits = logits,
		.confidence = room(sizeof(float)),
	};
	double sure = 0;

	(void)state;
	memcpy(id, &before, sizeof(before));
	memcpy(was, logits, VOCAB * sizeof(float));
	ok(be->ops->markov(be, &a, &why));
	for (size_t v = 0; v < VOCAB; v++) {
		double sum = at(was, v);

		for (size_t k = 0; k < RANK; k++)
			sum += half_at(a.w2.w, v * RANK + k) * half_at(a.w1, (size_t)before * RANK + k);
		assert_true(fabs(at(logits, v) - sum) < 1e-5);
	}
	for (size_t k = 0; k < D + RANK; k++)
		sure += half_at(a.proj.w, k) *
			(k < D ? at(a.x, k) : half_at(a.w1, (size_t)before * RANK + k - D));
	assert_true(fabs(at(a.confidence, 0) - sure) < 1e-5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_a_block_see_each_other_and_the_window),
		cmocka_unit_test(a_block_that_its_ring_cannot_hold_is_refused),
		cmocka_unit_test(means_stand_in_their_piece_of_the_row),
		cmocka_unit_test(the_sum_before_the_head_is_what_the_head_norms),
		cmocka_unit_test(the_token_before_speaks_of_the_next),
	};

	return cmocka_run_group_tests(tests, open_backend, close_backend);
}
