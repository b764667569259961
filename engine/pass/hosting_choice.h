/*
 * Who computes the experts that lie in the host's memory: decided before a byte of weights is
 * read, by what this machine's rates are.  Each rank's own thread.
 */
#ifndef ENGINE_PASS_HOSTING_CHOICE_H
#define ENGINE_PASS_HOSTING_CHOICE_H

#include "engine/base/err.h"

struct model;
struct model_options;
struct memory_plan; /* engine/checkpoint/plan.h */

/*
 * Where each layer's experts lie, on a backend that has hosted ones: sets the plan's n_hosted
 * and, where that is not 0, hosting and rates, and m's.  ERR_USAGE names the option that makes
 * no sense.
 */
int hosting_choose(struct model *m, const struct model_options *opt, struct memory_plan *p,
		   struct err *err);

/* Before weights are placed: the backend is given what is to compute them. */
int hosting_lend(struct model *m, struct err *err);

#endif
