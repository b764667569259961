/*
 * How the experts' weights lie in device memory, and how their codes come apart: plain index
 * and bit arithmetic, for kernels and for the host's tests alike.
 *
 * A unit is 16 bytes of a row of W: 32 columns of FP4, 16 of F8, 8 of BF16.  A tile is 16 rows,
 * and its units stand by steps of four of each row, [step][row][4], so that what a warp loads
 * for mma.m16n8k16 (a lane the unit lane % 4 of rows lane / 4 and 8 more) are 512 neighbouring
 * bytes, and a tile is one piece of memory.  A row's last step may have fewer units; nothing is
 * padded, so a matrix takes the bytes that it took row by row.
 *
 * The scales of FP4 stand likewise, [step][row % 8][unit][row / 8], with what the kernels add
 * to an exponent already added (packed_scale); those of F8 are as they were.
 *
 * Inside of a unit, codes are placed so that pairs of neighbouring columns come apart with few
 * instructions, and words so that the four lanes of a quad, each with a word of the same
 * number, meet different banks of shared memory where x stands in its own order.
 */
#ifndef KERNELS_CUDA_PACKED_H
#define KERNELS_CUDA_PACKED_H

#include <stddef.h>

#include "kernels/ops.h"

#ifdef __CUDACC__
#define PACKED_FN static __host__ __device__ __forceinline__
#else
#define PACKED_FN static inline __attribute__((unused))
#endif

#define PACKED_LAYOUT     2  /* weight.layout */
#define PACKED_ROWS       16 /* of a tile */
#define PACKED_UNITS      4  /* of a row in a step */
#define PACKED_STEP_BYTES (PACKED_ROWS * PACKED_UNITS * 16)
#define PACKED_STEP_SCALE (PACKED_ROWS * PACKED_UNITS)

/* Columns of a unit. */
PACKED_FN int packed_columns(int type)
{
	return type == WEIGHT_FP4 ? 32 : type == WEIGHT_F8 ? 16 : 8;
}

/* Steps of a row of `in` columns. */
PACKED_FN int packed_steps(int type, int in)
{
	int columns = PACKED_UNITS * packed_columns(type);

	return (in + columns - 1) / columns;
}

/* Units that each row has of the step that unit u of n belongs to. */
PACKED_FN int packed_width(int u, int n)
{
	int left = n - u / PACKED_UNITS * PACKED_UNITS;

	return left < PACKED_UNITS ? left : PACKED_UNITS;
}

/* The byte of a tile at which unit u (of n) of its row begins. */
PACKED_FN size_t packed_unit(int row, int u, int n)
{
	return (size_t)(u / PACKED_UNITS) * PACKED_STEP_BYTES +
	       (size_t)(row * packed_width(u, n) + u % PACKED_UNITS) * 16;
}

/* The byte of a tile's scales that belongs to unit u (of n) of its row; FP4 only. */
PACKED_FN size_t packed_scale_at(int row, int u, int n)
{
	return (size_t)(u / PACKED_UNITS) * PACKED_STEP_SCALE +
	       (size_t)((row % 8 * packed_width(u, n) + u % PACKED_UNITS) * 2 + row / 8);
}

/* The other way: what stands in place i of a tile of n units a row. */
struct packed_place {
	int row, unit;
};

PACKED_FN struct packed_place packed_unit_of(int i, int n)
{
	const int step = PACKED_ROWS * PACKED_UNITS;
	int first = i / step * PACKED_UNITS, width = packed_width(first, n);
	struct packed_place p = {i % step / width, first + i % step % width};

	return p;
}

PACKED_FN struct packed_place packed_scale_of(int i, int n)
{
	const int step = PACKED_ROWS * PACKED_UNITS;
	int first = i / step * PACKED_UNITS, width = packed_width(first, n), at = i % step / 2;
	struct packed_place p = {at / width + i % 2 * 8, first + at % width};

	return p;
}

/*
 * The exponent field of the bf16 that codes of FP4 are multiplied by: 2^126 for where their
 * bits stand, 2^-16 for code_factor().
 */
PACKED_FN uint8_t packed_scale(uint8_t e)
{
	return e > 255 - (126 - 16) ? 255 : (uint8_t)(e + (126 - 16));
}

/* ------------------------------------------------------------------ FP4 */

/*
 * Where bf16 has sign, exponent and mantissa of a code: the value times 2^-126.  Of the four
 * pairs of a word one stands there, one 3 and one 6 bits to the right, and the bits of the last
 * where one multiplication turns them to their places (to which the two halves of its product
 * add up).  So most of it is done by multipliers, which have less to do here than the units
 * that mask and shift.
 */
