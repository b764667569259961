/*
 * Layout 1 of weights in BF16 and F8: tiles of 16 rows, cut into pieces of 16 rows × 64 bytes,
 * so that what a warp loads for mma.m16n8k16 is 512 neighbouring bytes and a tile is one run.
 *
 *   piece p of tile t   bytes [(t · pieces + p) · 1024, … + 1024): 16 rows of 64 bytes
 *   round r of a tile   four pieces: 128 columns of BF16, 256 of F8
 *
 * BF16 stands as it was.  Four e4m3 codes c0 … c3 of a row become one word from which two
 * registers of an instruction, (c0, c1) and (c2, c3), come by few operations: c0 and c1 stand
 * in the two halves where bf16 has its sign, the low four bits of its exponent and the high
 * three of its mantissa, c2 and c3 in the bits between.  A tile stays where its 16 rows were,
 * so weights are turned on their way into device memory.  Plain C for GPU and host.
 */
#ifndef KERNELS_CUDA_TILES_H
#define KERNELS_CUDA_TILES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops.h"

#ifdef __CUDACC__
#define TILES_FN static __host__ __device__ __forceinline__
#else
#define TILES_FN static inline
#endif

#define LAYOUT_TILES 1

#define TILE_ROWS   16
#define PIECE_ROW   64 /* bytes of one row in a piece */
#define PIECE_BYTES (TILE_ROWS * PIECE_ROW)
#define ROUND_BYTES (4 * PIECE_BYTES)

/* Columns of a round. */
TILES_FN int round_columns(int type)
{
	return type == WEIGHT_F8 ? 256 : 128;
}

/* Whether a weight of this type, used in so many groups, may stand in tiles. */
TILES_FN int tiles_fit(int type, int out, int in, int n_group)
{
	return (type == WEIGHT_BF16 || type == WEIGHT_F8) && in % round_columns(type) == 0 &&
	       out % n_group == 0 && out / n_group % TILE_ROWS == 0;
}

/* Where 16-byte unit u of row r stands, in units from the weight's beginning; a row has
 * row_units of them. */
TILES_FN size_t tiles_unit(size_t row_units, int r, int u)
{
	return (size_t)(r / TILE_ROWS) * TILE_ROWS * row_units +
	       (size_t)(u / 4 * (PIECE_BYTES / 16) + r % TILE_ROWS * 4 + u % 4);
}

/* Four e4m3 codes, c0 in the low byte, to their place in a tile. */
TILES_FN uint32_t tiles_of_e4m3(uint32_t w)
{
	uint32_t a = (w & 0xffu) | (w & 0xff00u) << 8, b = (w >> 16 & 0xffu) | w >> 24 << 16;

	return (a & 0x00800080u) << 8 | (a & 0x007f007fu) << 4 | (b & 0x00800080u) << 4 |
	       (b & 0x00700070u) << 8 | (b & 0x000f000fu);
}

/* (c0, c1) and (c2, c3) of such a word as bf16 of the value times 2^-120. */
TILES_FN uint32_t tiles_first(uint32_t w)
{
	return w & 0x87f087f0u;
}

TILES_FN uint32_t tiles_second(uint32_t w)
{
	return (w << 4 & 0x80f080f0u) | (w >> 4 & 0x07000700u);
}

#ifndef __CUDACC__
/* So many tiles of rows of so many bytes, a multiple of 64, from the checkpoint's order into
 * theirs: as many bytes in both, and a tile's are those of its 16 rows.  tiles.c */
void tiles_fill(int type, unsigned char *to, const unsigned char *from, size_t row_bytes,
		size_t n_tile);
#endif

#endif
