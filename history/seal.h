/*
 * Seals: XXH128 of everything that a message says, kept beside it, so that text which a disk
 * or another program changed is told from text that was written.
 *
 * What is hashed, each with its length before it: role, created_ms, ids, and of each part in
 * order kind, name, ref, text and info.
 */
#ifndef HISTORY_SEAL_H
#define HISTORY_SEAL_H

#include "history/store.h"

#define SEAL_BYTES 16

/*
 * Of a message with these ids, stored or to be: its role, created_ms and parts are read.
 * `scratch` is written over: one buffer serves many.
 */
int seal_of(const struct history_message *m, const int32_t *ids, size_t n_ids,
	    struct buf *scratch, unsigned char out[SEAL_BYTES], struct err *err);

/* Inside a write transaction, for a message whose parts are written: keeps its seal. */
int seal_stored(struct history *h, int64_t message, struct err *err);
/* The same for every message without one. */
int seal_missing(struct history *h, struct err *err);

/* The messages that do not say what was written, a line each; *n more. */
int seal_check(struct history *h, struct buf *problems, size_t *n, struct err *err);

#endif
