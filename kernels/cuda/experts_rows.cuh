/*
 * The experts of 1 … 16 rows, in two launches over (pair, tile):
 *
 *   up    t = silu(W1 x) · (W3 x) · weight: 32 inner values a block
 *   down  part = W2 t: 64 columns a block
 *
 * Two warps share a tile of 16 rows of a matrix.
 *
 * A block stands for a pair.  In the fused way the blocks of an expert's first pair serve as
 * many of its pairs as the call has rows, and those of the others return: an expert has more
 * pairs than that only where a token names it twice, and the blocks of the first pair behind
 * serve these.  In the reference way each serves its own.  product.cuh gives a row the same
 * bits either way.
 *
 * Floor: the bytes of the distinct experts over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_EXPERTS_ROWS_CUH
#define KERNELS_CUDA_EXPERTS_ROWS_CUH

#include "kernels/cuda/experts.cuh"
#include "kernels/cuda/product.cuh"

/* On one tile of 16 rows.  More would leave each a round or two, and make blocks that take
 * longer to find their weights than to read them. */
#define EXPERT_WARPS 2
#define EXPERT_TILES (PRODUCT_WARPS / EXPERT_WARPS) /* of a block that goes down */
#define UP_TILES     (EXPERT_TILES / 2)             /* of each of two matrices */

/* What a block works on. */
template <int NT> struct expert_list {
	int n; /* 0: another block's */
	int token[8 * NT];
	int pair[8 * NT]; /* t (n_used + 1) + slot */
};

/* How x is kept for each of the two types: rounds of a slice, and the rows that there is shared
 * memory for. */
struct expert_slices {
	int routed, shared, rows;
};

/*
 * Fills the list for block `at` of a column of them, by warp 0, with up to `most` pairs (of the
 * shared expert: all rows): at < n_tok n_used is a choice, behind these are the shared
 * expert's.
 */
template <int NT>
static __device__ __forceinline__ void list_pairs(struct expert_list<NT> *list,
						  const struct experts_job &j, int at, int most,
						  int alone)
{
	int n_choice = j.n_tok * j.n_used, lane = (int)threadIdx.x, before = 0, rank = 0;
	int32_t e;

	if (alone && at < n_choice) { /* each pair leads itself, whatever its expert */
		if (lane == 0) {
			list->token[0] = at / j.n_used;
			list->pair[0] = at / j.n_used * (j.n_used + 1) + at % j.n_used;
			list->n = 1;
		}
		return;
	}
	if (at >= n_choice) { /* the shared expert: of all rows, or of one */
		int first = alone ? at - n_choice : 0, n = alone ? 1 : j.n_tok;

		if (lane < n) {
			list->token[lane] = first + lane;
			list->pair[lane] = (first + lane) * (j.n_used + 1) + j.n_used;
		}
		if (lane == 0)
			list->n = n;
		return;
	}
	if (lane == 0)
		list->n = 0;
	__syncwarp();
	e = j.chosen[at];
	for (int i0 = 0; i0 < n_choice; i0 += WARP) {
		int i = i0 + lane, here = i < n_choice && j.chosen[i] == e;
		unsigned same = __ballot_sync(ALL_LANES, here);
		int number = before + __popc(same & ((1u << lane) - 1));

		/* this pair's number among its expert's: every most-th leads the next ones */
		if (at >= i0 && at < i0 + WARP) {
			rank = __shfl_sync(ALL_LANES, number, at - i0);
			if (rank % most)
				return;
		}
		if (here && i >= at && number - rank < most) {
			list->token[number - rank] = i / j.n_used;
			list->pair[number - rank] =
				i / j.n_used * (j.n_used + 1) + i % j.n_used;
		}
		before += __popc(same);
	}
	if (lane == 0)
		list->n = min(before - rank, most);
}

/*
 * Which column of blocks this is, as list_pairs() counts them: those of the shared expert,
 * whose codes are the larger ones, begin first.
 */
static __device__ __forceinline__ int column_of(const struct experts_job &j)
{
	int n_choice = j.n_tok * j.n_used, n_shared = (int)gridDim.y - n_choice;
	int y = (int)blockIdx.y;

	return y < n_shared ? n_choice + y : y - n_shared;
}

