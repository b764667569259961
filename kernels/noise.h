/*
 * The arithmetic that decides a choice: noise by counting, its logarithms, and masses of
 * probability.
 *
 * Every backend compiles this file and gets the same bits: additions, multiplications and
 * divisions of doubles, each rounded by itself (on a device through intrinsics that no compiler
 * fuses, on the host by C17's rule that nothing is fused unasked), integers, and no library.
 * Sums of masses are sums of integers, so that they do not depend on their order.
 *
 * Pure functions.  C17 and CUDA C++.
 */
#ifndef KERNELS_NOISE_H
#define KERNELS_NOISE_H

#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define NOISE_FN static __host__ __device__ __forceinline__
#else
#define NOISE_FN static inline
#endif

NOISE_FN double noise_mul(double a, double b)
{
#ifdef __CUDA_ARCH__
	return __dmul_rn(a, b);
#else
	return a * b;
#endif
}

NOISE_FN double noise_add(double a, double b)
{
#ifdef __CUDA_ARCH__
	return __dadd_rn(a, b);
#else
	return a + b;
#endif
}

NOISE_FN double noise_div(double a, double b)
{
#ifdef __CUDA_ARCH__
	return __ddiv_rn(a, b);
#else
	return a / b;
#endif
}

NOISE_FN uint64_t noise_bits(double x)
{
	uint64_t u;

	memcpy(&u, &x, sizeof(u));
	return u;
}

NOISE_FN double noise_of_bits(uint64_t u)
{
	double x;

	memcpy(&x, &u, sizeof(x));
	return x;
}

/* ------------------------------------------------------------------- bits */

struct noise_block {
	uint32_t word[4];
};

/*
 * Random bits by counting: the bits at a place depend on the place alone, so they can be had in
 * any order, on any thread, as often as one likes.  Philox4x32-10 of Salmon, Moraes, Dror and
 * Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).
 */
