/*
 * Random bits by counting: the bits at a place depend on the place alone, so
 * they can be had in any order, on any thread, as often as one likes.
 *
 * Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As
 * Easy as 1, 2, 3" (2011).  Pure functions.
 */
#ifndef ENGINE_SESSION_RNG_H
#define ENGINE_SESSION_RNG_H

#include <stdint.h>

struct rng_block {
	uint32_t word[4];
};

struct rng_block rng_philox(struct rng_block counter, const uint32_t key[2]);

/*
 * A uniform number for (seed, position, token), strictly between 0 and 1: 52 bits and a
 * half, so that neither end can come out after rounding.
 */
double rng_uniform(uint64_t seed, uint64_t position, uint32_t token);

/*
 * The Gumbel variate G(seed, position, token) = -log(-log(u)), below 36.8.  The argmax over
 * tokens of logit + G is a sample of softmax(logits).
 */
double rng_gumbel(double uniform);

#endif
