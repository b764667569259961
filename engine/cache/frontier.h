/*
 * A frontier: a copy of what a sequence holds only at its end, taken at one position, so that
 * this or another sequence can begin there.
 *
 * Growing rows are append-only and lie in pages that are shared; what lies beside them (the
 * last window rows, the compressors' unfinished blocks, the final streams of the last token) is
 * overwritten as the sequence grows, and is what a frontier keeps.  Which pages belong to it,
 * and which ids, the caller knows (engine/cache/tree.h).
 *
 * Engine thread only.
 */
#ifndef ENGINE_CACHE_FRONTIER_H
#define ENGINE_CACHE_FRONTIER_H

#include "engine/cache/seq.h"

struct frontier;

/* An empty one; its memory is had at once.  ERR_NOMEM. */
int frontier_new(struct frontier **out, struct model *m, struct err *err);
void frontier_free(struct frontier *f); /* NULL is fine */

/* Bytes of one; the same at every position. */
int64_t frontier_bytes(const struct model *m);

/* The same as plain memory, frontier_bytes() of it, and back. */
int frontier_get(const struct frontier *f, unsigned char *out, struct err *err);
int frontier_put(struct frontier *f, int64_t len, const unsigned char *in, struct err *err);

/*
 * Takes the frontier at `len` tokens, 1 … seq_len(s) and not before seq_floor(s).
 * What fails leaves *f empty and the sequence as it is.
 */
int seq_save(struct seq *s, int64_t len, struct frontier *f, struct err *err);

/*
 * Makes the sequence the one that was saved: a frontier that is not empty, and the pages that
 * its tokens lie in, which it shares.  A roll-back does not reach behind it.  What fails leaves
 * the sequence empty.
 */
int seq_restore(struct seq *s, const struct frontier *f, const int32_t *pages, struct err *err);

#endif
