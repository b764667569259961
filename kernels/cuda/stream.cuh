/*
 * y[t, o] = sum_k W[o, k] x[t, k] for 1 … 16 rows of x, W in tiles (tiles.h).
 *
 * A warp takes a tile, 16 rows of W, as the first operand of mma.m16n8k16 and up to 8 (or 16)
 * rows of x as the second; the warps of a tile share its columns out by rounds, round r to warp
 * r mod n_warp.  A round is 4 KB in one run.  Each warp has a ring of its own for a few of them
 * in shared memory, filled by cp.async long before they are used: from before kernel_begin()
 * on, so that memory has work while the kernel before still runs.  A lane copies the very bytes
 * that it reads, so that nobody waits for anybody.  x waits in shared memory, in as many slices
 * as it takes.
 *
 * F8: codes are used as bf16 of value · 2^-120, subnormals included, x times 2^64 (exact) makes
 * up for half of that, and the rest comes with the scale, once for 128 columns.  So x of 2^64
 * and more, and scales above 2^71, come out infinite, never finite and wrong.
 *
 * A result depends on its row of W, its row of x and n_warp alone: rows of x are columns of the
 * instruction, which do not see each other, and the order of a warp's rounds does not depend on
 * slices or the ring's size.  That is why 1 row and 16 have the same bits.
 *
 * Floor: the bytes of W over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_STREAM_CUH
#define KERNELS_CUDA_STREAM_CUH

#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/slice.cuh"
#include "kernels/cuda/tiles.h"

#define STREAM_THREADS 256
#define STREAM_WARPS   (STREAM_THREADS / WARP)
#define STREAM_SLOTS   2 /* more would keep the next kernel's blocks out for longer */

/* Pieces of a warp on their way before kernel_begin(), 32 KB of a multiprocessor: as many as keep
 * the memory busy.  More would make what the kernels before still load wait behind them. */
#define STREAM_WINDOW 2

/* A tile's first byte, the scales of its rows (F8), and how many rounds it has. */
struct stream_tile {
	const unsigned char *w, *s;
	int n_round;
};

/* x: row t at x + t · bytes; `norm`: what the product takes is RMSNorm(x) in bf16. */
struct stream_x {
	const unsigned char *x;
	size_t bytes;
	int n;
	const unsigned char *norm; /* bf16 [in], or NULL: x as it is */
	float eps;
	float *inverse; /* shared, [n]: what stream_norm() finds */
};

/* Rounds of W that are on their way: one to STREAM_SLOTS, ROUND_BYTES each.  `early`: the block
 * may well begin before the kernel before has ended. */
struct stream_ring {
	unsigned char *p;
	int slots;
	bool early;
};

/* ----------------------------------------------------------------- x in shared memory */

/* Where unit u (8 columns) of a row stands: a lane's units of a step are those of its 16 bytes
 * of W, and the four lanes' stand side by side, so that a quad reads 64 neighbouring bytes. */
template <int TYPE> static __device__ __forceinline__ int stream_unit(int u)
{
	return TYPE == WEIGHT_F8 ? u / 8 * 8 + u % 2 * 4 + u % 8 / 2 : u;
}

/* Eight columns as the instruction takes them. */
template <int TYPE> static __device__ __forceinline__ uint4 stream_operand(uint4 v)
{
	const uint32_t up = 0x5f805f80u; /* 2^64 */

	if (TYPE != WEIGHT_F8)
		return v;
	return make_uint4(bf16_pair_mul(v.x, up), bf16_pair_mul(v.y, up),
			  bf16_pair_mul(v.z, up), bf16_pair_mul(v.w, up));
}

static __device__ __forceinline__ uint4 stream_load(const unsigned char *p)
{
	return *(const uint4 *)(const void *)p;
}

/* Of each row 1 / sqrt(mean of its squares + eps), a warp a row; they are there behind the next
 * barrier.  All threads. */
