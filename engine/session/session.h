/*
 * The real engine behind the seam, inside: what its thread holds, and the two
 * halves of its work, loading (session.c) and one turn (turn.c).
 * Engine thread only, but for what says otherwise.
 */
#ifndef ENGINE_SESSION_SESSION_H
#define ENGINE_SESSION_SESSION_H

#include "engine/engine.h"
#include "engine/cache/frontier_set.h"
#include "engine/pass/model.h"
#include "engine/text/prompt.h"
#include "engine/session/desk.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokens.h"

#define SESSION_MAX_STOPS 16

struct session {
	struct engine base;
	struct desk desk; /* any thread, see there */
	pthread_t thread; /* UI thread */
	_Atomic bool ready;
	struct engine_info info; /* written before `ready`, read by any thread after it */

	char *model_dir, *backend;   /* owned; backend may be NULL */
	struct engine_config config; /* its pointers are the two above */
	struct tokenizer *tok;
	struct model *model;
	struct seq *seq;
	struct tokens held; /* the ids seq holds: seq_len(seq) of them */
	struct frontier_set frontiers; /* places of it to go back to */
	float *logits;      /* [vocab] */
	int64_t n_choices;  /* ids the tokenizer knows: those beyond are padding rows */
	enum prompt_flavour flavour;
	token_id user, assistant, think, think_end; /* -1 where the tokenizer has none */
	token_id stop_ids[SESSION_MAX_STOPS];
	size_t n_stop_ids;
};

/*
 * Makes the sequence hold a beginning of ids[0..n), as much of it as can be kept and less
 * than all (the last id is always computed anew: its logits are wanted): a roll-back reaches
 * a few tokens back, further back the frontiers do.  Returns how many, or a negative code.
 */
int64_t session_keep_prefix(struct session *s, const token_id *ids, size_t n, struct err *err);

/* Runs n ids through the model and holds them.  logits: [vocab] of the last, or NULL. */
int session_forward(struct session *s, const token_id *ids, int n, float *logits,
		    struct err *err);

/* Runs one turn from its request to its last event. */
void session_turn(struct session *s, const struct turn_request *req, uint64_t number);

#endif
