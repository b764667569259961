/*
 * linear: y[t, o] = sum_k W[o, k] x[t, k], in groups.
 *
 *   1 … 16 rows  product.cuh: 8 warps a block, n_warp of them on each tile of 16 rows of W.
 *                Floor: bytes of W over the memory's bandwidth.
 *   more         gemm.cuh: 64 or 128 rows of x by 128 rows of W a block.
 *                Floor: 2 · rows · out · in operations over the rate of mma.sync.
 *   hundreds     cuBLASLt where it is (linear_lt.cuh)
 *   F32 weights  a warp for each element of y; only small ones are kept so.
 *   linear_batch several products of 1 … 16 rows in one launch: each has the blocks that it
 *                has alone, the larger products first.
 */
#include "kernels/cuda/product.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/linear_lt.cuh"

/* ------------------------------------------------------------------ 1 … 16 rows */

struct rows_job {
	const unsigned char *w, *s, *x;
	unsigned char *y;
	int out, in, n_group, n_tok, f32, n_warp, slice_rounds;
};

/* What a block shares. */
template <int NT> struct rows_shared {
	float part[PRODUCT_WARPS][PRODUCT_ROWS * 8 * NT];
	int row_list[8 * NT];
};

/* The tiles of one block of a job, in its group of rows of W. */
template <int TYPE, int NT>
static __device__ __forceinline__ void rows_block(const struct rows_job &j, int block,
						  int group, unsigned char *x_shared,
						  struct rows_shared<NT> *shared)
{
	int warp = (int)threadIdx.x / WARP, tiles = PRODUCT_WARPS / j.n_warp;
	int group_rows = j.out / j.n_group;
	int tile0 = block * tiles, first = group * group_rows;
	struct rows x = {j.x + (size_t)group * (size_t)j.in * 2,
			 (size_t)j.n_group * (size_t)j.in * 2, shared->row_list, j.n_tok};
	struct slice slice = {x_shared, j.slice_rounds};
	struct strip m =
		strip_of(TYPE, j.w, j.s, first + (tile0 + warp / j.n_warp) * PRODUCT_ROWS,
			 first + group_rows - 1, j.in);
	float sum[NT][4];

	if (threadIdx.x < 8 * NT)
		shared->row_list[threadIdx.x] = (int)threadIdx.x;
	__syncthreads();
	product<TYPE, NT>(sum, m, x, slice, warp % j.n_warp, j.n_warp);
	product_store<NT>(shared->part[warp], sum);
	__syncthreads();
	for (int i = (int)threadIdx.x; i < tiles * PRODUCT_ROWS * j.n_tok;
	     i += PRODUCT_THREADS) {
		int row = i % PRODUCT_ROWS, tile = i / PRODUCT_ROWS % tiles;
		int t = i / PRODUCT_ROWS / tiles, o = (tile0 + tile) * PRODUCT_ROWS + row;
		size_t at = (size_t)t * (size_t)j.out + (size_t)(first + o);
		float v = product_sum<NT>(shared->part[tile * j.n_warp], j.n_warp, row, t);

		if (o >= group_rows)
			continue;
		if (j.f32)
			((float *)(void *)j.y)[at] = v;
		else
			((uint16_t *)(void *)j.y)[at] = bf16_of_f32(v);
	}
}

template <int TYPE, int NT>
static __global__ void __launch_bounds__(PRODUCT_THREADS, 2) linear_rows(struct rows_job j)
{
	extern __shared__ __align__(128) unsigned char x_shared[];
	__shared__ struct rows_shared<NT> shared;

	rows_block<TYPE, NT>(j, (int)blockIdx.x, (int)blockIdx.y, x_shared, &shared);
}

/* So many warps keep the memory busy and are resident at once on the largest chips; a tile gets
 * more of them where there are few tiles. */
#define ENOUGH_WARPS 2048

static int warps_of_tile(int type, int in, int tiles)
{
	int n_round = (in + fragment_round(type) - 1) / fragment_round(type), n = 1;
	/* x of 16 rows for a round of eight warps would not fit beside another block's */
	int most = type == WEIGHT_FP4 ? PRODUCT_WARPS / 2 : PRODUCT_WARPS;

	while (n < most && n < n_round && tiles * n < ENOUGH_WARPS)
		n *= 2;
	return n;
}

