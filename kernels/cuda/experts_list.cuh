/*
 * Which experts a call of few rows needs, each once, and which of its pairs they serve.
 *
 * An item is an expert with up to ITEM_ROWS pairs.  The shared expert's items come first, those
 * of the others in the order in which a pair first names them; an expert that more pairs name
 * has further items.  Every block makes the same list, in shared memory.
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
};

static __host__ __device__ __forceinline__ size_t expert_list_bytes(int pairs)
{
	return (size_t)pairs * (sizeof(struct expert_item) + 5 * sizeof(int)) + sizeof(int);
}

static __device__ __forceinline__ struct expert_list expert_list_at(unsigned char *p, int pairs)
{
	struct expert_list l;

	l.items = (struct expert_item *)(void *)p;
	l.order = (int *)(void *)(l.items + pairs);
	l.chosen = l.order + pairs;
	l.lead = l.chosen + pairs;
	l.count = l.lead + pairs;
	l.n_item = l.count + pairs;
	l.weight = (float *)(void *)(l.n_item + 1);
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
	int before = __popc(same & below), leads = here && before % ITEM_ROWS == 0;
	unsigned all = __ballot_sync(ALL_LANES, leads);
	int lead = here ? WARP - 1 - __clz((int)(same & all & (below | 1u << i))) : 0;
	int count = leads ? min(__popc(same) - before, ITEM_ROWS) : 0, sum = count, first;

	for (int o = 1; o < WARP; o *= 2) {
		int v = __shfl_up_sync(ALL_LANES, sum, (unsigned)o);

		sum += i >= o ? v : 0;
	}
	first = n_tok + __shfl_sync(ALL_LANES, sum - count, lead);
	if (here)
		l.order[first + before % ITEM_ROWS] = i / n_used * (n_used + 1) + i % n_used;
	if (leads)
		l.items[n_shared + __popc(all & below)] = {expert, first, count};
	if (i == 0)
		*l.n_item = n_shared + __popc(all);
}

/* To which choice's item each choice belongs. */
static __device__ __forceinline__ void list_leads(const struct expert_list &l, int n_choice)
{
	for (int i = (int)threadIdx.x; i < n_choice; i += (int)blockDim.x) {
		int e = l.chosen[i], lead = i, before = 0, all = 0;

#pragma unroll 4
		for (int k = 0; k < n_choice; k++) {
			int same = l.chosen[k] == e;

			if (k < i) {
				lead = same && before % ITEM_ROWS == 0 ? k : lead;
				before += same;
			}
			all += same;
		}
		if (before % ITEM_ROWS == 0)
			lead = i;
		l.lead[i] = lead * ITEM_ROWS + before % ITEM_ROWS;
		l.count[i] = lead == i ? min(all - before, ITEM_ROWS) : 0;
	}
}

/* Items and order, from the leads. */
static __device__ __forceinline__ void list_items(const struct expert_list &l, int n_tok,
						  int n_used, int n_shared)
{
	for (int i = (int)threadIdx.x; i < n_tok * n_used; i += (int)blockDim.x) {
		int lead = l.lead[i] / ITEM_ROWS, first = n_tok, number = n_shared;

#pragma unroll 4
		for (int k = 0; k < lead; k++) {
			first += l.count[k];
			number += l.count[k] > 0;
		}
		l.order[first + l.lead[i] % ITEM_ROWS] = i / n_used * (n_used + 1) + i % n_used;
		if (lead == i)
			l.items[number] = {l.chosen[i], first, l.count[i]};
	}
}

/* All threads; a barrier of the caller's makes the list known to all. */
static __device__ __forceinline__ void list_make(const struct expert_list &l,
						 const struct experts_job &j)
{
	int n_choice = j.n_tok * j.n_used, n_shared = (j.n_tok + ITEM_ROWS - 1) / ITEM_ROWS;
	int i = (int)threadIdx.x, n = n_shared;

	list_shared(l, j.n_tok, j.n_used);
	for (int k = i; k < n_choice; k += (int)blockDim.x)
		l.weight[k] = j.weight[k];
	if (n_choice <= WARP) {
		if (i < WARP)
			list_few(l, i < n_choice ? j.chosen[i] : 0, j.n_tok, j.n_used,
				 n_shared);
		return;
	}
	for (; i < n_choice; i += (int)blockDim.x)
		l.chosen[i] = j.chosen[i];
	__syncthreads();
	list_leads(l, n_choice);
	__syncthreads();
	for (int k = 0; k < n_choice; k++)
		n += l.count[k] > 0;
	if (threadIdx.x == 0)
		*l.n_item = n;
	list_items(l, j.n_tok, j.n_used, n_shared);
}

#endif
