/*
 * Host memory for weights that no file holds as they are: taken piece by piece, given
 * back all at once.  Large pages where the system has them.
 */
#ifndef ENGINE_CHECKPOINT_HOSTMEM_H
#define ENGINE_CHECKPOINT_HOSTMEM_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct hostmem_block;

/* All zero is an empty one. */
struct hostmem {
	struct hostmem_block *blocks; /* the one that is being filled first */
	uint64_t bytes;               /* taken */
};

/* n zero bytes, aligned to 256, that live until hostmem_release(); ERR_NOMEM says for `what`. */
int hostmem_take(struct hostmem *m, size_t n, const char *what, void **out, struct err *err);
void hostmem_release(struct hostmem *m);

#endif
