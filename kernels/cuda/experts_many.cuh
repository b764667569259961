/*
 * The experts of many rows: rows sorted by their expert, then each expert a product of many
 * rows.
 *
 *   count  how many rows each expert has
 *   place  order [n_tok n_used]: the choices (t n_used + slot) by expert, each expert's
 *          ascending; and the list of tiles, each up to BM rows of one expert
 *   up     t[i] = silu(W1 x) (W3 x) weight of the i-th choice of that order: a block makes
 *          64 inner values, W1 and W3 interleaved by eights, so a lane holds both of a value
 *   down   part of that choice's pair = W2 t
 *
 * The shared expert is the same two products with all rows in their own order.
 *
 * Floor: 6 · choices · d · inner operations over the rate of mma.sync, or the bytes of the
 * experts that were chosen over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_EXPERTS_MANY_CUH
#define KERNELS_CUDA_EXPERTS_MANY_CUH

#include "kernels/cuda/experts.cuh"
#include "kernels/cuda/experts_tile.cuh"

struct expert_tile {
	int expert, first, n; /* rows first … first + n - 1 of the order */
};

struct experts_sorted {
	int *count;                /* [n_expert] */
	int *order;                /* [n_tok n_used] */
	struct expert_tile *tiles; /* [most_tiles] */
	int *n_tiles;
};

#define SORT_THREADS 256

/* Sum of v over the block, to all. */
static __device__ __forceinline__ int block_sum_int(int v, int *shared)
{
	for (int o = WARP / 2; o; o /= 2)
		v += __shfl_xor_sync(ALL_LANES, v, o);
	__syncthreads();
	if (threadIdx.x % WARP == 0)
		shared[threadIdx.x / WARP] = v;
	__syncthreads();
	v = 0;
	for (int w = 0; w < SORT_THREADS / WARP; w++)
		v += shared[w];
	return v;
}

/* A block for each expert. */
static __global__ void __launch_bounds__(SORT_THREADS)
	experts_count(struct experts_job j, struct experts_sorted s)
{
	kernel_begin();
	__shared__ int shared[SORT_THREADS / WARP];
	int n = 0, e = (int)blockIdx.x;

	for (int i = (int)threadIdx.x; i < j.n_tok * j.n_used; i += SORT_THREADS)
		n += j.chosen[i] == e;
	n = block_sum_int(n, shared);
	if (threadIdx.x == 0)
		s.count[e] = n;
}

/* Writes the choices of block blockIdx.x's expert from order[first] on. */
static __device__ __forceinline__ void place_choices(const struct experts_job &j, int *order,
						     int *shared)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP, at = 0;
	int n = j.n_tok * j.n_used;

	for (int i0 = 0; i0 < n; i0 += SORT_THREADS) {
		int i = i0 + (int)threadIdx.x, mine = i < n && j.chosen[i] == (int)blockIdx.x;
		unsigned same = __ballot_sync(ALL_LANES, mine);
		int before = at;

		__syncthreads();
		if (lane == 0)
			shared[warp] = __popc(same);
		__syncthreads();
		for (int w = 0; w < SORT_THREADS / WARP; w++) {
			before += w < warp ? shared[w] : 0;
			at += shared[w];
		}
		if (mine)
			order[before + __popc(same & ((1u << lane) - 1))] = i;
	}
}

static __global__ void __launch_bounds__(SORT_THREADS)
	experts_place(struct experts_job j, struct experts_sorted s, int tile_rows)
{
	kernel_begin();
	__shared__ int shared[SORT_THREADS / WARP];
	int e = (int)blockIdx.x, first = 0, tile = 0, n = s.count[e], tiles;

	for (int i = (int)threadIdx.x; i < e; i += SORT_THREADS) {
		first += s.count[i];
		tile += (s.count[i] + tile_rows - 1) / tile_rows;
	}
	first = block_sum_int(first, shared);
	tile = block_sum_int(tile, shared);
	tiles = (n + tile_rows - 1) / tile_rows;
	if (e == j.n_expert - 1 && threadIdx.x == 0)
		*s.n_tiles = tile + tiles;
	for (int i = (int)threadIdx.x; i < tiles; i += SORT_THREADS) {
		struct expert_tile t = {e, first + i * tile_rows,
					min(n - i * tile_rows, tile_rows)};

		s.tiles[tile + i] = t;
	}
	if (n > 0)
		place_choices(j, s.order + first, shared);
}

/* ------------------------------------------------------------------ the products */

