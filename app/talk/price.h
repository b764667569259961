/*
 * What asking would read, before it is asked.
 */
#ifndef APP_TALK_PRICE_H
#define APP_TALK_PRICE_H

#include "app/talk/turn.h"

/* `draft` after `leaf`, a message of the talk or NULL; without one, what `leaf` asks. */
struct price_of {
	struct talk *talk;
	struct talk_message *leaf;
	struct str draft;                   /* with the files that it names, if they can be read */
	const struct talk_message *instead; /* what it is an edition of; NULL */
	struct str system, tools; /* said before it; tools "": both are the branch's own */
};

/* Whose the messages of a request are, as talk_message.id, in its order; 0: nobody's yet. */
struct price_said {
	int64_t *ids;
	size_t n;
};

void price_said_release(struct price_said *said); /* a zeroed struct is fine */

/*
 * Asks the engine of a turn, and the options and store that go with it, for the price: EV_PRICE
 * tells it, by *number (0: this engine has none).  `ahead`: what stands before the last message is
 * read meanwhile, and the price then told again.  UI thread.  ERR_USAGE while a turn runs, or has
 * not ended yet; ERR_NOMEM; what stands against the request is for the turn to say.
 */
int price_ask(const struct turn *t, const struct price_of *of, bool ahead,
	      struct price_said *said, uint64_t *number, struct err *err);

#endif