/* Half of the shared memory that a block may have, so that two fit where they can. */
static size_t rows_room(const struct cuda *c)
{
	return c->block_shared >= 200 * 1024 ? 96 * 1024 : 72 * 1024;
}

/* The job of a product, its blocks in each group and the bytes that x takes of shared memory.
 */
static int make_job(struct cuda *c, const struct linear_args *a, struct rows_job *j,
		    unsigned *blocks, size_t *bytes, struct err *err)
{
	int type = (int)a->w.type, group_rows = a->w.out / a->n_group;
	int tiles = (group_rows + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
	int n_warp = warps_of_tile(type, a->w.in, tiles * a->n_group);
	int rounds = slice_rounds(type, a->w.in, a->n_tok, n_warp, rows_room(c));
	int each = PRODUCT_WARPS / n_warp;

	if (rounds == 0)
		return cuda_refuse(err, "linear",
				   "%d rows, %d columns: no room for a slice of x", a->n_tok,
				   a->w.in);
	*j = {a->w.w,     a->w.scale, a->x,       a->y,   a->w.out, a->w.in,
	      a->n_group, a->n_tok,   a->out_f32, n_warp, rounds};
	*blocks = (unsigned)((tiles + each - 1) / each);
	*bytes = (size_t)a->n_tok * slice_row_bytes(type, rounds);
	return 0;
}

template <int TYPE, int NT>
static int launch_rows(struct cuda *c, const struct linear_args *a, struct err *err)
{
	struct rows_job j;
	unsigned blocks;
	size_t bytes;
	int rc = make_job(c, a, &j, &blocks, &bytes, err);

	if (rc)
		return rc;
	rc = cuda_fail(cudaFuncSetAttribute(linear_rows<TYPE, NT>,
					    cudaFuncAttributeMaxDynamicSharedMemorySize,
					    (int)rows_room(c)),
		       "linear", err);
	if (rc)
		return rc;
	launch_kernel(c, linear_rows<TYPE, NT>, dim3(blocks, (unsigned)a->n_group),
		      PRODUCT_THREADS, bytes, j);
	return cuda_check_launch(c, "linear", err);
}

/* ------------------------------------------------------------------- many rows */

struct gemm_job {
	const unsigned char *w, *s, *x;
	unsigned char *y;
	int out, in, n_group, n_tok, f32;
};

struct gemm_rows_x {
	const unsigned char *x;
	size_t bytes;
	int first, last;
	__device__ __forceinline__ const unsigned char *row(int r) const
	{
		return x + (size_t)min(first + r, last) * bytes;
	}
};

template <int TYPE> struct gemm_rows_w {
	const unsigned char *w, *s;
	int first, last, in;
	__device__ __forceinline__ const unsigned char *row(int r) const
	{
		return w + (size_t)min(first + r, last) *
				   ((size_t)in * 16 / gemm_codes<TYPE>::columns);
	}
	__device__ __forceinline__ const unsigned char *scale(int r) const
	{
		int at = min(first + r, last);

		return TYPE == WEIGHT_FP4  ? s + (size_t)at * (size_t)(in / 32)
		       : TYPE == WEIGHT_F8 ? s + (size_t)(at / 128) * (size_t)((in + 127) / 128)
					   : NULL;
	}
};

/* Two neighbouring elements of y, the second only where it is inside. */
static __device__ __forceinline__ void store_two(const struct gemm_job &j, size_t at, int both,
						 float a, float b)
{
	if (j.f32) {
		float *y = (float *)(void *)j.y + at;

		if (both && (uintptr_t)y % 8 == 0) {
			*(float2 *)(void *)y = make_float2(a, b);
			return;
		}
		y[0] = a;
		if (both)
			y[1] = b;
	} else {
		uint16_t *y = (uint16_t *)(void *)j.y + at;

		if (both && (uintptr_t)y % 4 == 0) {
			*(uint32_t *)(void *)y = bf16_pair(a, b);
			return;
		}
		y[0] = bf16_of_f32(a);
		if (both)
			y[1] = bf16_of_f32(b);
	}
}

template <int TYPE, int MT>
static __global__ void __launch_bounds__(GEMM_THREADS, 2) linear_many(struct gemm_job j)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char shared[];
	int group_rows = j.out / j.n_group;
	int group_tiles = (group_rows + GEMM_N - 1) / GEMM_N;
	int group = (int)blockIdx.y / group_tiles, n0 = (int)blockIdx.y % group_tiles * GEMM_N;
	int first = group * group_rows, m0 = (int)blockIdx.x * gemm_size<MT>::rows;
	struct gemm_rows_x x = {j.x + (size_t)group * (size_t)j.in * 2,
				(size_t)j.n_group * (size_t)j.in * 2, m0, j.n_tok - 1};
	struct gemm_rows_w<TYPE> w = {
		j.w, j.s, first + n0, first + group_rows - 1, j.in
	};
	float acc[MT][4][4] = {};

	gemm_tile<TYPE, MT>(acc, x, w, j.in, shared);
#pragma unroll
	for (int i = 0; i < MT; i++) {
#pragma unroll
		for (int n = 0; n < 4; n++) {
#pragma unroll
			for (int c = 0; c < 4; c += 2) {
				int t = m0 + gemm_row<MT>(i, c), o = n0 + gemm_column(n, c);
				size_t at = (size_t)t * (size_t)j.out + (size_t)(first + o);

				if (t < j.n_tok && o < group_rows)
					store_two(j, at, o + 1 < group_rows, acc[i][n][c],
						  acc[i][n][c + 1]);
			}
		}
	}
}

