/*
 * Spill files: whole outputs that a result has only a part of.  The conversation's Nth is the
 * file N of its folder; to the model it is "OUT:N".
 *
 * Functions of whichever process has the folder open; 0600, never through links.
 */
#ifndef APP_TOOLS_SPILL_H
#define APP_TOOLS_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

#define SPILL_ALL_BYTES (512ull << 20) /* in all folders together */

/* Is it the name of a conversation's folder?  Letters, digits, - and _. */
bool spill_folder_is(struct str name);

/*
 * Makes the next file of the folder; returns a descriptor for writing, its number in *n.
 * ERR_IO.
 */
int spill_create(int folder, unsigned *n, struct err *err);
/* Opens the Nth for reading; -1 with errno set. */
int spill_open(int folder, unsigned n);
void spill_remove(int folder, unsigned n);

/* Removes the oldest files of the folders in `root` until they have at most max_bytes. */
void spill_trim(int root, uint64_t max_bytes);

/* "OUT:3": 3; 0 for what is no such name. */
unsigned spill_number(struct str name);

#endif
