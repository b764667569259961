/*
 * How the products of 1 … 16 rows with weights as the checkpoint has them lay their operands
 * out for mma.m16n8k16: plain index arithmetic, for kernels and for the host's tests alike.
 *
 * A lane of a quad (lane % 4 = q) loads 16 bytes of a row of W: 8 columns of BF16, 16 of F8 or
 * 32 of FP4.  The quad's four loads are a step, four steps are a round.  The columns within a
 * step may stand in any order inside the instructions as long as x does the same, so weights
 * are used in the order in which their codes come apart cheaply, and x is put into that order
 * in shared memory.  A unit is 8 columns of x, 16 bytes.
 */
#ifndef KERNELS_CUDA_FRAGMENT_H
#define KERNELS_CUDA_FRAGMENT_H

#include "kernels/ops.h"

#ifdef __CUDACC__
#define FRAGMENT_FN static __host__ __device__ __forceinline__
#else
#define FRAGMENT_FN static inline
#endif

#define FRAGMENT_STEPS 4 /* steps of a round */

/* Columns that one lane's 16 bytes hold. */
FRAGMENT_FN int fragment_columns(int type)
{
	return type == WEIGHT_FP4 ? 32 : type == WEIGHT_F8 ? 16 : 8;
}

FRAGMENT_FN int fragment_step(int type)
{
	return 4 * fragment_columns(type);
}

FRAGMENT_FN int fragment_round(int type)
{
	return FRAGMENT_STEPS * fragment_step(type);
}

/*
 * Where unit u of a step stands among the step's units: the i-th units of the four lanes stand
 * side by side, so that a quad reads 64 neighbouring bytes.
 */
FRAGMENT_FN int fragment_unit(int type, int u)
{
	int each = fragment_columns(type) / 8; /* units of a lane */

	return u % each * 4 + u / each;
}

/*
 * Which column of a unit stands at place i (0 … 7): pairs of places are what one register of
 * the instruction holds.
 */
FRAGMENT_FN int fragment_column(int type, int i)
{
	if (type == WEIGHT_FP4) /* (0, 4), (1, 5), (2, 6), (3, 7): nibbles 16 bits apart */
		return i / 2 + i % 2 * 4;
	if (type == WEIGHT_F8) /* (0, 2), (1, 3), (4, 6), (5, 7): bytes 16 bits apart */
		return i / 4 * 4 + i % 4 / 2 + i % 2 * 2;
	return i;
}

/* ------------------------------------------------------- how codes come apart */

/* Four bytes of a (numbers 0 … 3) and b (4 … 7), chosen by the nibbles of `pick`. */
FRAGMENT_FN uint32_t fragment_pick(uint32_t a, uint32_t b, uint32_t pick)
{
#ifdef __CUDA_ARCH__
	return __byte_perm(a, b, pick);
#else
	uint64_t both = (uint64_t)b << 32 | a;
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v |= (uint32_t)(both >> (pick >> (4 * i) & 7) * 8 & 255) << (8 * i);
	return v;
#endif
}

/* A unit of x, four pairs, from the order of its columns to that of fragment_column(). */
FRAGMENT_FN void fragment_order(int type, uint32_t v[4])
{
	uint32_t a = v[0], b = v[1], c = v[2], d = v[3];

	if (type == WEIGHT_F8) {
		v[0] = fragment_pick(a, b, 0x5410);
		v[1] = fragment_pick(a, b, 0x7632);
		v[2] = fragment_pick(c, d, 0x5410);
		v[3] = fragment_pick(c, d, 0x7632);
	} else if (type == WEIGHT_FP4) {
		v[0] = fragment_pick(a, c, 0x5410);
		v[1] = fragment_pick(a, c, 0x7632);
		v[2] = fragment_pick(b, d, 0x5410);
		v[3] = fragment_pick(b, d, 0x7632);
	}
}

/* Bytes 0 and 2, or (odd) 1 and 3, of four e4m3 codes, as bf16 of the value times 2^-120. */
FRAGMENT_FN uint32_t fragment_e4m3(uint32_t w, int odd)
{
	return odd ? (w & 0x80008000u) | ((w >> 4) & 0x07f007f0u)
		   : ((w << 8) & 0x80008000u) | ((w << 4) & 0x07f007f0u);
}

/* Nibbles i and i + 4 (i < 4) of eight e2m1 codes, as bf16 of the value times 2^-126. */
FRAGMENT_FN uint32_t fragment_e2m1(uint32_t w, int i)
{
	uint32_t rest = i < 2 ? w << (6 - 4 * i) : w >> (4 * i - 6);

	return ((w << (12 - 4 * i)) & 0x80008000u) | (rest & 0x01c001c0u);
}

#endif
