/* Who multiplies in experts_ring.cuh: four warps a slot. */
#ifndef KERNELS_CUDA_RING_PRODUCT_CUH
#define KERNELS_CUDA_RING_PRODUCT_CUH

#include "kernels/cuda/ring_feed.cuh"

struct ring_worker {
	uint32_t ring, barriers, work, zeros;
	int slots, group, part;
	struct ring_place at; /* its group's next slot */
	int turn;             /* the group whose turn the next slot is */
};

static __device__ __forceinline__ struct ring_worker
ring_worker_of(const struct ring_plan &plan, unsigned char *shared)
{
	int warp = (int)threadIdx.x / WARP;
	struct ring_worker w;

	w.ring = shared_address(shared + plan.ring);
	w.barriers = shared_address(shared + plan.barriers);
	w.work = shared_address(shared + plan.work);
	w.zeros = shared_address(shared + plan.zeros);
	w.slots = plan.slots;
	w.group = warp / 4;
	w.part = warp % 4;
	w.at = {w.group, 0};
	w.turn = 0;
	return w;
}

/* A warp's part of a slot: its n steps, the first one's codes and how far it is in the slot. */
struct ring_part {
	uint32_t slot, codes;
	int first, n;
};

static __device__ __forceinline__ void ring_part_end(const struct ring_worker &w)
{
	__syncwarp();
	if (threadIdx.x % WARP == 0)
		barrier_arrive(ring_empty(w.barriers, w.at.slot));
}

/* ------------------------------------------------------------------------- FP4 */

/* Step k of a part: w, s the lane's bytes of the first step's codes and scales; x of each set
 * the lane's byte of its row, or zeros. */
template <int SETS>
static __device__ __forceinline__ void fp4_step(float (&acc)[SETS][4], uint32_t w, uint32_t s,
						const uint32_t (&x)[SETS], int k)
{
	uint4 a = load_shared(w + (uint32_t)(k * PACKED_STEP_BYTES));
	uint4 b = load_shared(w + (uint32_t)(k * PACKED_STEP_BYTES + PACKED_STEP_BYTES / 2));
	const uint32_t wa[4] = {a.x, a.y, a.z, a.w}, wb[4] = {b.x, b.y, b.z, b.w};
	uint32_t scale = load_shared_u16(s + (uint32_t)(k * PACKED_STEP_SCALE));
	float sa = __uint_as_float((scale & 255) << 23), sb = __uint_as_float(scale >> 8 << 23);
	float c[SETS][2][4] = {};

#pragma unroll
	for (int i = 0; i < 4; i++) {
		uint32_t pa[4], pb[4];

#pragma unroll
		for (int p = 0; p < 4; p++) {
			pa[p] = packed_e2m1(wa[i], p);
			pb[p] = packed_e2m1(wb[i], p);
		}
#pragma unroll
		for (int t = 0; t < SETS; t++) {
			uint4 v = load_shared((x[t] ^ (uint32_t)(16 * i)) +
					      (uint32_t)(k * PACKED_UNITS * 64));

			mma_bf16(c[t][0], pa[0], pb[0], pa[1], pb[1], v.x, v.y);
			mma_bf16(c[t][1], pa[2], pb[2], pa[3], pb[3], v.z, v.w);
		}
	}
#pragma unroll
	for (int t = 0; t < SETS; t++) {
#pragma unroll
		for (int i = 0; i < 4; i++)
			acc[t][i] = fmaf(c[t][0][i] + c[t][1][i], i < 2 ? sa : sb, acc[t][i]);
	}
}

/* The lanes' sums of a set, each of its own units: of rows lane / 4 and 8 more with each of two
 * rows of x.  One of these four a lane of a quad. */
static __device__ __forceinline__ float quad_sum(float (&acc)[4])
{
	int unit = (int)threadIdx.x % 4;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		acc[i] += __shfl_xor_sync(ALL_LANES, acc[i], 1);
		acc[i] += __shfl_xor_sync(ALL_LANES, acc[i], 2);
	}
	return unit == 0 ? acc[0] : unit == 1 ? acc[1] : unit == 2 ? acc[2] : acc[3];
}

/* x: the rows' bytes of shared memory; n of them are pairs. */
template <int SETS>
static __device__ __forceinline__ void
fp4_part(const struct ring_worker &w, const struct ring_part &p, const uint32_t (&x)[RING_ROWS],
	 int n, float *sums, int pair_sums)
{
	int lane = (int)threadIdx.x % WARP, unit = lane % 4, mine = lane / 8 == unit;
	uint32_t s = p.slot + (uint32_t)(RING_CODES + p.first * PACKED_STEP_SCALE + lane * 2);
	float acc[SETS][4] = {};
	uint32_t at[SETS];

#pragma unroll
	for (int t = 0; t < SETS; t++)
		at[t] = mine ? (lane & 4 ? x[2 * t + 1] : x[2 * t]) + x_lane<WEIGHT_FP4>() +
					(uint32_t)(p.first * PACKED_UNITS * 64)
			     : w.zeros;
	if (p.n == RING_STEPS / 4) {
#pragma unroll
		for (int k = 0; k < RING_STEPS / 4; k++)
			fp4_step<SETS>(acc, p.codes, s, at, k);
	} else {
#pragma unroll 1
		for (int k = 0; k < p.n; k++)
			fp4_step<SETS>(acc, p.codes, s, at, k);
	}
	ring_part_end(w);
#pragma unroll
	for (int t = 0; t < SETS; t++) {
		float v = quad_sum(acc[t]);

		if (2 * t + unit % 2 < n)
			sums[(2 * t + unit % 2) * pair_sums + lane / 4 + unit / 2 * 8] = v;
	}
}

