/*
 * linear for 1 … 16 rows and weights as the checkpoint has them: what fits no tiles, and FP4.
 *
 * 8 warps a block, n_warp of them on each tile of 16 rows of W (product.cuh).
 * Floor: bytes of W over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_LINEAR_ROWS_CUH
#define KERNELS_CUDA_LINEAR_ROWS_CUH

#include "kernels/cuda/product.cuh"

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
	part_store<NT>(shared->part[warp], sum);
	__syncthreads();
	for (int i = (int)threadIdx.x; i < tiles * PRODUCT_ROWS * j.n_tok;
	     i += PRODUCT_THREADS) {
		int row = i % PRODUCT_ROWS, tile = i / PRODUCT_ROWS % tiles;
		int t = i / PRODUCT_ROWS / tiles, o = (tile0 + tile) * PRODUCT_ROWS + row;
		size_t at = (size_t)t * (size_t)j.out + (size_t)(first + o);
		float v = part_sum<NT>(shared->part[tile * j.n_warp], j.n_warp, row, t);

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
	int type = (int)a->w.type, columns = fragment_round(type);
	int group_rows = a->w.out / a->n_group;
	int tiles = (group_rows + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
	int n_warp = warps_of_tile(type, a->w.in, tiles * a->n_group);
	int rounds = slice_rounds(columns, (a->w.in + columns - 1) / columns, a->n_tok, n_warp,
				  rows_room(c));
	int each = PRODUCT_WARPS / n_warp;

	if (rounds == 0)
		return cuda_refuse(err, "linear",
				   "%d rows, %d columns: no room for a slice of x", a->n_tok,
				   a->w.in);
	*j = {a->w.w,     a->w.scale, a->x,       a->y,   a->w.out, a->w.in,
	      a->n_group, a->n_tok,   a->out_f32, n_warp, rounds};
	*blocks = (unsigned)((tiles + each - 1) / each);
	*bytes = (size_t)a->n_tok * slice_row_bytes(columns, rounds);
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

#endif
