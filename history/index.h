/*
 * The full-text indexes beside the parts: derived from them, and never in their way.
 *
 * They follow what is said in transactions of their own, and know how far they have come
 * (table indexed).  A damaged index fails nothing but a search that it can't be mended for: a
 * chore ('index') is noted, and the indexes are made anew from the parts, without reading what
 * they held, by the next search, opening, removal or repair.
 */
#ifndef HISTORY_INDEX_H
#define HISTORY_INDEX_H

#include "history/store.h"

/* A part's row; the indexes follow when the transaction is through. */
int index_write_part(struct history *h, int64_t message, int64_t seq, const char *kind,
		     const struct history_part *p, struct err *err);

/* All below are called outside of a transaction, but for index_forget(). */

/* After a transaction: where it wrote parts, an attempt to catch up that may fail. */
void index_follow(struct history *h);
/* Whatever was said and is not in the indexes goes there.  Damage is noted and no failure. */
int index_catch_up(struct history *h, struct err *err);

/* Begins a write transaction in which the indexes may be changed; ended by sql_end(). */
int index_begin(struct history *h, struct err *err);

/*
 * Inside such a transaction, while they are still there: takes a message's parts out of the
 * indexes.  Damage fails it, and the transaction is lost then.
 */
int index_forget(struct history *h, int64_t message, struct err *err);

/*
 * One segment each, so that nothing of what was taken out is left in them.  Damage, and an
 * index with more levels than FTS5 will bear, is noted as a chore and no failure.
 */
int index_optimize(struct history *h, struct err *err);

/* Where they are bad: makes them anew, and the file, which drops the old ones. */
int index_mend(struct history *h, struct err *err);
/* The last failure told of a damaged index. */
bool index_is_damage(const struct history *h);

/* What does not agree with the parts, a line each; *n more. */
int index_check(struct history *h, struct buf *problems, size_t *n, struct err *err);

#endif
