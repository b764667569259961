/*
 * A fixed team of threads that share one loop at a time.
 *
 * The caller is worker 0 and works too; where there are as many workers as cores, each of the
 * others stays on one.  Between loops the others spin for a few
 * microseconds, then sleep.  Each worker takes its own part of the items first, then what is left
 * of others', so an item's result must not depend on who computes it.
 */
#ifndef KERNELS_CPU_POOL_H
#define KERNELS_CPU_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct pool;

/* Items i0 ≤ i < i1; worker < pool_size() is for scratch. */
typedef void (*pool_fn)(void *ctx, int worker, int64_t i0, int64_t i1);

/* awake: loops come a fraction of a millisecond apart, and nobody minds that the others spin for
 * so long. */
int pool_new(struct pool **out, int n_threads, bool awake, struct err *err);
void pool_free(struct pool *p);
int pool_size(const struct pool *p);

/*
 * Runs fn over 0 ≤ i < n in pieces of `grain` items.  `work` estimates the whole in
 * multiply-adds: a small loop stays on the caller.  Returns when all is done.
 */
void pool_for(struct pool *p, int64_t n, int64_t grain, double work, pool_fn fn, void *ctx);

/* Physical cores this process may run on, at least 1. */
int pool_physical_cores(void);

#endif
