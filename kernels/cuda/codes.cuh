/*
 * Codes of weights as pairs of bf16, by integer instructions and one multiplication.
 *
 * fragment_e4m3() and fragment_e2m1() move a code's exponent and mantissa to where bf16 has
 * them, which is the value times 2^-120 or 2^-126, subnormals included; a product with a power
 * of two, exact, puts that right and applies the block's scale.  So that every scale up to 2^17
 * and 2^23 has such a factor, quantised weights stand as value · 2^-16 (code_factor() takes
 * that off a sum again); larger scales come out infinite, never finite and wrong.  And the
 * instruction that takes them.
 */
#ifndef KERNELS_CUDA_CODES_CUH
#define KERNELS_CUDA_CODES_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/fragment.h"

/* What a sum of products with weights of this type is to be multiplied with. */
template <int TYPE> static __device__ __forceinline__ float code_factor()
{
	return TYPE == WEIGHT_BF16 ? 1.0f : 65536.0f;
}

/* The factor of codes with scale 2^(e - 127), in both halves. */
template <int TYPE> static __device__ __forceinline__ uint32_t code_scale(uint32_t e)
{
	uint32_t field = e + (TYPE == WEIGHT_FP4 ? 126 - 16 : 120 - 16);

	return min(field, 255u) * 0x00800080u;
}

/* c += A B, 16 × 16 by 16 × 8; what a lane holds is as the instruction m16n8k16 has it. */
static __device__ __forceinline__ void mma_bf16(float (&c)[4], uint32_t a0, uint32_t a1,
						uint32_t a2, uint32_t a3, uint32_t b0,
						uint32_t b1)
{
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
	    "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

#endif
