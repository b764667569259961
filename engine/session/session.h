/*
 * The real engine behind the seam, inside: what its thread holds, and the parts of its
 * work, loading (session.c), one turn (turn.c) and a glance at what one would read (glance.c).
 * Engine thread only, but for what says otherwise.
 */
#ifndef ENGINE_SESSION_SESSION_H
#define ENGINE_SESSION_SESSION_H

#include "engine/engine.h"
#include "engine/cache/disk.h"
#include "engine/cache/prefix.h"
#include "engine/text/prompt.h"
#include "engine/session/desk.h"
#include "engine/session/drafting.h"
#include "engine/text/tokenizer.h"

#define SESSION_MAX_STOPS 16

struct session {
	struct engine base;
	struct desk desk; /* any thread, see there */
	pthread_t thread; /* UI thread */
	_Atomic bool ready;
	struct engine_info info; /* written before `ready`, read by any thread after it */

	char *model_dir, *cache_dir; /* owned */
	struct engine_config config; /* these two are the two above */
	struct tokenizer *tok;
	struct model *model;
	struct tree tree;     /* the beginnings that are kept, of all conversations */
	struct disk *disk;    /* the same on disk; NULL: there is no such place */
	struct prefix prefix; /* the sequence that a turn runs in */
	struct drafting drafting;
	int n_choices;        /* ids the tokenizer knows: those beyond are padding rows */
	enum prompt_flavour flavour;
	token_id think, think_end; /* -1 where the tokenizer has none */
	token_id stop_ids[SESSION_MAX_STOPS];
	size_t n_stop_ids;
};

/* Fewer tokens are read sooner than looked for. */
#define WORTH_RECALLING 16

/* What answering it would read is told; `ahead`: and all before its last message is read. */
void session_glance(struct session *s, const struct turn_request *req, uint64_t number,
		    bool ahead);

/* Runs one turn from its request to its last event. */
void session_turn(struct session *s, const struct turn_request *req, uint64_t number);

#endif
