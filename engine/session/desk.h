/*
 * The desk between the UI thread and an engine's thread: a request is put on
 * it, the engine takes it, and while the turn runs the UI may lay down three
 * notes, "stop", "end the thinking" and "end the call", which the engine reads at each step.
 * Both engines, the real and the scripted one, work from it.
 */
#ifndef ENGINE_SESSION_DESK_H
#define ENGINE_SESSION_DESK_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"

/* Requests that may wait: one, behind others that were cancelled before they were taken. */
#define DESK_WAITING 4

struct forgotten {
	struct forgotten *next;
	size_t n;
	char name[];
};

struct desk {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: */
	struct turn_request *waiting[DESK_WAITING]; /* submitted, not taken, in order; owned */
	size_t n_waiting;             /* the numbers of all but the last one are cancelled */
	bool busy;                    /* a turn waits or runs: from submit to desk_done() */
	uint64_t last_turn; /* those that wait have the numbers up to it */
	struct turn_request *glance; /* the one that was asked for last, not taken; owned */
	bool glance_ahead;
	struct forgotten *forgotten; /* conversations that were removed, and nobody has heard of */
	struct err failed; /* code != 0: the engine answers no more */
	/* Written under the lock, read anywhere: */
	_Atomic uint64_t cancel_turn, answer_turn, call_turn;
	_Atomic bool closing;
	_Atomic uint64_t glance_wanted; /* its number; 0: none is */
};

void desk_init(struct desk *d);
void desk_release(struct desk *d);

/* UI thread.  ERR_USAGE while a turn waits or runs that is not cancelled, or too many wait. */
int desk_submit(struct desk *d, const struct turn_request *req, uint64_t *turn,
		struct err *err);
void desk_cancel(struct desk *d, uint64_t turn);
void desk_end_thinking(struct desk *d, uint64_t turn);
void desk_end_call(struct desk *d, uint64_t turn);
/* ERR_USAGE while a turn waits or runs.  It takes the place of the one before. */
int desk_glance(struct desk *d, const struct turn_request *req, bool ahead, uint64_t *number,
		struct err *err);
/* Where there is no memory to note it, false. */
bool desk_forget(struct desk *d, struct str conversation);
void desk_close(struct desk *d); /* from now on every turn counts as cancelled */

/*
 * Engine thread.  Waits for a request: true, *req is the caller's to free(), or is NULL where
 * there is only something to forget or to glance at; false once closed.
 */
bool desk_take(struct desk *d, struct turn_request **req, uint64_t *turn);
/* False: there is none.  *req is the caller's to free(). */
bool desk_take_glance(struct desk *d, struct turn_request **req, uint64_t *number, bool *ahead);
/* Whether it is still worth going on with. */
bool desk_glance_wanted(const struct desk *d, uint64_t number);
/* What is to be forgotten, the caller's to free(); NULL: nothing more. */
struct forgotten *desk_take_forgotten(struct desk *d);
/* Turn 0, the engine itself, is cancelled by closing alone. */
bool desk_cancelled(const struct desk *d, uint64_t turn);
bool desk_thinking_ended(const struct desk *d, uint64_t turn);
bool desk_call_ended(const struct desk *d, uint64_t turn);
/*
 * Waits `ms` (-1: for ever); returns early when the turn is cancelled, its call is
 * ended or, with `until_answer`, its thinking is.
 */
void desk_pause(struct desk *d, uint64_t turn, int ms, bool until_answer);
/* The turn is over: the next may be submitted.  Call before its last event is pushed. */
void desk_done(struct desk *d);
/*
 * The engine cannot work: submit fails with this from now on, and EV_ERROR says it of the
 * engine and of each turn that waits.
 */
void desk_fail(struct desk *d, const struct err *why, struct event_queue *events);

#endif