#define PACKED_PAIR 0x81c081c0u
#define PACKED_REST 0x6c006c00u
#define PACKED_TURN 0x00004210u /* 2^14 + 2^9 + 2^4 */

/* Columns 2 i and 2 i + 1 of a word's eight, as a pair of bf16, low half first. */
PACKED_FN uint32_t packed_e2m1(uint32_t w, int i)
{
	uint64_t turned;

	if (i < 3)
		return (w << (3 * i)) & PACKED_PAIR;
	turned = (uint64_t)(w & PACKED_REST) * PACKED_TURN;
	return ((uint32_t)turned | (uint32_t)(turned >> 32)) & PACKED_PAIR;
}

/* The word of eight codes that packed_e2m1() takes apart; column i's in bits 4 i … 4 i + 3. */
PACKED_FN uint32_t packed_word_e2m1(uint32_t codes)
{
	/* of sign, exponent's high and low bit, mantissa: in bf16, and what is turned there
	 * from the word's other half but for the sign */
	const int place[4] = {15, 8, 7, 6}, rest[4] = {11, 10 + 16, 14 + 16, 13 + 16};
	uint32_t w = 0;

	for (int i = 0; i < 8; i++) {
		for (int b = 0; b < 4; b++) {
			uint32_t bit = codes >> (4 * i + 3 - b) & 1;
			int at = i / 2 < 3 ? place[b] - 3 * (i / 2) : rest[b];

			w |= bit << ((at + i % 2 * 16) % 32);
		}
	}
	return w;
}

/* ------------------------------------------------------------------- F8 */

/* Columns 0 and 1, or (second) 2 and 3, of a word's four, as a pair of bf16, 2^-120 of their
 * values: the first stand where bf16 has them, the second around these. */
PACKED_FN uint32_t packed_e4m3(uint32_t w, int second)
{
	return second ? ((w << 4) & 0x80f080f0u) | ((w >> 4) & 0x07000700u) : w & 0x87f087f0u;
}

PACKED_FN uint32_t packed_word_e4m3(uint32_t codes)
{
	uint32_t w = 0;

	for (int h = 0; h < 2; h++) {
		uint32_t a = codes >> (8 * h) & 255, b = codes >> (8 * h + 16) & 255;

		w |= ((a & 0x80) << 8 | (a & 0x7f) << 4 | (b & 0x80) << 4 | (b & 0x70) << 8 |
		      (b & 0x0f))
		     << (16 * h);
	}
	return w;
}

/* ---------------------------------------------------------------- a unit */

/* Which eight columns of unit u of a step stand at place i of it (FP4: 0 … 3, F8: 0, 1). */
PACKED_FN int packed_eight(int type, int u, int i)
{
	return type == WEIGHT_FP4  ? i ^ (u % PACKED_UNITS)
	       : type == WEIGHT_F8 ? i ^ (u % PACKED_UNITS / 2)
				   : i;
}

/* Unit u's words, from the checkpoint's order to the packed one. */
PACKED_FN void packed_words(int type, int u, const uint32_t from[4], uint32_t to[4])
{
	for (int i = 0; i < 4; i++) {
		if (type == WEIGHT_FP4)
			to[i] = packed_word_e2m1(from[packed_eight(type, u, i)]);
		else if (type == WEIGHT_F8)
			to[i] = packed_word_e4m3(
				from[packed_eight(type, u, i / 2) * 2 + i % 2]);
		else
			to[i] = from[i];
	}
}

/* ------------------------------------------------------- the other way, for what is rare */

/* Packing only moves bits about: where bit `bit` of unit u's 128 is then. */
PACKED_FN int packed_bit(int type, int u, int bit)
{
	uint32_t from[4] = {0, 0, 0, 0}, to[4];
	int at = 0;

	from[bit / 32] = (uint32_t)1 << bit % 32;
	packed_words(type, u, from, to);
	while (at < 127 && !(to[at / 32] >> at % 32 & 1))
		at++;
	return at;
}

/* The exponent that is packed as p.  Those that overflow there are the same from then on. */
PACKED_FN uint8_t packed_scale_back(uint8_t p)
{
	int e = 0;

	while (e < 255 && packed_scale((uint8_t)e) != p)
		e++;
	return packed_scale((uint8_t)e) == p ? (uint8_t)e : 0;
}

#endif