static __device__ __forceinline__ void stream_norm(const struct stream_x &x, int in)
{
	int lane = (int)threadIdx.x % WARP;

	for (int t = (int)threadIdx.x / WARP; t < x.n; t += STREAM_WARPS) {
		const unsigned char *row = x.x + (size_t)t * x.bytes;
		float sum = 0.0f;

#pragma unroll 4
		for (int u = lane; u < in / 8; u += WARP) {
			uint4 v = stream_load(row + (size_t)u * 16);
			const uint32_t pair[4] = {v.x, v.y, v.z, v.w};

#pragma unroll
			for (int i = 0; i < 4; i++) {
				float a = f32_of_bf16_low(pair[i]);
				float b = f32_of_bf16_high(pair[i]);

				sum = fmaf(b, b, fmaf(a, a, sum));
			}
		}
		sum = warp_sum(sum);
		if (lane == 0)
			x.inverse[t] = 1.0f / sqrtf(sum / (float)in + x.eps);
	}
}

/* Eight columns of a row, normed: rounded to bf16 as rms_norm leaves them. */
static __device__ __forceinline__ uint4 stream_normed(uint4 v, uint4 norm, float r)
{
	const uint32_t pair[4] = {v.x, v.y, v.z, v.w}, w[4] = {norm.x, norm.y, norm.z, norm.w};
	uint32_t out[4];

#pragma unroll
	for (int i = 0; i < 4; i++)
		out[i] = bf16_pair(f32_of_bf16_low(pair[i]) * r * f32_of_bf16_low(w[i]),
				   f32_of_bf16_high(pair[i]) * r * f32_of_bf16_high(w[i]));
	return make_uint4(out[0], out[1], out[2], out[3]);
}

/* Fills the slice with x from round r0 on.  All threads.  A thread steps from unit to unit and
 * row to row without dividing: that would take longer than the loads. */
template <int TYPE, bool NORM>
static __device__ __forceinline__ void
stream_fill(const struct slice &to, const struct stream_x &x, int r0, int n_round)
{
	const int round_units = round_columns(TYPE) / 8;
	int row_bytes = (int)slice_row_bytes(round_columns(TYPE), to.rounds);
	int units = min(to.rounds, n_round - r0) * round_units;
	int t = (int)threadIdx.x / units, u = (int)threadIdx.x % units;
	int more_t = STREAM_THREADS / units, more_u = STREAM_THREADS % units;

#pragma unroll 4
	for (int i = (int)threadIdx.x; i < units * x.n; i += STREAM_THREADS) {
		size_t at = (size_t)(r0 * round_units + u) * 16;
		uint4 v = stream_load(x.x + (size_t)t * x.bytes + at);

		if (NORM)
			v = stream_normed(v, stream_load(x.norm + at), x.inverse[t]);
		*(uint4 *)(void *)(to.p + t * row_bytes + stream_unit<TYPE>(u) * 16) =
			stream_operand<TYPE>(v);
		t += more_t;
		u += more_u;
		if (u >= units) {
			u -= units;
			t++;
		}
	}
}

/* -------------------------------------------------------------------- products */

