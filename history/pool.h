/* Memory that is freed all at once: a tree's messages.  Zeroed struct: empty.  One thread. */
#ifndef HISTORY_POOL_H
#define HISTORY_POOL_H

#include <stddef.h>

#include "engine/base/buf.h"

struct pool {
	struct pool_chunk *chunks;
	char *at;
	size_t left;
};

void pool_release(struct pool *p);
/* Zeroed, aligned for any type; NULL where there is no memory. */
void *pool_get(struct pool *p, size_t size);
void *pool_array(struct pool *p, size_t n, size_t size); /* checked for overflow */
/* A copy with a NUL behind it; 0, or ERR_NOMEM. */
int pool_str(struct pool *p, struct str s, struct str *out);

#endif
