/* What people type into a search, as FTS5 reads it. */
#ifndef HISTORY_QUERY_H
#define HISTORY_QUERY_H

#include <stdbool.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* FTS5 opens an index for each word, and nests what is left out: both grow beyond use. */
#define QUERY_WORDS_MAX 64

/* What was typed between blanks, or between quotes, without the signs around it. */
struct query_term {
	struct str text; /* borrowed */
	bool without, prefix;
};

/* The next term from *at on; false at the end. */
bool query_next(struct str typed, size_t *at, struct query_term *t);

/*
 * Appends the expression; everything typed is inside its quotes, so nothing is syntax.
 * ERR_USAGE where it has no word that must be there, or more words than can be searched for.
 */
int query_make(struct buf *out, struct str typed, struct err *err);

#endif