/* The same product for each type that experts have. */
template <int NT>
static __device__ __forceinline__ void
expert_product(int type, float (&sum)[NT][4], const struct strip &m, const struct rows &x,
	       const struct slice &slice, int warp)
{
	if (type == WEIGHT_FP4)
		product<WEIGHT_FP4, NT>(sum, m, x, slice, warp, EXPERT_WARPS);
	else if (type == WEIGHT_F8)
		product<WEIGHT_F8, NT>(sum, m, x, slice, warp, EXPERT_WARPS);
	else
		product<WEIGHT_BF16, NT>(sum, m, x, slice, warp, EXPERT_WARPS);
}

template <int NT>
static __global__ void __launch_bounds__(PRODUCT_THREADS, 2)
	experts_up(struct experts_job j, struct expert_slices slices, int alone)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char x_shared[];
	__shared__ float part[PRODUCT_WARPS][PRODUCT_ROWS * 8 * NT];
	__shared__ struct expert_list<NT> list;
	int warp = (int)threadIdx.x / WARP, up = warp / EXPERT_WARPS % 2;
	int row0 = (int)blockIdx.x * (UP_TILES * PRODUCT_ROWS);
	int column = column_of(j), is_shared = column >= j.n_tok * j.n_used;
	int type = is_shared ? j.shared_type : j.type;
	struct slice slice = {x_shared, is_shared ? slices.shared : slices.routed};
	struct rows x = {j.x, (size_t)j.d * 2, list.token, 0};
	struct cuda_expert e;
	struct strip m;
	float sum[NT][4];

	e = is_shared ? j.shared : j.experts[j.chosen[column]];
	if (warp == 0)
		list_pairs<NT>(&list, j, column, slices.rows, alone);
	__syncthreads();
	if (list.n == 0)
		return;
	x.n = list.n;
	m = strip_of(type, up ? e.w3 : e.w1, up ? e.s3 : e.s1,
		     row0 + warp / (2 * EXPERT_WARPS) * PRODUCT_ROWS, j.inner - 1, j.d);
	expert_product<NT>(type, sum, m, x, slice, warp % EXPERT_WARPS);
	product_store<NT>(part[warp], sum);
	__syncthreads();
	for (int i = (int)threadIdx.x; i < UP_TILES * PRODUCT_ROWS * list.n;
	     i += PRODUCT_THREADS) {
		int row = i % (UP_TILES * PRODUCT_ROWS), r = i / (UP_TILES * PRODUCT_ROWS);
		int first = row / PRODUCT_ROWS * 2 * EXPERT_WARPS; /* warp of the tile */
		int pair = list.pair[r], slot = pair % (j.n_used + 1);
		float g = product_sum<NT>(part[first], EXPERT_WARPS, row % PRODUCT_ROWS, r);
		float v = product_sum<NT>(part[first + EXPERT_WARPS], EXPERT_WARPS,
					  row % PRODUCT_ROWS, r);
		float weight = 1.0f;

		if (row0 + row >= j.inner)
			continue;
		if (slot < j.n_used)
			weight = j.weight[list.token[r] * j.n_used + slot];
		j.t[(size_t)pair * (size_t)j.inner + (size_t)(row0 + row)] =
			bf16_of_f32(inner_value(g, v, j.limit, weight));
	}
}

