/*
 * The rows of the pool's pages: where they lie, and their way between the device and host
 * memory, in which a page is one piece, layer by layer, as the files of the disk tier have it.
 *
 * Where the backend copies many at once, rows pass through the work area's staging, and pages
 * cross the bus whole.  Engine thread only.
 */
#ifndef ENGINE_CACHE_PAGE_H
#define ENGINE_CACHE_PAGE_H

#include <stdbool.h>

#include "kernels/backend.h"

struct model;

/*
 * The first rank's pages, n of them one behind the other, to host memory, model_cache_bytes()
 * each; of the last one the rows of its first `tokens`, the rest is 0.
 */
int pages_get(struct model *m, const int32_t *pages, int n, int tokens, unsigned char *out,
	      struct err *err);

/* One page back, on every rank. */
int page_put(struct model *m, int32_t page, const unsigned char *in, struct err *err);

/* The rows of the first tokens of a page to another one; on this rank. */
int page_copy(struct model *m, int32_t to, int32_t from, int tokens, struct err *err);

#endif