NOISE_FN struct noise_block noise_philox(struct noise_block c, uint32_t k0, uint32_t k1)
{
	for (int round = 0; round < 10; round++) {
		uint64_t a = (uint64_t)0xD2511F53u * c.word[0];
		uint64_t b = (uint64_t)0xCD9E8D57u * c.word[2];

		c.word[0] = (uint32_t)(b >> 32) ^ c.word[1] ^ k0;
		c.word[1] = (uint32_t)b;
		c.word[2] = (uint32_t)(a >> 32) ^ c.word[3] ^ k1;
		c.word[3] = (uint32_t)a;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	return c;
}

/* The block that holds the bits of a token and of its neighbour: 2i and 2i + 1 share one. */
NOISE_FN struct noise_block noise_pair(uint64_t seed, uint64_t position, uint32_t token)
{
	struct noise_block b;

	b.word[0] = token >> 1;
	b.word[1] = 0;
	b.word[2] = (uint32_t)position;
	b.word[3] = (uint32_t)(position >> 32);
	return noise_philox(b, (uint32_t)seed, (uint32_t)(seed >> 32));
}

/*
 * A token's uniform number of its block, strictly between 0 and 1: 52 bits and a half, so that
 * neither end can come out.
 */
NOISE_FN double noise_uniform_of(struct noise_block b, uint32_t token)
{
	uint64_t low = token & 1u ? b.word[2] : b.word[0];
	uint64_t high = token & 1u ? b.word[3] : b.word[1];

	return noise_mul(noise_add((double)((high << 32 | low) >> 12), 0.5), 0x1p-52);
}

NOISE_FN double noise_uniform(uint64_t seed, uint64_t position, uint32_t token)
{
	return noise_uniform_of(noise_pair(seed, position, token), token);
}

/* ------------------------------------------------------------- logarithms */

/* ln 2 in two parts; the first is 20 bits short of a double, so that its multiples are exact. */
#define NOISE_LN2_HIGH 0x1.62e42fefap-1
#define NOISE_LN2_LOW  0x1.cf79abc9e3b3ap-40

/*
 * ln x, for finite x > 0, within 1 unit in the last place.  x = 2^e m, √½ ≤ m < √2; with
 * s = (m - 1)/(m + 1), ln m = 2 (s + s³/3 + s⁵/5 + …), of which eleven terms count.
 */
NOISE_FN double noise_log(double x)
{
	uint64_t u = noise_bits(x);
	int e = 0;
	double m, f, s, z, p, high, low;

	if (u < 0x0010000000000000u) { /* no leading one to read the exponent from */
		u = noise_bits(noise_mul(x, 0x1p54));
		e = -54;
	}
	/* the borders of m are those of these bits: √½ rounded to 32 of them */
	u += 0x3ff0000000000000u - 0x3fe6a09e00000000u;
	e += (int)(u >> 52) - 1023;
	m = noise_of_bits((u & 0x000fffffffffffffu) + 0x3fe6a09e00000000u);
	f = noise_add(m, -1.0);
	s = noise_div(f, noise_add(2.0, f));
	z = noise_mul(s, s);
	p = 1.0 / 21;
	p = noise_add(noise_mul(p, z), 1.0 / 19);
	p = noise_add(noise_mul(p, z), 1.0 / 17);
	p = noise_add(noise_mul(p, z), 1.0 / 15);
	p = noise_add(noise_mul(p, z), 1.0 / 13);
	p = noise_add(noise_mul(p, z), 1.0 / 11);
	p = noise_add(noise_mul(p, z), 1.0 / 9);
	p = noise_add(noise_mul(p, z), 1.0 / 7);
	p = noise_add(noise_mul(p, z), 1.0 / 5);
	p = noise_add(noise_mul(p, z), 1.0 / 3);
	p = noise_mul(noise_mul(2.0, z), p); /* ln m = s (2 + p) */
	/*
	 * 2s = f - s f, so ln m = f - s (f - p): what is rounded is small beside f, but for
	 * the last sum.
	 */
	high = noise_mul((double)e, NOISE_LN2_HIGH);
	low = noise_mul((double)e, NOISE_LN2_LOW);
	p = noise_add(noise_mul(s, noise_add(f, -p)), -low);
	return noise_add(high, noise_add(f, -p));
}

/*
 * The Gumbel variate -ln(-ln u) of a uniform number, between -3.61 and 36.74, not falling as u
 * rises.  The argmax over tokens of logit + G is a sample of softmax(logits).
 */
NOISE_FN double noise_gumbel(double u)
{
	return -noise_log(-noise_log(u));
}

/* ------------------------------------------------------------ probability */

/* How far a logit lies behind the best one at this temperature (> 0): at most 0; may be -inf. */
NOISE_FN double noise_behind(float logit, float best, double temperature)
{
	return noise_div(noise_add((double)logit, -(double)best), temperature);
}

/* The best token's mass; 2^23 tokens of it can be added up. */
#define NOISE_MASS_ONE ((uint64_t)1 << 40)

/*
 * e^x for x ≤ 0 in units of 2^-40, to the nearest.  x = n ln 2 + r, |r| ≤ ½ ln 2; the series of
 * e^r to its 13th power.
 */
NOISE_FN uint64_t noise_mass(double x)
{
	int n;
	double r, p;

	if (!(x > -29.0))
		return 0; /* less than half a unit */
	n = -(int)noise_add(0.5, -noise_mul(x, 0x1.71547652b82fep+0));
	r = noise_add(noise_add(x, -noise_mul((double)n, NOISE_LN2_HIGH)),
		      -noise_mul((double)n, NOISE_LN2_LOW));
	p = 1.0 / 6227020800.0;
	p = noise_add(noise_mul(p, r), 1.0 / 479001600.0);
	p = noise_add(noise_mul(p, r), 1.0 / 39916800.0);
	p = noise_add(noise_mul(p, r), 1.0 / 3628800.0);
	p = noise_add(noise_mul(p, r), 1.0 / 362880.0);
	p = noise_add(noise_mul(p, r), 1.0 / 40320.0);
	p = noise_add(noise_mul(p, r), 1.0 / 5040.0);
	p = noise_add(noise_mul(p, r), 1.0 / 720.0);
	p = noise_add(noise_mul(p, r), 1.0 / 120.0);
	p = noise_add(noise_mul(p, r), 1.0 / 24.0);
	p = noise_add(noise_mul(p, r), 1.0 / 6.0);
	p = noise_add(noise_mul(p, r), 0.5);
	p = noise_add(noise_mul(p, r), 1.0);
	p = noise_add(noise_mul(p, r), 1.0);
	p = noise_mul(p, noise_of_bits((uint64_t)(1023 + 40 + n) << 52));
	return (uint64_t)noise_add(p, 0.5);
}

/*
 * The mass that top_p (0 ≤ top_p < 1) asks for, of `all`: tokens are kept, the best first and of
 * equal logits the lower id first, until their sum is this much; at least one.
 */
NOISE_FN uint64_t noise_share(double top_p, uint64_t all)
{
	double share = noise_mul(top_p, (double)all);
	uint64_t whole = (uint64_t)share;

	return whole + ((double)whole < share);
}

/* How far behind the best a token may lie where min_p (0 < min_p ≤ 1) is asked for. */
NOISE_FN double noise_min_p(double min_p)
{
	return noise_log(min_p);
}

#endif
