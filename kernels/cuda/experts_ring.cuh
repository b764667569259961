/*
 * The experts of 1 … 16 rows in one launch, FP4 with a shared expert of F8; 9.0 only.
 *
 *   up    t = silu(W1 x) · (W3 x) · weight: a task is 16 inner values of each of its pairs, its
 *         two strips being a tile of W1 and the same of W3
 *   down  y = the sum over a row's pairs of W2 t: a task is 32 columns, a strip 16 of them
 *
 * Threads of their own (ring_feed.cuh) ask for all weights that the block's tasks need, up and
 * then down in one row, through a ring of slots in shared memory.  Between up and down all
 * blocks meet; by then the ring is full of W2, so memory has work while they wait for each
 * other and for t.  The first of the shared expert's, whose number needs no waiting for, are
 * asked for before the kernel before has ended.
 *
 * A slot holds up to RING_STEPS steps (packed.h) of one strip; an item's slots are of its two
 * strips in turn.  The n-th slot of a block is multiplied by the four warps of group n mod
 * RING_GROUPS, a quarter of its steps each.  The ring has a multiple of RING_GROUPS slots, so a
 * place belongs to one group: a wait for a parity is for the next phase then, never for the one
 * behind it.  Who asks leaves with a slot what is to be done with it, so that those who
 * multiply need to know little.
 *
 * Codes are multiplied as they are: of F8 with up to 8 rows of x as the second operand of
 * mma.m16n8k16, and the sums of a step with its scale.  FP4 has a scale for each unit, and the
 * four units of a step meet in each instruction; so columns 2 u and 2 u + 1 of the second
 * operand are two rows of x where the columns of W belong to unit u and zero elsewhere: a
 * lane's sums are those of its own units, whose scales it holds.  Codes count as 2^-126 (FP4)
 * or 2^-120 (F8) of their values, x and t are taken 2^64 times (exact), and the scales and
 * ring_sum() make up for the rest.  So x of 2^63 and more and scales above 2^17 and 2^23 come
 * out infinite, never finite and wrong.
 *
 * A warp's sums of a slot are added in the order of slots and warps: a sum depends on its row
 * of W, its row of x and the number of columns alone, and 1 row and 16 have the same bits.
 *
 * Floor: the bytes of the distinct experts over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_EXPERTS_RING_CUH
#define KERNELS_CUDA_EXPERTS_RING_CUH

#include "kernels/cuda/ring_feed.cuh"
#include "kernels/cuda/ring_product.cuh"

static __device__ __forceinline__ void consumers_meet(void)
{
	asm volatile("bar.sync 1, %0;" ::"n"(RING_CONSUMERS) : "memory");
}

/* ------------------------------------------------------------------------ phases */

/* The end of the phase that begins with item `from`: as many as have up to `pairs` pairs. */
static __device__ __forceinline__ int ring_phase_end(const struct expert_list &list, int pairs,
						     int from, int end)
{
	int lane = (int)threadIdx.x % WARP, last = list.items[from].first + pairs;

	for (int i = from; i < end; i += WARP) {
		const struct expert_item item = list.items[min(i + lane, end - 1)];
		unsigned fit =
			__ballot_sync(ALL_LANES, i + lane < end && item.first + item.n <= last);

		if (fit != ALL_LANES)
			return i + __popc(fit);
	}
	return end;
}

/* The sum of a row of W with a pair's x, `place` of the phase: the parts in their order. */
static __device__ __forceinline__ float ring_sum(const unsigned char *shared,
						 const struct ring_side &side, int place,
						 int strip, int row, int shared_expert)
{
	const float *from = (const float *)(const void *)(shared + side.sums) +
			    place * ring_pair_sums(side) + strip * side.parts * PACKED_ROWS +
			    row;
	float v = from[0];

	for (int p = 1; p < 4 * side.cut[shared_expert].n; p++)
		v += from[p * PACKED_ROWS];
	return v * 0x1p-48f;
}

