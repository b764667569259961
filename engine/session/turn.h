/*
 * A turn of the real engine, inside: what turn.c and turn_prompt.c share.  Engine thread only.
 */
#ifndef ENGINE_SESSION_TURN_H
#define ENGINE_SESSION_TURN_H

#include "engine/session/answer.h"
#include "engine/session/ending.h"
#include "engine/session/sampler.h"
#include "engine/session/session.h"

struct turn {
	struct session *s;
	const struct turn_request *req;
	uint64_t number;
	struct tokens prompt; /* the ids of a resumed answer included */
	size_t resume_at;     /* where the answer's ids after the opening one begin */
	bool ended;           /* a resumed answer: behind these came the end token */
	token_id opening;     /* <think> or </think>, -1: none (raw, tasks) */
	size_t prefill_at;    /* where the text that a fresh answer begins with is */
	struct sample_how how;
	/*
	 * What was chosen behind the last row that ran and, where it drafted, behind each row that
	 * was accepted: ahead[at] is next, and with at < n_accepted the sequence holds it already.
	 */
	struct forward_cycle cycle;
	struct choice ahead[1 + DRAFT_MAX];
	int at;
	struct answer answer;
	struct ending ending; /* the ids that end it: told once all of its calls is */
	int64_t n_out;
	int64_t started_ns, decode_ns; /* when the turn and its decoding began */
	struct turn_usage usage;
	bool stopped;
	enum stop_reason stop;
	struct err err;
};

static inline bool is_stop_id(const struct session *s, token_id id)
{
	for (size_t i = 0; i < s->n_stop_ids; i++) {
		if (s->stop_ids[i] == id)
			return true;
	}
	return false;
}

static inline bool is_opening(const struct session *s, token_id id)
{
	return id >= 0 && (id == s->think || id == s->think_end);
}

/* The event is the turn's. */
void session_tell(struct turn *t, struct event *ev);

/*
 * turn_prompt.c: the ids that the turn begins with, those of a resumed answer or of the text that
 * a fresh one begins with included.  ERR_USAGE, ERR_LIMIT, ERR_MODEL, ERR_NOMEM, in t->err.
 */
int session_encode(struct turn *t);

#endif
