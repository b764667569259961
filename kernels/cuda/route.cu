/*
 * Which experts, and how much of each: a warp has a token.
 *
 *   s = √softplus(logit);  the n_used greatest s + bias (of equal ones the lower number), or
 * the table's;  weight = s / (sum of the chosen s) · scale, in ascending order of the number
 *
 * Every round takes the greatest key that is left.
 */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"

#define WARPS      4
#define MAX_EXPERT 1024
#define MAX_USED   32

static __device__ __forceinline__ float sqrt_softplus(float x)
{
	double v = (double)x;

	return (float)sqrt(v > 40.0 ? v : log1p(exp(v)));
}

/* The key of a score; NaN counts as minus infinity.  0 is left for what has been taken. */
static __device__ __forceinline__ uint32_t choice_key(float s)
{
	return round_key(s != s ? -INFINITY : s);
}

/* The expert of the greatest key, of equal ones the lowest; its key becomes 0. */
static __device__ int take_best(uint32_t *keys, int n_expert, int lane)
{
	uint32_t best = 0, top;
	int at = MAX_EXPERT;

	for (int e = lane; e < n_expert; e += WARP) {
		if (keys[e] > best) {
			best = keys[e];
			at = e;
		}
	}
	top = __reduce_max_sync(ALL_LANES, best);
	at = __reduce_min_sync(ALL_LANES, best == top ? at : MAX_EXPERT);
	__syncwarp();
	if (lane == 0)
		keys[at] = 0;
	__syncwarp();
	return at;
}

static __global__ void __launch_bounds__(WARPS *WARP) route(struct route_args a)
{
	__shared__ uint32_t shared[WARPS][MAX_EXPERT];
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t t = (int64_t)blockIdx.x * WARPS + warp;
	const float *logit = (const float *)a.logits + t * a.n_expert;
	uint32_t *keys = shared[warp];
	int mine = 0, rank = 0;
	float s = 0.0f, sum = 0.0f;

	if (t >= a.n_tok)
		return;
	if (a.table) {
		int64_t id = ((const int32_t *)a.ids)[t];

		if (lane < a.n_used)
			mine = (int)((const int64_t *)a.table)[id * a.n_used + lane];
	} else {
		for (int e = lane; e < a.n_expert; e += WARP) {
			float v = sqrt_softplus(logit[e]);

			keys[e] = choice_key(a.bias ? v + ((const float *)a.bias)[e] : v);
		}
		__syncwarp();
		for (int i = 0; i < a.n_used; i++) {
			int e = take_best(keys, a.n_expert, lane);

			mine = lane == i ? e : mine;
		}
	}
	if (lane < a.n_used)
		s = sqrt_softplus(logit[mine]);
	for (int i = 0; i < a.n_used; i++) {
		int other = __shfl_sync(ALL_LANES, mine, i);

		rank += other < mine || (other == mine && i < lane);
	}
	for (int i = 0; i < a.n_used; i++) {
		uint32_t at = __ballot_sync(ALL_LANES, lane < a.n_used && rank == i);

		sum += __shfl_sync(ALL_LANES, s, __ffs((int)at) - 1);
	}
	if (lane < a.n_used) {
		((int32_t *)a.expert)[t * a.n_used + rank] = mine;
		((float *)a.weight)[t * a.n_used + rank] = s / sum * a.scale;
	}
}

int cuda_route(struct backend *be, const struct route_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_expert < 1 ||
	    a->n_expert > MAX_EXPERT || a->n_used < 1 || a->n_used > MAX_USED ||
	    a->n_used > a->n_expert)
		return cuda_refuse(err, "route", "%d rows, %d of %d experts (at most %d of %d)",
				   a->n_tok, a->n_used, a->n_expert, MAX_USED, MAX_EXPERT);
	route<<<(unsigned)((a->n_tok + WARPS - 1) / WARPS), WARPS * WARP, 0, c->stream>>>(*a);
	return cuda_check_launch(c, "route", err);
}