template <int TYPE, int MT>
static int launch_many(struct cuda *c, const struct linear_args *a, struct err *err)
{
	struct gemm_job j = {a->w.w,  a->w.scale, a->x,     a->y,      a->w.out,
			     a->w.in, a->n_group, a->n_tok, a->out_f32};
	int group_tiles = (a->w.out / a->n_group + GEMM_N - 1) / GEMM_N;
	int blocks = (a->n_tok + gemm_size<MT>::rows - 1) / gemm_size<MT>::rows;
	cudaError_t rc = cudaFuncSetAttribute(linear_many<TYPE, MT>,
					      cudaFuncAttributeMaxDynamicSharedMemorySize,
					      gemm_size<MT>::bytes);

	if (rc != cudaSuccess)
		return cuda_fail(rc, "linear", err);
	if ((long long)group_tiles * a->n_group > 65535)
		return cuda_refuse(err, "linear", "%d x %d in %d groups: too many tiles",
				   a->w.out, a->w.in, a->n_group);
	launch_kernel(c, linear_many<TYPE, MT>,
		      dim3((unsigned)blocks, (unsigned)(group_tiles * a->n_group)),
		      GEMM_THREADS, gemm_size<MT>::bytes, j);
	return cuda_check_launch(c, "linear", err);
}

/* ---------------------------------------------------------------------- float32 */

static __global__ void linear_f32(struct gemm_job j)
{
	kernel_begin();
	int o = (int)(blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP);
	int lane = (int)threadIdx.x % WARP, t = (int)blockIdx.y;
	const float *w = (const float *)(const void *)j.w + (size_t)o * (size_t)j.in;
	const uint16_t *x;
	size_t at = (size_t)t * (size_t)j.out + (size_t)o;
	float v = 0.0f;

	if (o >= j.out)
		return;
	x = (const uint16_t *)(const void *)j.x +
	    ((size_t)t * (size_t)j.n_group + (size_t)(o / (j.out / j.n_group))) * (size_t)j.in;
	for (int k = lane; k < j.in; k += WARP)
		v = fmaf(w[k], f32_of_bf16(x[k]), v);
	v = warp_sum(v);
	if (lane)
		return;
	if (j.f32)
		((float *)(void *)j.y)[at] = v;
	else
		((uint16_t *)(void *)j.y)[at] = bf16_of_f32(v);
}

