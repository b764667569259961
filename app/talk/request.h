/*
 * A branch as the engine takes it.
 *
 * Of several system prompts the last holds, and stands first.  An answer that said nothing is
 * left out; of the others, malformed calls are; one that was ended before it was whole stays.
 * The ids of an answer go along where it is whole.  One whose malformed calls were answered by results goes without its ids, and with
 * those of them whose name and arguments could be read, written as they should have been; the
 * results of the others stand alone.  Each result of a tool is a message of its own, with the id
 * of its call; what in it would end the result in the prompt is escaped, since the model reads it
 * as plain text.
 */
#ifndef APP_TALK_REQUEST_H
#define APP_TALK_REQUEST_H

#include "app/options.h"
#include "app/talk/talk.h"
#include "engine/engine.h"

struct request {
	struct chat chat; /* borrows the talk's texts and what is below */
	struct chat_message *messages;
	int64_t *ids; /* of the talk's message that each of them is of */
	struct chat_call *calls;
	struct buf *texts; /* made for it: joined parts, escaped results */
	size_t n, n_calls, n_texts;
};

/* Good until the talk changes.  To be released also on failure: ERR_NOMEM. */
int request_build(struct request *r, const struct talk *t, enum chat_effort effort,
		  struct err *err);
void request_release(struct request *r);

/* Goes on with the cut answer m, borrowed; with its seed, so that it goes on as it would have. */
void request_resume(struct turn_request *req, const struct talk_message *m);

/*
 * A seed of its own: drawn by getrandom, of which 53 bits are used, so that readers who keep
 * JSON numbers as doubles can give it back exactly.
 */
uint64_t request_seed(void);
/* As the options say, with such a seed if none was given. */
struct sampling request_sampling(const struct options *o);

#endif
