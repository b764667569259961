/*
 * Who asks for the weights of experts_ring.cuh: a thread for each group, which walks through
 * all that the block's tasks need, up and then down, and fills the group's slots as they
 * become free.
 */
#ifndef KERNELS_CUDA_RING_FEED_CUH
#define KERNELS_CUDA_RING_FEED_CUH

#include "kernels/cuda/bulk.cuh"
#include "kernels/cuda/ring_plan.cuh"

#define RING_EARLY 4 /* slots before the list is there: more would hold up what it reads */

/* A slot, and which parity its phase has. */
struct ring_place {
	int slot;
	uint32_t parity;
};

static __device__ __forceinline__ void ring_move(struct ring_place *p, int slots)
{
	p->slot += RING_GROUPS;
	if (p->slot >= slots) {
		p->slot -= slots;
		p->parity ^= 1;
	}
}

static __device__ __forceinline__ uint32_t ring_full(uint32_t barriers, int slot)
{
	return barriers + (uint32_t)slot * 16;
}

static __device__ __forceinline__ uint32_t ring_empty(uint32_t barriers, int slot)
{
	return barriers + (uint32_t)slot * 16 + 8;
}

struct feeder {
	unsigned char *shared;
	uint32_t ring, barriers;
	struct ring_work *work;
	int slots, group, per; /* per: ring_per_token() */
	struct ring_place at;
	int turn; /* the group whose turn the next item's first slot is */
};

/* An item on one side. */
struct feed {
	struct cuda_expert e;
	struct expert_item item;
	const int *order;
	int type, up, task, own_task; /* own_task: which of the block's */
	int phase_first;
};

/* The first of the items of share y of n; the shared expert is the first's. */
static __device__ __forceinline__ int ring_items_from(int n_item, int y, int n)
{
	return (n_item * y + n - 1) / n;
}

/* The token of a pair, of which there are at most 16 rows of MOST_USED and one; `per`:
 * ring_per_token(). */
static __device__ __forceinline__ int ring_token(int per, int pair)
{
	return pair * per >> 20;
}

static __device__ __forceinline__ int ring_per_token(int n_used)
{
	return ((1 << 20) + n_used) / (n_used + 1);
}

/* What is to be done with piece `piece` of strip s. */
static __device__ __forceinline__ struct ring_work feed_work(const struct feeder &f,
							     const struct ring_side &side,
							     const struct feed &k, int piece,
							     int s)
{
	const struct ring_cut &cut = side.cut[k.type == WEIGHT_F8];
	uint32_t pitch = (uint32_t)x_pitch(side.in);
	int first = piece * cut.each;
	uint32_t x = shared_address(f.shared + side.x) +
		     (uint32_t)(first * PACKED_UNITS * packed_columns(k.type) * 2);
	struct ring_work w;

	for (int i = 0; i < RING_ROWS; i++) {
		int place = k.item.first + min(i, k.item.n - 1), row = place - k.phase_first;

		if (k.up) /* the shared expert's pairs are the tokens in their order */
			row = k.type == WEIGHT_F8 ? place : ring_token(f.per, k.order[place]);
		w.x[i] = x + pitch * (uint32_t)row;
	}
	w.sums = (uint32_t)((k.item.first - k.phase_first) * ring_pair_sums(side) +
			    (s * side.parts + piece * 4) * PACKED_ROWS);
	w.scales = shared_address(f.shared + side.scales) +
		   (uint32_t)((k.own_task * STRIPS + s) * side.n_scale);
	w.n = k.item.n;
	w.steps = min(cut.each, cut.steps - first);
	if (k.type == WEIGHT_F8) {
		w.x[1] = pitch;
		w.steps |= RING_IS_F8 | first << 5;
	}
	return w;
}