/* -------------------------------------------------------------------------- F8 */

static __device__ __forceinline__ void f8_step(float (&acc)[4], uint32_t w, uint32_t scale,
					       uint32_t x, int k)
{
	uint32_t at = (uint32_t)(k * PACKED_UNITS * 32);
	uint4 a = load_shared(w + (uint32_t)(k * PACKED_STEP_BYTES));
	uint4 b = load_shared(w + (uint32_t)(k * PACKED_STEP_BYTES + PACKED_STEP_BYTES / 2));
	uint4 low = load_shared(x + at), high = load_shared((x ^ 16) + at);
	const uint32_t wa[4] = {a.x, a.y, a.z, a.w}, wb[4] = {b.x, b.y, b.z, b.w};
	const uint32_t v[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
	/* as packed_scale() has it of FP4, whose codes count 2^6 less */
	float s = __uint_as_float(min(scale + 120 - 16, 255u) << 23), c[2][4] = {};

#pragma unroll
	for (int i = 0; i < 4; i++)
		mma_bf16(c[i % 2], packed_e4m3(wa[i], 0), packed_e4m3(wb[i], 0),
			 packed_e4m3(wa[i], 1), packed_e4m3(wb[i], 1), v[2 * i], v[2 * i + 1]);
#pragma unroll
	for (int i = 0; i < 4; i++)
		acc[i] = fmaf(c[0][i] + c[1][i], s, acc[i]);
}

/* x: the first row's byte of shared memory, rows `pitch` apart; scales: the byte of the row's
 * first, `step`: which step of the row the slot's first is. */
static __device__ __forceinline__ void f8_part(const struct ring_worker &w,
					       const struct ring_part &p, uint32_t x,
					       uint32_t pitch, uint32_t scales, int step, int n,
					       float *sums, int pair_sums)
{
	int lane = (int)threadIdx.x % WARP;
	float acc[4] = {};

	/* rows behind the last are computed like it and not stored */
	x += (uint32_t)min(lane / 4, n - 1) * pitch + x_lane<WEIGHT_F8>() +
	     (uint32_t)(p.first * PACKED_UNITS * 32);
#pragma unroll 2
	for (int k = 0; k < p.n; k++)
		f8_step(acc, p.codes,
			load_shared_u8(scales + (uint32_t)((step + p.first + k) / 2)), x, k);
	ring_part_end(w);
#pragma unroll
	for (int i = 0; i < 2; i++) {
		int pair = lane % 4 * 2 + i;

		if (pair < n) {
			sums[pair * pair_sums + lane / 4] = acc[i];
			sums[pair * pair_sums + lane / 4 + 8] = acc[i + 2];
		}
	}
}

/* ------------------------------------------------------------------------ slots */

/* The group's slots among the next `all` of the ring, which are a phase's; its sums: floats
 * from `sums` on, pair_sums a pair. */
static __device__ __forceinline__ void ring_slots(struct ring_worker *w, float *sums,
						  int pair_sums, int all)
{
	uint32_t lane = threadIdx.x % WARP;

#pragma unroll 1
	for (int i = (w->group - w->turn) & (RING_GROUPS - 1); i < all; i += RING_GROUPS) {
		uint32_t work = w->work + (uint32_t)w->at.slot * sizeof(struct ring_work);
		struct ring_part p;
		int steps;

		barrier_wait(ring_full(w->barriers, w->at.slot), w->at.parity);
		uint4 a = load_shared(work), b = load_shared(work + 16);
		const uint32_t x[RING_ROWS] = {a.x, a.y, a.z, a.w};
		int n = (int)b.z;
		float *to = sums + b.x + w->part * PACKED_ROWS;

		steps = (int)(b.w & 31);
		p.slot = w->ring + (uint32_t)w->at.slot * RING_SLOT;
		p.first = steps * w->part / 4;
		p.n = steps * (w->part + 1) / 4 - p.first;
		p.codes = p.slot + (uint32_t)(p.first * PACKED_STEP_BYTES) + lane * 16;
		if (b.w & RING_IS_F8)
			f8_part(*w, p, a.x, a.y, b.y, (int)(b.w >> 5 & 0xffff), n, to,
				pair_sums);
		else if (n <= 2)
			fp4_part<1>(*w, p, x, n, to, pair_sums);
		else
			fp4_part<2>(*w, p, x, n, to, pair_sums);
		ring_move(&w->at, w->slots);
	}
	w->turn = (w->turn + all) & (RING_GROUPS - 1);
}

#endif