/* Two steps, 2 KB of W at the lane's shared address `w`, and x's units for them. */
template <int TYPE, int NT>
static __device__ __forceinline__ void stream_half(float (&acc)[2][NT][4], uint32_t w,
						   const uint32_t (&x)[NT])
{
	const int units = TYPE == WEIGHT_F8 ? 2 : 1; /* of x, for a lane and step */

#pragma unroll
	for (int i = 0; i < 2; i++) {
		uint4 a = load_shared(w + (uint32_t)(i * PIECE_BYTES));
		uint4 b = load_shared(w + (uint32_t)(i * PIECE_BYTES + PIECE_BYTES / 2));
		const uint32_t wa[4] = {a.x, a.y, a.z, a.w}, wb[4] = {b.x, b.y, b.z, b.w};

#pragma unroll
		for (int u = 0; u < units; u++) {
#pragma unroll
			for (int n = 0; n < NT; n++) {
				uint4 v = load_shared(x[n] + (uint32_t)((i * units + u) * 64));

				if (TYPE == WEIGHT_F8) {
					mma_bf16(acc[0][n], tiles_first(wa[2 * u]),
						 tiles_first(wb[2 * u]),
						 tiles_second(wa[2 * u]),
						 tiles_second(wb[2 * u]), v.x, v.y);
					mma_bf16(acc[1][n], tiles_first(wa[2 * u + 1]),
						 tiles_first(wb[2 * u + 1]),
						 tiles_second(wa[2 * u + 1]),
						 tiles_second(wb[2 * u + 1]), v.z, v.w);
				} else {
					mma_bf16(acc[0][n], wa[0], wb[0], wa[1], wb[1], v.x,
						 v.y);
					mma_bf16(acc[1][n], wa[2], wb[2], wa[3], wb[3], v.z,
						 v.w);
				}
			}
		}
	}
}

/* 2^(e - 127), and 2^56 of what the operands lack. */
static __device__ __forceinline__ float stream_factor(uint32_t e)
{
	return __uint_as_float(min(e + 56u, 255u) << 23);
}

/* A round: sum += its products. */
template <int TYPE, int NT>
static __device__ __forceinline__ void stream_round(float (&sum)[2][NT][4], uint32_t w,
						    const uint32_t (&x)[NT], uint32_t scales)
{
	const uint32_t half = (uint32_t)round_columns(TYPE); /* bytes of x of half a round */

#pragma unroll
	for (int h = 0; h < 2; h++) {
		uint32_t at[NT];

#pragma unroll
		for (int n = 0; n < NT; n++)
			at[n] = x[n] + (uint32_t)h * half;
		if (TYPE == WEIGHT_BF16) {
			stream_half<TYPE, NT>(sum, w + (uint32_t)h * (ROUND_BYTES / 2), at);
		} else {
			float acc[2][NT][4] = {}, f = stream_factor(scales >> (8 * h) & 255u);

			stream_half<TYPE, NT>(acc, w + (uint32_t)h * (ROUND_BYTES / 2), at);
#pragma unroll
			for (int i = 0; i < 8 * NT; i++) {
				float *to = &sum[i / (4 * NT)][i / 4 % NT][i % 4];

				*to = fmaf(acc[i / (4 * NT)][i / 4 % NT][i % 4], f, *to);
			}
		}
	}
}

/* Starts the copy of round r of the lane's bytes; nothing behind the last, but a group always.
 */
static __device__ __forceinline__ void stream_copy(uint32_t to, const unsigned char *w, int r,
						   int n_round)
{
	if (r < n_round) {
#pragma unroll
		for (int i = 0; i < ROUND_BYTES / 512; i++)
			copy_async(to + (uint32_t)(i * 512),
				   w + (size_t)r * ROUND_BYTES + (size_t)i * 512, 1);
	}
	copy_commit();
}

/* Fills the ring from round r on, each n_warp-th, a group a round; or, where other kernels still
 * run, a group a piece, so that fewer groups than a round's are awaited later. */
static __device__ __forceinline__ void stream_start(const struct stream_ring &ring, uint32_t to,
						    const unsigned char *w, int r, int n_warp,
						    int n_round)
{
	const int pieces = ROUND_BYTES / PIECE_BYTES;

	if (!ring.early) {
		for (int k = 0; k < ring.slots; k++)
			stream_copy(to + (uint32_t)(k * ROUND_BYTES), w, r + k * n_warp,
				    n_round);
		return;
	}
#pragma unroll 1
	for (int p = 0; p < ring.slots * pieces; p++) {
		int round = r + p / pieces * n_warp;
		const unsigned char *from = w + (size_t)round * ROUND_BYTES;
		int at = p % pieces * PIECE_BYTES;

		if (p >= STREAM_WINDOW)
			copy_wait_but<STREAM_WINDOW - 1>();
		if (round < n_round) {
			copy_async(to + (uint32_t)(p * PIECE_BYTES), from + at, 1);
			copy_async(to + (uint32_t)(p * PIECE_BYTES + 512), from + at + 512, 1);
		}
		copy_commit();
	}
}

