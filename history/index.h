/* The full-text indexes beside the parts.  Inside write transactions. */
#ifndef HISTORY_INDEX_H
#define HISTORY_INDEX_H

#include "history/store.h"

/* A part's row, with its entry in the index of its kind. */
int part_write(struct history *h, int64_t message, int64_t seq, const char *kind,
	       const struct history_part *p, struct err *err);

/* Takes a message's parts out of the indexes; their rows must still be there. */
int index_forget(struct history *h, int64_t message, struct err *err);
/* One segment each, so that nothing of what was taken out is left in them. */
int index_optimize(struct history *h, struct err *err);
int index_rebuild(struct history *h, struct err *err);
/* ERR_STORE where an index does not agree with the parts. */
int index_check(struct history *h, struct err *err);

#endif
