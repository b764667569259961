/*
 * The disk tier: what the tree keeps of a conversation outlives the program.
 *
 * After a turn, its conversation's pages and frontiers are copied and written in the
 * background; of a prompt, the longest beginning is looked for that is there, read into the
 * tree and gone on from like everything else in it.  What does not verify is removed, and as
 * good as not there. The folder is engine/store/kvdir.h's.  Engine thread only; it has a thread
 * of its own.
 */
#ifndef ENGINE_CACHE_DISK_H
#define ENGINE_CACHE_DISK_H

#include "engine/base/buf.h"
#include "engine/cache/tree.h"

struct disk;

/*
 * `identity` names the model's weights.  Nothing is touched until something is stored.
 * ERR_NOMEM, ERR_FAILED (no thread).
 */
int disk_open(struct disk **out, struct model *m, const char *root, const char *identity,
	      int64_t budget, struct err *err);
void disk_close(struct disk *d); /* once all is written; NULL is fine */

/*
 * Reads the longest beginning of ids[0..n) that is longer than `have`, as far as there is room,
 * into the tree.  Returns its length, 0: there is none.
 */
int64_t disk_recall(struct disk *d, struct tree *t, const token_id *ids, int64_t n,
		    int64_t have);

/* The length of that beginning, without reading it. */
int64_t disk_look(struct disk *d, const token_id *ids, int64_t n, int64_t have);

/* Writes what the tree keeps of ids[0..n) and is not there yet, for a conversation. */
void disk_store(struct disk *d, struct tree *t, struct str owner, const token_id *ids,
		int64_t n);

/* Whether something is still to be written. */
bool disk_writes(struct disk *d);

/* What its files are of: the folder's name. */
const char *disk_identity(const struct disk *d);

/* Waits until all is written. */
void disk_flush(struct disk *d);

/* Nothing of it is written any more, and what was is removed but for what others use. */
void disk_forget(struct disk *d, struct str owner);

/*
 * Removes the files that are worth least (engine/cache/policy.h) until all in the folder, of
 * whichever model, take `budget` bytes at most; nothing where another process does so.  Any
 * thread.
 */
void disk_thin_out(const char *root, int64_t budget);

/* True once, with a line, after something could not be written. */
bool disk_in_trouble(struct disk *d, struct buf *line);

#endif
