/*
 * The conversation of line mode, one-shot and pipes in the history: what is said is
 * committed as it is said, and answers are journalled while they come.  One thread.
 *
 * A write that fails does not end the chat: it is told, the text stays on the screen, and
 * record_close() says that something was lost.
 */
#ifndef APP_TALK_RECORD_H
#define APP_TALK_RECORD_H

#include "app/app.h"
#include "app/talk/dialog.h"
#include "history/history.h"

struct record {
	const struct app *app;
	struct history *h;
	struct history_tree *t;
	struct history_answer *answer; /* in progress */
	struct history_list recovered; /* conversations that a crash had cut */
	struct err lost;               /* the first write that failed */
};

/*
 * Opens the store (in memory with --ephemeral) and the conversation that --continue,
 * --resume and --fork choose, else a new one.
 */
int record_open(struct record *r, const struct app *app, struct err *err);
/* What of it was lost, if anything was: the error of the first failed write. */
int record_close(struct record *r, struct err *err);

/* Goes over to another conversation; 0: a new one. */
int record_switch(struct record *r, int64_t conversation, struct err *err);
int record_fork(struct record *r, struct err *err);

/* The dialog becomes the branch that is shown.  Its system prompt, where one was said. */
int record_fill(struct record *r, struct dialog *d, struct err *err);

/*
 * The question that the dialog ends with, and the system prompt where that is new.  Fails
 * where it could not be kept.
 */
int record_question(struct record *r, const struct dialog *d, struct err *err);

/* Around a turn: begin (resume: the answer to go on with, or NULL) … event … drained … end. */
int record_begin(struct record *r, const struct sampling *sampling,
		 const struct history_message *resume, struct err *err);
void record_event(struct record *r, const struct event *ev);
/* What an event says, into an answer; the screen's too. */
void record_feed(struct history_answer *a, const struct event *ev);
void record_drained(struct record *r);     /* every event that waited was handed over */
int record_due_ms(const struct record *r); /* as history_answer_due_ms() */
/* rc: what turn_run() said.  ERR_STORE where the answer could not be kept. */
int record_end(struct record *r, int rc, const struct turn_answer *a, struct err *err);

/* What a request needs to go on with m. */
void record_resume(const struct history_message *m, struct turn_request *req);

#endif
