/*
 * A sequence with the ids it holds, before the tree of all beginnings that are kept: of a
 * prompt, the beginning that was computed before is found and gone on from, and the frontiers
 * that a later prompt may part at are kept on the way.
 *
 * For each prompt: prefix_begin(), then prefix_run() of ids[at … prefix_next()) until all are
 * held, then prefix_run() of what is chosen, then prefix_end().  Engine thread only.
 */
#ifndef ENGINE_CACHE_PREFIX_H
#define ENGINE_CACHE_PREFIX_H

#include "engine/cache/places.h"
#include "engine/cache/tree.h"
#include "engine/text/tokens.h"

struct prefix {
	struct model *m;
	struct tree *tree; /* borrowed; several may stand before it */
	struct seq *seq;
	struct tokens held;       /* the ids seq holds: seq_len(seq) of them */
	int64_t kept;             /* the furthest frontier among them; 0: none */
	uint64_t owner;           /* of them; 0: nobody */
	token_id user, assistant; /* -1: the tokenizer has none */
	struct places places;     /* of the prompt at hand */
};

/* Takes a sequence of the tree's model; see seq_new() for errors.  A zeroed struct may be
 * released. */
int prefix_open(struct prefix *p, struct tree *tree, token_id user, token_id assistant,
		struct err *err);
void prefix_release(struct prefix *p);

/*
 * Makes the sequence hold a beginning of ids[0..n), as much of it as can be kept and less
 * than all (the last id is always computed anew: what follows it is wanted): a roll-back
 * reaches a few tokens back, all else the frontiers do.  Returns how many, or a negative
 * code. The ids are borrowed until the next prefix_begin() or prefix_end().
 */
int64_t prefix_begin(struct prefix *p, const token_id *ids, int64_t n, struct err *err);

/* What is held belongs to a conversation, with all that is kept of it, now and when it is left. */
void prefix_own(struct prefix *p, struct str conversation);

/* A conversation was removed: see tree_forget(); the sequence is empty then. */
void prefix_forget(struct prefix *p, struct str conversation);

/* How many it would find. */
int64_t prefix_found(const struct prefix *p, const token_id *ids, int64_t n);

int64_t prefix_len(const struct prefix *p); /* ids held */

/* Where the call after the ids held should end: a chunk further, or at a place in it. */
int64_t prefix_next(const struct prefix *p);

/* seq_run(), and the ids are held; of the prompt at hand, the frontiers that were reached. */
int prefix_run(struct prefix *p, struct forward call, struct err *err);

/* Back to `len` of the ids held: some that a call had accepted of its drafts, and no more. */
int prefix_roll_back(struct prefix *p, int64_t len, struct err *err);

/* The end of what follows the prompt: another prompt may part from it here. */
void prefix_end(struct prefix *p);

#endif
