/*
 * Token ids to text, as they come: whole UTF-8 characters only.  Bytes of an
 * unfinished character wait for the next id; bytes that can never become one
 * turn into U+FFFD.  Control ids and ids outside the vocabulary have no text.
 *
 * Embedded, no memory of its own.  One thread at a time.
 */
#ifndef ENGINE_TEXT_DETOK_H
#define ENGINE_TEXT_DETOK_H

#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/text/tokenizer.h"

struct detok {
	const struct tokenizer *tok; /* borrowed */
	char partial[4];             /* the beginning of a character */
	size_t n_partial;
	size_t n_replaced; /* U+FFFD written so far */
};

void detok_init(struct detok *d, const struct tokenizer *tok);

/* Appends what became certain.  A control id ends an unfinished character (as U+FFFD). */
void detok_push(struct detok *d, token_id id, struct buf *out);

/* The end, or a pause that nothing may cross: an unfinished character becomes U+FFFD. */
void detok_flush(struct detok *d, struct buf *out);

#endif
