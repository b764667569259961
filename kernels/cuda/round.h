/*
 * The roundings of the caches and the exponential, number by number, as the CPU backend has
 * them (kernels/cpu/vec_rows.c, vec.h): plain C for GPU and host, so that a test without a GPU
 * compares them by bits.
 */
#ifndef KERNELS_CUDA_ROUND_H
#define KERNELS_CUDA_ROUND_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define ROUND_INLINE static __host__ __device__ __forceinline__
#else
#define ROUND_INLINE static inline __attribute__((unused))
#endif

ROUND_INLINE float round_of_bits(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

ROUND_INLINE uint32_t round_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

/* 2^(e-127); 0 is 2^-127, 255 infinity. */
ROUND_INLINE float round_scale(uint32_t e)
{
	return round_of_bits(e << 23 | (uint32_t)(e == 0) << 22);
}

/* 2^⌈log2 v⌉ as an E8M0 byte, v ≥ 0, kept inside the byte's finite range. */
ROUND_INLINE uint32_t round_e8m0_ceil(float v)
{
	uint32_t u = round_bits(v);
	uint32_t e = u >> 23 & 255;

	if (u & 0x7FFFFFu)
		e++;
	return e < 1 ? 1 : e > 254 ? 254 : e;
}

/* Nearest e4m3, ties to even; beyond 448 the greatest, NaN for NaN. */
ROUND_INLINE uint32_t round_e4m3(float x)
{
	uint32_t u = round_bits(x);
	uint32_t sign = u >> 24 & 0x80u;
	float a = fabsf(x);

	if (!(a <= 448.0f))
		return sign | (a > 448.0f ? 0x7Eu : 0x7Fu);
	if (a < 0x1p-6f) /* subnormal: multiples of 2^-9; eight of them are the first normal */
		return sign | (uint32_t)(int)(a * 512.0f + 0x1.8p23f - 0x1.8p23f);
	u &= 0x7FFFFFFFu;
	u += 0x7FFFFu + (u >> 20 & 1); /* to three mantissa bits */
	return sign | ((u >> 20) - (120u << 3));
}

/* Nearest e2m1, a tie goes where the code is even. */
ROUND_INLINE uint32_t round_e2m1(float x)
{
	float a = fabsf(x);
	uint32_t code = (uint32_t)(a > 0.25f) + (uint32_t)(a >= 0.75f) + (uint32_t)(a > 1.25f) +
			(uint32_t)(a >= 1.75f) + (uint32_t)(a > 2.5f) + (uint32_t)(a >= 3.5f) +
			(uint32_t)(a > 5.0f);

	return code | (round_bits(x) >> 28 & 8u);
}

/* exp: 2^n times a polynomial of degree 7, between exp(-87) and exp(88). */
ROUND_INLINE float round_exp(float x)
{
	float t, n, r, p;

	x = fminf(fmaxf(x, -87.0f), 88.0f);
	t = fmaf(x, 0x1.715476p0f, 0x1.8p23f);
	n = t - 0x1.8p23f;
	r = fmaf(n, -0x1.62e400p-1f, x);  /* ln 2, high part: 15 bits */
	r = fmaf(n, -0x1.7f7d1cp-20f, r); /* ln 2, the rest           */
	p = 0x1.a01a02p-13f;              /* 1/7! … 1/1!, 1           */
	p = fmaf(p, r, 0x1.6c16c2p-10f);
	p = fmaf(p, r, 0x1.111112p-7f);
	p = fmaf(p, r, 0x1.555556p-5f);
	p = fmaf(p, r, 0x1.555556p-3f);
	p = fmaf(p, r, 0.5f);
	p = fmaf(p, r, 1.0f);
	p = fmaf(p, r, 1.0f);
	return round_of_bits(round_bits(p) + (round_bits(t) << 23));
}

/*
 * Columns i and i + 4 (i < 4) of eight FP4 codes as a pair of f16, 2^-14 of their values: the
 * code's exponent and mantissa stand where f16 has the low ones of its own, subnormals
 * included.
 */
ROUND_INLINE uint32_t round_fp4_pair(uint32_t w, int i)
{
	uint32_t size = i < 3 ? w << (9 - 4 * i) : w >> 3;

	return (size & 0x0E000E00u) | (w << (12 - 4 * i) & 0x80008000u);
}

/*
 * Two e4m3 codes, each in the high byte of its half, as a pair of bf16, 2^-120 of their values;
 * NaN codes come out as 480, as the CPU reads them.
 */
ROUND_INLINE uint32_t round_f8_pair(uint32_t high_bytes)
{
	return (high_bytes >> 4 & 0x07F007F0u) | (high_bytes & 0x80008000u);
}

/* What the pair is multiplied by, as bf16: 2^(e-127+120), or infinite. */
ROUND_INLINE uint32_t round_f8_scale(uint32_t e)
{
	return e > 134 ? 0x7F80u : (e + 120) << 7;
}

/* Greater keys for greater floats, -0 and +0 alike; NaN is the least. */
ROUND_INLINE uint32_t round_key(float f)
{
	uint32_t u;

	if (f != f)
		return 0;
	u = round_bits(f + 0.0f);
	return u & 0x80000000u ? ~u : u | 0x80000000u;
}

/* The float of a key; NaN of 0. */
ROUND_INLINE float round_of_key(uint32_t key)
{
	return round_of_bits(key & 0x80000000u ? key ^ 0x80000000u : ~key);
}

#endif
