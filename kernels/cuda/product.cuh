/*
 * y[t, o] = sum_k W[o, k] x[t, k] for 1 … 16 rows of x, W as the checkpoint has it.
 *
 * A warp takes 16 rows of W as the first operand of mma.m16n8k16 and up to 8 (or 16) rows of x
 * as the second; the warps of a tile share its columns out by rounds (fragment.h), round r to
 * warp r mod n_warp.  Weights go from memory to registers in 16-byte loads, a round ahead of
 * their use; x waits in shared memory, in as many slices as it takes.
 *
 * A result depends on its row of W, its row of x and n_warp alone: rows of x are columns
 * of the instruction, which do not see each other, and the order of a warp's rounds does not
 * depend on the slices.  That is why 1 row and 16 have the same bits.
 *
 * Floor: the bytes of W over the memory's bandwidth.
 */
#ifndef KERNELS_CUDA_PRODUCT_CUH
#define KERNELS_CUDA_PRODUCT_CUH

#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/slice.cuh"

#define PRODUCT_THREADS 256
#define PRODUCT_WARPS   (PRODUCT_THREADS / WARP)
#define PRODUCT_ROWS    16 /* rows of W of one tile */

/* The two rows of W that a lane loads: lane / 4 and 8 more. */
struct strip {
	const unsigned char *w[2];
	const unsigned char *s[2]; /* their scales; not used with BF16 */
	int in;
};

/* Rows of x: row[0 … n) in shared memory says which. */
struct rows {
	const unsigned char *x;
	size_t bytes; /* from one row to the next */
	const int *row;
	int n;
};

static __device__ __forceinline__ struct strip strip_of(int type, const unsigned char *w,
							const unsigned char *s, int row0,
							int last_row, int in)
{
	size_t row_bytes = (size_t)fragment_columns(type);
	struct strip m;

	row_bytes = (size_t)in * 16 / row_bytes;
	m.in = in;
	for (int h = 0; h < 2; h++) {
		/* rows behind the last are computed like it and not stored */
		int row = min(row0 + (int)threadIdx.x % WARP / 4 + 8 * h, last_row);

		m.w[h] = w + (size_t)row * row_bytes;
		m.s[h] = type == WEIGHT_FP4 ? s + (size_t)row * (size_t)(in / 32)
			 : type == WEIGHT_F8
				 ? s + (size_t)(row / 128) * (size_t)((in + 127) / 128)
				 : NULL;
	}
	return m;
}

/* ------------------------------------------------------------ weights of a round */

template <int TYPE>
static __device__ __forceinline__ uint4 step_load(const struct strip &m, int h, int step)
{
	int chunk = step * 4 + (int)threadIdx.x % 4;
	uint4 zero = {0, 0, 0, 0};

	return chunk * fragment_columns(TYPE) < m.in ? load_once(m.w[h] + (size_t)chunk * 16)
						     : zero;
}

/* Byte i: the exponent of the scale that the lane's codes of step i have. */
template <int TYPE>
static __device__ __forceinline__ uint32_t round_scales(const struct strip &m, int h, int round)
{
	int q = (int)threadIdx.x % 4;
	uint32_t v = 0;

	if (TYPE == WEIGHT_F8) {
		uint32_t low = m.s[h][2 * round];
		uint32_t high = (2 * round + 1) * 128 < m.in ? m.s[h][2 * round + 1] : low;

		return low * 0x0101u + high * 0x01010000u;
	}
	if (TYPE != WEIGHT_FP4)
		return 0;
	if (m.in % fragment_round(TYPE) == 0) {
		/* the round's 16 scales are aligned to 16 bytes: see the launchers */
		uint4 all = __ldg((const uint4 *)(const void *)(m.s[h] + round * 16));
		uint32_t pick = (uint32_t)(q | (q + 4) << 4);

		return __byte_perm(__byte_perm(all.x, all.y, pick),
				   __byte_perm(all.z, all.w, pick), 0x5410);
	}
	for (int i = 0; i < FRAGMENT_STEPS; i++) {
		int chunk = (round * FRAGMENT_STEPS + i) * 4 + q;

		v |= (chunk * 32 < m.in ? (uint32_t)m.s[h][chunk] : 127u) << (8 * i);
	}
	return v;
}

