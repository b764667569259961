/*
 * The experts of 1 … 16 rows, in two launches, where experts_ring.cuh does not serve:
 *
 *   up    t = silu(W1 x) · (W3 x) · weight: a block makes 16 inner values of each pair, its two
 *         strips (experts_stream.cuh) being a tile of W1 and the same of W3
 *   down  y = the sum over a row's pairs of W2 t: a block makes 32 columns, a strip 16 of them
 *
 * A block goes through the list of experts (experts_list.cuh), an expert once for all its
 * pairs, in phases of as many pairs as there is shared memory for: what the warps of a strip
 * have of a pair is added up, in their order, at a phase's end.  Going down, a row's pairs are
 * added at the end, in the order of their slots.  The shared expert, whose number needs no
 * waiting for, comes first.  Where there are fewer tiles than multiprocessors, several blocks
 * share a tile's experts on the way up.
 *
 * Floor: the bytes of the distinct experts over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_EXPERTS_ROWS_CUH
#define KERNELS_CUDA_EXPERTS_ROWS_CUH

#include "kernels/cuda/experts_stream.cuh"

/* The table of experts into shared memory: it is as constant as the weights, so that this may
 * be done before the numbers of those that are wanted are there. */
static __device__ __forceinline__ void stage_table(const struct worker &w,
						   const struct experts_job &j)
{
	const uint4 *from = (const uint4 *)(const void *)j.experts;
	uint4 *to = (uint4 *)(void *)(w.shared + w.room.table);
	int n = j.n_expert * (int)(sizeof(struct cuda_expert) / sizeof(uint4));

	for (int i = (int)threadIdx.x; i < n; i += STREAM_THREADS)
		to[i] = __ldg(from + i);
}

/* The strips of all items, from that table; `up`: w1 and w3, else w2 twice. */
static __device__ __forceinline__ void find_strips(const struct worker &w,
						   const struct experts_job &j, int up)
{
	const struct cuda_expert *table =
		(const struct cuda_expert *)(const void *)(w.shared + w.room.table);
	struct strip *strips = const_cast<struct strip *>(w.strips);

	for (int i = (int)threadIdx.x; i < *w.list.n_item * STRIPS; i += STREAM_THREADS) {
		int expert = w.list.items[i / STRIPS].expert, s = i % STRIPS;
		const struct cuda_expert e = expert < 0 ? j.shared : table[expert];
		const unsigned char *codes = up ? (s ? e.w3 : e.w1) : e.w2;
		const unsigned char *scales = up ? (s ? e.s3 : e.s1) : e.s2;
		int tile = (int)blockIdx.x * (up ? 1 : STRIPS) + (up ? 0 : s);

		strips[i] = strip_at(expert < 0 ? j.shared_type : j.type, codes, scales, tile,
				     up ? j.d : j.inner);
	}
}

/* All threads; what it writes is known to all after a barrier. */
static __device__ __forceinline__ struct worker worker_of(const struct experts_job &j,
							  const struct rows_room &room, int in,
							  unsigned char *shared)
{
	struct row_part *parts = (struct row_part *)(void *)(shared + room.parts);
	int warp = (int)threadIdx.x / WARP, i = (int)threadIdx.x;
	struct worker w;

	w.strip = warp / STRIP_WARPS;
	w.lane_warp = warp % STRIP_WARPS;
	w.type = j.type;
	w.shared_type = j.shared_type;
	w.n_shared = (j.n_tok + ITEM_ROWS - 1) / ITEM_ROWS;
	w.shared = shared;
	w.room = room;
	w.strips = (const struct strip *)(const void *)(shared + room.strips);
	w.parts = parts;
	w.list = expert_list_at(shared + room.list, j.n_tok * (j.n_used + 1), ITEM_ROWS);
	if (i < 2 * STRIP_WARPS)
		parts[i] = row_part_of(i < STRIP_WARPS ? j.type : j.shared_type, in,
				       i % STRIP_WARPS);
	return w;
}

/* -------------------------------------------------------------------- up */

/* What a phase has made of its pairs: 16 inner values each. */
static __device__ __forceinline__ void up_values(const struct worker &w,
						 const struct experts_job &j, int first, int n)
{
	for (int i = (int)threadIdx.x; i < n * PACKED_ROWS; i += STREAM_THREADS) {
		int place = i / PACKED_ROWS, row = i % PACKED_ROWS;
		int pair = w.list.order[first + place], slot = pair % (j.n_used + 1);
		int token = pair / (j.n_used + 1), shared = slot == j.n_used;
		float weight = shared ? 1.0f : w.list.weight[token * j.n_used + slot];
		float g = pair_sum(w, place, 0, row, shared);
		float v = pair_sum(w, place, 1, row, shared);

		j.t[(size_t)pair * (size_t)j.inner +
		    (size_t)((int)blockIdx.x * PACKED_ROWS + row)] =
			bf16_of_f32(inner_value(g, v, j.limit, weight));
	}
}

