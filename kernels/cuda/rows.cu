/*
 * Queries, window rows and index queries: one warp makes one head's vector or one row.
 *
 * query:       q = rotary(q rsqrt(mean(q²) + eps)), in place; a lane has two runs of 8 values
 * window_row:  RMSNorm, rotary, FP8, to slot position mod ring_rows
 * index_query: rotary, Hadamard, FP4
 *
 * All are bounded by the latency of a few loads; the bytes are few.
 */
#include "kernels/cuda/rows.cuh"

#define WARPS 4

static __device__ __forceinline__ void unpack8(uint4 w, float v[8])
{
	uint32_t u[4] = {w.x, w.y, w.z, w.w};

	for (int i = 0; i < 4; i++) {
		v[2 * i] = f32_of_bf16_low(u[i]);
		v[2 * i + 1] = f32_of_bf16_high(u[i]);
	}
}

static __device__ __forceinline__ uint4 pack8(const float v[8])
{
	return make_uint4(bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]), bf16_pair(v[4], v[5]),
			  bf16_pair(v[6], v[7]));
}

static __global__ void __launch_bounds__(WARPS *WARP) query_heads(struct query_args a)
{
	kernel_begin();
	__shared__ float shared[WARPS][HEAD_DIM];
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t i = (int64_t)blockIdx.x * WARPS + warp;
	float *x = shared[warp], v[16], r;
	const float *cs;
	uint4 *q;

	if (i >= (int64_t)a.n_tok * a.n_head)
		return;
	q = (uint4 *)a.q + i * (HEAD_DIM / 8);
	unpack8(q[lane], v);
	unpack8(q[WARP + lane], v + 8);
	for (int k = 0; k < 8; k++) {
		x[8 * lane + k] = v[k];
		x[256 + 8 * lane + k] = v[8 + k];
	}
	__syncwarp();
	r = (float)row_inv_rms(x, HEAD_DIM, a.eps, lane);
	for (int k = 0; k < 16; k++)
		v[k] = v[k] * r;
	if (lane >= 24) {
		cs = (const float *)a.rope + i / a.n_head * ROPE_DIM + 8 * (lane - 24);
		for (int k = 0; k < 8; k += 2)
			rotate(&v[8 + k], &v[9 + k], cs[k], cs[k + 1], 1.0f);
	}
	q[lane] = pack8(v);
	q[WARP + lane] = pack8(v + 8);
}

int cuda_query(struct backend *be, const struct query_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int64_t n = (int64_t)a->n_tok * a->n_head;

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_head < 1 || a->n_head > 65536)
		return cuda_refuse(err, "query", "%d rows of %d heads", a->n_tok, a->n_head);
	launch_kernel(c, query_heads, (unsigned)((n + WARPS - 1) / WARPS), WARPS * WARP, 0, *a);
	return cuda_check_launch(c, "query", err);
}

static __global__ void __launch_bounds__(WARP) window_rows(struct window_row_args a)
{
	kernel_begin();
	__shared__ float x[HEAD_DIM];
	const struct step *step = step_of(a.step);
	int lane = (int)threadIdx.x, t = (int)blockIdx.x;
	int64_t slot = (step->pos0 + t) % a.ring_rows + (int64_t)step->slot * a.ring_rows;
	const uint4 *kv = (const uint4 *)a.kv + (int64_t)t * (HEAD_DIM / 8);

	unpack8(kv[lane], x + 8 * lane);
	unpack8(kv[WARP + lane], x + 256 + 8 * lane);
	__syncwarp();
	make_kv_row(x, (const uint16_t *)a.norm, a.eps, (const float *)a.rope + t * ROPE_DIM,
		    a.ring + slot * KV_ROW_BYTES, lane);
}

int cuda_window_row(struct backend *be, const struct window_row_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_tok > a->ring_rows)
		return cuda_refuse(err, "window_row", "%d rows for a ring of %d", a->n_tok,
				   a->ring_rows);
	launch_kernel(c, window_rows, (unsigned)a->n_tok, WARP, 0, *a);
	return cuda_check_launch(c, "window_row", err);
}

static __global__ void __launch_bounds__(WARPS *WARP) index_queries(struct index_query_args a)
{
	kernel_begin();
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t i = (int64_t)blockIdx.x * WARPS + warp;
	float v[4];
	uint2 w;

	if (i >= (int64_t)a.n_tok * a.n_head)
		return;
	w = ((const uint2 *)a.q)[i * (INDEX_DIM / 4) + lane];
	v[0] = f32_of_bf16_low(w.x);
	v[1] = f32_of_bf16_high(w.x);
	v[2] = f32_of_bf16_low(w.y);
	v[3] = f32_of_bf16_high(w.y);
	rotate_index(v, (const float *)a.rope + i / a.n_head * ROPE_DIM, lane);
	make_index_row(v, a.out + i * INDEX_ROW_BYTES, lane);
}

int cuda_index_query(struct backend *be, const struct index_query_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int64_t n = (int64_t)a->n_tok * a->n_head;

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_head < 1 || a->n_head > 65536)
		return cuda_refuse(err, "index_query", "%d rows of %d heads", a->n_tok,
				   a->n_head);
	launch_kernel(c, index_queries, (unsigned)((n + WARPS - 1) / WARPS), WARPS * WARP, 0,
		      *a);
	return cuda_check_launch(c, "index_query", err);
}