/* ----------------------------------------------------------------- x in shared memory */

/* Fills the slice with x from round r0 on; zeros behind the last column.  All threads. */
template <int TYPE>
static __device__ __forceinline__ void slice_fill(const struct slice &to, const struct rows &x,
						  int r0, int in)
{
	const int step_units = fragment_step(TYPE) / 8;
	size_t row_bytes = slice_row_bytes(fragment_round(TYPE), to.rounds);
	int first = r0 * fragment_round(TYPE);
	int rounds =
		min(to.rounds, (in - first + fragment_round(TYPE) - 1) / fragment_round(TYPE));
	int units = rounds * fragment_round(TYPE) / 8;

	for (int i = 0; i < x.n; i++) {
		const unsigned char *from = x.x + (size_t)x.row[i] * x.bytes;
		unsigned char *row = to.p + (size_t)i * row_bytes;

		for (int u = (int)threadIdx.x; u < units; u += PRODUCT_THREADS) {
			int column = first + u * 8;
			int at = u / step_units * step_units +
				 fragment_unit(TYPE, u % step_units);
			uint4 v = {0, 0, 0, 0};
			uint32_t pairs[4];

			if (column < in)
				v = *(const uint4 *)(const void *)(from + (size_t)column * 2);
			pairs[0] = v.x;
			pairs[1] = v.y;
			pairs[2] = v.z;
			pairs[3] = v.w;
			fragment_order(TYPE, pairs);
			*(uint4 *)(void *)(row + at * 16) =
				make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
		}
	}
}

/* -------------------------------------------------------------------- products */

/* One step: a, b the lane's codes of its two rows, x its first unit in each group of 8 rows. */
template <int TYPE, int NT>
static __device__ __forceinline__ void step_product(float (&acc)[2][NT][4], uint4 a, uint4 b,
						    uint32_t ea, uint32_t eb,
						    const unsigned char *const (&x)[NT])
{
	const uint32_t wa[4] = {a.x, a.y, a.z, a.w}, wb[4] = {b.x, b.y, b.z, b.w};
	const int units = fragment_columns(TYPE) / 8;
	uint32_t sa = code_scale<TYPE>(ea), sb = code_scale<TYPE>(eb);

#pragma unroll
	for (int u = 0; u < units; u++) {
		uint32_t f[2][4]; /* the unit's two instructions: a0 … a3 */

		if (TYPE == WEIGHT_BF16) {
			for (int i = 0; i < 2; i++) {
				f[i][0] = wa[2 * i];
				f[i][1] = wb[2 * i];
				f[i][2] = wa[2 * i + 1];
				f[i][3] = wb[2 * i + 1];
			}
		} else if (TYPE == WEIGHT_F8) {
			for (int i = 0; i < 2; i++) {
				f[i][0] = bf16_pair_mul(fragment_e4m3(wa[2 * u + i], 0), sa);
				f[i][1] = bf16_pair_mul(fragment_e4m3(wb[2 * u + i], 0), sb);
				f[i][2] = bf16_pair_mul(fragment_e4m3(wa[2 * u + i], 1), sa);
				f[i][3] = bf16_pair_mul(fragment_e4m3(wb[2 * u + i], 1), sb);
			}
		} else {
			f[0][0] = bf16_pair_mul(fragment_e2m1(wa[u], 0), sa);
			f[0][1] = bf16_pair_mul(fragment_e2m1(wb[u], 0), sb);
			f[0][2] = bf16_pair_mul(fragment_e2m1(wa[u], 1), sa);
			f[0][3] = bf16_pair_mul(fragment_e2m1(wb[u], 1), sb);
			f[1][0] = bf16_pair_mul(fragment_e2m1(wa[u], 2), sa);
			f[1][1] = bf16_pair_mul(fragment_e2m1(wb[u], 2), sb);
			f[1][2] = bf16_pair_mul(fragment_e2m1(wa[u], 3), sa);
			f[1][3] = bf16_pair_mul(fragment_e2m1(wb[u], 3), sb);
		}
		for (int n = 0; n < NT; n++) {
			uint4 v = *(const uint4 *)(const void *)(x[n] + u * 64);

			mma_bf16(acc[0][n], f[0][0], f[0][1], f[0][2], f[0][3], v.x, v.y);
			mma_bf16(acc[1][n], f[1][0], f[1][1], f[1][2], f[1][3], v.z, v.w);
		}
	}
}

