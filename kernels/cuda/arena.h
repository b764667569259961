/*
 * Memory for weights, taken piece by piece and given back all at once: the GPU's own, or pinned
 * memory of the host, which the GPU reads over the bus at the same addresses.
 */
#ifndef KERNELS_CUDA_ARENA_H
#define KERNELS_CUDA_ARENA_H

#include <stddef.h>

#include "engine/base/err.h"

struct arena_block;

/* All zero is an empty one. */
struct arena {
	struct arena_block *blocks; /* newest first */
	int on_host;
};

/* Aligned to 256 bytes, with as many behind it that may be read.  ERR_NOMEM says which memory.
 */
int arena_take(struct arena *a, size_t bytes, unsigned char **out, struct err *err);
void arena_release(struct arena *a);

#endif
