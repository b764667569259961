/*
 * The title of a conversation by the model, asked for while nothing else is
 * wanted of it: after an answer, when no turn runs and nothing is typed.
 *
 * The request runs beside the user's turns and gives way to them: whatever the
 * user does, title_cancel() comes first, and a turn may be submitted right
 * after it.  What is said for a title is never shown, and failing is silent.
 * UI thread only.
 */
#ifndef APP_TALK_TITLE_H
#define APP_TALK_TITLE_H

#include "app/options.h"
#include "app/talk/talk.h"
#include "engine/engine.h"

/* Of a title, in columns of the terminal. */
#define TITLE_COLUMNS 60

struct title {
	uint64_t turn;     /* 0: none is asked for */
	struct talk *talk; /* whose; borrowed */
	struct buf said;   /* so far */
	bool given_up;     /* cancelled, or it grew too long */
};

void title_release(struct title *t); /* a zeroed struct is fine */

/*
 * Asks for the title of a conversation whose branch ends with an answer, whole, and which has
 * none but by what was asked first.  Nothing happens where the options or the model have no
 * titles, or one is asked for already; a refusal goes to the log.
 */
void title_ask(struct title *t, struct engine *e, const struct options *o, struct talks *talks,
	       struct talk *talk);

bool title_busy(const struct title *t); /* one is awaited */

/* The user acts: what still comes of the title is dropped. */
void title_cancel(struct title *t, struct engine *e);

/*
 * True where the event is the title's (nobody else wants it).  Its last one names the
 * conversation, in the store too: *named.
 */
bool title_event(struct title *t, struct engine *e, struct talks *talks, const struct event *ev,
		 bool *named);

/*
 * Appends the first line of `said` that says something, without quotes and marks around it,
 * blanks as one, characters that steer a terminal left out, cut at TITLE_COLUMNS.
 */
void title_of(struct buf *out, struct str said);

#endif
