/*
 * A question to its end, on the calling thread: the model's turn, and in an agent session the
 * rounds of tools and the turns that follow them.
 */
#ifndef APP_LINE_ROUNDS_H
#define APP_LINE_ROUNDS_H

#include "app/agent/agent.h"
#include "app/app.h"
#include "app/line/peer.h"
#include "app/line/show.h"
#include "app/talk/turn.h"

struct rounds {
	const struct options *opt;
	struct turn *turn;
	struct agent *agent; /* NULL: no tools are offered */
	struct agent_ops ops;
	int tty;             /* where the user is asked; -1: nobody can be */
	bool opened_tty;
	struct peer *peer; /* who answers for the user, without a terminal; NULL: nobody */
	/* The question at hand: */
	struct talk *talk;
	struct show *show;
	const struct turn_watch *watch;
	bool late;          /* the time is up, and what runs was told */
	bool gone;          /* nobody reads stdout, and … */
	struct err trouble; /* why it could not be waited for */
	bool ended;
	enum agent_end end;
	struct err err;
	struct buf asked, suggest; /* of the user, as text; and its rules */
	enum agent_question question;
	bool widens; /* the call may be given more */
	uint64_t number;
	/* Where the peer is: */
	char asked_id[SHOW_ID_BYTES]; /* the call it was asked about */
	int64_t answer_by_ms;         /* it is refused then; 0: never */
	bool stopped;                 /* the peer said so */
	bool heard_all;               /* that it had said, when it was heard last */
};

/*
 * `tty`: a terminal on which the user can be asked, read line by line; -1: one is looked for.
 * The turn is borrowed, with the talks it has.
 */
int rounds_open(struct rounds *r, struct app *app, struct turn *turn, int tty, struct err *err);
void rounds_close(struct rounds *r);
/*
 * From now on the peer, borrowed, is asked: an event tells it of a call, and what it says to the
 * model while a question is answered is told behind the round's results.
 */
void rounds_ask_peer(struct rounds *r, struct peer *peer);

/*
 * Before the question is asked in the talk: the model is offered what it may use, calls that have
 * no result get one, and the question says which edits were taken back.
 */
int rounds_prepare(struct rounds *r, struct talk *talk, struct talk_message *question,
		   struct show *show, struct err *err);

/*
 * Runs what turn_ask() or turn_begin() began in the talk, to its end.  As turn_run(), of the
 * last answer; ERR_LIMIT and ERR_FAILED besides where the rounds end by themselves, ERR_REFUSED
 * where too much was refused.
 */
int rounds_run(struct rounds *r, struct talk *talk, struct show *show,
	       const struct turn_watch *watch, struct turn_outcome *out, struct err *err);

/* Has the talk's last answer calls without a result, and are there tools for them? */
bool rounds_may_resume(const struct rounds *r, const struct talk *talk);
/* Where that is so: goes on with them, as rounds_run() does. */
int rounds_resume(struct rounds *r, struct talk *talk, struct show *show,
		  const struct turn_watch *watch, struct turn_outcome *out, struct err *err);

/* ERR_REFUSED: of the last question's calls some were refused, since nobody could be asked. */
int rounds_check_refused(const struct rounds *r, struct err *err);

#endif
