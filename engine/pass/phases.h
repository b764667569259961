/*
 * Where a step's time goes.  The forward pass marks the end of each phase; a
 * stopped clock (the rule, outside bench) costs a test.  Honest only on a backend
 * that runs operations as they are called.
 */
#ifndef ENGINE_PASS_PHASES_H
#define ENGINE_PASS_PHASES_H

#include <stdbool.h>

enum phase {
	PHASE_START,      /* embedding, rotary tables       */
	PHASE_MHC,        /* hyper-connections and norms    */
	PHASE_ATTENTION,  /* q, kv and output projections   */
	PHASE_COMPRESSOR, /* compressors, indexer's inputs  */
	PHASE_CACHE,      /* index scores, choice, attention over the rows */
	PHASE_ROUTER,
	PHASE_EXPERTS,    /* routed and shared              */
	PHASE_HEAD,
	PHASE_DRAFT,      /* all of the draft head          */
	N_PHASES,
};

struct phase_clock {
	bool on, drafting; /* drafting: everything counts as PHASE_DRAFT */
	double last;       /* seconds, CLOCK_MONOTONIC */
	double sum[N_PHASES];
};

const char *phase_name(enum phase p);
void phase_mark_slow(struct phase_clock *c, enum phase p);

/* What ran since the last mark was phase p. */
static inline void phase_mark(struct phase_clock *c, enum phase p)
{
	if (c->on)
		phase_mark_slow(c, p);
}

#endif
