/*
 * Products of 1 … 16 rows and weights in tiles, one or several over the same rows in one
 * launch (linear_stage.cuh; stream.cuh): 8 warps a block, n_warp of them on each tile of 16 rows
 * of W; each product has the blocks that it has alone, the larger ones first.
 *
 * Two blocks share a multiprocessor, so that the next kernel's copies begin when the first of
 * them ends.  Blocks that are not resident from the beginning find nothing to wait for.
 *
 * Floor: bytes of W over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_LINEAR_TILES_CUH
#define KERNELS_CUDA_LINEAR_TILES_CUH

#include "kernels/cuda/stream.cuh"

struct tiles_job {
	const unsigned char *w, *s;
	unsigned char *y;
	int type, out, in, n_group, f32, n_warp, slots, slice_rounds;
	unsigned blocks; /* of a group */
};

struct tiles_batch {
	int n, n_tok;
	unsigned early; /* blocks that are resident at once */
	const unsigned char *x, *norm; /* bf16 [n_tok, n_group · in]; [in] or NULL */
	float eps;
	unsigned first[LINEAR_BATCH + 1]; /* block of each job; behind the last */
	struct tiles_job job[LINEAR_BATCH];
};

/* What a block shares. */
template <int NT> struct tiles_shared {
	float part[STREAM_WARPS][TILE_ROWS * 8 * NT];
	float inverse[8 * NT];
};

static __device__ __forceinline__ void tiles_put(const struct tiles_job &j, size_t at, float v)
{
	if (j.f32)
		((float *)(void *)j.y)[at] = v;
	else
		((uint16_t *)(void *)j.y)[at] = bf16_of_f32(v);
}

/* The tiles of one block of a job: the warps' sums into shared->part, for all to see. */
template <int TYPE, int NT, class BEGUN>
static __device__ __forceinline__ void
tiles_product(const struct tiles_batch &b, const struct tiles_job &j, unsigned block,
	      unsigned char *room, struct tiles_shared<NT> *shared, const BEGUN &begun)
{
	const int row_bytes = j.in * (TYPE == WEIGHT_BF16 ? 2 : 1);
	int warp = (int)threadIdx.x / WARP, tiles = STREAM_WARPS / j.n_warp;
	int group = (int)(block / j.blocks), group_rows = j.out / j.n_group;
	int tile0 = (int)(block % j.blocks) * tiles;
	/* tiles behind the last are computed like it and not stored */
	int row0 = group * group_rows +
		   min((tile0 + warp / j.n_warp) * TILE_ROWS, group_rows - TILE_ROWS);
	struct stream_tile m = {j.w + (size_t)row0 * (size_t)row_bytes,
				j.s + (size_t)(row0 / 128) * (size_t)(j.in / 128),
				j.in / round_columns(TYPE)};
	struct stream_x x = {b.x + (size_t)group * (size_t)j.in * 2,
			     (size_t)j.n_group * (size_t)j.in * 2,
			     b.n_tok,
			     b.norm,
			     b.eps,
			     shared->inverse};
	struct stream_ring ring = {room + warp * j.slots * ROUND_BYTES, j.slots,
				   blockIdx.x < b.early};
	struct slice slice = {room + STREAM_WARPS * j.slots * ROUND_BYTES, j.slice_rounds};
	float sum[NT][4];

	stream_product<TYPE, NT>(sum, m, x, slice, ring, warp % j.n_warp, j.n_warp, begun);
	part_store<NT>(shared->part[warp], sum);
	__syncthreads();
}

/* Their results to y. */
template <int NT>
static __device__ __forceinline__ void tiles_store(const struct tiles_batch &b,
						   const struct tiles_job &j, unsigned block,
						   const struct tiles_shared<NT> *shared)
{
	int tiles = STREAM_WARPS / j.n_warp, tile0 = (int)(block % j.blocks) * tiles;
	int group_rows = j.out / j.n_group, first = (int)(block / j.blocks) * group_rows;

	for (int i = (int)threadIdx.x; i < tiles * TILE_ROWS * b.n_tok; i += STREAM_THREADS) {
		int row = i % TILE_ROWS, tile = i / TILE_ROWS % tiles;
		int t = i / TILE_ROWS / tiles, o = (tile0 + tile) * TILE_ROWS + row;

		if (o < group_rows)
			tiles_put(
				j, (size_t)t * (size_t)j.out + (size_t)(first + o),
				part_sum<NT>(shared->part[tile * j.n_warp], j.n_warp, row, t));
	}
}

/* ------------------------------------------------------------------------ choice */

/* So many warps keep the memory busy and are resident at once on the largest chips: a tile gets
 * more of them where there are few tiles.  And where it is long, so that blocks end one by one
 * rather than all at once. */
