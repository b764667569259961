/*
 * What the model has been shown of a file: one entry for each time, as read_file notes it and
 * as a change of it does.
 *
 * Pure functions; any thread.
 */
#ifndef APP_TOOLS_SHOWN_H
#define APP_TOOLS_SHOWN_H

#include <stdbool.h>

#include <xxhash.h>

#include "engine/base/buf.h"

struct shown_file {
	bool any;          /* there is an entry for it                             */
	bool last_is_same; /* the last one was of this content                     */
	bool whole;        /* those of this content have all of its lines together */
};

/*
 * Looks for the file in the entries, a JSON array, or "".  ERR_USAGE: they are none. ERR_NOMEM.
 */
int shown_find(struct str entries, struct str path, XXH128_hash_t hash, struct shown_file *f);

/* The hash as entries have it. */
void shown_hash(char z[33], XXH128_hash_t hash);

/* Appends the entry of a file that the model knows all of, or nothing of. */
void shown_add(struct buf *out, struct str path, XXH128_hash_t hash, bool whole);

#endif
