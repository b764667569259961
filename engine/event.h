/*
 * What the engine tells its user, in order, through a bounded queue with an
 * eventfd.
 *
 * Neighbouring EV_TEXT, EV_THINKING or EV_CALL_TEXT (of one call) events of one turn merge while
 * they wait, and so do EV_TOKENS, EV_PREFILL and EV_LOAD; text and tokens that alternate
 * merge each with its like.  Nothing is dropped: a full queue makes the engine
 * wait, and merged events stop growing at 64 KiB.  Each turn ends with exactly
 * one EV_DONE or EV_ERROR, and the next may be submitted once it is popped.
 *
 * The ids of a turn's EV_TOKENS, one after another, are what chat_message.ids
 * and turn_request.resume_ids take: the first is the <think> or </think> that
 * opens the answer (though it stands in the prompt), the last, where the model
 * ended by itself, the end token; that one, and ids that close a call, come behind
 * what is told of the answer's calls.  A resumed answer sends only ids,
 * text and thinking that are new, but tells all its calls again, from index 0:
 * a call ends with its answer, and what an earlier turn said of it no longer
 * holds.  In raw mode they are the generated ids alone.
 */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/chat.h"

enum event_kind {
	EV_LOAD,       /* progress: bytes done and in all; before EV_READY                 */
	EV_READY,      /* the model can answer; engine_ops.info is valid from here         */
	EV_PREFILL,    /* progress: tokens done, to do in all, and found in the cache; of these,
			  read from disk, in how many ms                                   */
	EV_THINKING,   /* text: more of the reasoning                                      */
	EV_TEXT,       /* text: more of the answer                                         */
	EV_CALL_BEGIN, /* call: its index; text: the tool's name                           */
	EV_CALL_TEXT,  /* call: its index; text: more of an argument that is written, as it is */
	EV_CALL_PARAM, /* call: its index; text: a whole argument, `"name": value` as JSON */
	EV_CALL_END,   /* call: its index; text: all arguments as one JSON object          */
	EV_CALL_BAD,   /* call: its index; text: why it is malformed or cut; never run it;
			  alone, of an answer that was to have a call, and has none        */
	EV_CALL_CUT,   /* call: its index; text: why it was ended before it was whole; never run
			  it; the answer is well-formed, and those before it stand         */
	EV_PRICE,      /* of a glance: progress of progress_all tokens would be read; what it
			  read ahead from disk, in how many ms; and where messages lie     */
	EV_NOTICE,     /* text: something the user should know; the turn goes on           */
	EV_TOKENS,     /* ids: tokens produced since the last one, for the journal         */
	EV_DONE,       /* done: how it ended                                               */
	EV_ERROR,      /* err: the turn (turn > 0) or the engine itself (turn == 0) failed */
};

enum stop_reason {
	STOP_END,         /* the model ended its answer                    */
	STOP_CALLS,       /* it ended with at least one call, well-formed or cut */
	STOP_LENGTH,      /* max_tokens                                    */
	STOP_CONTEXT,     /* the context is full                           */
	STOP_INTERRUPTED, /* cancelled; what was said stands               */
};

/* "stop", "tool_calls", "length", "context", "interrupted" */
const char *stop_reason_name(enum stop_reason reason);

/* As many as a step can draft (DRAFT_MAX, kernels/ops.h). */
#define USAGE_PLACES 8

struct turn_usage {
	int64_t prompt_tokens;   /* whole prompt, the cached part included          */
	int64_t cached_tokens;   /* of those, not computed again                    */
	int64_t disk_tokens;     /* of those, read from disk                        */
	int64_t thinking_tokens; /* produced inside thinking, of output_tokens      */
	int64_t output_tokens;   /* all produced                                    */
	int64_t steps;           /* of decoding: each gives one token and those accepted */
	int64_t drafted, accepted; /* in all, and by place in the draft: */
	int64_t drafted_at[USAGE_PLACES], accepted_at[USAGE_PLACES];
	int64_t chosen_experts, hosted_experts; /* in all layers; of them, those that lie in the host's
					memory; both 0 where none does */
	int64_t disk_ms;         /* that took, of prefill_ms                        */
	int64_t prefill_ms, decode_ms, total_ms;
	int64_t decode_ns;       /* decode_ms, for who adds up many; the scripted engine has none */
};

struct event {
	enum event_kind kind;
	uint64_t turn;   /* the number submit gave; 0 = the engine itself */
	struct buf text; /* UTF-8, whole characters */
	int call;        /* index within the turn, from 0 */
	/* EV_CALL_BEGIN, EV_CALL_PARAM: the answer is well-formed so far, so that the call can be
	 * ended before it is whole (engine_ops.end_call) */
	bool early;
	/* EV_LOAD: bytes; EV_PREFILL: tokens; EV_CALL_CUT, progress: how many ids of the answer, the
	 * last, closed it, and were chosen by nobody */
	uint64_t progress, progress_all, cached;
	uint64_t disk, disk_ms;                  /* EV_PREFILL, EV_PRICE */
	/* EV_PRICE: of the request's messages, the first so many lie in memory, or on disk */
	size_t in_memory, on_disk;
	token_id *ids;                           /* EV_TOKENS; owned */
	size_t n_ids;
	enum stop_reason stop;   /* EV_DONE */
	struct turn_usage usage; /* EV_DONE, and EV_ERROR of a turn: what it came to */
	struct err err;          /* EV_ERROR */
};

void event_release(struct event *ev); /* frees and zeroes; a zeroed struct is fine */

struct event_queue;

int event_queue_new(struct event_queue **q, size_t cap, struct err *err);
void event_queue_free(struct event_queue *q);
/*
 * Moves *ev in (it is zeroed).  Blocks while the queue is full and open.  Any thread.
 * ERR_CANCELLED once closed (the event is released).
 */
int event_queue_push(struct event_queue *q, struct event *ev);
/*
 * While it is quiet, what is pushed wakes nobody, unless the queue is full; when it no longer is,
 * whoever waits is woken once for all of it.  For one who pushes several events in a moment.
 */
void event_queue_quiet(struct event_queue *q, bool quiet);
/*
 * 1: *ev moved out, release it; 0: nothing came within timeout_ms (-1: wait for ever), or
 * the queue is closed and empty.
 */
int event_queue_pop(struct event_queue *q, struct event *ev, int timeout_ms);
int event_queue_fd(const struct event_queue *q); /* readable while events wait; for poll() */
/* Wakes and refuses every pusher from now on; what is queued may still be popped. */
void event_queue_close(struct event_queue *q);

#endif
