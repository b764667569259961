/* W of a tile of gemm.cuh where weights are packed (packed.h): a unit is turned to bf16 and
 * stored where its columns stand. */
#ifndef KERNELS_CUDA_EXPERTS_TILE_CUH
#define KERNELS_CUDA_EXPERTS_TILE_CUH

#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/packed.h"

/* A thread's units of W, all of the same row of a tile: whose, and the codes that are on their
 * way. */
template <int TYPE> struct tile_w {
	static const int type = TYPE;
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
static __device__ __forceinline__ void gemm_w_begin(tile_w<TYPE> &g, const OF &of, int in)
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
static __device__ __forceinline__ void gemm_w_load(tile_w<TYPE> &g, int k, int in)
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
static __device__ __forceinline__ void gemm_w_store(const tile_w<TYPE> &g, unsigned char *to,
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

#endif
