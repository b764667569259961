/*
 * Where a prompt is worth coming back to, from its ids alone: the places of frontiers.
 *
 * After <｜Assistant｜>: there an answer is made anew, and there the next prompt parts from
 * this one where it drops the thinking.  After the system prompt: there another conversation
 * parts.  Before the last id: there the same prompt goes on again.  And every so many tokens,
 * since a message may be changed anywhere.
 * Pure functions; any thread.
 */
#ifndef ENGINE_CACHE_PLACES_H
#define ENGINE_CACHE_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/chat.h"

/* Nearer than this to the one before, only the last <｜Assistant｜> is a place: a frontier in
 * the middle of a prompt costs a chunk of prefill that is not full. */
#define PLACE_GAP 256
/* So far from the one before any border of chunks is one. */
#define PLACE_EVERY 2048

struct places {
	const token_id *ids; /* borrowed */
	int64_t n;
	token_id user, assistant; /* -1: the tokenizer has none */
	int64_t first_user;       /* its position; n: none */
	int64_t last_ask;         /* the position after the last <｜Assistant｜>; 0: none */
};

void places_init(struct places *p, const token_id *ids, int64_t n, token_id user,
		 token_id assistant);

/* The next place beyond `from`, of which `last` (0: none) is the one before; n: none. */
int64_t places_next(const struct places *p, int64_t from, int64_t last);

#endif
