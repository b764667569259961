#include "engine/session/rng.h"

#include <math.h>

struct rng_block rng_philox(struct rng_block c, const uint32_t key[2])
{
	uint32_t k0 = key[0], k1 = key[1];

	for (int round = 0; round < 10; round++) {
		uint64_t a = (uint64_t)0xD2511F53u * c.word[0];
		uint64_t b = (uint64_t)0xCD9E8D57u * c.word[2];

		c = (struct rng_block){{
			(uint32_t)(b >> 32) ^ c.word[1] ^ k0,
			(uint32_t)b,
			(uint32_t)(a >> 32) ^ c.word[3] ^ k1,
			(uint32_t)a,
		}};
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	return c;
}

double rng_uniform(uint64_t seed, uint64_t position, uint32_t token)
{
	const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
	struct rng_block b = {{token >> 1, 0, (uint32_t)position, (uint32_t)(position >> 32)}};
	unsigned half = (token & 1u) * 2;
	uint64_t bits;

	/* A block serves two neighbouring tokens. */
	b = rng_philox(b, key);
	bits = (uint64_t)b.word[half + 1] << 32 | b.word[half];
	return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

double rng_gumbel(double uniform)
{
	return -log(-log(uniform));
}
