/* The compressors: pooling of blocks, and the rows that come of it. */
#include "kernels/cpu/cpu.h"

#include <string.h>

static float *floats(dbuf p)
{
	return (float *)(void *)p;
}

struct job {
	struct cpu *c;
	const struct compress_args *a;
	float *ring; /* this slot's */
	int64_t pos0;
	int64_t block0, n_block; /* completed by this call */
	float *pooled;           /* [n_block, dim] */
};

static float *ring4(const struct job *j, int64_t pos, int which)
{
	size_t width = 2 * (size_t)j->a->dim;

	return j->ring + ((size_t)(pos % COMPRESS_RING) * 2 + (size_t)which) * width;
}

/* a or z of a position: this call's, or what an earlier one left in the ring */
static const float *input4(const struct job *j, int64_t pos, int which)
{
	if (pos < j->pos0)
		return ring4(j, pos, which);
	return floats(which ? j->a->z : j->a->a) + (pos - j->pos0) * 2 * j->a->dim;
}

static void pool4_blocks(void *ctx, int worker, int64_t b0, int64_t b1)
{
	const struct job *j = ctx;
	int dim = j->a->dim;

	(void)worker;
	for (int64_t b = b0; b < b1; b++) {
		int64_t block = j->block0 + b;
		const float *a[8] = {0}, *z[8] = {0}, *ape[8] = {0};

		for (int t = block ? 0 : 4; t < 8; t++) {
			int64_t pos = 4 * block - 4 + t;
			int half = t < 4 ? 0 : dim;

			a[t] = input4(j, pos, 0) + half;
			z[t] = input4(j, pos, 1) + half;
			ape[t] = floats(j->a->ape) + (size_t)(t % 4) * 2 * (size_t)dim + half;
		}
		j->c->leaf->pool4(a, z, ape, 0, dim, j->pooled + b * dim);
	}
}

/* 16 channels an item, all tokens in order */
static void pool128_channels(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct job *j = ctx;
	const struct compress_args *a = j->a;
	int dim = a->dim, c0 = (int)i0 * 16, c1 = (int)i1 * 16;
	size_t state = 3 * (size_t)dim;
	int64_t done = 0;

	(void)worker;
	for (int64_t t = 0; t < a->n_tok; t++) {
		int64_t pos = j->pos0 + t;
		const float *before =
			j->ring + (size_t)((pos + COMPRESS_RING - 1) % COMPRESS_RING) * state;
		float *after = j->ring + (size_t)(pos % COMPRESS_RING) * state;

		j->c->leaf->pool128(floats(a->a) + t * dim, floats(a->z) + t * dim,
				    floats(a->ape) + pos % 128 * dim, pos % 128 == 0, before,
				    after, dim, c0, c1);
		if (pos % 128 != 127)
			continue;
		for (int c = c0; c < c1; c++)
			j->pooled[done * dim + c] = after[2 * dim + c] / after[dim + c];
		done++;
	}
}

static void finish_rows(void *ctx, int worker, int64_t b0, int64_t b1)
{
	const struct job *j = ctx;
	const struct compress_args *a = j->a;
	const int32_t *pages = cpu_pages(a->pages, a->step, a->max_pages);

	(void)worker;
	for (int64_t b = b0; b < b1; b++) {
		float *row = j->pooled + b * a->dim, cs[ROPE_DIM];
		int64_t block = j->block0 + b;
		size_t at = cpu_row_at(pages, block, PAGE_TOKENS / a->ratio);

		j->c->leaf->rms_norm(row, (const uint16_t *)(const void *)a->norm, a->dim, a->eps,
				     row);
		cpu_rope_row(block * a->ratio, (const double *)(const void *)a->freq, cs);
		cpu_rotate(row, a->dim, cs, 1.0f);
		if (a->dim == HEAD_DIM)
			j->c->leaf->kv_pack(row, a->rows + at * KV_ROW_BYTES);
		else
			j->c->leaf->index_pack(row, a->rows + at * INDEX_ROW_BYTES);
	}
}

int cpu_compress(struct backend *be, const struct compress_args *a, struct err *err)
{
	struct job j = {.c = cpu_of(be), .a = a};
	struct pool *pool = j.c->pool;
	/* of ratio 4: a, z in two halves each */
	size_t entry = (a->ratio == 4 ? 4 : 3) * (size_t)a->dim * sizeof(float);

	if ((a->ratio != 4 && a->ratio != 128) || (a->dim != HEAD_DIM && a->dim != INDEX_DIM))
		return err_set(err, ERR_MODEL, "compressor: ratio %d, dim %d: not known", a->ratio,
			       a->dim);
	j.ring = floats(cpu_slot(a->ring, a->step, COMPRESS_RING * entry));
	j.pos0 = cpu_step(a->step)->pos0;
	j.block0 = j.pos0 / a->ratio;
	j.n_block = (j.pos0 + a->n_tok) / a->ratio - j.block0;
	if (cpu_shared(j.c, sizeof(float) * (size_t)j.n_block * (size_t)a->dim, err))
		return err->code;
	j.pooled = j.c->shared.p;
	if (a->ratio == 128)
		pool_for(pool, a->dim / 16, 4, 60.0 * a->n_tok * a->dim, pool128_channels, &j);
	else
		pool_for(pool, j.n_block, 1, 150.0 * (double)j.n_block * a->dim, pool4_blocks, &j);
	pool_for(pool, j.n_block, 1, 30.0 * (double)j.n_block * a->dim, finish_rows, &j);
	if (a->ratio == 4) {
		int64_t from = a->n_tok > COMPRESS_RING ? a->n_tok - COMPRESS_RING : 0;
		size_t bytes = 2 * (size_t)a->dim * sizeof(float);

		for (int64_t t = from; t < a->n_tok; t++) {
			memcpy(ring4(&j, j.pos0 + t, 0), input4(&j, j.pos0 + t, 0), bytes);
			memcpy(ring4(&j, j.pos0 + t, 1), input4(&j, j.pos0 + t, 1), bytes);
		}
	}
	return 0;
}
