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
	struct str draft;
};

/*
 * Asks the engine of a turn, and the options and store that go with it, for the price: EV_PRICE
 * tells it, by *number (0: this engine has none).  `ahead`: what stands before the last message is
 * read meanwhile, and the price then told again.  UI thread.  ERR_USAGE while a turn runs, or has
 * not ended yet; ERR_NOMEM; what stands against the request is for the turn to say.
 */
int price_ask(const struct turn *t, const struct price_of *of, bool ahead, uint64_t *number,
	      struct err *err);

#endif
