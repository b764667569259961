/*
 * A tile of Y = X Wᵀ for many rows of x: what prefill's `linear` and `experts` share.
 *
 * 256 threads make BM = 32 · MT rows of x by 128 rows of W, 64 columns at a time: x comes by
 * cp.async (three stages), W as codes through registers, is turned to bf16 on its way into
 * shared memory (two stages), and mma.m16n8k16 multiplies, each of 2 × 4 warps 16 · MT rows of
 * x by 32 of W.  Rows of 64 columns lie at a pitch of 128 bytes with their 16-byte units
 * exchanged by the row's low three bits, so that neither the fill nor ldmatrix meets a bank
 * twice.
 *
 * Floor: 2 · rows · out · in operations over the chip's rate of mma.sync.
 */
#ifndef KERNELS_CUDA_GEMM_CUH
#define KERNELS_CUDA_GEMM_CUH

#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/tiles.h"

#define GEMM_THREADS  256
#define GEMM_N        128 /* rows of W of a tile */
#define GEMM_K        64
#define GEMM_X_STAGES 3
#define GEMM_ROW      (GEMM_K * 2) /* bytes of a row in shared memory */

/* Rows of x of a tile. */
template <int MT> struct gemm_size {
	static const int rows = 32 * MT;
	static const int x_bytes = rows * GEMM_ROW;
	static const int w_bytes = GEMM_N * GEMM_ROW;
	static const int bytes = GEMM_X_STAGES * x_bytes + 2 * w_bytes;
};

/* Byte of unit u (8 columns) of row r. */
static __device__ __forceinline__ int gemm_unit(int r, int u)
{
	return r * GEMM_ROW + (u ^ (r & 7)) * 16;
}

static __device__ __forceinline__ void load_matrices(uint32_t (&r)[4], uint32_t address)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
		     : "r"(address)
		     : "memory");
}

/* ----------------------------------------------------------------- codes to bf16 */

/* Four e4m3 codes in their own order. */
static __device__ __forceinline__ uint2 e4m3_four(uint32_t w, uint32_t scale)
{
	uint32_t even = bf16_pair_mul(fragment_e4m3(w, 0), scale);
	uint32_t odd = bf16_pair_mul(fragment_e4m3(w, 1), scale);

	return make_uint2(fragment_pick(even, odd, 0x5410), fragment_pick(even, odd, 0x7632));
}

/* The same of codes as they stand in a tile. */
static __device__ __forceinline__ uint2 tiles_four(uint32_t w, uint32_t scale)
{
	return make_uint2(bf16_pair_mul(tiles_first(w), scale),
			  bf16_pair_mul(tiles_second(w), scale));
}

/* Eight e2m1 codes in their own order. */
static __device__ __forceinline__ uint4 e2m1_eight(uint32_t w, uint32_t scale)
{
	uint32_t p0 = bf16_pair_mul(fragment_e2m1(w, 0), scale);
	uint32_t p1 = bf16_pair_mul(fragment_e2m1(w, 1), scale);
	uint32_t p2 = bf16_pair_mul(fragment_e2m1(w, 2), scale);
	uint32_t p3 = bf16_pair_mul(fragment_e2m1(w, 3), scale);

	return make_uint4(fragment_pick(p0, p1, 0x5410), fragment_pick(p2, p3, 0x5410),
			  fragment_pick(p0, p1, 0x7632), fragment_pick(p2, p3, 0x7632));
}

/* --------------------------------------------------------------------- W of a tile */

/* Columns of 16 bytes of codes, how many of these a row of the tile has, and a thread. */
template <int TYPE> struct gemm_codes {
	static const int columns = TYPE == WEIGHT_FP4 ? 32 : TYPE == WEIGHT_F8 ? 16 : 8;
	static const int row = GEMM_K / columns;
	static const int each = GEMM_N * row / GEMM_THREADS;
};

/* From one place to another in 16 bytes: half the registers of a pointer, and 32 GiB far. */
static __device__ __forceinline__ int distance_16(const unsigned char *from,
						  const unsigned char *to)
{
	return (int)((to - from) / 16);
}

/* A thread's pieces of W: where its rows begin, and the codes that are on their way.  Rows of
 * one thread are of one matrix. */
template <int TYPE, int LAYOUT> struct gemm_w {
	static const int type = TYPE;
	static const int each = gemm_codes<TYPE>::each;
	const unsigned char *w, *s; /* of the first; others as far behind: */
	int w_far[each];            /* in 16 bytes */
	int s_far[each];            /* in bytes */
	uint4 codes[each];
	uint32_t scale[each];
};

/* Of: row(r), where the first 16 bytes of the tile's r-th row stand, and scale(r), its scales.
 */
