/* What people type into a search, as FTS5 reads it. */
#ifndef HISTORY_QUERY_H
#define HISTORY_QUERY_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * Appends the expression; everything typed is inside its quotes, so nothing is syntax.
 * ERR_USAGE where it has no word that must be there, or more words than can be searched for.
 */
int query_make(struct buf *out, struct str typed, struct err *err);

#endif
