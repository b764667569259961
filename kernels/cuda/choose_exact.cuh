/*
 * The choice of the best of any scores: what the kernel of choose.cuh keeps in shared memory,
 * its counting, and the slow way that serves where the quick one can't.
 *
 * The range of keys is cut in bins, and the bin of the top_k-th again, until it holds one key;
 * a warp has a run of rows, and where its chosen ones go follows from counting.
 */
#ifndef KERNELS_CUDA_CHOOSE_EXACT_CUH
#define KERNELS_CUDA_CHOOSE_EXACT_CUH

#include "kernels/cuda/score.cuh"

#define CHOOSERS     1024
#define CHOOSE_WARPS (CHOOSERS / WARP)
#define BINS         2048
#define BIN_BITS     11
#define EACH         8 /* entries of a thread */
#define NEAR         (EACH * CHOOSERS)
#define MOST         2048 /* chosen, at most; also groups that are looked at closely */
#define RANKED       1024 /* entries of one bin */
#define MARKS        65536

struct chooser {
	float value[NEAR]; /* entries that may be chosen, and their marks */
	int32_t mark[NEAR];
	uint32_t marks[MARKS / 32];
	int32_t group[MOST];
	uint64_t
		ranked[RANKED]; /* those of one bin: key, and the mark, the lower the greater */
	uint32_t flags[NEAR / 32]; /* groups to look at */
	int32_t count[BINS];
	int32_t part[CHOOSE_WARPS][2];
	uint32_t low, high;
	int32_t bin, above, n, n_ranked;
};

/* Sums over the warps before this one, of a value that each warp has. */
static __device__ __forceinline__ int32_t sum_before(struct chooser *c, int32_t v, int which)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;

	if (lane == 0)
		c->part[warp][which] = v;
	__syncthreads();
	v = c->part[lane][which];
	return __reduce_add_sync(ALL_LANES, lane < warp ? v : 0);
}

/* The bin of the need-th of all counted, from the highest on, and how many are above. */
static __device__ void find_bin(struct chooser *c, int32_t need)
{
	int i = (int)threadIdx.x;
	int2 pair = ((const int2 *)c->count)[CHOOSERS - 1 - i];
	int32_t both = pair.x + pair.y, upto = warp_sum_upto(both);

	upto += sum_before(c, __shfl_sync(ALL_LANES, upto, WARP - 1), 0);
	if (upto >= need && upto - both < need) {
		bool first = upto - both + pair.y >= need;

		c->bin = BINS - 1 - 2 * i - (first ? 0 : 1);
		c->above = upto - both + (first ? 0 : pair.y);
	}
	__syncthreads();
}

static __device__ __forceinline__ void clear_counts(struct chooser *c)
{
	((int2 *)c->count)[threadIdx.x] = make_int2(0, 0);
}

/* ------------------------------------------------------------ without limits */

/* Sets c->low and c->high to the least and the greatest key. */
static __device__ void key_range(struct chooser *c, const float *score, int64_t n)
{
	uint32_t low = 0xffffffffu, high = 0;

	if (threadIdx.x == 0) {
		c->low = low;
		c->high = high;
	}
	for (int64_t i = threadIdx.x; i < n; i += CHOOSERS) {
		uint32_t k = round_key(score[i]);

		low = min(k, low);
		high = max(k, high);
	}
	low = __reduce_min_sync(ALL_LANES, low);
	high = __reduce_max_sync(ALL_LANES, high);
	__syncthreads();
	if (threadIdx.x % WARP == 0) {
		atomicMin(&c->low, low);
		atomicMax(&c->high, high);
	}
	__syncthreads();
}

/* The key of the need-th greatest of n (1 ≤ need ≤ n).  *ties: how many of that key are among
 * the first need. */
static __device__ uint32_t nth_key(struct chooser *c, const float *score, int64_t n,
				   int32_t need, int32_t *ties)
{
	uint32_t low;
	int bits;

	key_range(c, score, n);
	low = c->low;
	bits = 32 - __clz((int)(c->high - low));
	while (bits > 0) {
		int shift = bits > BIN_BITS ? bits - BIN_BITS : 0;

		clear_counts(c);
		__syncthreads();
		for (int64_t i = threadIdx.x; i < n; i += CHOOSERS) {
			uint32_t k = round_key(score[i]), d = k - low;

			if (k >= low && (bits == 32 || d >> bits == 0))
				atomicAdd(&c->count[d >> shift], 1);
		}
		__syncthreads();
		find_bin(c, need);
		low += (uint32_t)c->bin << shift;
		need -= c->above;
		bits = shift;
	}
	*ties = need;
	return low;
}

/* Writes the k best rows, in ascending order.  A warp has a run of rows. */
static __device__ void choose_exact(struct chooser *c, const float *score, int64_t n, int32_t k,
				    int32_t *sel)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t run = (n + CHOOSERS - 1) / CHOOSERS * WARP;
	int64_t from = warp * run, to = min(from + run, n);
	uint32_t below = (1u << lane) - 1, limit;
	int32_t ties, above = 0, equal = 0;

	limit = nth_key(c, score, n, k, &ties);
	for (int64_t i = from + lane; i < to; i += WARP) {
		uint32_t key = round_key(score[i]);

		above += key > limit;
		equal += key == limit;
	}
	above = sum_before(c, __reduce_add_sync(ALL_LANES, above), 0);
	equal = sum_before(c, __reduce_add_sync(ALL_LANES, equal), 1);
	for (int64_t i = from + lane; i - lane < to; i += WARP) {
		uint32_t key = i < to ? round_key(score[i]) : 0;
		bool more = i < to && key > limit, same = i < to && key == limit;
		uint32_t a = __ballot_sync(ALL_LANES, more), e = __ballot_sync(ALL_LANES, same);
		int32_t n_above = above + __popc(a & below);
		int32_t n_equal = equal + __popc(e & below);

		if (more || (same && n_equal < ties))
			sel[n_above + min(n_equal, ties)] = (int32_t)i;
		above += __popc(a);
		equal += __popc(e);
	}
}

#endif