/* What a phase has made of its pairs: 16 inner values each, 2^64 times. */
static __device__ __forceinline__ void ring_values(const unsigned char *shared,
						   const struct expert_list &list,
						   const struct experts_job &j,
						   const struct ring_side &side, int tile,
						   int first, int n)
{
	for (int i = (int)threadIdx.x; i < n * PACKED_ROWS; i += RING_CONSUMERS) {
		int place = i / PACKED_ROWS, row = i % PACKED_ROWS;
		int pair = list.order[first + place], slot = pair % (j.n_used + 1);
		int token = pair / (j.n_used + 1), is_shared = slot == j.n_used;
		float weight = is_shared ? 1.0f : list.weight[token * j.n_used + slot];
		float g = ring_sum(shared, side, place, 0, row, is_shared);
		float v = ring_sum(shared, side, place, 1, row, is_shared);

		j.t[(size_t)pair * (size_t)j.inner + (size_t)(tile * PACKED_ROWS + row)] =
			bf16_of_f32(inner_value(g, v, j.limit, weight) * 0x1p64f);
	}
}

/* The inner values of a phase's pairs, a few threads a row; they are there behind a barrier. */
static __device__ __forceinline__ void
ring_stage_t(unsigned char *shared, const struct expert_list &list, const struct experts_job &j,
	     const struct ring_side &side, int first, int n)
{
	const int each = 64;

	for (int i = (int)threadIdx.x / each; i < n; i += RING_CONSUMERS / each)
		stage_row(shared + side.x + i * x_pitch(j.inner),
			  (const unsigned char *)(j.t + (size_t)list.order[first + i] *
								(size_t)j.inner),
			  j.inner, (int)threadIdx.x % each, each);
	stage_end();
}

/* What a phase has made of its pairs: the task's columns of each. */
static __device__ __forceinline__ void ring_totals(unsigned char *shared,
						   const struct expert_list &list,
						   const struct ring_side &side, int n_used,
						   int first, int n)
{
	const int columns = STRIPS * PACKED_ROWS;
	float *total = (float *)(void *)(shared + side.total);

	for (int i = (int)threadIdx.x; i < n * columns; i += RING_CONSUMERS) {
		int place = i / columns, column = i % columns;
		int pair = list.order[first + place];

		total[pair * columns + column] =
			ring_sum(shared, side, place, column / PACKED_ROWS,
				 column % PACKED_ROWS, pair % (n_used + 1) == n_used);
	}
}

/* A row's pairs in the order of their slots. */
static __device__ __forceinline__ void ring_rows(const unsigned char *shared,
						 const struct experts_job &j,
						 const struct ring_side &side, int task,
						 float *y)
{
	const int columns = STRIPS * PACKED_ROWS;
	const float *total = (const float *)(const void *)(shared + side.total);

	for (int i = (int)threadIdx.x; i < j.n_tok * columns; i += RING_CONSUMERS) {
		int t = i / columns, column = i % columns;
		const float *from = total + t * (j.n_used + 1) * columns + column;
		float v = from[0];

		for (int s = 1; s <= j.n_used; s++)
			v += from[s * columns];
		y[(size_t)t * (size_t)j.d + (size_t)(task * columns + column)] = v;
	}
}

/* The phases of one task: items from … end - 1. */
static __device__ __forceinline__ void ring_task(struct ring_worker *w, unsigned char *shared,
						 const struct expert_list &list,
						 const struct experts_job &j,
						 const struct ring_side &side, int is_up,
						 int task, int from, int end)
{
	int n_shared = (j.n_tok + ITEM_ROWS - 1) / ITEM_ROWS;

#pragma unroll 1
	while (from < end) {
		int to = ring_phase_end(list, side.pairs, from, end);
		int first = list.items[from].first;
		int n = list.items[to - 1].first + list.items[to - 1].n - first;
		int of_shared = min(max(n_shared - from, 0), to - from);

		if (!is_up) {
			ring_stage_t(shared, list, j, side, first, n);
			consumers_meet();
		}
		ring_slots(w, (float *)(void *)(shared + side.sums), ring_pair_sums(side),
			   STRIPS * (of_shared * side.cut[1].n +
				     (to - from - of_shared) * side.cut[0].n));
		consumers_meet();
		if (is_up) {
			ring_values(shared, list, j, side, task % side.tiles, first, n);
			consumers_meet();
		} else {
			ring_totals(shared, list, side, j.n_used, first, n);
		}
		from = to;
	}
}

