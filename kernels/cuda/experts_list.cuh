/*
 * Which experts a call of few rows needs, each once, and which of its pairs they serve.
 *
 * An item is an expert with up to `rows` pairs, at most ITEM_ROWS.  The shared expert's items come
 * first, those of the others in the order in which a pair first names them; an expert that more
 * pairs name has further items.  Every block makes the same list, in shared memory.
 */
#ifndef KERNELS_CUDA_EXPERTS_LIST_CUH
#define KERNELS_CUDA_EXPERTS_LIST_CUH

#include "kernels/cuda/experts.cuh"

#define ITEM_ROWS 8 /* columns of mma.m16n8k16 */

struct expert_item {
	int expert;   /* -1: the shared one */
	int first, n; /* pairs order[first … first + n - 1] */
};

/* Arrays for `pairs` pairs, in shared memory. */
struct expert_list {
	struct expert_item *items;
	int *order;  /* by item: pair t (n_used + 1) + slot */
	int *chosen; /* while the list is made: the experts … */
	int *lead; /* … the first choice of the item times ITEM_ROWS, plus the place in it … */
	int *count; /* … and how many pairs it has, at the item's first choice; else 0 */
	int *n_item;
	float *weight; /* of each choice */
	int rows; /* of an item of a routed expert, at most: a power of two; else ITEM_ROWS */
};

static __host__ __device__ __forceinline__ size_t expert_list_bytes(int pairs)
{
	return (size_t)pairs * (sizeof(struct expert_item) + 5 * sizeof(int)) + sizeof(int);
}

static __device__ __forceinline__ struct expert_list expert_list_at(unsigned char *p, int pairs,
								    int rows)
{
	struct expert_list l;

	l.items = (struct expert_item *)(void *)p;
	l.order = (int *)(void *)(l.items + pairs);
	l.chosen = l.order + pairs;
	l.lead = l.chosen + pairs;
	l.count = l.lead + pairs;
	l.n_item = l.count + pairs;
	l.weight = (float *)(void *)(l.n_item + 1);
	l.rows = rows;
	return l;
}

/* The shared expert's items, and the pairs of its order. */
static __device__ __forceinline__ void list_shared(const struct expert_list &l, int n_tok,
						   int n_used)
{
	for (int t = (int)threadIdx.x; t < n_tok; t += (int)blockDim.x) {
		l.order[t] = t * (n_used + 1) + n_used;
		if (t % ITEM_ROWS == 0)
			l.items[t / ITEM_ROWS] = {-1, t, min(n_tok - t, ITEM_ROWS)};
	}
}

/* Of up to 32 choices, a lane each, by one warp; a choice's own lane has it. */
static __device__ __forceinline__ void list_few(const struct expert_list &l, int expert,
						int n_tok, int n_used, int n_shared)
{
	int i = (int)threadIdx.x, here = i < n_tok * n_used;
	unsigned below = (1u << i) - 1;
	unsigned same = __match_any_sync(ALL_LANES, here ? expert : -1 - i);
	int before = __popc(same & below), place = before & (l.rows - 1);
	int leads = here && place == 0;
	unsigned all = __ballot_sync(ALL_LANES, leads);
	int lead = here ? WARP - 1 - __clz((int)(same & all & (below | 1u << i))) : 0;
	int count = leads ? min(__popc(same) - before, l.rows) : 0;
	int sum = warp_sum_upto(count, i);
	int first = n_tok + __shfl_sync(ALL_LANES, sum - count, lead);
	if (here)
		l.order[first + place] = i / n_used * (n_used + 1) + i % n_used;
	if (leads)
		l.items[n_shared + __popc(all & below)] = {expert, first, count};
	if (i == 0)
		*l.n_item = n_shared + __popc(all);
}

/* The lanes whose choice k0 + lane names expert e. */
static __device__ __forceinline__ unsigned list_same(const struct expert_list &l, int k0, int n,
						     int e)
{
	int k = k0 + (int)threadIdx.x % WARP;

	return __ballot_sync(ALL_LANES, k < n && l.chosen[k] == e);
}