static int launch_f32(struct cuda *c, const struct linear_args *a, struct err *err)
{
	struct gemm_job j = {a->w.w,  a->w.scale, a->x,     a->y,      a->w.out,
			     a->w.in, a->n_group, a->n_tok, a->out_f32};

	launch_kernel(c, linear_f32, dim3((unsigned)((a->w.out + 7) / 8), (unsigned)a->n_tok),
		      8 * WARP, 0, j);
	return cuda_check_launch(c, "linear", err);
}

/* ------------------------------------------------------------------------ choice */

/* So many rows of x fill a tile of 128 rather than two of 64. */
#define WIDE_ROWS 96

template <int TYPE>
static int launch(struct cuda *c, const struct linear_args *a, struct err *err);

/* Rows of few tokens, several each: a slice of them at a time. */
template <int TYPE>
static int launch_slices(struct cuda *c, const struct linear_args *a, struct err *err)
{
	size_t x_row = (size_t)a->n_group * (size_t)a->w.in * 2;
	size_t y_row = (size_t)a->w.out * (a->out_f32 ? 4 : 2);
	int rc = 0;

	for (int t = 0; t < a->n_tok && !rc; t += CUDA_DECODE_ROWS) {
		struct linear_args s = *a;

		s.n_tok = a->n_tok - t < CUDA_DECODE_ROWS ? a->n_tok - t : CUDA_DECODE_ROWS;
		s.x = a->x + (size_t)t * x_row;
		s.y = a->y + (size_t)t * y_row;
		rc = launch<TYPE>(c, &s, err);
	}
	return rc;
}

template <int TYPE>
static int launch(struct cuda *c, const struct linear_args *a, struct err *err)
{
	if (a->n_tok > CUDA_DECODE_ROWS && a->n_tok <= CUDA_DECODE_ROWS * a->rows_per_token)
		return launch_slices<TYPE>(c, a, err);
	if (a->n_tok <= 8)
		return launch_rows<TYPE, 1>(c, a, err);
	if (a->n_tok <= CUDA_DECODE_ROWS)
		return launch_rows<TYPE, 2>(c, a, err);
	if (linear_lt_serves(c, a))
		return linear_lt(c, a, err);
	if (a->n_tok < WIDE_ROWS)
		return launch_many<TYPE, 2>(c, a, err);
	return launch_many<TYPE, 4>(c, a, err);
}

static int check(const struct linear_args *a, struct err *err)
{
	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS)
		return cuda_refuse(err, "linear", "%d rows, expected 1 to %d", a->n_tok,
				   CUDA_MAX_ROWS);
	if (a->w.in < 32 || a->w.in % 32 || a->n_group < 1 || a->w.out < 1 ||
	    a->w.out % a->n_group)
		return cuda_refuse(
			err, "linear",
			"%d x %d in %d groups: columns in 32s and equal groups expected",
			a->w.out, a->w.in, a->n_group);
	if (a->w.layout)
		return cuda_refuse(err, "linear", "a weight in layout %d, expected 0",
				   a->w.layout);
	if (((uintptr_t)a->w.w | (uintptr_t)a->w.scale | (uintptr_t)a->x) % 16 ||
	    (uintptr_t)a->y % (a->out_f32 ? 4 : 2))
		return cuda_refuse(err, "linear", "operands that are not aligned to 16 bytes");
	return 0;
}

int cuda_linear(struct backend *be, const struct linear_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int rc = check(a, err);

	if (rc)
		return rc;
	switch (a->w.type) {
	case WEIGHT_F32:
		return launch_f32(c, a, err);
	case WEIGHT_BF16:
		return launch<WEIGHT_BF16>(c, a, err);
	case WEIGHT_F8:
		return launch<WEIGHT_F8>(c, a, err);
	case WEIGHT_FP4:
		return launch<WEIGHT_FP4>(c, a, err);
	}
	return cuda_refuse(err, "linear", "weights of type %d", (int)a->w.type);
}

/* ------------------------------------------------------------------------- batches */

struct rows_batch {
	int n;
	unsigned first[LINEAR_BATCH + 1]; /* block of each job; behind the last */
	int type[LINEAR_BATCH];
	struct rows_job job[LINEAR_BATCH];
};

