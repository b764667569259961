/*
 * Queries, window rows and index queries, each in a launch of its own (attention_rows.cu has
 * them in one).
 *
 * query:       q = rotary(q rsqrt(mean(q²) + eps)), in place; a warp a head
 * window_row:  RMSNorm, rotary, FP8, to slot position mod ring_rows; four warps a row
 * index_query: rotary, Hadamard, FP4; a warp a head
 *
 * All are bounded by the latency of a few loads; the bytes are few.
 */
#include "kernels/cuda/rows.cuh"

#define WARPS 4

static __device__ __forceinline__ int64_t head_of_warp(void)
{
	return (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
}

static __global__ void __launch_bounds__(WARPS *WARP) query_heads(struct query_args a)
{
	query_head(a, head_of_warp(), (int)threadIdx.x % WARP);
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

static __global__ void __launch_bounds__(KV_THREADS) window_rows(struct window_row_args a)
{
	__shared__ float4 x[HEAD_DIM / 4];

	window_row(a, (int)blockIdx.x, (float *)x, (int)threadIdx.x);
}

int cuda_window_row(struct backend *be, const struct window_row_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_tok > a->ring_rows)
		return cuda_refuse(err, "window_row", "%d rows for a ring of %d", a->n_tok,
				   a->ring_rows);
	launch_kernel(c, window_rows, (unsigned)a->n_tok, KV_THREADS, 0, *a);
	return cuda_check_launch(c, "window_row", err);
}

static __global__ void __launch_bounds__(WARPS *WARP) index_queries(struct index_query_args a)
{
	index_head(a, head_of_warp(), (int)threadIdx.x % WARP);
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
