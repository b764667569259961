/*
 * Where a step's time goes.  The forward pass marks the end of each phase, through the backend
 * where that times its own operations, else by the host's clock: there operations have run when
 * they return.  While timing is off (the rule, outside bench) a mark costs a test.
 */
#ifndef ENGINE_PASS_PHASES_H
#define ENGINE_PASS_PHASES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

enum phase {
	PHASE_START,      /* embedding, rotary tables       */
	PHASE_MHC,        /* hyper-connections and norms    */
	PHASE_ATTENTION,  /* all projections of the attention sublayer */
	PHASE_COMPRESSOR, /* what compressors and indexer make of theirs */
	PHASE_CACHE,      /* index scores, choice, attention over the rows */
	PHASE_ROUTER,
	PHASE_EXPERTS, /* routed and shared              */
	PHASE_HEAD,    /* and the choice of a token      */
	PHASE_DRAFT,   /* all of the draft head          */
	PHASE_RANKS,   /* sums and gathers, waiting for the other ranks included */
	N_PHASES,
};

struct phase_clock {
	bool on, drafting; /* drafting: everything counts as PHASE_DRAFT */
	double last;       /* seconds, clock_s() */
	double sum[N_PHASES];
	int64_t n_sums;    /* all-reduces issued, timed or not */
};

struct model;

const char *phase_name(enum phase p);

/* Timing begins, its sums as they were; and ends, the seconds since added to clock.sum. */
void phases_start(struct model *m);
int phases_stop(struct model *m, struct err *err);

#endif