/* The tile of a block: of the list, or (no list: the shared expert) the y-th of all rows. */
static __device__ __forceinline__ struct expert_tile tile_of(const struct experts_job &j,
							     const struct experts_sorted &s,
							     int is_shared, int tile_rows)
{
	int y = (int)blockIdx.y;
	struct expert_tile none = {0, 0, 0};
	struct expert_tile own = {0, y * tile_rows, min(j.n_tok - y * tile_rows, tile_rows)};

	if (is_shared)
		return own;
	return y < *s.n_tiles ? s.tiles[y] : none;
}

struct many_up_x {
	const unsigned char *x;
	const int *order; /* of the tile's first row on; NULL: rows in their own order */
	size_t bytes;
	int n, n_used;
	__device__ __forceinline__ const unsigned char *row(int r) const
	{
		r = min(r, n - 1);
		return x + (size_t)(order ? order[r] / n_used : r) * bytes;
	}
};

/* Rows of W: eights of W1 and of W3 in turn. */
struct many_up_w {
	const unsigned char *w1, *s1, *w3, *s3;
	int first, last;
	__device__ __forceinline__ int at(int r) const
	{
		return first + r / 16 * 8 + r % 8;
	}
	__device__ __forceinline__ const unsigned char *codes(int r) const
	{
		return r & 8 ? w3 : w1;
	}
	__device__ __forceinline__ const unsigned char *scales(int r) const
	{
		return r & 8 ? s3 : s1;
	}
};

template <int TYPE, int MT>
static __global__ void __launch_bounds__(GEMM_THREADS, 2)
	experts_many_up(struct experts_job j, struct experts_sorted s, int is_shared,
			uint16_t *out)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char shared[];
	struct expert_tile tile = tile_of(j, s, is_shared, gemm_size<MT>::rows);
	struct cuda_expert e = is_shared ? j.shared : j.experts[tile.expert];
	int i0 = (int)blockIdx.x * (GEMM_N / 2);
	const int *order = is_shared ? NULL : s.order + tile.first;
	struct many_up_x x = {j.x + (is_shared ? (size_t)tile.first * (size_t)j.d * 2 : 0),
			      order, (size_t)j.d * 2, tile.n, j.n_used};
	struct many_up_w w = {e.w1, e.s1, e.w3, e.s3, i0, j.inner - 1};
	float acc[MT][4][4] = {};

	if (tile.n <= 0)
		return;
	gemm_tile<tile_w<TYPE>, MT>(acc, x, w, j.d, shared);
#pragma unroll
	for (int i = 0; i < MT; i++) {
#pragma unroll
		for (int c = 0; c < 4; c++) {
			int r = gemm_row<MT>(i, c);
			float weight;

			if (r >= tile.n)
				continue;
			weight = is_shared ? 1.0f : j.weight[order[r]];
#pragma unroll
			for (int n = 0; n < 4; n += 2) {
				/* column n of W1 and of W3: half a tile's columns are values */
				int col = gemm_column(n, c), o = i0 + col / 16 * 8 + col % 8;

				if (o < j.inner)
					out[(size_t)(tile.first + r) * (size_t)j.inner +
					    (size_t)o] =
						bf16_of_f32(inner_value(acc[i][n][c],
									acc[i][n + 1][c],
									j.limit, weight));
			}
		}
	}
}

struct many_down_x {
	const unsigned char *x;
	size_t bytes;
	int n;
	__device__ __forceinline__ const unsigned char *row(int r) const
	{
		return x + (size_t)min(r, n - 1) * bytes;
	}
};

struct many_down_w {
	const unsigned char *w, *s;
	int first, last;
	__device__ __forceinline__ int at(int r) const
	{
		return first + r;
	}
	__device__ __forceinline__ const unsigned char *codes(int) const
	{
		return w;
	}
	__device__ __forceinline__ const unsigned char *scales(int) const
	{
		return s;
	}
};

template <int TYPE, int MT>
static __global__ void __launch_bounds__(GEMM_THREADS, 2)
	experts_many_down(struct experts_job j, struct experts_sorted s, int is_shared,
			  const uint16_t *t)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char shared[];
	struct expert_tile tile = tile_of(j, s, is_shared, gemm_size<MT>::rows);
	struct cuda_expert e = is_shared ? j.shared : j.experts[tile.expert];
	int o0 = (int)blockIdx.x * GEMM_N;
	struct many_down_x x = {
		(const unsigned char *)(t + (size_t)tile.first * (size_t)j.inner),
		(size_t)j.inner * 2, tile.n};
	struct many_down_w w = {e.w2, e.s2, o0, j.d - 1};
	float acc[MT][4][4] = {};

	if (tile.n <= 0)
		return;
	gemm_tile<tile_w<TYPE>, MT>(acc, x, w, j.inner, shared);