static __device__ __forceinline__ void
ring_side_run(struct ring_worker *w, unsigned char *shared, const struct expert_list &list,
	      const struct experts_job &j, const struct ring_side &side, int is_up, float *y)
{
	int shares = side.tasks / side.tiles, n_item = *list.n_item;

#pragma unroll 1
	for (int task = (int)blockIdx.x; task < side.tasks; task += (int)gridDim.x) {
		int share = task / side.tiles;

		ring_task(w, shared, list, j, side, is_up, task,
			  ring_items_from(n_item, share, shares),
			  ring_items_from(n_item, share + 1, shares));
		if (!is_up) {
			consumers_meet();
			ring_rows(shared, j, side, task, y);
		}
	}
}

/* ------------------------------------------------------------------ the kernel */

/*
 * All blocks have come here before one goes on, and what they wrote is seen.  The counter is 0
 * before and afterwards.  All blocks come to be on the device at once: there are no more than
 * multiprocessors, kernels before this one end without it, one behind it begins when all its
 * blocks have (kernel_begin()), and nobody else's kernels wait there (has_company).
 */
static __device__ __forceinline__ void blocks_meet(uint32_t *counter)
{
	consumers_meet();
	if (threadIdx.x == 0) {
		uint32_t n = 0;

		asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter)
			     : "memory");
		for (unsigned looks = 0; n < gridDim.x; looks++) {
			asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
				     : "=r"(n)
				     : "l"(counter)
				     : "memory");
			if (looks == MOST_LOOKS)
				__trap();
		}
		if (atomicAdd(counter, 1u) == 2 * gridDim.x - 1)
			*counter = 0;
	}
	consumers_meet();
}

/* The shared expert's scales of the block's tasks, a row for each strip. */
static __device__ __forceinline__ void ring_scales(unsigned char *shared,
						   const struct ring_side &side,
						   const unsigned char *a,
						   const unsigned char *b, int up)
{
	unsigned char *to = shared + side.scales;
	int tasks = (side.tasks - (int)blockIdx.x + (int)gridDim.x - 1) / (int)gridDim.x;

#pragma unroll 1
	for (int i = (int)threadIdx.x; i < tasks * STRIPS * side.n_scale; i += RING_THREADS) {
		int row = i / side.n_scale, strip = row % STRIPS;
		int tile = ((int)blockIdx.x + row / STRIPS * (int)gridDim.x) % side.tiles;

		tile = up ? tile : tile * STRIPS + strip;
		to[i] = __ldg((strip ? b : a) +
			      (size_t)(tile * PACKED_ROWS / 128) * (size_t)side.n_scale +
			      i % side.n_scale);
	}
}

/* The experts' table, and behind its last the shared one. */
static __device__ __forceinline__ void ring_table(unsigned char *to,
						  const struct experts_job &j)
{
	const uint4 *from = (const uint4 *)(const void *)j.experts;
	int n = j.n_expert * (int)(sizeof(struct cuda_expert) / sizeof(uint4));

#pragma unroll 2
	for (int i = (int)threadIdx.x; i < n; i += RING_THREADS)
		((uint4 *)(void *)to)[i] = __ldg(from + i);
	if (threadIdx.x == 0)
		((struct cuda_expert *)(void *)to)[j.n_expert] = j.shared;
}

/* x of all rows, 2^64 times, and the zeros. */
static __device__ __forceinline__ void
ring_x(unsigned char *shared, const struct experts_job &j, const struct ring_plan &plan)
{
	const uint32_t up = 0x5f805f80u; /* 2^64 */
	int units = j.d / 8, pitch = x_pitch(j.d);

#pragma unroll 2
	for (int i = (int)threadIdx.x; i < j.n_tok * units; i += RING_THREADS) {
		uint4 v = *((const uint4 *)(const void *)j.x + i);
		int t = i / units;

		*(uint4 *)(void *)(shared + plan.side[UP].x + t * pitch +
				   (i - t * units) * 16) =
			make_uint4(bf16_pair_mul(v.x, up), bf16_pair_mul(v.y, up),
				   bf16_pair_mul(v.z, up), bf16_pair_mul(v.w, up));
	}
	if (threadIdx.x < RING_ZEROS / sizeof(uint4))
		((uint4 *)(void *)(shared + plan.zeros))[threadIdx.x] = make_uint4(0, 0, 0, 0);
}