template <int TYPE, int LAYOUT, class OF>
static __device__ __forceinline__ void gemm_w_begin(gemm_w<TYPE, LAYOUT> &g, const OF &of, int)
{
	g.w = of.row((int)threadIdx.x / gemm_codes<TYPE>::row);
	g.s = of.scale((int)threadIdx.x / gemm_codes<TYPE>::row);
#pragma unroll
	for (int i = 0; i < g.each; i++) {
		int r = ((int)threadIdx.x + i * GEMM_THREADS) / gemm_codes<TYPE>::row;

		g.w_far[i] = distance_16(g.w, of.row(r));
		g.s_far[i] = (int)(of.scale(r) - g.s);
	}
}

/* The chunk of 16 bytes within a row that a thread's i-th piece of columns k … is. */
template <int TYPE> static __device__ __forceinline__ int gemm_chunk(int i, int k)
{
	return k / gemm_codes<TYPE>::columns +
	       ((int)threadIdx.x + i * GEMM_THREADS) % gemm_codes<TYPE>::row;
}

/* How far behind a row's beginning its chunk stands, in 16 bytes. */
template <int LAYOUT> static __device__ __forceinline__ int gemm_chunk_far(int chunk)
{
	return LAYOUT ? chunk / 4 * (PIECE_BYTES / 16) + chunk % 4 : chunk;
}

template <int TYPE, int LAYOUT>
static __device__ __forceinline__ void gemm_w_load(gemm_w<TYPE, LAYOUT> &g, int k, int in)
{
#pragma unroll
	for (int i = 0; i < g.each; i++) {
		int chunk = gemm_chunk<TYPE>(i, k), column = chunk * gemm_codes<TYPE>::columns;

		g.codes[i] = make_uint4(0, 0, 0, 0);
		g.scale[i] = 0;
		if (column < in) {
			g.codes[i] = __ldg((const uint4 *)(const void *)g.w + g.w_far[i] +
					   gemm_chunk_far<LAYOUT>(chunk));
			if (TYPE != WEIGHT_BF16)
				g.scale[i] = g.s[g.s_far[i] +
						 (TYPE == WEIGHT_FP4 ? chunk : column / 128)];
		}
	}
}

template <int LAYOUT>
static __device__ __forceinline__ uint2 gemm_f8(uint32_t w, uint32_t scale)
{
	return LAYOUT ? tiles_four(w, scale) : e4m3_four(w, scale);
}

template <int TYPE, int LAYOUT>
static __device__ __forceinline__ void gemm_w_store(const gemm_w<TYPE, LAYOUT> &g,
						    unsigned char *to, int)
{
#pragma unroll
	for (int i = 0; i < g.each; i++) {
		int id = (int)threadIdx.x + i * GEMM_THREADS, r = id / gemm_codes<TYPE>::row;
		int u = id % gemm_codes<TYPE>::row * (gemm_codes<TYPE>::columns / 8);
		uint4 c = g.codes[i];
		uint32_t s = code_scale<TYPE>(g.scale[i]);

		if (TYPE == WEIGHT_BF16) {
			*(uint4 *)(void *)(to + gemm_unit(r, u)) = c;
		} else if (TYPE == WEIGHT_F8) {
			uint2 a = gemm_f8<LAYOUT>(c.x, s), b = gemm_f8<LAYOUT>(c.y, s);
			uint2 d = gemm_f8<LAYOUT>(c.z, s), e = gemm_f8<LAYOUT>(c.w, s);

			*(uint4 *)(void *)(to + gemm_unit(r, u)) =
				make_uint4(a.x, a.y, b.x, b.y);
			*(uint4 *)(void *)(to + gemm_unit(r, u + 1)) =
				make_uint4(d.x, d.y, e.x, e.y);
		} else {
			*(uint4 *)(void *)(to + gemm_unit(r, u)) = e2m1_eight(c.x, s);
			*(uint4 *)(void *)(to + gemm_unit(r, u + 1)) = e2m1_eight(c.y, s);
			*(uint4 *)(void *)(to + gemm_unit(r, u + 2)) = e2m1_eight(c.z, s);
			*(uint4 *)(void *)(to + gemm_unit(r, u + 3)) = e2m1_eight(c.w, s);
		}
	}
}

/* --------------------------------------------------------------------- x of a tile */

template <int MT> struct gemm_x {
	static const int each = MT; /* rows of which a thread copies a unit */
	const unsigned char *x;     /* the first; others as far behind, in 16 bytes: */
	int far[each];
};

/* Of: row(r), where the tile's r-th row of x begins. */
template <int MT, class OF>
static __device__ __forceinline__ void gemm_x_begin(gemm_x<MT> &g, const OF &of)
{
	g.x = of.row((int)threadIdx.x / 8);
#pragma unroll
	for (int i = 0; i < g.each; i++)
		g.far[i] = distance_16(g.x, of.row(((int)threadIdx.x + i * GEMM_THREADS) / 8));
}

