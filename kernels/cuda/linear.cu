/*
 * linear: y[t, o] = sum_k W[o, k] x[t, k], in groups.
 *
 *   1 … 16 rows  linear_tiles.cuh where W lies in tiles (tiles.h), linear_rows.cuh where not
 *   more         linear_many.cuh
 *   hundreds     cuBLASLt where it is (linear_lt.cuh)
 *   F32 weights  a warp for each element of y; only small ones are kept so.
 *   linear_batch several products of 1 … 16 rows in one launch, if all lie in tiles.
 */
#include "kernels/cuda/linear_tiles.cuh"
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
	if (a->w.layout && (a->w.layout != LAYOUT_TILES ||
			    !tiles_fit((int)a->w.type, a->w.out, a->w.in, a->n_group)))
		return cuda_refuse(err, "linear",
				   "%d x %d in %d groups: a weight in layout %d, expected 0",
				   a->w.out, a->w.in, a->n_group, a->w.layout);
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

/* Whether one launch serves them all. */
static int one_launch(const struct linear_batch_args *a)
{
	for (int i = 0; i < a->n; i++) {
		const struct linear_args *p = &a->part[i];

		if (p->n_tok > CUDA_DECODE_ROWS || p->n_group != 1 ||
		    p->w.layout != LAYOUT_TILES)
			return 0;
	}
	return 1;
}

static int check_batch(const struct linear_batch_args *a, struct err *err)
{
	int rc = 0;

	if (a->n < 1 || a->n > LINEAR_BATCH)
		return cuda_refuse(err, "linear_batch", "%d products, expected 1 to %d", a->n,
				   LINEAR_BATCH);
	for (int i = 0; i < a->n && !rc; i++) {
		if (a->part[i].n_tok != a->part[0].n_tok || a->part[i].x != a->part[0].x)
			return cuda_refuse(err, "linear_batch",
					   "product %d is not of the first one's rows", i);
		rc = check(&a->part[i], err);
	}
	return rc;
}

int cuda_linear_batch(struct backend *be, const struct linear_batch_args *a, struct err *err)
{
	int rc = check_batch(a, err);

	if (!rc && one_launch(a))
		return launch_tiles(cuda_of(be), a->part, a->n, NULL, err);
	for (int i = 0; i < a->n && !rc; i++)
		rc = cuda_linear(be, &a->part[i], err);
	return rc;
}

/* Few rows are normed on their way into the products. */
int cuda_linear_normed(struct backend *be, const struct linear_normed_args *a, struct err *err)
{
	struct linear_batch_args b = a->batch;
	int rc = check_batch(&b, err);

	if (rc)
		return rc;
	if (a->norm.x_f32 || b.part[0].x != a->norm.out || b.part[0].w.in != a->norm.d ||
	    b.part[0].n_tok != a->norm.n_tok)
		return cuda_refuse(err, "linear_normed",
				   "%d rows of %d normed, products of %d rows of %d",
				   a->norm.n_tok, a->norm.d, b.part[0].n_tok, b.part[0].w.in);
	if (!one_launch(&b) || (uintptr_t)a->norm.x % 16 || (uintptr_t)a->norm.norm % 16) {
		rc = cuda_rms_norm(be, &a->norm, err);
		return rc ? rc : cuda_linear_batch(be, &b, err);
	}
	for (int i = 0; i < b.n; i++)
		b.part[i].x = a->norm.x;
	return launch_tiles(cuda_of(be), b.part, b.n, &a->norm, err);
}

size_t cuda_linear_scratch(const struct cuda *c, const struct pass_shape *shape)
{
	(void)c;
	return linear_lt_scratch(shape);
}
