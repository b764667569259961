/*
 * How large a model's parts are, decided before a byte of weights is read.
 * Internal to engine/pass; each rank's own thread, but for what says otherwise.
 */
#ifndef ENGINE_PASS_SIZES_H
#define ENGINE_PASS_SIZES_H

#include "engine/base/err.h"

struct model;
struct model_options;
struct memory_plan; /* engine/checkpoint/plan.h */

/* Which draft head runs, how many rows a call has, and what follows from it.  ERR_USAGE names
 * the option that makes no sense. */
int sizes_choose(struct model *m, const struct model_options *opt, struct err *err);

/*
 * What this rank needs, and what there is.  A context that nobody asked for is cut to what
 * fits; what nobody asked to be kept takes a part of what is left then.
 */
int sizes_plan(struct model *m, const struct model_options *opt, struct memory_plan *p,
	       struct err *err);

/* Every rank of m gets what fits on all, and its plan says so.  The first rank's thread, while
 * the others wait. */
void sizes_agree(struct model *m, struct memory_plan *plan);

#endif
