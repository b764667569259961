/*
 * The beginnings that are kept: a radix tree over token ids, a node for each page, with the
 * frontiers that can be gone back to.  Conversations, branches and titles that begin alike
 * share nodes, and so pages.
 *
 * A node holds up to PAGE_TOKENS ids and the page with their rows; one with fewer is a leaf,
 * and grows as long as the sequence that made it goes on in that page.  A frontier belongs to
 * the node that its last id is in.  A node that leads to no frontier goes.  Engine thread only.
 */
#ifndef ENGINE_CACHE_TREE_H
#define ENGINE_CACHE_TREE_H

#include "engine/cache/frontier.h"

/* A frontier in the tree. */
struct mark {
	int64_t len;
	struct frontier *frontier; /* owned */
	struct node *node;
	struct mark *next; /* of the node's, in no order */
	uint64_t owner;            /* see tree_owner() and tree_own() */
	int64_t used;      /* by the tree's clock */
	int64_t hits;
	/* Set while one is looked for that may go: */
	struct mark *before; /* the nearest one on the way from the root */
	int64_t end;         /* the furthest one that lies behind */
};

struct node {
	struct node *parent, *child, *next; /* children in no order */
	struct mark *marks;
	int64_t first; /* position of ids[0] */
	int32_t page;
	int32_t n_ids;
	token_id ids[PAGE_TOKENS];
};

struct tree {
	struct model *m;
	struct node root;    /* without ids */
	struct mark **marks; /* [model_n_frontiers]: n in use, then those made and not in use */
	int n, n_made;
	struct mark *spared; /* see tree_spare() */
	int64_t clock;     /* prompts so far */
};

int tree_init(struct tree *t, struct model *m, struct err *err); /* ERR_NOMEM */
void tree_release(struct tree *t);                               /* a zeroed struct is fine */

/* Another prompt: what was used before is older now. */
void tree_tick(struct tree *t);

/*
 * Keeps the frontier of a sequence that holds `ids` at `len`, as seq_save() takes it, with the
 * pages on the way; where room is short, what is worth least goes.  One that is there already
 * stays.  Where a page with the same ids is there, too, the sequence goes on with that one.
 */
int tree_keep(struct tree *t, struct seq *s, const token_id *ids, int64_t len, struct err *err);

/* The furthest one at most at n of which ids[0..n) holds the beginning; NULL: none.  It is
 * valid until one is kept or room is made. */
struct mark *tree_find(const struct tree *t, const token_id *ids, int64_t n);

/* The furthest one before it of which ids, which hold its own, are the beginning; NULL: none. */
struct mark *tree_before(const struct mark *mark, const token_id *ids);

/* It stays while the next one is kept, as one does that was kept or used last. */
void tree_spare(struct tree *t, struct mark *mark);

/* It was of use, and so was what lies on the way to it. */
void tree_use(struct tree *t, struct mark *mark);

/* A conversation as an owner; 0: nobody, as an empty name is. */
uint64_t tree_owner(struct str name);

/*
 * What is kept of ids[0..n) belongs to it, too; what several own stays when one of them is
 * removed.
 */
void tree_own(struct tree *t, uint64_t owner, const token_id *ids, int64_t n);
/* It was removed: what is its own alone goes. */
void tree_forget(struct tree *t, struct str owner);

/* See seq_restore(). */
int tree_restore(struct tree *t, struct mark *mark, struct seq *s, struct err *err);

/* Drops what is worth least until so many pages are free, or nothing is left. */
void tree_make_room(struct tree *t, int64_t n_pages);

#endif