/* The choice that is the `number`-th of those that name e. */
static __device__ __forceinline__ int list_nth(const struct expert_list &l, int n, int e,
					       int number)
{
	unsigned below = (1u << threadIdx.x % WARP) - 1;
	int before = 0;

	for (int k0 = 0; k0 < n; k0 += WARP) {
		unsigned same = list_same(l, k0, n, e);
		int it = same >> threadIdx.x % WARP & 1 &&
			 before + __popc(same & below) == number;
		unsigned here = __ballot_sync(ALL_LANES, it);

		if (here)
			return k0 + __ffs((int)here) - 1;
		before += __popc(same);
	}
	return 0;
}

/* To which choice's item each choice belongs: a warp for each. */
static __device__ __forceinline__ void list_leads(const struct expert_list &l, int n)
{
	int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;

	for (int i = warp; i < n; i += (int)blockDim.x / WARP) {
		int e = l.chosen[i], before = 0, all = 0, lead = i, place;

		for (int k0 = 0; k0 < n; k0 += WARP) {
			unsigned same = list_same(l, k0, n, e);
			int ahead = min(max(i - k0, 0), WARP);

			all += __popc(same);
			before += __popc(ahead < WARP ? same & ((1u << ahead) - 1) : same);
		}
		place = before & (l.rows - 1);
		if (place)
			lead = list_nth(l, n, e, before - place);
		if (lane == 0) {
			l.lead[i] = lead * ITEM_ROWS + place;
			l.count[i] = place ? 0 : min(all - before, l.rows);
		}
	}
}

/* The items from the leads' counts, by one warp; leaves in `count` where each begins. */
static __device__ __forceinline__ void list_items(const struct expert_list &l, int n, int n_tok,
						  int n_shared)
{
	int lane = (int)threadIdx.x, first = n_tok, number = n_shared;

	for (int k0 = 0; k0 < n; k0 += WARP) {
		int k = k0 + lane, count = k < n ? l.count[k] : 0;
		unsigned leads = __ballot_sync(ALL_LANES, count > 0);
		int sum = warp_sum_upto(count, lane);

		if (count)
			l.items[number + __popc(leads & ((1u << lane) - 1))] = {
				l.chosen[k], first + sum - count, count};
		if (k < n)
			l.count[k] = first + sum - count;
		first += __shfl_sync(ALL_LANES, sum, WARP - 1);
		number += __popc(leads);
	}
	if (lane == 0)
		*l.n_item = number;
}

/* All threads; a barrier of the caller's makes the list known to all. */
static __device__ __forceinline__ void list_make(const struct expert_list &l,
						 const struct experts_job &j)
{
	int n_choice = j.n_tok * j.n_used, n_shared = (j.n_tok + ITEM_ROWS - 1) / ITEM_ROWS;
	int i = (int)threadIdx.x;

	list_shared(l, j.n_tok, j.n_used);
	for (int k = i; k < n_choice; k += (int)blockDim.x)
		l.weight[k] = j.weight[k];
	if (n_choice <= WARP) {
		if (i < WARP)
			list_few(l, i < n_choice ? j.chosen[i] : 0, j.n_tok, j.n_used,
				 n_shared);
		return;
	}
	for (int k = i; k < n_choice; k += (int)blockDim.x)
		l.chosen[k] = j.chosen[k];
	__syncthreads();
	list_leads(l, n_choice);
	__syncthreads();
	if (i < WARP)
		list_items(l, n_choice, j.n_tok, n_shared);
	__syncthreads();
	for (int k = i; k < n_choice; k += (int)blockDim.x)
		l.order[l.count[l.lead[k] / ITEM_ROWS] + l.lead[k] % ITEM_ROWS] =
			k / j.n_used * (j.n_used + 1) + k % j.n_used;
}

#endif