/* Fills the group's next slot with `steps` of a strip. */
static __device__ __forceinline__ void feed_slot(struct feeder *f, const unsigned char *codes,
						 const unsigned char *scales, int steps,
						 const struct ring_work &work)
{
	uint32_t bytes = (uint32_t)(steps * PACKED_STEP_BYTES);
	uint32_t scale_bytes = scales ? (uint32_t)(steps * PACKED_STEP_SCALE) : 0;
	uint32_t full = ring_full(f->barriers, f->at.slot);
	uint32_t to = f->ring + (uint32_t)f->at.slot * RING_SLOT;

	/* a new barrier counts as one whose phase before, of parity 1, is complete */
	barrier_wait(ring_empty(f->barriers, f->at.slot), f->at.parity ^ 1);
	f->work[f->at.slot] = work;
	barrier_expect(full, bytes + scale_bytes);
	bulk_copy(to, codes, bytes, full);
	if (scales)
		bulk_copy(to + RING_CODES, scales, scale_bytes, full);
	ring_move(&f->at, f->slots);
}

/* Of an item the group's slots below `to`; those before `from` have been filled. */
static __device__ __forceinline__ void feed_item(struct feeder *f, const struct ring_side &side,
						 const struct feed &k, int from, int to)
{
	const struct ring_cut cut = side.cut[k.type == WEIGHT_F8];
	int s = f->group % STRIPS; /* an item has an even number of slots: strips in turn */
	int tile = k.up ? k.task % side.tiles : k.task * STRIPS + s;
	const unsigned char *codes = !k.up ? k.e.w2 : s ? k.e.w3 : k.e.w1;
	const unsigned char *scales = !k.up ? k.e.s2 : s ? k.e.s3 : k.e.s1;
	struct strip at = strip_at(k.type, codes, scales, tile, side.in);

	to = min(to, STRIPS * cut.n);
#pragma unroll 1
	for (int i = (f->group - f->turn) & (RING_GROUPS - 1); i < to; i += RING_GROUPS) {
		int piece = i / STRIPS, first = piece * cut.each;

		if (i >= from)
			feed_slot(f, at.w + (size_t)first * PACKED_STEP_BYTES,
				  /* F8's are there already: ring_scales() */
				  k.type == WEIGHT_F8
					  ? NULL
					  : at.s + (size_t)first * PACKED_STEP_SCALE,
				  min(cut.each, cut.steps - first),
				  feed_work(*f, side, k, piece, s));
	}
}

/* What may be asked for before the list is there: of the first task the shared expert's. */
static __device__ __forceinline__ void feed_early(struct feeder *f, const struct ring_side &up,
						  const struct experts_job &j)
{
	struct feed k;

	if ((int)blockIdx.x >= up.tiles)
		return;
	k.e = j.shared;
	k.item = {-1, 0, min(j.n_tok, ITEM_ROWS)};
	k.order = NULL;
	k.type = WEIGHT_F8;
	k.up = 1;
	k.task = (int)blockIdx.x;
	k.own_task = k.phase_first = 0;
	feed_item(f, up, k, 0, RING_EARLY);
}

/* The rest of one side, all tasks of this block. */
static __device__ __forceinline__ void feed_side(struct feeder *f, const struct ring_side &side,
						 const struct expert_list &list,
						 const struct cuda_expert *table, int n_expert,
						 int up)
{
	int shares = side.tasks / side.tiles, n_item = *list.n_item;
	struct feed k;

	k.order = list.order;
	k.up = up;
	k.own_task = 0;
#pragma unroll 1
	for (k.task = (int)blockIdx.x; k.task < side.tasks; k.task += (int)gridDim.x) {
		int share = k.task / side.tiles;
		int from = ring_items_from(n_item, share, shares);
		int end = ring_items_from(n_item, share + 1, shares);

		k.phase_first = from < end ? list.items[from].first : 0;
#pragma unroll 1
		for (int i = from; i < end; i++) {
			int early = up && i == 0 && k.own_task == 0 ? RING_EARLY : 0;

			k.item = list.items[i];
			if (k.item.first + k.item.n > k.phase_first + side.pairs)
				k.phase_first = k.item.first;
			k.e = table[k.item.expert < 0 ? n_expert : k.item.expert];
			k.type = k.item.expert < 0 ? WEIGHT_F8 : WEIGHT_FP4;
			feed_item(f, side, k, early, 1 << 30);
			f->turn = (f->turn + STRIPS * side.cut[k.item.expert < 0].n) &
				  (RING_GROUPS - 1);
		}
		k.own_task++;
	}
}

#endif
