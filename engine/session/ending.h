/*
 * An answer that is ended where it stands, since the call that is written is not wanted, or too
 * long: the ids that close it.  Engine thread only.
 */
#ifndef ENGINE_SESSION_ENDING_H
#define ENGINE_SESSION_ENDING_H

#include "engine/session/answer.h"

#define ENDING_IDS 72 /* the longest closing has 66 bytes, at worst an id each */

struct ending {
	token_id ids[ENDING_IDS]; /* the end token is the last */
	size_t n;
};

/*
 * True: the answer ends by these ids, and its open call is cut, since `why`.  Where the grammar
 * cannot accept it any more that is the end token alone.  False: not here, the model goes on.
 */
bool ending_of(struct ending *e, struct answer *a, token_id end, const char *why);

#endif