template <int NT>
static __global__ void __launch_bounds__(PRODUCT_THREADS, 2)
	linear_jobs(const __grid_constant__ struct rows_batch b)
{
	extern __shared__ __align__(128) unsigned char x_shared[];
	__shared__ struct rows_shared<NT> shared;
	int i = 0, block;

	while (i + 1 < b.n && blockIdx.x >= b.first[i + 1])
		i++;
	block = (int)(blockIdx.x - b.first[i]);
	if (b.type[i] == WEIGHT_F8)
		rows_block<WEIGHT_F8, NT>(b.job[i], block, 0, x_shared, &shared);
	else
		rows_block<WEIGHT_BF16, NT>(b.job[i], block, 0, x_shared, &shared);
}

template <int NT>
static int launch_jobs(struct cuda *c, const struct rows_batch *b, size_t bytes,
		       struct err *err)
{
	int rc = cuda_fail(cudaFuncSetAttribute(linear_jobs<NT>,
						cudaFuncAttributeMaxDynamicSharedMemorySize,
						(int)rows_room(c)),
			   "linear_batch", err);

	if (rc)
		return rc;
	launch_kernel(c, linear_jobs<NT>, b->first[b->n], PRODUCT_THREADS, bytes, *b);
	return cuda_check_launch(c, "linear_batch", err);
}

static size_t weight_size(const struct weight *w)
{
	return (size_t)w->out * (size_t)w->in * (w->type == WEIGHT_BF16 ? 2 : 1);
}

/* The order of the parts by size, the largest first. */
static void sort_parts(const struct linear_batch_args *a, int order[LINEAR_BATCH])
{
	for (int i = 0; i < a->n; i++) {
		int at = i;

		while (at &&
		       weight_size(&a->part[order[at - 1]].w) < weight_size(&a->part[i].w)) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
	}
}

/* Whether one launch serves them all. */
static int one_launch(const struct linear_batch_args *a)
{
	for (int i = 0; i < a->n; i++) {
		const struct linear_args *p = &a->part[i];

		if (p->n_tok > CUDA_DECODE_ROWS || p->n_group != 1 ||
		    (p->w.type != WEIGHT_F8 && p->w.type != WEIGHT_BF16))
			return 0;
	}
	return a->n > 1;
}

static int batch(struct cuda *c, const struct linear_batch_args *a, struct err *err)
{
	struct rows_batch b = {a->n};
	int order[LINEAR_BATCH];
	size_t most = 0;

	sort_parts(a, order);
	for (int i = 0; i < a->n; i++) {
		const struct linear_args *p = &a->part[order[i]];
		unsigned blocks;
		size_t bytes;
		int rc = check(p, err);

		if (!rc)
			rc = make_job(c, p, &b.job[i], &blocks, &bytes, err);
		if (rc)
			return rc;
		b.type[i] = (int)p->w.type;
		b.first[i + 1] = b.first[i] + blocks;
		most = bytes > most ? bytes : most;
	}
	return a->part[0].n_tok <= 8 ? launch_jobs<1>(c, &b, most, err)
				     : launch_jobs<2>(c, &b, most, err);
}

int cuda_linear_batch(struct backend *be, const struct linear_batch_args *a, struct err *err)
{
	int rc = 0;

	if (a->n < 1 || a->n > LINEAR_BATCH)
		return cuda_refuse(err, "linear_batch", "%d products, expected 1 to %d", a->n,
				   LINEAR_BATCH);
	for (int i = 1; i < a->n; i++) {
		if (a->part[i].n_tok != a->part[0].n_tok || a->part[i].x != a->part[0].x)
			return cuda_refuse(err, "linear_batch",
					   "product %d is not of the first one's rows", i);
	}
	if (one_launch(a))
		return batch(cuda_of(be), a, err);
	for (int i = 0; i < a->n && !rc; i++)
		rc = cuda_linear(be, &a->part[i], err);
	return rc;
}

size_t cuda_linear_scratch(const struct cuda *c, const struct pass_shape *shape)
{
	(void)c;
	return linear_lt_scratch(shape);
}
