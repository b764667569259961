#include "engine/pass/phases.h"

#include "engine/base/clock.h"


const char *phase_name(enum phase p)
{
	static const char *const names[N_PHASES] = {
		[PHASE_START] = "start",	   [PHASE_MHC] = "mHC",
		[PHASE_ATTENTION] = "attention",   [PHASE_COMPRESSOR] = "compressor",
		[PHASE_CACHE] = "cache",	   [PHASE_ROUTER] = "router",
		[PHASE_EXPERTS] = "experts",	   [PHASE_HEAD] = "head",
		[PHASE_DRAFT] = "draft",
	};

	return names[p];
}

void phase_mark_slow(struct phase_clock *c, enum phase p)
{
	double now = clock_s();

	c->sum[c->drafting ? PHASE_DRAFT : p] += now - c->last;
	c->last = now;
}
