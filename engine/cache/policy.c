/* The worth of a frontier, in tokens saved a byte. */
#include "engine/cache/policy.h"

#include <math.h>

double policy_worth(const struct worth *w)
{
	double uses = (double)(1 + w->hits) * exp2(-(double)w->age / WORTH_HALF_LIFE);

	return uses * (double)w->saved / (double)(1 + w->to_end) / (double)w->bytes;
}