/* The first of the items of block y of gridDim.y; the shared expert is the first's. */
static __device__ __forceinline__ int items_from(int n_item, int y)
{
	return (n_item * y + (int)gridDim.y - 1) / (int)gridDim.y;
}

static __global__ void __launch_bounds__(STREAM_THREADS, 1)
	experts_up(struct experts_job j, struct rows_room room)
{
	extern __shared__ __align__(128) unsigned char shared[];
	struct worker w = worker_of(j, room, j.d, shared);
	struct strip own = strip_at(j.shared_type, w.strip ? j.shared.w3 : j.shared.w1,
				    w.strip ? j.shared.s3 : j.shared.s1, (int)blockIdx.x, j.d);
	uint32_t x = shared_address(shared + room.x);
	struct batch r = {};
	struct cursor c = {};
	const struct row_part part = row_part_of(j.shared_type, j.d, w.lane_warp);
	uint32_t scales = part_scales(j.shared_type, own, part);
	int loaded = first_batch(&r, &c, w, own, part, blockIdx.y == 0);
	int item, from, end;

	stage_table(w, j);
	kernel_begin();
	for (int t = 0; t < j.n_tok; t++)
		stage_row(shared + room.x + t * x_pitch(j.d), j.x + (size_t)t * (size_t)j.d * 2,
			  j.d, (int)threadIdx.x, STREAM_THREADS);
	list_make(w.list, j);
	__syncthreads();
	find_strips(w, j, 1);
	stage_end();
	__syncthreads();
	from = items_from(*w.list.n_item, (int)blockIdx.y);
	end = items_from(*w.list.n_item, (int)blockIdx.y + 1);
	item = first_item(w, from);
	if (!loaded)
		other_batch(&r, &c, w, item, end);
	while (from < end) {
		int to = phase_end(w, from, end), first = w.list.items[from].first;

		phase_products(&r, &c, &item, to, end, w, scales, first, [&](int place) {
			return x +
			       (uint32_t)(w.list.order[place] / (j.n_used + 1) * x_pitch(j.d));
		});
		__syncthreads();
		up_values(w, j, first, pairs_before(w, to) - first);
		__syncthreads();
		from = to;
	}
}

/* ------------------------------------------------------------------ down */

/* What a phase has made of its pairs: the block's columns of each. */
static __device__ __forceinline__ void
down_totals(const struct worker &w, const struct experts_job &j, int first, int n)
{
	const int columns = STRIPS * PACKED_ROWS;
	float *total = (float *)(void *)(w.shared + w.room.total);

	for (int i = (int)threadIdx.x; i < n * columns; i += STREAM_THREADS) {
		int place = i / columns, column = i % columns;
		int pair = w.list.order[first + place];
		int is_shared = pair % (j.n_used + 1) == j.n_used;

		total[pair * columns + column] = pair_sum(w, place, column / PACKED_ROWS,
							  column % PACKED_ROWS, is_shared);
	}
}

/* A row's pairs in the order of their slots. */
static __device__ __forceinline__ void down_sums(const struct worker &w,
						 const struct experts_job &j, float *y)
{
	const int columns = STRIPS * PACKED_ROWS;
	const float *total = (const float *)(const void *)(w.shared + w.room.total);

	for (int i = (int)threadIdx.x; i < j.n_tok * columns; i += STREAM_THREADS) {
		int t = i / columns, column = i % columns;
		const float *from = total + t * (j.n_used + 1) * columns + column;
		float v = from[0];

		for (int s = 1; s <= j.n_used; s++)
			v += from[s * columns];
		y[(size_t)t * (size_t)j.d + (size_t)((int)blockIdx.x * columns + column)] = v;
	}
}

/* The inner values of a phase's pairs, a few threads a row. */
static __device__ __forceinline__ void
stage_pairs(const struct worker &w, const struct experts_job &j, int first, int n)
{
	const int each = 64;

	for (int i = (int)threadIdx.x / each; i < n; i += STREAM_THREADS / each)
		stage_row(w.shared + w.room.x + i * x_pitch(j.inner),
			  (const unsigned char *)(j.t + (size_t)w.list.order[first + i] *
								(size_t)j.inner),
			  j.inner, (int)threadIdx.x % each, each);
}

