/*
 * A frontier: a copy of what a sequence holds only at its end, taken at one
 * position, so that the sequence can go back there however far it has gone on.
 *
 * Compressed rows are append-only and stay where they are; what lies beside
 * them (the last window rows, the compressors' unfinished blocks, the final
 * streams of the last token) is overwritten as the sequence grows, and is what
 * a frontier keeps.  So it fits only the sequence it was taken from, and only
 * while that sequence's ids up to the position are unchanged: the caller knows.
 *
 * Engine thread only.
 */
#ifndef ENGINE_CACHE_FRONTIER_H
#define ENGINE_CACHE_FRONTIER_H

#include "engine/cache/seq.h"

struct frontier;

/* An empty one; its memory is had at once.  ERR_NOMEM. */
int frontier_new(struct frontier **out, struct model *m, struct err *err);
void frontier_free(struct frontier *f);         /* NULL is fine */
int64_t frontier_len(const struct frontier *f); /* the position; 0: empty */

/* Bytes of one; the same at every position. */
int64_t frontier_bytes(const struct model *m);

/*
 * Takes the frontier at `len` tokens, 1 … seq_len(s) and not before seq_floor(s).
 * What fails leaves *f empty and the sequence as it is.
 */
int seq_save(struct seq *s, int64_t len, struct frontier *f, struct err *err);

/*
 * Goes back to a frontier that is not empty; a roll-back does not reach behind it.
 * What fails leaves the sequence empty.
 */
int seq_restore(struct seq *s, const struct frontier *f, struct err *err);

#endif
