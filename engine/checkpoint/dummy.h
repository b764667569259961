/*
 * Weights of a published shape, drawn at random: enough to measure speed where
 * no checkpoint is.  Every tensor has memory and numbers of its own, small
 * enough that nothing overflows; where they are copied before they are used, so
 * that the copies have memory of their own, the numbers come again and again.
 */
#ifndef ENGINE_CHECKPOINT_DUMMY_H
#define ENGINE_CHECKPOINT_DUMMY_H

#include <stdbool.h>

#include "engine/base/err.h"
#include "engine/checkpoint/weights.h"

struct dummy;

/* The config of `shape` ("flash", "pro", …) cut to n_layers of its middle; 0 = all. */
int dummy_config(const char *shape, int n_layers, struct model_config *cfg, struct err *err);

/* `copied`: a backend takes copies, and more than this machine's memory may be wanted. */
int dummy_new(struct dummy **out, bool copied, struct err *err);
void dummy_free(struct dummy *d); /* and all weights it gave; NULL is fine */
/* Ranks that each take theirs from a new one, not copied, have parts of the same tensors. */
struct weight_source dummy_source(struct dummy *d);

/* Fills n bytes with numbers of that type. */
void dummy_fill(enum dtype dtype, void *p, size_t n_bytes, uint64_t *seed);

#endif
