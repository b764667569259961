/*
 * linear: y[t, o] = sum_k W[o, k] x[t, k], in groups.
 *
 *   1 … 16 rows  linear_tiles.cuh where W lies in tiles (tiles.h), linear_rows.cuh where not
 *   more         linear_many.cuh
 *   hundreds     cuBLASLt where it is (linear_lt.cuh)
 *   F32 weights  a warp for each element of y; only small ones are kept so.
 *   linear_batch several products of 1 … 16 rows in one launch, if all lie in tiles.
 */
#include "kernels/cuda/linear_check.cuh"
#include "kernels/cuda/linear_stage.cuh"
#include "kernels/cuda/linear_rows.cuh"
#include "kernels/cuda/linear_many.cuh"
#include "kernels/cuda/linear_lt.cuh"

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

/* ------------------------------------------------------------------------ tiles */

template <int TYPE, int NT>
static __device__ __forceinline__ void
stage_block(const struct tiles_stage &s, const struct tiles_job &j, unsigned block,
	    unsigned char *room, struct join_shared<NT> *joint, struct tiles_shared<NT> *shared)
{
	const struct join_fetch<NT> fetch = {s.join, joint, s.batch.n_tok};

	tiles_product<TYPE, NT>(s.batch, j, block, room, shared, fetch);
	if (s.join.fn)
		join_end<NT>(s.join, s.batch.n_tok, shared->part[0], joint);
	else
		tiles_store<NT>(s.batch, j, block, shared);
}

/* Shared memory: the joint's, where there is one, then the products'. */
template <int NT>
static __global__ void __launch_bounds__(STREAM_THREADS, 2)
	linear_tiles(const __grid_constant__ struct tiles_stage s)
{
	extern __shared__ __align__(128) unsigned char room[];
	__shared__ union {
		struct tiles_shared<NT> tiles;
		union beside_shared beside;
	} shared;
	struct join_shared<NT> *joint = (struct join_shared<NT> *)(void *)room;
	unsigned char *ring = s.join.fn ? room + sizeof(*joint) : room;
	unsigned block = blockIdx.x - s.beside.end[N_PARTS - 1];
	int i = 0;

	static_assert(sizeof(struct join_shared<NT>) % 128 == 0, "the ring is aligned");
	if (blockIdx.x < s.beside.end[N_PARTS - 1]) {
		beside_run(s.beside, &shared.beside);
		return;
	}
	if (s.join.fn)
		join_fetch_fn<NT>(s.join, joint);
	while (i + 1 < s.batch.n && block >= s.batch.first[i + 1])
		i++;
	block -= s.batch.first[i];
	if (s.batch.job[i].type == WEIGHT_F8)
		stage_block<WEIGHT_F8, NT>(s, s.batch.job[i], block, ring, joint,
					   &shared.tiles);
	else
		stage_block<WEIGHT_BF16, NT>(s, s.batch.job[i], block, ring, joint,
					     &shared.tiles);
}

template <int NT>
static int launch_stage(struct cuda *c, const struct tiles_stage *s, size_t bytes,
			const char *op, struct err *err)
{
	unsigned blocks = s->beside.end[N_PARTS - 1] + s->batch.first[s->batch.n];
	int rc = cuda_fail(cudaFuncSetAttribute(linear_tiles<NT>,
						cudaFuncAttributeMaxDynamicSharedMemorySize,
						(int)tiles_most(c, 8 * NT, 0)),
			   op, err);

	if (rc)
		return rc;
	launch_kernel(c, linear_tiles<NT>, blocks, STREAM_THREADS, bytes, *s);
	return cuda_check_launch(c, op, err);
}

int cuda_linear_stage(struct cuda *c, const struct tiles_stage *s, size_t bytes, const char *op,
		      struct err *err)
{
	return s->batch.n_tok <= 8 ? launch_stage<1>(c, s, bytes, op, err)
				   : launch_stage<2>(c, s, bytes, op, err);
}

