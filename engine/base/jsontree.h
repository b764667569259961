/*
 * JSON text to jansson's values, in memory of the tree's own.
 *
 * jansson does not survive a lack of memory while it reads: it loses bytes of a
 * string and may then abort.  Here its allocations come from blocks that belong
 * to the tree; when there are no more the reading is left at once and the blocks
 * are freed.  It is faster, too: nothing is freed one by one.
 *
 * The values are read-only and live as long as the tree: no json_decref() of
 * theirs, no changes.  Any thread, a tree in one thread at a time.
 */
#ifndef ENGINE_BASE_JSONTREE_H
#define ENGINE_BASE_JSONTREE_H

#include <stddef.h>

#include <jansson.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct json_block;

struct json_tree {
	json_t *root; /* borrowed from the blocks */
	struct json_block *blocks;
};

/*
 * Reads a whole text; `flags` are jansson's.  ERR_FAILED: "line N: what", or "what" where there
 * is no second line: the text may be a line of something longer.  ERR_NOMEM.  The tree is empty
 * where it fails.  `err` may be NULL.
 */
int json_tree_parse(struct json_tree *t, struct str text, size_t flags, struct err *err);
void json_tree_release(struct json_tree *t); /* a zeroed struct is fine */

/* The bytes of a JSON string, borrowed; NULL, 0 for what is none. */
struct str json_str(const json_t *v);

/* "an object", "a string", …; "nothing" for NULL: for messages. */
const char *json_kind(const json_t *v);

#endif
