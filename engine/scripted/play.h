/* One turn of a script being played: what it says goes to a queue of events. */
#ifndef ENGINE_SCRIPTED_PLAY_H
#define ENGINE_SCRIPTED_PLAY_H

#include "engine/scripted/script.h"
#include "engine/session/desk.h"

/* One turn being played. */
struct play {
	struct desk *desk;
	struct event_queue *events;
	const struct turn_request *req;
	const struct script_turn *turn;
	uint64_t number;
	size_t n_ids;      /* ids of the answer so far, the silent ones included */
	size_t resumed[2]; /* bytes of text [0] and thinking [1] that resumed ids stand for */
	bool thinks;       /* the effort asks for thinking */
	bool in_thinking;  /* no </think> yet */
	bool closed;       /* the queue is closed: stop at once */
	int n_calls, n_good;
	int64_t started_ms, prefilled_ms;
	struct turn_usage usage;
	bool over; /* a limit was met or the turn was cancelled: */
	enum stop_reason stop;
};

/*
 * Plays a turn to its end, which the desk hears of just before the queue does; without a turn
 * (NULL) the request fails.  `steps` are all of the script's.
 */
void play_turn(struct desk *desk, struct event_queue *events, const struct script_turn *turn,
	       const struct script_step *steps, const struct turn_request *req,
	       uint64_t number);

/* Whether a title is asked for. */
bool play_is_title(const struct turn_request *req);

/* Ends the turn with an error. */
void play_fail(struct play *p, const struct err *why);

/* Whether the request is as the turn expects it; if not the turn has failed. */
bool play_expected(struct play *p);

#endif
