/*
 * What an engine says of one turn, folded into a message: the one place where events become
 * parts, for every mode and for programs.  Pure but for the clock that is passed in.
 */
#ifndef APP_TALK_ANSWER_H
#define APP_TALK_ANSWER_H

#include "app/talk/talk.h"
#include "engine/event.h"

#define ANSWER_NO_PART SIZE_MAX

/*
 * Takes one event of the turn into `m`.  *part: the part that grew, began or ended;
 * ANSWER_NO_PART for what says nothing (progress, ids, the turn's end, a call of a number that
 * skips one).  An error of the turn becomes a notice.  ERR_NOMEM: m is not whole any more.
 */
int answer_take(struct talk_message *m, const struct event *ev, int64_t now_ms, size_t *part,
		struct err *err);

/* The turn is over: thinking that still ran has taken so long. */
void answer_close(struct talk_message *m, int64_t now_ms);

/* Tells the journal the same.  Before answer_take() of that event: */
struct answer_mark {
	size_t n_parts;
};
struct answer_mark answer_mark(const struct talk_message *m);
/* … and after it. */
void answer_keep(struct history_answer *a, const struct talk_message *m,
		 struct answer_mark before, size_t part, const struct event *ev);

/* Makes a cut answer the beginning of the one that goes on with it: see turn_request.resume_ids. */
void answer_reopen(struct talk_message *m);

#endif
