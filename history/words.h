/*
 * What a word is, for the search: letters and digits, folded in case, width and accents;
 * a character of a script that is written without spaces is a word by itself, and so is a
 * symbol such as an emoji.
 */
#ifndef HISTORY_WORDS_H
#define HISTORY_WORDS_H

#include "history/store.h"

#define WORD_MAX_BYTES 128 /* what a longer word has more does not count */

/* Called for each word; a return other than 0 ends the walk, which returns it. */
typedef int word_fn(void *ctx, const char *word, size_t n, size_t from, size_t to);
int words_each(struct str text, word_fn *fn, void *ctx);
bool words_any(struct str text);

/* Makes the connection's FTS5 know it as the tokenizer "dsv4chat", and SQL a folded(TEXT). */
int words_register(struct history *h, struct err *err);

#endif
