/*
 * One turn of the model, from the request to the message that is kept: every mode walks through
 * here.  A turn is in one state at a time:
 *
 *   idle → reading → thinking, answering, calling (as the model goes) → idle
 *                  any → stopping → idle
 *
 * The owner either hands in the engine's events as they come (turn_begin, turn_hear, turn_end)
 * or lets turn_run() wait for them.  What is said is journalled on the way, and a store that
 * fails ends no turn: the answer stays in memory and is tried again.  UI thread only.
 *
 * A question is kept as soon as the engine reads it, or at once while the model is loading. One
 * that does not fit the context is refused: it is taken back, and its words are given back.
 */
#ifndef APP_TALK_TURN_H
#define APP_TALK_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "app/options.h"
#include "app/talk/answer.h"
#include "app/talk/store.h"
#include "engine/engine.h"

enum turn_state {
	TURN_IDLE,
	TURN_READING,   /* the prompt; or the model is still loading */
	TURN_THINKING,
	TURN_ANSWERING,
	TURN_CALLING,
	TURN_STOPPING,  /* cancelled; its end is still to come */
};

struct turn {
	/* The owner sets these before the first turn; all borrowed. */
	struct engine *engine;
	const struct options *opt;
	struct talks *talks;
	void (*trouble)(void *ctx, const char *text); /* what the store refused, to be told */
	/*
	 * The question could not be kept.  Other than 0 takes it back, and the turn fails with
	 * that.  NULL: it is answered, and tried again with the next message.
	 */
	int (*unkept)(void *ctx, const struct err *why);
	void *ctx;

	enum turn_state state;
	uint64_t number;             /* the engine's */
	struct talk *talk;           /* where it belongs; stays after the turn's end */
	struct talk_message *answer; /* what was said so far; not in the tree yet */
	struct history_answer *journal; /* the same in the store; NULL = not there */
	bool unjournalled;              /* it could not be begun: the end is tried alone */
	bool journal_failed;            /* that was told */
	int64_t resumed;                /* the stored message it goes on with; 0 = none */
	int64_t began_ms;               /* monotonic */
	int64_t first_token_ms;         /* -1: none came */
	int64_t n_tokens;               /* since then */

	bool again;                   /* turn_begin_again() is at it: with another seed */
	bool asked;                   /* by turn_ask(): */
	struct talk_message *before;  /* what the question follows */
	bool asks_system, asks_tools; /* the talk's, before it */
	struct talk_message *back;    /* where it is refused, the leaf again; NULL: `before` */
	bool kept;                    /* the question went to the store */
	bool read;                    /* the engine has begun with it */
	int dropped;                  /* what `unkept` said */
	/* After the end, until the next one begins: */
	bool refused;          /* it did not fit the context */
	struct buf given_back; /* what was asked then, in its words */
};

void turn_release(struct turn *t);

static inline bool turn_runs(const struct turn *t)
{
	return t->state != TURN_IDLE;
}

/*
 * Asks the engine to answer talk's leaf, or (`resume`, an unfinished answer of the tree) to go on
 * with that one: what it is an answer to is the leaf then.  On failure the talk is as it was.
 */
int turn_begin(struct turn *t, struct talk *talk, struct talk_message *resume, struct err *err);
/* Asks for another answer in the place of talk's leaf, with another seed.  On failure as above. */
int turn_begin_again(struct turn *t, struct talk *talk, struct err *err);

/*
 * Says the question after talk's leaf, under the system prompt that is wanted, and has it
 * answered.  The question is taken over; on failure nothing was said.
 */
int turn_ask(struct turn *t, struct talk *talk, struct talk_message *question, struct err *err);
/* After a turn that was refused, what can be done about it; else NULL. */
const char *turn_helps(const struct turn *t);

/* True for an event of the turn that runs. */
bool turn_owns(const struct turn *t, const struct event *ev);
/*
 * Takes such an event in; *part as answer_take() has it.  The turn's last is to be followed by
 * turn_end().  ERR_NOMEM: the turn is stopped.
 */
int turn_hear(struct turn *t, const struct event *ev, size_t *part, struct err *err);
/* Every event that waited was heard: writes the journal where that is due. */
void turn_drained(struct turn *t);
int turn_due_ms(const struct turn *t); /* as history_answer_due_ms() */
/* The same, to wait for: where another process writes it stays due, and is not tried again
 * without a pause. */
int turn_pause_ms(const struct turn *t);
void turn_stop(struct turn *t);        /* the engine ends it; any number of times */
/* The model is to close its thinking now, where it has not: the answer's run has a note of it. */
void turn_end_thinking(struct turn *t);
/* The call that the model writes is closed, and the answer with it: engine_ops.end_call. */
void turn_end_call(struct turn *t);

/*
 * The turn is over, by `last`, its EV_DONE or EV_ERROR, or (NULL) because the program leaves.
 * `why`: what the owner stopped it for, ERR_TIMEOUT or 0.  *said is the answer, in the tree now,
 * as its leaf; NULL where nothing was said.  ERR_STORE: it is in memory only.
 */
int turn_end(struct turn *t, const struct event *last, int why, struct talk_message **said,
	     struct err *err);

/* -- on the calling thread, to the end --------------------------------------- */

struct turn_watch {
	/* Every event of the turn in order, its last included; non-zero cancels the turn. */
	int (*event)(void *ctx, const struct event *ev);
	void *ctx;
	int wake_fd; /* readable when `stopped` may have changed; -1: none */
	/* Asked whenever wake_fd is readable: ERR_CANCELLED, ERR_TIMEOUT … cancels the turn. */
	int (*stopped)(void *ctx);
	int64_t deadline_ms; /* clock_ms(); 0: none.  Then ERR_TIMEOUT. */
};

/* Waits for EV_READY, passing EV_LOAD events to watch->event.  0, or what the engine or watch
 * said. */
int turn_await_ready(struct engine *e, const struct turn_watch *watch, struct err *err);

/* How a turn came out. */
struct turn_outcome {
	struct talk_message *said; /* in the tree; NULL: nothing was */
	bool done;                 /* an EV_DONE came: stop is valid */
	enum stop_reason stop;
	struct turn_usage usage;
	struct err kept; /* code 0, or why the answer is in memory only */
};

/*
 * Runs the turn that turn_begin() began.  0 when EV_DONE came (also STOP_LENGTH and so on);
 * ERR_CANCELLED or ERR_TIMEOUT where watch ended it (done then, with STOP_INTERRUPTED); else
 * the engine's error.  *out is filled in any case.
 */
int turn_run(struct turn *t, const struct turn_watch *watch, struct turn_outcome *out,
	     struct err *err);

#endif
