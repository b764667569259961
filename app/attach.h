/*
 * Files that go with a message, each as a labelled block.
 */
#ifndef APP_ATTACH_H
#define APP_ATTACH_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

#define ATTACH_MAX_BYTES ((size_t)16 << 20) /* of a file that a message names */

/*
 * Appends `text` as clean UTF-8 between <TAG name="NAME"> and its end (name NULL: without);
 * *n_replaced grows by the invalid sequences, now U+FFFD.
 */
void attach_block(struct buf *out, const char *tag, const char *name, struct str text,
		  size_t *n_replaced);

/*
 * Appends what a person typed, and behind it a block for each file that it names as @PATH, *n
 * of them (signs behind the name that are no part of it count as the sentence's).  What names
 * no file is text.  A file whose block is in the text already is not added again.  ERR_IO where
 * one is there and can't be read, or is too long; ERR_NOMEM.
 */
int attach_named(struct buf *out, struct str text, size_t *n, struct err *err);

#endif
