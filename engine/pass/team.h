/*
 * The ranks of a model: shards that compute together, a thread for each.
 *
 * The first rank's thread is the caller's, the engine thread; the others wait for jobs.  A job
 * is run by every rank on its own model; within it ranks meet in the same calls
 * (kernels/comm/comm.h). Where one fails, in whatever it does, the others' calls end with that
 * failure, all ranks end the job, and the next one finds them ready.  A model of one rank has
 * no team, and runs a job itself.
 *
 * The first rank alone decides: it samples, accepts, keeps the beginnings, and tells the others
 * in the job.  Caches of keys and values are alike on all.
 * Engine thread only.
 */
#ifndef ENGINE_PASS_TEAM_H
#define ENGINE_PASS_TEAM_H

#include "engine/base/err.h"

struct model;
struct forward;
struct drafts;

/* What a rank does; on that rank's thread.  ctx is shared by all. */
typedef int (*team_job)(struct model *m, void *ctx, struct err *err);

/* Runs it on every rank of m, the first; returns the failure that came first, which names the
 * rank. */
int team_run(struct model *m, team_job job, void *ctx, struct err *err);

/*
 * Runs a call that model_check() lets pass.  A failure (memory, a device) leaves the slot's
 * caches as nobody knows them.  Choices are not looked into: an id of -1 means a logit that is
 * no finite number.
 */
int team_forward(struct model *m, const struct forward *f, struct err *err);

/* ERR_USAGE where `next` is outside the vocabulary.  Whatever comes of it, later calls see
 * none. */
int team_draft(struct model *m, struct drafts *d, struct err *err);

/*
 * Opening and closing: the other ranks of m, whose configuration and shard are there, and their
 * threads; m->team is set.  team_free() ends the threads; what the ranks hold has been given
 * back by a job.
 */
int team_new(struct model *m, int n_ranks, struct err *err);
void team_free(struct model *m);

/* Rank i; 0 is m itself. */
struct model *team_rank(struct model *m, int i);

#endif
