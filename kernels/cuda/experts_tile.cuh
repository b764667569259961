/*
 * A tile of Y = X Wᵀ as in gemm.cuh, of packed weights (packed.h): W's units come through
 * registers, are turned to bf16 and stored where their columns stand.
 */
#ifndef KERNELS_CUDA_EXPERTS_TILE_CUH
#define KERNELS_CUDA_EXPERTS_TILE_CUH

#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/packed.h"

/* A thread's units of W, all of the same row of a tile: whose, and the codes that are on their
 * way. */
template <int TYPE> struct tile_w {
	static const int each = gemm_codes<TYPE>::each;
	const unsigned char *w,
		*s;      /* of the first: its tile of 16 rows, and this one's scales */
	int w_far[each]; /* how far behind the others' tiles are, in 16 bytes */
	int s_far[each]; /* in bytes */
	int row;
	uint4 codes[each];
	uint32_t scale[each];
};

/* Of: codes(r), scales(r): of the matrix that row r of the tile is of; at(r): which row of it,
 * perhaps behind the last. */
template <int TYPE, class OF>
static __device__ __forceinline__ void tile_w_begin(tile_w<TYPE> &g, const OF &of, int in)
{
	size_t units = (size_t)(in / gemm_codes<TYPE>::columns);
	int first = (int)threadIdx.x / gemm_codes<TYPE>::row;

	g.w = of.codes(first);
	g.s = of.scales(first);
	g.row = of.at(first) % PACKED_ROWS;
#pragma unroll
	for (int i = 0; i < g.each; i++) {
		int r = first + i * GEMM_THREADS / gemm_codes<TYPE>::row;
		/* rows behind the last are computed like another and not stored */
		int tile = min(of.at(r), of.last) / PACKED_ROWS;

		g.w_far[i] = distance_16(g.w, of.codes(r)) +
			     (int)((size_t)tile * PACKED_ROWS * units);
		g.s_far[i] = (int)(of.scales(r) - g.s);
		if (TYPE == WEIGHT_FP4)
			g.s_far[i] += (int)((size_t)tile * PACKED_ROWS * units);
		if (TYPE == WEIGHT_F8)
			g.s_far[i] += tile * PACKED_ROWS / 128 * ((in + 127) / 128);
	}
}

template <int TYPE>
static __device__ __forceinline__ void tile_w_load(tile_w<TYPE> &g, int k, int in)
{
	int units = in / gemm_codes<TYPE>::columns;

#pragma unroll
	for (int i = 0; i < g.each; i++) {
		int u = gemm_chunk<TYPE>(i, k);

		g.codes[i] = make_uint4(0, 0, 0, 0);
		g.scale[i] = 0;
		if (u < units) {
			g.codes[i] = __ldg((const uint4 *)(const void *)g.w + g.w_far[i] +
					   packed_unit(g.row, u, units) / 16);
			if (TYPE == WEIGHT_FP4)
				g.scale[i] =
					g.s[g.s_far[i] + (int)packed_scale_at(g.row, u, units)];
			if (TYPE == WEIGHT_F8)
				g.scale[i] =
					g.s[g.s_far[i] + u * gemm_codes<TYPE>::columns / 128];
		}
	}
}

/* Eight columns of FP4, four of F8, in their order. */
static __device__ __forceinline__ uint4 tile_e2m1(uint32_t w, uint32_t scale)
{
	return make_uint4(bf16_pair_mul(packed_e2m1(w, 0), scale),
			  bf16_pair_mul(packed_e2m1(w, 1), scale),
			  bf16_pair_mul(packed_e2m1(w, 2), scale),
			  bf16_pair_mul(packed_e2m1(w, 3), scale));
}

static __device__ __forceinline__ uint4 tile_e4m3(uint32_t a, uint32_t b, uint32_t scale)
{
	return make_uint4(bf16_pair_mul(packed_e4m3(a, 0), scale),
			  bf16_pair_mul(packed_e4m3(a, 1), scale),
			  bf16_pair_mul(packed_e4m3(b, 0), scale),
			  bf16_pair_mul(packed_e4m3(b, 1), scale));
}

static __device__ __forceinline__ void tile_put(unsigned char *to, int r, int unit, uint4 v)
{
	*(uint4 *)(void *)(to + gemm_unit(r, unit)) = v;
}

/* The units of columns k …, that were loaded. */
template <int TYPE>
static __device__ __forceinline__ void tile_w_store(const tile_w<TYPE> &g, unsigned char *to,
						    int k)
{
#pragma unroll
	for (int i = 0; i < g.each; i++) {
		int r = ((int)threadIdx.x + i * GEMM_THREADS) / gemm_codes<TYPE>::row;
		int u = gemm_chunk<TYPE>(i, k), eights = gemm_codes<TYPE>::columns / 8;
		int at = (u * eights) % (GEMM_K / 8), flip = packed_eight(TYPE, u, 0);
		uint4 c = g.codes[i];

		if (TYPE == WEIGHT_BF16) {
			tile_put(to, r, at, c);
		} else if (TYPE == WEIGHT_F8) {
			uint32_t s = code_scale<TYPE>(g.scale[i]);

			tile_put(to, r, at + flip, tile_e4m3(c.x, c.y, s));
			tile_put(to, r, at + (flip ^ 1), tile_e4m3(c.z, c.w, s));
		} else {
			uint32_t s = g.scale[i] * 0x00800080u;

			tile_put(to, r, at + flip, tile_e2m1(c.x, s));
			tile_put(to, r, at + (flip ^ 1), tile_e2m1(c.y, s));
			tile_put(to, r, at + (flip ^ 2), tile_e2m1(c.z, s));
			tile_put(to, r, at + (flip ^ 3), tile_e2m1(c.w, s));
		}
	}
}

/* As gemm_tile() of gemm.cuh: acc, `shared` and who makes what are the same. */
template <int TYPE, int MT, class X, class W>
static __device__ __forceinline__ void tile_product(float (&acc)[MT][4][4], const X &x_of,
						    const W &w_of, int in,
						    unsigned char *shared)
{
	const int x_bytes = gemm_size<MT>::x_bytes, w_bytes = gemm_size<MT>::w_bytes;
	unsigned char *w_shared = shared + GEMM_X_STAGES * x_bytes;
	uint32_t xs = shared_address(shared), ws = shared_address(w_shared);
	int n = (in + GEMM_K - 1) / GEMM_K;
	gemm_x<MT> x;
	tile_w<TYPE> w;

	gemm_x_begin(x, x_of);
	tile_w_begin(w, w_of, in);
	gemm_x_copy(x, xs, 0, in);
	copy_commit();
	if (n > 1)
		gemm_x_copy(x, xs + (uint32_t)x_bytes, GEMM_K, in);
	copy_commit();
	tile_w_load(w, 0, in);
	tile_w_store(w, w_shared, 0);
	if (n > 1)
		tile_w_load(w, GEMM_K, in);
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
			tile_w_store(w, w_shared + (k + 1) % 2 * w_bytes, (k + 1) * GEMM_K);
		if (k + 2 < n)
			tile_w_load(w, (k + 2) * GEMM_K, in);
	}
#pragma unroll
	for (int i = 0; i < MT; i++) {
#pragma unroll
		for (int j = 0; j < 16; j++)
			acc[i][j / 4][j % 4] *= code_factor<TYPE>();
	}
}

#endif
