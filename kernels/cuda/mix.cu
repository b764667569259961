/*
 * What stands between the products and the streams: embedding, rotary angles, norms, the ring
 * of final streams.
 *
 * Mapping: a block for each row (and stream), its threads side by side along the row, 8 values
 * each at a time.  Floor: bytes read and written over bandwidth; at few rows, a launch.
 */
#include "kernels/cuda/device.cuh"

#define ROW_THREADS 256
#define VALUES      8 /* of a thread at a time: 16 bytes of bf16 */

/* Rows of whole 8s: so every row begins where 16 bytes may be loaded. */
static int refuse_width(const char *op, int n_tok, int d, struct err *err)
{
	if (n_tok < 1 || n_tok > CUDA_MAX_ROWS)
		return cuda_refuse(err, op, "%d rows, expected 1 to %d", n_tok, CUDA_MAX_ROWS);
	if (d < VALUES || d % VALUES)
		return cuda_refuse(err, op, "rows of %d, expected a multiple of %d", d, VALUES);
	return 0;
}

static __device__ __forceinline__ void load_bf16(const uint16_t *p, float v[VALUES])
{
	uint4 u = *(const uint4 *)p;

	v[0] = f32_of_bf16_low(u.x);
	v[1] = f32_of_bf16_high(u.x);
	v[2] = f32_of_bf16_low(u.y);
	v[3] = f32_of_bf16_high(u.y);
	v[4] = f32_of_bf16_low(u.z);
	v[5] = f32_of_bf16_high(u.z);
	v[6] = f32_of_bf16_low(u.w);
	v[7] = f32_of_bf16_high(u.w);
}

static __device__ __forceinline__ void load_f32(const float *p, float v[VALUES])
{
	float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];

	v[0] = a.x;
	v[1] = a.y;
	v[2] = a.z;
	v[3] = a.w;
	v[4] = b.x;
	v[5] = b.y;
	v[6] = b.z;
	v[7] = b.w;
}

static __device__ __forceinline__ void store_bf16(uint16_t *p, const float v[VALUES])
{
	*(uint4 *)p = make_uint4(bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]),
				 bf16_pair(v[4], v[5]), bf16_pair(v[6], v[7]));
}

static __device__ __forceinline__ void store_f32(float *p, const float v[VALUES])
{
	((float4 *)p)[0] = make_float4(v[0], v[1], v[2], v[3]);
	((float4 *)p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}

/* ---------------------------------------------------------------- embedding */

static __global__ void embed_kernel(const int32_t *ids, const uint16_t *table, void *out, int d,
				    int first, int n_row, int n_copy, int out_f32)
{
	kernel_begin();
	size_t t = blockIdx.x, row = t * (size_t)n_copy + blockIdx.y;
	long long at = (long long)ids[t] - first;
	bool there = at >= 0 && at < n_row;
	const uint16_t *from = table + (there ? (size_t)at * (size_t)d : 0);

	for (int i = (int)threadIdx.x * VALUES; i < d; i += (int)blockDim.x * VALUES) {
		float v[VALUES] = {};

		if (there)
			load_bf16(from + i, v);
		if (out_f32)
			store_f32((float *)out + row * (size_t)d + i, v);
		else
			store_bf16((uint16_t *)out + row * (size_t)d + i, v);
	}
}

extern "C" int cuda_embed(struct backend *be, const struct embed_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (refuse_width("embed", a->n_tok, a->d, err))
		return err->code;
	if (a->n_copy < 1 || a->n_copy > 65535)
		return cuda_refuse(err, "embed", "%d copies", a->n_copy);
	launch_kernel(c, embed_kernel, dim3((unsigned)a->n_tok, (unsigned)a->n_copy),
		      ROW_THREADS, 0, (const int32_t *)a->ids, (const uint16_t *)a->table,
		      a->out, a->d, a->first, a->n_row, a->n_copy, a->out_f32);
	return cuda_check_launch(c, "embed", err);
}

/* ------------------------------------------------------------------- angles */

static __global__ void rope_kernel(const unsigned char *step, const double *freq, float *out)
{
	kernel_begin();
	int64_t pos = step_of(step)->pos0 + blockIdx.x;
	double angle = (double)pos * freq[threadIdx.x];
	float *pair = out + (size_t)blockIdx.x * ROPE_DIM + 2 * threadIdx.x;
	double sine, cosine;

	sincos(angle, &sine, &cosine);
	pair[0] = (float)cosine;
	pair[1] = (float)sine;
}

extern "C" int cuda_rope(struct backend *be, const struct rope_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS)
		return cuda_refuse(err, "rope", "%d rows, expected 1 to %d", a->n_tok,
				   CUDA_MAX_ROWS);
	launch_kernel(c, rope_kernel, (unsigned)a->n_tok, ROPE_DIM / 2, 0, a->step,
		      (const double *)a->freq, (float *)a->out);
	return cuda_check_launch(c, "rope", err);
}

/* --------------------------------------------------------------------- norm */

template <bool X_F32>
static __device__ __forceinline__ void load_row(const void *x, size_t at, float v[VALUES])
{
	if (X_F32)
		load_f32((const float *)x + at, v);
	else
		load_bf16((const uint16_t *)x + at, v);
}

static __device__ __forceinline__ float add_squares(const float v[VALUES], float sum)
{
	for (int j = 0; j < VALUES; j++)
		sum = fmaf(v[j], v[j], sum);
	return sum;
}

