/*
 * Which experts, and how much of each: a block has a token, a thread an expert's score (or
 * several), and its first warp the keys, in registers.
 *
 *   s = √softplus(logit);  the n_used greatest s + bias (of equal ones the lower number), or
 * the table's;  weight = s / (sum of the chosen s) · scale, in ascending order of the number
 *
 * Every round takes the greatest key that is left.  Floor: a launch.
 */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"

#define THREADS    256
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

/* The experts' keys of a warp: lane l has those of experts l, 32 + l and so on. */
template <int KEYS> struct keys {
	uint32_t of[KEYS];
};

/* The expert of the greatest key, of equal ones the lowest; its key becomes 0. */
template <int KEYS> static __device__ __forceinline__ int take_best(keys<KEYS> &k, int lane)
{
	uint32_t best = 0;
	int at = MAX_EXPERT;

#pragma unroll
	for (int i = 0; i < KEYS; i++)
		best = max(best, k.of[i]);
	best = __reduce_max_sync(ALL_LANES, best);
#pragma unroll
	for (int i = KEYS - 1; i >= 0; i--)
		at = k.of[i] == best ? i * WARP + lane : at;
	at = __reduce_min_sync(ALL_LANES, at);
#pragma unroll
	for (int i = 0; i < KEYS; i++)
		k.of[i] = i * WARP + lane == at ? 0 : k.of[i];
	return at;
}

/* The token's n_used greatest; lane i gets the i-th of them.  `score` takes all experts'. */
template <int KEYS>
static __device__ __forceinline__ int best_experts(const struct route_args &a, int64_t t,
						   float *score, uint32_t *shared)
{
	const float *logit = (const float *)a.logits + t * a.n_expert;
	int lane = (int)threadIdx.x % WARP, mine = 0;
	keys<KEYS> k;

	for (int e = (int)threadIdx.x; e < KEYS * WARP; e += THREADS) {
		uint32_t key = 0;

		if (e < a.n_expert) {
			float v = sqrt_softplus(logit[e]);

			score[e] = v;
			key = choice_key(a.bias ? v + ((const float *)a.bias)[e] : v);
		}
		shared[e] = key;
	}
	__syncthreads();
	if (threadIdx.x >= WARP)
		return 0;
#pragma unroll
	for (int i = 0; i < KEYS; i++)
		k.of[i] = shared[i * WARP + lane];
	for (int i = 0; i < a.n_used; i++) {
		int e = take_best(k, lane);

		mine = lane == i ? e : mine;
	}
	return mine;
}

/* KEYS · 32 experts at most. */
template <int KEYS> static __global__ void __launch_bounds__(THREADS) route(struct route_args a)
{
	kernel_begin();
	__shared__ float score[KEYS * WARP];
	__shared__ uint32_t shared[KEYS * WARP];
	int lane = (int)threadIdx.x, mine = 0, rank = 0;
	int64_t t = blockIdx.x;
	float s = 0.0f, sum = 0.0f;

	if (a.table) {
		int64_t id = ((const int32_t *)a.ids)[t];

		if (lane < a.n_used) {
			mine = (int)((const int64_t *)a.table)[id * a.n_used + lane];
			s = sqrt_softplus(((const float *)a.logits)[t * a.n_expert + mine]);
		}
	} else {
		mine = best_experts<KEYS>(a, t, score, shared);
		if (lane < a.n_used)
			s = score[mine];
	}
	if (lane >= WARP)
		return;
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
	if (a->n_expert <= 8 * WARP)
		launch_kernel(c, route<8>, (unsigned)a->n_tok, THREADS, 0, *a);
	else if (a->n_expert <= 16 * WARP)
		launch_kernel(c, route<16>, (unsigned)a->n_tok, THREADS, 0, *a);
	else
		launch_kernel(c, route<MAX_EXPERT / WARP>, (unsigned)a->n_tok, THREADS, 0, *a);
	return cuda_check_launch(c, "route", err);
}
