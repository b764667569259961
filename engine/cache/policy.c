/* The worth of a frontier, in tokens saved a byte. */
#include "engine/cache/policy.h"

#include <math.h>

/* 2 to the power of this is more uses than anything has. */
#define MOST_HALF_LIVES_AHEAD 32

double policy_worth(const struct worth *w)
{
	return w->uses * (double)w->saved / (double)(1 + w->to_end) / (double)w->bytes;
}

double policy_uses(int64_t hits, int64_t age)
{
	return (double)(1 + hits) * exp2(-(double)age / WORTH_HALF_LIFE);
}

/* In half-lives; ahead: > 0. */
static double ahead(int64_t uses_ms, int64_t now_ms)
{
	double x = (double)(uses_ms - now_ms) / (double)WORTH_HALF_LIFE_MS;

	return x > MOST_HALF_LIVES_AHEAD ? 0 : x;
}

double policy_uses_at(int64_t uses_ms, int64_t now_ms)
{
	return exp2(ahead(uses_ms, now_ms));
}

int64_t policy_used(int64_t uses_ms, int64_t now_ms)
{
	double uses = policy_uses_at(uses_ms, now_ms) + 1;

	return now_ms + (int64_t)(log2(uses) * (double)WORTH_HALF_LIFE_MS);
}