/*
 * Warp `warp` of the n_warp that share a tile: sum[n][0 … 3] are its part of (row lane/4, x row
 * 8n + 2 (lane%4)), (same, x row + 1), (row lane/4 + 8, …), (…).  All threads of the block call
 * it, with the same x, in and n_warp; the slice may be written before, and is free after, a
 * barrier of the caller.
 */
template <int TYPE, int NT>
static __device__ __forceinline__ void product(float (&sum)[NT][4], const struct strip &m,
					       const struct rows &x, const struct slice &to,
					       int warp, int n_warp)
{
	const int step_bytes = fragment_step(TYPE) * 2;
	int n_round = (m.in + fragment_round(TYPE) - 1) / fragment_round(TYPE);
	int lane = (int)threadIdx.x % WARP, r = warp;
	float acc[2][NT][4] = {};
	uint4 w[2][FRAGMENT_STEPS] = {};
	uint32_t scales[2] = {};

	if (r < n_round) {
		for (int h = 0; h < 2; h++) {
			for (int i = 0; i < FRAGMENT_STEPS; i++)
				w[h][i] = step_load<TYPE>(m, h, r * FRAGMENT_STEPS + i);
			scales[h] = round_scales<TYPE>(m, h, r);
		}
	}
	kernel_begin(); /* weights are nobody's output: their first loads needn't wait */
	for (int r0 = 0; r0 < n_round; r0 += to.rounds) {
		const unsigned char *row[NT];

		for (int n = 0; n < NT; n++)
			/* rows behind the last are computed like it and not stored */
			row[n] = to.p +
				 (size_t)min(lane / 4 + 8 * n, x.n - 1) *
					 slice_row_bytes(fragment_round(TYPE), to.rounds) +
				 lane % 4 * 16;
		if (r0)
			__syncthreads();
		slice_fill<TYPE>(to, x, r0, m.in);
		__syncthreads();
		for (; r < min(r0 + to.rounds, n_round); r += n_warp) {
			int next = r + n_warp;
			uint32_t ea = scales[0], eb = scales[1];

			if (next < n_round) {
				scales[0] = round_scales<TYPE>(m, 0, next);
				scales[1] = round_scales<TYPE>(m, 1, next);
			}
#pragma unroll
			for (int i = 0; i < FRAGMENT_STEPS; i++) {
				const unsigned char *at[NT];
				uint4 a = w[0][i], b = w[1][i];

				if (next < n_round) {
					w[0][i] = step_load<TYPE>(m, 0,
								  next * FRAGMENT_STEPS + i);
					w[1][i] = step_load<TYPE>(m, 1,
								  next * FRAGMENT_STEPS + i);
				}
				for (int n = 0; n < NT; n++)
					at[n] = row[n] +
						((r - r0) * FRAGMENT_STEPS + i) * step_bytes;
				step_product<TYPE, NT>(acc, a, b, ea >> (8 * i) & 255,
						       eb >> (8 * i) & 255, at);
			}
		}
	}
#pragma unroll
	for (int n = 0; n < NT; n++) {
#pragma unroll
		for (int i = 0; i < 4; i++)
			sum[n][i] = (acc[0][n][i] + acc[1][n][i]) * code_factor<TYPE>();
	}
}

#endif
