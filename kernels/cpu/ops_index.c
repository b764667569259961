/* The indexer: its queries, its scores, and the choice of the best rows. */
#include "kernels/cpu/cpu.h"

#include <stdbool.h>
#include <string.h>

/* Rows scored at once: one to a lane. */
#define TILE 16

/* Tokens that share a turned tile, so that turning it costs little. */
#define TOKENS INDEX_SCORE_ROWS

static float *floats(dbuf p)
{
	return (float *)(void *)p;
}

struct query_job {
	struct cpu *c;
	const struct index_query_args *a;
};

static void query_heads(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct query_job *j = ctx;
	const struct index_query_args *a = j->a;

	(void)worker;
	for (int64_t i = i0; i < i1; i++) {
		float q[INDEX_DIM];

		memcpy(q, floats(a->q) + i * INDEX_DIM, sizeof(q));
		cpu_rotate(q, INDEX_DIM, floats(a->rope) + i / a->n_head * ROPE_DIM, 1.0f);
		j->c->leaf->index_pack(q, a->out + (size_t)i * INDEX_ROW_BYTES);
	}
}

int cpu_index_query(struct backend *be, const struct index_query_args *a, struct err *err)
{
	struct query_job j = {cpu_of(be), a};
	int64_t n = (int64_t)a->n_tok * a->n_head;

	(void)err;
	pool_for(j.c->pool, n, 4, 60.0 * (double)n * INDEX_DIM, query_heads, &j);
	return 0;
}

/* ---------------------------------------------------------------- the choice */

/* Greater keys for greater floats; NaN counts as the least. */
static uint32_t key_of(float f)
{
	uint32_t u;

	if (f != f)
		return 0;
	f = f + 0.0f; /* -0 and +0 are equal scores */
	memcpy(&u, &f, sizeof(u));
	return u & 0x80000000u ? ~u : u | 0x80000000u;
}

/*
 * The key of the k-th greatest of n scores (0 < k ≤ n), by three counting passes of 11, 11
 * and 10 bits; *n_above is how many are strictly greater.
 */
static uint32_t kth_key(const float *score, int64_t n, int64_t k, int64_t *n_above)
{
	static const int shift[3] = {21, 10, 0}, bits[3] = {11, 11, 10};
	uint32_t prefix = 0, mask = 0;
	int64_t above = 0;

	for (int pass = 0; pass < 3; pass++) {
		int32_t count[2048] = {0};
		uint32_t n_bin = 1u << bits[pass], bin;

		for (int64_t i = 0; i < n; i++) {
			uint32_t key = key_of(score[i]);

			if ((key & mask) == prefix)
				count[key >> shift[pass] & (n_bin - 1)]++;
		}
		for (bin = n_bin - 1; bin > 0 && above + count[bin] < k; bin--)
			above += count[bin];
		prefix |= bin << shift[pass];
		mask |= (n_bin - 1) << shift[pass];
	}
	*n_above = above;
	return prefix;
}

static void select_best(const float *score, int64_t n, int64_t k, int32_t *sel)
{
	int64_t n_above, ties, m = 0;
	uint32_t limit = kth_key(score, n, k, &n_above);

	ties = k - n_above;
	for (int64_t i = 0; i < n && m < k; i++) {
		uint32_t key = key_of(score[i]);

		if (key > limit || (key == limit && ties > 0)) {
			sel[m++] = (int32_t)i;
			ties -= key == limit;
		}
	}
}

struct select_job {
	struct cpu *c;
	const struct index_select_args *a;
	int64_t pos0;
	float *q, *q_scale, *w; /* of every token: [n_tok][n_head][128], [n_head][4], [n_head] */
	int t0, n_t;            /* the tokens at hand: at most TOKENS */
};

static int64_t rows_seen(const struct select_job *j, int t)
{
	return (j->pos0 + t + 1) / 4;
}

