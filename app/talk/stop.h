/*
 * Why an answer goes no further, and whether it can be gone on with: the same words and the
 * same rule in every mode.
 */
#ifndef APP_TALK_STOP_H
#define APP_TALK_STOP_H

#include "app/talk/talk.h"

enum stop_way {
	STOP_WAY_WHOLE, /* there is nothing to go on with                 */
	STOP_WAY_OPEN,  /* /continue goes on with it                      */
	STOP_WAY_LOST,  /* what it was made of is not known, an import    */
	STOP_WAY_FULL,  /* the context has no room for more               */
};

/* ctx_tokens: what the engine's context holds now; 0 = not known yet. */
enum stop_way stop_way(const struct talk_message *m, int64_t ctx_tokens);

/* What to say to who wants to go on with it; NULL: it can be. */
const char *stop_why_not_resumed(const struct talk_message *m, int64_t ctx_tokens);

/* Why it was cut: "interrupted", "the context is full" …; "" where it was not. */
const char *stop_why(const struct talk_message *m);

/*
 * Appends what its reader should know behind the last answer of a branch, and what helps;
 * nothing where it ended by itself.
 */
void stop_add_words(const struct talk_message *m, int64_t ctx_tokens, struct buf *out);

#endif