static __device__ __forceinline__ void store_normed(uint16_t *out, const float v[VALUES],
						    float r, const float w[VALUES])
{
	float y[VALUES];

	for (int j = 0; j < VALUES; j++)
		y[j] = v[j] * r * w[j];
	store_bf16(out, y);
}

/*
 * A thread keeps its first values and weights in registers, so that rows of up to 2048 are read
 * once.  It writes what it alone has read, and all have read before the sum is known: so `out`
 * may be `x`.
 */
template <bool X_F32>
static __global__ void __launch_bounds__(ROW_THREADS)
	rms_norm_kernel(const void *x, const uint16_t *norm, uint16_t *out, int d, float eps)
{
	__shared__ float part[33];
	size_t at = (size_t)blockIdx.x * (size_t)d;
	const int first = (int)threadIdx.x * VALUES, step = ROW_THREADS * VALUES;
	float kept[VALUES] = {}, weight[VALUES] = {}, v[VALUES], w[VALUES], sum, r;

	if (first < d)
		load_bf16(norm + first, weight);
	kernel_begin();
	if (first < d)
		load_row<X_F32>(x, at + first, kept);
	sum = add_squares(kept, 0.0f);
	for (int i = first + step; i < d; i += step) {
		load_row<X_F32>(x, at + i, v);
		sum = add_squares(v, sum);
	}
	sum = block_sum(sum, part);
	r = 1.0f / sqrtf(sum / (float)d + eps);
	if (first < d)
		store_normed(out + at + first, kept, r, weight);
	for (int i = first + step; i < d; i += step) {
		load_row<X_F32>(x, at + i, v);
		load_bf16(norm + i, w);
		store_normed(out + at + i, v, r, w);
	}
}

extern "C" int cuda_rms_norm(struct backend *be, const struct rms_norm_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (refuse_width("rms_norm", a->n_tok, a->d, err))
		return err->code;
	if (a->x_f32)
		launch_kernel(c, rms_norm_kernel<true>, (unsigned)a->n_tok, ROW_THREADS, 0,
			      a->x, (const uint16_t *)a->norm, (uint16_t *)a->out, a->d,
			      a->eps);
	else
		launch_kernel(c, rms_norm_kernel<false>, (unsigned)a->n_tok, ROW_THREADS, 0,
			      a->x, (const uint16_t *)a->norm, (uint16_t *)a->out, a->d,
			      a->eps);
	return cuda_check_launch(c, "rms_norm", err);
}

/* --------------------------------------------------------- the ring of streams */

/* One block for each row to move and each piece of it.  Row r of the call: keep takes the last
 * rows, recall the one row before the first. */
static __global__ void ring_kernel(const unsigned char *step, float *x, float *ring, size_t row,
				   int first, int keep)
{
	kernel_begin();
	const struct step *s = step_of(step);
	int t = first + (int)blockIdx.y;
	int64_t pos = s->pos0 + t;
	size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
	float4 *in_ring, *in_x;

	if (pos < 0 || i >= row)
		return;
	in_ring =
		(float4 *)(ring +
			   ((size_t)s->slot * STREAM_RING + (size_t)(pos % STREAM_RING)) * row +
			   i);
	in_x = (float4 *)(x + (size_t)(1 + t) * row + i);
	if (keep)
		*in_ring = *in_x;
	else
		*in_x = *in_ring;
}

static int ring_launch(struct backend *be, const struct stream_ring_args *a, int first, int n,
		       int keep, const char *op, struct err *err)
{
	struct cuda *c = cuda_of(be);
	size_t row = (size_t)HC_MULT * (size_t)a->d;
	unsigned parts = (unsigned)((row / 4 + ROW_THREADS - 1) / ROW_THREADS);

	if (refuse_width(op, a->n_tok, a->d, err))
		return err->code;
	launch_kernel(c, ring_kernel, dim3(parts, (unsigned)n), ROW_THREADS, 0, a->step,
		      (float *)a->x, (float *)a->ring, row, first, keep);
	return cuda_check_launch(c, op, err);
}

extern "C" int cuda_stream_recall(struct backend *be, const struct stream_ring_args *a,
				  struct err *err)
{
	return ring_launch(be, a, -1, 1, 0, "stream_recall", err);
}

extern "C" int cuda_stream_keep(struct backend *be, const struct stream_ring_args *a,
				struct err *err)
{
	int n = a->n_tok < STREAM_RING ? a->n_tok : STREAM_RING;

	return ring_launch(be, a, a->n_tok - n, n, 1, "stream_keep", err);
}

/* ----------------------------------------------------------------- draft head */

static __global__ void draft_join_kernel(const float *e, const float *h, float *out, int d)
{
	kernel_begin();
	size_t row = (size_t)blockIdx.x * HC_MULT + blockIdx.y;

	for (int i = (int)threadIdx.x * 4; i < d; i += (int)blockDim.x * 4) {
		float4 a = *(const float4 *)(e + (size_t)blockIdx.x * (size_t)d + i);
		float4 b = *(const float4 *)(h + row * (size_t)d + i);

		*(float4 *)(out + row * (size_t)d + i) =
			make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
	}
}

extern "C" int cuda_draft_join(struct backend *be, const struct draft_join_args *a,
			       struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (refuse_width("draft_join", a->n_tok, a->d, err))
		return err->code;
	launch_kernel(c, draft_join_kernel, dim3((unsigned)a->n_tok, HC_MULT), ROW_THREADS, 0,
		      (const float *)a->e, (const float *)a->h, (float *)a->out, a->d);
	return cuda_check_launch(c, "draft_join", err);
}
