/*
 * Copies on the device that are issued together: where the backend can, many cost little more
 * than one.  They are in order with the operations, and in no order among themselves: none may
 * write what another one, or itself, reads or writes.
 * On the thread of whoever's backend it is.
 */
#ifndef ENGINE_CACHE_COPIES_H
#define ENGINE_CACHE_COPIES_H

#include "kernels/backend.h"

#define COPIES_AT_ONCE 128

struct copies {
	struct backend *be;
	int n;
	struct copy_part v[COPIES_AT_ONCE];
};

void copies_init(struct copies *c, struct backend *be);

/* One more, now or at copies_issue(). */
int copies_add(struct copies *c, dbuf dst, dbuf src, size_t bytes, struct err *err);

/* All that were added; then it has none. */
int copies_issue(struct copies *c, struct err *err);

#endif
