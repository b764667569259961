/*
 * Weights of a published shape, drawn at random: enough to measure speed where
 * no checkpoint is.  Every tensor has memory and numbers of its own, small
 * enough that nothing overflows.
 */
#ifndef ENGINE_CHECKPOINT_DUMMY_H
#define ENGINE_CHECKPOINT_DUMMY_H

#include "engine/base/err.h"
#include "engine/checkpoint/weights.h"

struct dummy;

/* The config of `shape` ("flash", "pro", …) cut to n_layers of its middle; 0 = all. */
int dummy_config(const char *shape, int n_layers, struct model_config *cfg, struct err *err);

int dummy_new(struct dummy **out, struct err *err);
void dummy_free(struct dummy *d); /* and all weights it gave; NULL is fine */
/* Ranks that each take theirs from a new one have parts of the same tensors. */
struct weight_source dummy_source(struct dummy *d);

/* Fills n bytes with numbers of that type. */
void dummy_fill(enum dtype dtype, void *p, size_t n_bytes, uint64_t *seed);

#endif