template <int NT>
static __global__ void __launch_bounds__(PRODUCT_THREADS, 2)
	experts_down(struct experts_job j, struct expert_slices slices, int alone)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char x_shared[];
	__shared__ float part[PRODUCT_WARPS][PRODUCT_ROWS * 8 * NT];
	__shared__ struct expert_list<NT> list;
	int warp = (int)threadIdx.x / WARP,
	    row0 = (int)blockIdx.x * (EXPERT_TILES * PRODUCT_ROWS);
	int column = column_of(j), is_shared = column >= j.n_tok * j.n_used;
	int type = is_shared ? j.shared_type : j.type;
	struct slice slice = {x_shared, is_shared ? slices.shared : slices.routed};
	struct rows x = {(const unsigned char *)j.t, (size_t)j.inner * 2, list.pair, 0};
	struct cuda_expert e;
	struct strip m;
	float sum[NT][4];

	e = is_shared ? j.shared : j.experts[j.chosen[column]];
	if (warp == 0)
		list_pairs<NT>(&list, j, column, slices.rows, alone);
	__syncthreads();
	if (list.n == 0)
		return;
	x.n = list.n;
	m = strip_of(type, e.w2, e.s2, row0 + warp / EXPERT_WARPS * PRODUCT_ROWS, j.d - 1,
		     j.inner);
	expert_product<NT>(type, sum, m, x, slice, warp % EXPERT_WARPS);
	product_store<NT>(part[warp], sum);
	__syncthreads();
	for (int i = (int)threadIdx.x; i < EXPERT_TILES * PRODUCT_ROWS * list.n;
	     i += PRODUCT_THREADS) {
		int row = i % (EXPERT_TILES * PRODUCT_ROWS),
		    r = i / (EXPERT_TILES * PRODUCT_ROWS);
		int tile = row / PRODUCT_ROWS;

		if (row0 + row < j.d)
			j.part[(size_t)list.pair[r] * (size_t)j.d + (size_t)(row0 + row)] =
				product_sum<NT>(part[tile * EXPERT_WARPS], EXPERT_WARPS,
						row % PRODUCT_ROWS, r);
	}
}

/* --------------------------------------------------------------------- launches */

static int expert_slices_of(const struct experts_job *j, int in, int rows, size_t room,
			    struct expert_slices *s, size_t *bytes)
{
	size_t a, b;

	s->rows = rows;
	s->routed = slice_rounds(j->type, in, rows, EXPERT_WARPS, room);
	s->shared = slice_rounds(j->shared_type, in, rows, EXPERT_WARPS, room);
	a = (size_t)rows * slice_row_bytes(j->type, s->routed);
	b = (size_t)rows * slice_row_bytes(j->shared_type, s->shared);
	*bytes = a > b ? a : b;
	return s->routed > 0 && s->shared > 0;
}

/* j->n_tok is 1 … 16 here. */
template <int NT>
static int launch_expert_rows(struct cuda *c, const struct experts_job *j, int alone,
			      struct err *err)
{
	size_t room = c->block_shared >= 200 * 1024 ? 96 * 1024 : 72 * 1024, bytes;
	unsigned blocks = (unsigned)(j->n_tok * j->n_used + (alone ? j->n_tok : 1));
	int rows = alone ? 1 : j->n_tok, tile = EXPERT_TILES * PRODUCT_ROWS;
	int up_tile = UP_TILES * PRODUCT_ROWS;
	struct expert_slices s;
	cudaError_t rc = cudaFuncSetAttribute(
		experts_up<NT>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)room);

	if (rc == cudaSuccess)
		rc = cudaFuncSetAttribute(experts_down<NT>,
					  cudaFuncAttributeMaxDynamicSharedMemorySize,
					  (int)room);
	if (rc != cudaSuccess)
		return cuda_fail(rc, "experts", err);
	if (!expert_slices_of(j, j->d, rows, room, &s, &bytes))
		return cuda_refuse(err, "experts", "%d rows: no room for a slice of x",
				   j->n_tok);
	launch_kernel(c, experts_up<NT>,
		      dim3((unsigned)((j->inner + up_tile - 1) / up_tile), blocks),
		      PRODUCT_THREADS, bytes, *j, s, alone);
	if (cuda_check_launch(c, "experts", err))
		return err ? err->code : ERR_MODEL;
	if (!expert_slices_of(j, j->inner, rows, room, &s, &bytes))
		return cuda_refuse(err, "experts", "%d rows: no room for a slice of t",
				   j->n_tok);
	launch_kernel(c, experts_down<NT>, dim3((unsigned)((j->d + tile - 1) / tile), blocks),
		      PRODUCT_THREADS, bytes, *j, s, alone);
	return cuda_check_launch(c, "experts", err);
}

#endif
