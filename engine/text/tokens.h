/*
 * A growing run of token ids.
 *
 * Failure is sticky, as in struct buf: when memory runs out the run keeps what
 * it had and drops every later addition until tokens_reset().  A zeroed struct
 * is an empty run.  One thread at a time.
 */
#ifndef ENGINE_TEXT_TOKENS_H
#define ENGINE_TEXT_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/chat.h"

struct tokens {
	token_id *ids; /* NULL while nothing was ever added */
	size_t n;
	size_t cap;
	bool failed;
};

void tokens_release(struct tokens *t); /* frees; an empty run again */
void tokens_reset(struct tokens *t);   /* empties, keeps the memory, clears `failed` */
bool tokens_failed(const struct tokens *t);
void tokens_add(struct tokens *t, token_id id);
void tokens_add_all(struct tokens *t, const token_id *ids, size_t n);

#endif
