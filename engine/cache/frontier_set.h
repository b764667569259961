/*
 * The frontiers kept of one sequence, as many as the plan has room for: the
 * places it can go back to.
 *
 * Where one is needed and none is free, the one goes that is least missed: what
 * would be read again without it, the way from the one before, divided by how
 * far it lies from the end.  So they stand dense where a conversation goes on
 * and ever further apart behind.  The last one never goes.
 *
 * All belong to the same ids: whoever writes others calls
 * frontier_set_cut() first.  Engine thread only.
 */
#ifndef ENGINE_CACHE_FRONTIER_SET_H
#define ENGINE_CACHE_FRONTIER_SET_H

#include "engine/cache/frontier.h"

struct frontier_set {
	struct model *m;
	struct frontier *v[FRONTIERS_MAX]; /* by position, then those made and not in use */
	int n, n_made;
};

void frontier_set_init(struct frontier_set *set, struct model *m);
void frontier_set_release(struct frontier_set *set); /* a zeroed struct is fine */

/*
 * Keeps the frontier at `len`, as seq_save() takes it, further than every other.  Where memory
 * is short there is none, which costs time later and nothing else.
 */
void frontier_set_keep(struct frontier_set *set, struct seq *s, int64_t len);

/* Drops what lies beyond `len`. */
void frontier_set_cut(struct frontier_set *set, int64_t len);

/* The furthest one; NULL: none. */
const struct frontier *frontier_set_last(const struct frontier_set *set);
/* The furthest one at most at `len`; NULL: none. */
const struct frontier *frontier_set_find(const struct frontier_set *set, int64_t len);

#endif