#define TILES_WARPS  2048
#define TILES_ROUNDS 8 /* of a warp */

static int warps_of_tiles(int type, int in, int tiles)
{
	int n_round = in / round_columns(type), n = 1;

	while (n < STREAM_WARPS && n < n_round &&
	       (tiles * n < TILES_WARPS || n_round > TILES_ROUNDS * n))
		n *= 2;
	return n;
}

#define RING_BYTES ((size_t)STREAM_WARPS * ROUND_BYTES) /* of a slot of each warp */

/* A deep ring where x fits beside it, else a shallow one with as much of x as fits; in half of
 * the shared memory that a block may have, so that two of them fit, or else in all. */
static void tiles_room(struct tiles_job *j, int n_round, int n_tok, size_t most, size_t *bytes)
{
	int columns = round_columns(j->type);
	size_t half = most / 2, x;

	for (j->slots = STREAM_SLOTS; j->slots > 1; j->slots--) {
		x = (size_t)j->slots * RING_BYTES +
		    (size_t)n_tok * slice_row_bytes(columns, n_round);
		if (x <= half)
			break;
	}
	j->slice_rounds = 0;
	if (half > (size_t)j->slots * RING_BYTES)
		j->slice_rounds = slice_rounds(columns, n_round, n_tok, j->n_warp,
					       half - (size_t)j->slots * RING_BYTES);
	if (!j->slice_rounds && most > RING_BYTES)
		j->slice_rounds =
			slice_rounds(columns, n_round, n_tok, j->n_warp, most - RING_BYTES);
	*bytes = (size_t)j->slots * RING_BYTES +
		 (size_t)n_tok * slice_row_bytes(columns, j->slice_rounds);
}

/* What a block may take beside what it shares anyway, `more` than the products need of that;
 * the system takes 1 KB of each. */
static size_t tiles_most(const struct cuda *c, int n_tok, size_t more)
{
	size_t own =
		n_tok <= 8 ? sizeof(struct tiles_shared<1>) : sizeof(struct tiles_shared<2>);

	return (size_t)c->block_shared - 2 * (own + more + 1024);
}

static int tiles_job_of(const struct linear_args *a, size_t most, struct tiles_job *j,
			size_t *bytes, struct err *err)
{
	int type = (int)a->w.type, tiles = a->w.out / a->n_group / TILE_ROWS, each;

	*j = {a->w.w, a->w.scale, a->y, type, a->w.out, a->w.in, a->n_group, a->out_f32};
	j->n_warp = warps_of_tiles(type, a->w.in, tiles * a->n_group);
	each = STREAM_WARPS / j->n_warp;
	j->blocks = (unsigned)((tiles + each - 1) / each);
	tiles_room(j, a->w.in / round_columns(type), a->n_tok, most, bytes);
	if (!j->slice_rounds)
		return cuda_refuse(err, "linear",
				   "%d rows, %d columns: no room for a slice of x", a->n_tok,
				   a->w.in);
	return 0;
}

/* ---------------------------------------------------------------------- launches */

static size_t tiles_bytes(const struct linear_args *a)
{
	return (size_t)a->w.out * (size_t)a->w.in * (a->w.type == WEIGHT_BF16 ? 2 : 1);
}

/* The order of the parts by size, the largest first. */
static void sort_parts(const struct linear_args *part, int n, int order[LINEAR_BATCH])
{
	for (int i = 0; i < n; i++) {
		int at = i;

		while (at && tiles_bytes(&part[order[at - 1]]) < tiles_bytes(&part[i])) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
	}
}

/* n products over the same 1 … 16 rows; `norm`: of them first, or NULL; *bytes: of shared
 * memory, where a block wants `more` for itself. */
static int tiles_batch_of(const struct cuda *c, const struct linear_args *part, int n,
			  const struct rms_norm_args *norm, size_t more, struct tiles_batch *b,
			  size_t *bytes, struct err *err)
{
	size_t most = tiles_most(c, part[0].n_tok, more);
	int order[LINEAR_BATCH];

	*b = {n, part[0].n_tok, 2 * (unsigned)c->n_sm, part[0].x};
	*bytes = 0;
	if (norm) {
		b->x = norm->x;
		b->norm = norm->norm;
		b->eps = norm->eps;
	}
	sort_parts(part, n, order);
	for (int i = 0; i < n; i++) {
		size_t each;
		int rc = tiles_job_of(&part[order[i]], most, &b->job[i], &each, err);

		if (rc)
			return rc;
		b->first[i + 1] =
			b->first[i] + b->job[i].blocks * (unsigned)b->job[i].n_group;
		*bytes = each > *bytes ? each : *bytes;
	}
	return 0;
}

#endif
