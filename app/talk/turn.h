/*
 * One turn of an engine, run to its end on the calling thread: line mode, one-shot
 * and pipes.  (The full screen keeps its own loop.)
 */
#ifndef APP_TALK_TURN_H
#define APP_TALK_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct turn_call {
	struct buf name, arguments; /* arguments: a JSON object, or why the call is bad */
	bool bad;
};

/* What the model said, all of it, also where the turn was interrupted or failed. */
struct turn_answer {
	struct buf thinking, text;
	struct turn_call *calls;
	size_t n_calls;
	token_id *ids; /* from <think> or </think> on, as chat_message.ids wants them */
	size_t n_ids;
	bool done; /* an EV_DONE came: stop is valid */
	enum stop_reason stop;
	struct turn_usage usage;
};

void turn_answer_release(struct turn_answer *a); /* a zeroed struct is fine */

struct turn_watch {
	/* Every event of the turn in order, its last included; non-zero cancels the turn. */
	int (*event)(void *ctx, const struct event *ev);
	void *ctx;
	int wake_fd; /* readable when `stopped` may have changed; -1: none */
	/* Asked whenever wake_fd is readable: ERR_CANCELLED, ERR_TIMEOUT … cancels the turn. */
	int (*stopped)(void *ctx);
	/* When no event waits any more; and in how many ms to call it again, -1: not before
	 * one. */
	void (*drained)(void *ctx);
	int (*due_ms)(void *ctx);
	int64_t deadline_ms; /* CLOCK_MONOTONIC; 0: none.  Then ERR_TIMEOUT. */
};

/* Waits for EV_READY, passing EV_LOAD events to watch->event.  0, or what the engine or watch
 * said. */
int turn_await_ready(struct engine *e, const struct turn_watch *watch, struct err *err);

/*
 * Submits and runs the turn.  0 when EV_DONE came (also STOP_LENGTH and so on); ERR_CANCELLED
 * or ERR_TIMEOUT where watch ended it (out->done then, with STOP_INTERRUPTED); else the
 * engine's error.  *out (zeroed by the caller) always holds what was said.
 */
int turn_run(struct engine *e, const struct turn_request *req, const struct turn_watch *watch,
	     struct turn_answer *out, struct err *err);

#endif