#pragma unroll
	for (int i = 0; i < MT; i++) {
#pragma unroll
		for (int c = 0; c < 4; c += 2) {
			int r = gemm_row<MT>(i, c), token, slot;

			if (r >= tile.n)
				continue;
			token = is_shared ? tile.first + r : s.order[tile.first + r] / j.n_used;
			slot = is_shared ? j.n_used : s.order[tile.first + r] % j.n_used;
#pragma unroll
			for (int n = 0; n < 4; n++) {
				int o = o0 + gemm_column(n, c);
				size_t pair =
					(size_t)token * (size_t)(j.n_used + 1) + (size_t)slot;

				if (o < j.d) /* d is even: both are inside */
					*(float2 *)(void *)(j.part + pair * (size_t)j.d + o) =
						make_float2(acc[i][n][c], acc[i][n][c + 1]);
			}
		}
	}
}

/* --------------------------------------------------------------------- launches */

/* Rows of the two products of one type: `tiles` of them at most. */
template <int TYPE, int MT>
static int launch_many_products(struct cuda *c, const struct experts_job *j,
				const struct experts_sorted *s, int is_shared, uint16_t *t,
				unsigned tiles, struct err *err)
{
	const int bytes = gemm_size<MT>::bytes;
	unsigned up = (unsigned)((j->inner + GEMM_N / 2 - 1) / (GEMM_N / 2));
	unsigned down = (unsigned)((j->d + GEMM_N - 1) / GEMM_N);
	cudaError_t rc = cudaFuncSetAttribute(
		experts_many_up<TYPE, MT>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);

	if (rc == cudaSuccess)
		rc = cudaFuncSetAttribute(experts_many_down<TYPE, MT>,
					  cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
	if (rc != cudaSuccess)
		return cuda_fail(rc, "experts", err);
	launch_kernel(c, experts_many_up<TYPE, MT>, dim3(up, tiles), GEMM_THREADS, bytes, *j,
		      *s, is_shared, t);
	launch_kernel(c, experts_many_down<TYPE, MT>, dim3(down, tiles), GEMM_THREADS, bytes,
		      *j, *s, is_shared, t);
	return cuda_check_launch(c, "experts", err);
}

template <int MT>
static int launch_many_type(struct cuda *c, int type, const struct experts_job *j,
			    const struct experts_sorted *s, int is_shared, uint16_t *t,
			    unsigned tiles, struct err *err)
{
	if (type == WEIGHT_FP4)
		return launch_many_products<WEIGHT_FP4, MT>(c, j, s, is_shared, t, tiles, err);
	if (type == WEIGHT_F8)
		return launch_many_products<WEIGHT_F8, MT>(c, j, s, is_shared, t, tiles, err);
	return launch_many_products<WEIGHT_BF16, MT>(c, j, s, is_shared, t, tiles, err);
}

/* Tiles that n_choice choices of n_expert experts make at most. */
static inline unsigned most_tiles(int n_choice, int n_expert, int tile_rows)
{
	return (unsigned)(n_choice / tile_rows + (n_choice < n_expert ? n_choice : n_expert));
}

template <int MT>
static int launch_expert_many(struct cuda *c, const struct experts_job *j,
			      const struct experts_sorted *s, struct err *err)
{
	const int rows = gemm_size<MT>::rows;
	int n_choice = j->n_tok * j->n_used, rc;
	unsigned n_expert = (unsigned)j->n_expert;
	/* the shared expert's inner values stand behind the others' */
	uint16_t *t = j->t, *shared_t = j->t + (size_t)n_choice * (size_t)j->inner;

	launch_kernel(c, experts_count, n_expert, SORT_THREADS, 0, *j, *s);
	launch_kernel(c, experts_place, n_expert, SORT_THREADS, 0, *j, *s, rows);
	rc = cuda_check_launch(c, "experts", err);
	if (rc)
		return rc;
	rc = launch_many_type<MT>(c, j->type, j, s, 0, t,
				  most_tiles(n_choice, j->n_expert, rows), err);
	if (rc)
		return rc;
	return launch_many_type<MT>(c, j->shared_type, j, s, 1, shared_t,
				    (unsigned)((j->n_tok + rows - 1) / rows), err);
}

#endif