/* Waits for the oldest of so many groups. */
static __device__ __forceinline__ void stream_wait(int slots)
{
	if (slots == 1)
		copy_wait_but<0>();
	else
		copy_wait_but<STREAM_SLOTS - 1>();
}

/* The scales of a round, two bytes. */
static __device__ __forceinline__ uint32_t stream_scales(const struct stream_tile &m, int r)
{
	return r < m.n_round ? m.s[2 * r] | (uint32_t)m.s[2 * r + 1] << 8 : 0;
}

/*
 * Warp `warp` of the n_warp that share a tile: sum[n][0 … 3] are its part of (row lane/4, x row
 * 8n + 2 (lane%4)), (same, x row + 1), (row lane/4 + 8, …), (…).  All threads of the block call
 * it, with the same x, in and n_warp; the slice may be written before, and is free after, a
 * barrier of the caller.  `ring` is the warp's own.  begun(): what the caller has to do as soon as
 * kernel_begin() has returned.
 */
template <int TYPE, int NT, class BEGUN>
static __device__ __forceinline__ void
stream_product(float (&sum)[NT][4], const struct stream_tile &m, const struct stream_x &x,
	       const struct slice &to, const struct stream_ring &ring, int warp, int n_warp,
	       const BEGUN &begun)
{
	int lane = (int)threadIdx.x % WARP, r = warp, slot = 0, i = 0;
	uint32_t mine = shared_address(ring.p) + (uint32_t)(lane * 16), scales = 0;
	const unsigned char *from = m.w + lane * 16;
	float acc[2][NT][4] = {};

	stream_start(ring, mine, from, r, n_warp, m.n_round);
	if (TYPE == WEIGHT_F8)
		scales = stream_scales(m, r + lane * n_warp);
	kernel_begin(); /* weights are nobody's output: their copies needn't wait */
	begun();
	if (x.norm) {
		stream_norm(x, m.n_round * round_columns(TYPE));
		__syncthreads();
	}
	for (int r0 = 0; r0 < m.n_round; r0 += to.rounds) {
		uint32_t row[NT];

#pragma unroll
		for (int n = 0; n < NT; n++)
			/* rows behind the last are computed like it and not stored */
			row[n] = shared_address(to.p) + (uint32_t)(lane % 4 * 16) +
				 (uint32_t)min(lane / 4 + 8 * n, x.n - 1) *
					 (uint32_t)slice_row_bytes(round_columns(TYPE),
								   to.rounds);
		if (r0)
			__syncthreads();
		if (x.norm)
			stream_fill<TYPE, true>(to, x, r0, m.n_round);
		else
			stream_fill<TYPE, false>(to, x, r0, m.n_round);
		__syncthreads();
		for (; r < min(r0 + to.rounds, m.n_round); r += n_warp) {
			uint32_t at[NT], w = mine + (uint32_t)(slot * ROUND_BYTES);

#pragma unroll
			for (int n = 0; n < NT; n++)
				at[n] = row[n] + (uint32_t)((r - r0) * round_columns(TYPE) * 2);
			if (TYPE == WEIGHT_F8 && i && i % WARP == 0)
				scales = stream_scales(m, r + lane * n_warp);
			stream_wait(ring.slots);
			stream_round<TYPE, NT>(acc, w, at,
					       __shfl_sync(ALL_LANES, scales, i % WARP));
			stream_copy(w, from, r + ring.slots * n_warp, m.n_round);
			slot = slot + 1 == ring.slots ? 0 : slot + 1;
			i++;
		}
	}
#pragma unroll
	for (int n = 0; n < NT; n++) {
#pragma unroll
		for (int k = 0; k < 4; k++)
			sum[n][k] = acc[0][n][k] + acc[1][n][k];
	}
}

#endif