template <int MT>
static __device__ __forceinline__ void gemm_x_copy(const gemm_x<MT> &g, uint32_t to, int k,
						   int in)
{
#pragma unroll
	for (int i = 0; i < g.each; i++) {
		int id = (int)threadIdx.x + i * GEMM_THREADS, column = k + id % 8 * 8;
		int on = column < in;

		copy_async(to + (uint32_t)gemm_unit(id / 8, id % 8),
			   g.x + ((int64_t)g.far[i] + (on ? column / 8 : 0)) * 16, on);
	}
}

/* -------------------------------------------------------------------- the product */

template <int MT>
static __device__ __forceinline__ void gemm_step(float (&acc)[MT][4][4], uint32_t x, uint32_t w)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int m0 = warp % 2 * (16 * MT), n0 = warp / 2 * 32;

#pragma unroll 2
	for (int kk = 0; kk < GEMM_K / 16; kk++) {
		uint32_t a[MT][4], b[2][4];

#pragma unroll
		for (int i = 0; i < MT; i++)
			load_matrices(a[i], x + (uint32_t)gemm_unit(m0 + i * 16 + lane % 16,
								    kk * 2 + lane / 16));
#pragma unroll
		for (int j = 0; j < 2; j++)
			load_matrices(b[j], w + (uint32_t)gemm_unit(n0 + j * 16 + lane % 8 +
									    lane / 16 * 8,
								    kk * 2 + lane / 8 % 2));
#pragma unroll
		for (int i = 0; i < MT; i++) {
#pragma unroll
			for (int j = 0; j < 4; j++)
				mma_bf16(acc[i][j], a[i][0], a[i][1], a[i][2], a[i][3],
					 b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
		}
	}
}

/*
 * acc[i][j][0 … 3]: rows 16 i + lane/4 (and 8 more) of the warp's rows of x, columns 8 j +
 * 2 (lane%4) and the next of its 32 of W: gemm_row() and gemm_column() say which of the tile.
 * W is what a thread has of the weights on their way: gemm_w, or another with a type and a
 * gemm_w_begin(w, w_of, in), gemm_w_load(w, k, in), gemm_w_store(w, to, k) of its own.
 * `shared`: gemm_size<MT>::bytes, aligned to 128.
 */
template <class W, int MT, class X_OF, class W_OF>
static __device__ __forceinline__ void gemm_tile(float (&acc)[MT][4][4], const X_OF &x_of,
						 const W_OF &w_of, int in,
						 unsigned char *shared)
{
	const int x_bytes = gemm_size<MT>::x_bytes, w_bytes = gemm_size<MT>::w_bytes;
	unsigned char *w_shared = shared + GEMM_X_STAGES * x_bytes;
	uint32_t xs = shared_address(shared), ws = shared_address(w_shared);
	int n = (in + GEMM_K - 1) / GEMM_K;
	gemm_x<MT> x;
	W w;

	gemm_x_begin(x, x_of);
	gemm_w_begin(w, w_of, in);
	gemm_x_copy(x, xs, 0, in);
	copy_commit();
	if (n > 1)
		gemm_x_copy(x, xs + (uint32_t)x_bytes, GEMM_K, in);
	copy_commit();
	gemm_w_load(w, 0, in);
	gemm_w_store(w, w_shared, 0);
	if (n > 1)
		gemm_w_load(w, GEMM_K, in);
	for (int k = 0; k < n; k++) {
		copy_wait_but<1>();
		__syncthreads(); /* stage k is there for all; none reads stage k - 1 any more */
		if (k + 2 < n)
			gemm_x_copy(x, xs + (uint32_t)((k + 2) % GEMM_X_STAGES * x_bytes),
				    (k + 2) * GEMM_K, in);
		copy_commit();
		gemm_step<MT>(acc, xs + (uint32_t)(k % GEMM_X_STAGES * x_bytes),
			      ws + (uint32_t)(k % 2 * w_bytes));
		if (k + 1 < n)
			gemm_w_store(w, w_shared + (k + 1) % 2 * w_bytes, (k + 1) * GEMM_K);
		if (k + 2 < n)
			gemm_w_load(w, (k + 2) * GEMM_K, in);
	}
#pragma unroll
	for (int i = 0; i < MT; i++) {
#pragma unroll
		for (int j = 0; j < 16; j++)
			acc[i][j / 4][j % 4] *= code_factor<W::type>();
	}
}

/* Which row of x of the tile acc[i][.][c] belongs to, and which row of W acc[.][j][c]. */
template <int MT> static __device__ __forceinline__ int gemm_row(int i, int c)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;

	return warp % 2 * (16 * MT) + i * 16 + lane / 4 + c / 2 * 8;
}

static __device__ __forceinline__ int gemm_column(int j, int c)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;

	return warp / 2 * 32 + j * 8 + lane % 4 * 2 + c % 2;
}

#endif