static __global__ void __launch_bounds__(STREAM_THREADS, 1)
	experts_down(struct experts_job j, struct rows_room room, float *y)
{
	extern __shared__ __align__(128) unsigned char shared[];
	struct worker w = worker_of(j, room, j.inner, shared);
	struct strip own = strip_at(j.shared_type, j.shared.w2, j.shared.s2,
				    (int)blockIdx.x * STRIPS + w.strip, j.inner);
	uint32_t x = shared_address(shared + room.x);
	struct batch r = {};
	struct cursor c = {};
	const struct row_part part = row_part_of(j.shared_type, j.inner, w.lane_warp);
	uint32_t scales = part_scales(j.shared_type, own, part);
	int loaded = first_batch(&r, &c, w, own, part, 1);
	int item, from = 0, to, end;

	stage_table(w, j);
	kernel_begin();
	list_make(w.list, j);
	__syncthreads();
	find_strips(w, j, 0);
	end = *w.list.n_item;
	to = phase_end(w, 0, end);
	stage_pairs(w, j, 0, pairs_before(w, to));
	stage_end();
	__syncthreads();
	item = first_item(w, 0);
	if (!loaded)
		other_batch(&r, &c, w, item, end);
	while (from < end) {
		int first = w.list.items[from].first, n = pairs_before(w, to) - first;

		phase_products(&r, &c, &item, to, end, w, scales, first, [&](int place) {
			return x + (uint32_t)((place - first) * x_pitch(j.inner));
		});
		__syncthreads();
		down_totals(w, j, first, n);
		from = to;
		if (from < end) {
			to = phase_end(w, from, end);
			stage_pairs(w, j, first + n, pairs_before(w, to) - first - n);
			stage_end();
		}
		__syncthreads();
	}
	down_sums(w, j, y);
}

/* -------------------------------------------------------------- launches */

/* What shared memory holds for n rows; 0 where it does not fit.  `up`: x of all rows, else t
 * of a phase's pairs. */
static inline int rows_room_of(const struct cuda *c, const struct experts_job *j, int n, int up,
			       struct rows_room *r)
{
	int pairs = n * (j->n_used + 1), most = pairs < ITEM_ROWS ? pairs : ITEM_ROWS;
	size_t each = PAIR_SUMS * sizeof(float) + (up ? 0 : (size_t)x_pitch(j->inner));
	size_t at = 0, left;

	r->strips = (unsigned)at;
	at += (size_t)pairs * STRIPS * sizeof(struct strip);
	r->table = (unsigned)at;
	at += (size_t)j->n_expert * sizeof(struct cuda_expert);
	r->parts = (unsigned)at;
	at += 2 * STRIP_WARPS * sizeof(struct row_part);
	r->list = (unsigned)at;
	at += expert_list_bytes(pairs);
	r->total = (unsigned)((at + 127) / 128 * 128);
	at = r->total;
	if (!up)
		at += (size_t)pairs * STRIPS * PACKED_ROWS * sizeof(float);
	r->x = (unsigned)at;
	if (up)
		at += (size_t)n * (size_t)x_pitch(j->d);
	if (at + (size_t)most * each > (size_t)c->block_shared)
		return 0;
	left = ((size_t)c->block_shared - at) / each;
	r->pairs = left < (size_t)pairs ? (int)left : pairs;
	if (!up)
		at += (size_t)r->pairs * (size_t)x_pitch(j->inner);
	r->sums = (unsigned)at;
	r->bytes = r->sums + (unsigned)((size_t)r->pairs * PAIR_SUMS * sizeof(float));
	return 1;
}

/* Rows of one call that there is room for, at most `want`. */
static inline int rows_that_fit(const struct cuda *c, const struct experts_job *j, int want)
{
	struct rows_room r;

	while (want > 0 &&
	       (!rows_room_of(c, j, want, 1, &r) || !rows_room_of(c, j, want, 0, &r)))
		want--;
	return want;
}

/* Blocks that share the experts of a tile on the way up, so that the last wave is full. */
static inline unsigned up_shares(const struct cuda *c, int tiles, int n_used)
{
	int best = 1;
	float least = 0.0f;

	for (int y = 1; y <= n_used + 1 && y <= 8; y++) {
		int waves = (tiles * y + c->n_sm - 1) / c->n_sm;
		/* a block's share of the work, and what it takes to begin */
		float cost = (float)waves * (1.0f / (float)y + 0.1f);

		if (y == 1 || cost < least) {
			least = cost;
			best = y;
		}
	}
	return (unsigned)best;
}

/* As many rows as rows_that_fit() says, at most. */
static int launch_expert_rows(struct cuda *c, const struct experts_job *j, float *y,
			      struct err *err)
{
	int tiles = j->inner / PACKED_ROWS;
	struct rows_room up = {}, down = {};
	cudaError_t rc = cudaFuncSetAttribute(
		experts_up, cudaFuncAttributeMaxDynamicSharedMemorySize, c->block_shared);

	if (rc == cudaSuccess)
		rc = cudaFuncSetAttribute(experts_down,
					  cudaFuncAttributeMaxDynamicSharedMemorySize,
					  c->block_shared);
	if (rc != cudaSuccess)
		return cuda_fail(rc, "experts", err);
	if (!rows_room_of(c, j, j->n_tok, 1, &up) || !rows_room_of(c, j, j->n_tok, 0, &down))
		return cuda_refuse(err, "experts", "%d rows: no room for them", j->n_tok);
	launch_kernel(c, experts_up, dim3((unsigned)tiles, up_shares(c, tiles, j->n_used)),
		      STREAM_THREADS, up.bytes, *j, up);
	launch_kernel(c, experts_down, (unsigned)(j->d / (STRIPS * PACKED_ROWS)),
		      STREAM_THREADS, down.bytes, *j, down, y);
	return cuda_check_launch(c, "experts", err);
}

#endif