static void unpack_queries(void *ctx, int worker, int64_t t0, int64_t t1)
{
	const struct select_job *j = ctx;
	const struct index_select_args *a = j->a;

	(void)worker;
	for (int64_t i = t0 * a->n_head; i < t1 * a->n_head; i++) {
		j->c->leaf->index_unpack(a->q + (size_t)i * INDEX_ROW_BYTES,
					 j->q + i * INDEX_DIM, j->q_scale + 4 * i);
		j->w[i] = floats(a->w)[i] * a->scale;
	}
}

/* tiles of rows, each for every token at hand that needs scores */
static void score_tiles(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct select_job *j = ctx;
	const struct index_select_args *a = j->a;
	const int32_t *pages = cpu_pages(a->pages, a->step, a->max_pages);
	int64_t last = rows_seen(j, j->t0 + j->n_t - 1);

	(void)worker;
	for (int64_t i = i0; i < i1; i++) {
		const uint8_t *rows[TILE];
		float codes[INDEX_DIM][16], scale[4][16];
		int n = last - i * TILE < TILE ? (int)(last - i * TILE) : TILE;

		for (int r = 0; r < n; r++)
			rows[r] = a->rows +
				  cpu_row_at(pages, i * TILE + r, PAGE_TOKENS / 4) * INDEX_ROW_BYTES;
		j->c->leaf->index_turn(rows, n, codes, scale);
		for (int t = j->t0; t < j->t0 + j->n_t; t++) {
			if (rows_seen(j, t) <= a->top_k || i * TILE >= rows_seen(j, t))
				continue;
			j->c->leaf->index_scores(
				j->q + (int64_t)t * a->n_head * INDEX_DIM,
				j->q_scale + (int64_t)t * a->n_head * 4,
				j->w + (int64_t)t * a->n_head, a->n_head,
				(const float(*)[16])codes, (const float(*)[16])scale,
				floats(a->scores) + (int64_t)(t - j->t0) * a->scores_stride + i * TILE);
		}
	}
}

static void choose_tokens(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct select_job *j = ctx;
	const struct index_select_args *a = j->a;

	(void)worker;
	for (int64_t t = j->t0 + i0; t < j->t0 + i1; t++) {
		int32_t *sel = (int32_t *)(void *)a->sel + t * a->top_k;
		int64_t n = rows_seen(j, (int)t), k = n < a->top_k ? n : a->top_k;

		if (n > a->top_k) {
			select_best(floats(a->scores) + (t - j->t0) * a->scores_stride, n, k, sel);
		} else {
			for (int64_t b = 0; b < n; b++)
				sel[b] = (int32_t)b;
		}
		for (int64_t b = k; b < a->top_k; b++)
			sel[b] = -1;
		((int32_t *)(void *)a->n_sel)[t] = (int32_t)k;
	}
}

int cpu_index_select(struct backend *be, const struct index_select_args *a, struct err *err)
{
	struct select_job j = {.c = cpu_of(be), .a = a};
	size_t heads = (size_t)a->n_tok * (size_t)a->n_head;
	struct pool *pool = j.c->pool;

	if (cpu_shared(j.c, sizeof(float) * heads * (INDEX_DIM + 4 + 1), err))
		return err->code;
	j.pos0 = cpu_step(a->step)->pos0;
	j.q = j.c->shared.p;
	j.q_scale = j.q + heads * INDEX_DIM;
	j.w = j.q_scale + heads * 4;
	if (rows_seen(&j, a->n_tok - 1) > a->top_k)
		unpack_queries(&j, 0, 0, a->n_tok);
	for (j.t0 = 0; j.t0 < a->n_tok; j.t0 += TOKENS) {
		int64_t rows;

		j.n_t = a->n_tok - j.t0 < TOKENS ? a->n_tok - j.t0 : TOKENS;
		rows = rows_seen(&j, j.t0 + j.n_t - 1);
		if (rows > a->top_k)
			pool_for(pool, (rows + TILE - 1) / TILE, 4,
				 (double)rows * INDEX_DIM * a->n_head * j.n_t, score_tiles, &j);
		pool_for(pool, j.n_t, 1, rows > a->top_k ? 8.0 * (double)rows * j.n_t : 0.0,
			 choose_tokens, &j);
	}
	return 0;
}