static __device__ __forceinline__ struct feeder
feeder_of(unsigned char *shared, const struct ring_plan &plan, int group, int n_used)
{
	struct feeder f;

	f.shared = shared;
	f.ring = shared_address(shared + plan.ring);
	f.barriers = shared_address(shared + plan.barriers);
	f.work = (struct ring_work *)(void *)(shared + plan.work);
	f.slots = plan.slots;
	f.group = group;
	f.per = ring_per_token(n_used);
	f.at = {group, 0};
	f.turn = 0;
	return f;
}

/* Of one group. */
static __device__ __forceinline__ void ring_barriers(const struct feeder &f)
{
	for (int i = f.group; i < f.slots; i += RING_GROUPS) {
		barrier_init(ring_full(f.barriers, i), 1);
		barrier_init(ring_empty(f.barriers, i), RING_WARPS / RING_GROUPS);
	}
	barrier_init_end();
}

static __global__ void __launch_bounds__(RING_THREADS, 1)
	experts_ring(struct experts_job j, struct ring_plan plan, float *y)
{
	extern __shared__ __align__(128) unsigned char shared[];
	struct expert_list list =
		expert_list_at(shared + plan.list, j.n_tok * (j.n_used + 1), RING_ROWS);
	int asks = (int)threadIdx.x >= RING_CONSUMERS && threadIdx.x % WARP == 0;
	struct feeder f =
		feeder_of(shared, plan, ((int)threadIdx.x - RING_CONSUMERS) / WARP, j.n_used);

	if (asks) {
		ring_barriers(f);
		feed_early(&f, plan.side[UP], j);
	}
	__syncwarp();
	ring_table(shared + plan.table, j);
	ring_scales(shared, plan.side[UP], j.shared.s1, j.shared.s3, 1);
	ring_scales(shared, plan.side[DOWN], j.shared.s2, j.shared.s2, 0);
	kernel_begin();
	ring_x(shared, j, plan);
	list_make(list, j);
	__syncthreads();
	if ((int)threadIdx.x < RING_CONSUMERS) {
		struct ring_worker w = ring_worker_of(plan, shared);

#pragma unroll 1
		for (int k = UP; k <= DOWN; k++) {
			if (k == DOWN)
				blocks_meet(plan.counter);
			ring_side_run(&w, shared, list, j, plan.side[k], k == UP, y);
		}
	} else if (asks) {
		const struct cuda_expert *table =
			(const struct cuda_expert *)(const void *)(shared + plan.table);

#pragma unroll 1
		for (int k = UP; k <= DOWN; k++)
			feed_side(&f, plan.side[k], list, table, j.n_expert, k == UP);
	}
}

/* -------------------------------------------------------------- launches */

/* Rows of one call that this serves, at most `want`; 0: none. */
static inline int ring_rows_that_fit(const struct cuda *c, const struct experts_job *j,
				     int want)
{
	struct ring_plan p;

	if (c->has_company || j->type != WEIGHT_FP4 || j->shared_type != WEIGHT_F8 ||
	    j->d % 128 || j->inner % 128)
		return 0;
	while (want > 0 && !ring_plan_of(c, j, want, &p))
		want--;
	return want;
}

/* As many rows as ring_rows_that_fit() says, at most. */
static int launch_expert_ring(struct cuda *c, const struct experts_job *j, float *y,
			      struct err *err)
{
	struct ring_plan p;
	cudaError_t rc = cudaFuncSetAttribute(
		experts_ring, cudaFuncAttributeMaxDynamicSharedMemorySize, c->block_shared);

	if (rc != cudaSuccess)
		return cuda_fail(rc, "experts", err);
	if (!ring_plan_of(c, j, j->n_tok, &p))
		return cuda_refuse(err, "experts", "%d rows: no room for them", j->n_tok);
	launch_kernel(c, experts_ring, (unsigned)p.grid, RING_THREADS, p.bytes, *j, p, y);
	return cuda_check_launch(c, "experts", err);
}

#endif
