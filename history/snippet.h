/* Where the words of a query stand in a text, and a line of it around the first of them. */
#ifndef HISTORY_SNIPPET_H
#define HISTORY_SNIPPET_H

#include "history/store.h"

/* A query's words that must be there, as phrases (a lone word is one of length 1). */
struct finder {
	struct buf bytes; /* the folded words, one behind the other */
	struct finder_word {
		size_t at, n; /* in bytes */
		size_t back;  /* words of the phrase that still stand where this one fails */
	} * words;
	struct finder_phrase {
		size_t first, n; /* in words */
		bool prefix;     /* the last word may go on */
	} * phrases;
	size_t n_words, n_phrases, cap_words, cap_phrases;
	bool failed;
};

/* A query that query_make() has taken. */
int finder_init(struct finder *f, struct str typed, struct err *err);
void finder_release(struct finder *f);

/*
 * Appends some words of the text around the first hit, in clean UTF-8 on one line, hits
 * between HISTORY_MARK_ON and _OFF, "…" where it goes on.  The time it takes grows with the
 * way to the first hit, and ends with ERR_CANCELLED where store_stops() says so.
 */
int snippet_add(struct buf *out, struct history *h, const struct finder *f, struct str text);

#endif