static int launch_tiles(struct cuda *c, const struct linear_args *part, int n,
			const struct rms_norm_args *norm, struct err *err)
{
	struct tiles_stage s = {};
	size_t bytes;
	int rc = tiles_batch_of(c, part, n, norm, 0, &s.batch, &bytes, err);

	return rc ? rc : cuda_linear_stage(c, &s, bytes, "linear", err);
}

/* ------------------------------------------------------------------------ choice */

/* So many rows of x fill a tile of 128 rather than two of 64. */
#define WIDE_ROWS 96

template <int TYPE, int LAYOUT>
static int launch(struct cuda *c, const struct linear_args *a, struct err *err);

/* Rows of few tokens, several each: a slice of them at a time. */
template <int TYPE, int LAYOUT>
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
		rc = launch<TYPE, LAYOUT>(c, &s, err);
	}
	return rc;
}

template <int TYPE, int LAYOUT>
static int launch_few(struct cuda *c, const struct linear_args *a, struct err *err)
{
	if constexpr (LAYOUT == LAYOUT_TILES)
		return launch_tiles(c, a, 1, NULL, err);
	else if (a->n_tok <= 8)
		return launch_rows<TYPE, 1>(c, a, err);
	else
		return launch_rows<TYPE, 2>(c, a, err);
}

template <int TYPE, int LAYOUT>
static int launch(struct cuda *c, const struct linear_args *a, struct err *err)
{
	if (a->n_tok > CUDA_DECODE_ROWS && a->n_tok <= CUDA_DECODE_ROWS * a->rows_per_token)
		return launch_slices<TYPE, LAYOUT>(c, a, err);
	if (a->n_tok <= CUDA_DECODE_ROWS)
		return launch_few<TYPE, LAYOUT>(c, a, err);
	if (linear_lt_serves(c, a))
		return linear_lt(c, a, err);
	if (a->n_tok < WIDE_ROWS)
		return launch_many<TYPE, LAYOUT, 2>(c, a, err);
	return launch_many<TYPE, LAYOUT, 4>(c, a, err);
}

int cuda_linear(struct backend *be, const struct linear_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int rc = linear_check(a, err);

	if (rc)
		return rc;
	switch (a->w.type) {
	case WEIGHT_F32:
		return launch_f32(c, a, err);
	case WEIGHT_BF16:
		return a->w.layout ? launch<WEIGHT_BF16, LAYOUT_TILES>(c, a, err)
				   : launch<WEIGHT_BF16, 0>(c, a, err);
	case WEIGHT_F8:
		return a->w.layout ? launch<WEIGHT_F8, LAYOUT_TILES>(c, a, err)
				   : launch<WEIGHT_F8, 0>(c, a, err);
	case WEIGHT_FP4:
		return launch<WEIGHT_FP4, 0>(c, a, err);
	}
	return cuda_refuse(err, "linear", "weights of type %d", (int)a->w.type);
}

/* ------------------------------------------------------------------------- batches */

int cuda_linear_batch(struct backend *be, const struct linear_batch_args *a, struct err *err)
{
	int rc = linear_check_batch(a, err);

	if (!rc && linear_one_launch(a))
		return launch_tiles(cuda_of(be), a->part, a->n, NULL, err);
	for (int i = 0; i < a->n && !rc; i++)
		rc = cuda_linear(be, &a->part[i], err);
	return rc;
}

/* Few rows are normed on their way into the products. */
int cuda_linear_normed(struct backend *be, const struct linear_normed_args *a, struct err *err)
{
	int rc = linear_check_normed(a, err);

	if (rc)
		return rc;
	if (linear_normed_one_launch(a))
		return launch_tiles(cuda_of(be), a->batch.part, a->batch.n, &a->norm, err);
	rc = cuda_rms_norm(be, &a->norm, err);
	return rc ? rc : cuda_linear_batch(be, &a->batch, err);
}

size_t cuda_linear_scratch(const struct cuda *c, const struct pass_shape *shape)
{
	(void)c;
	return linear_lt_scratch(shape);
}
