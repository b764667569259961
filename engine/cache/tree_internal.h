/* What the files of this room share of the tree, its pages and frontiers. */
#ifndef ENGINE_CACHE_TREE_INTERNAL_H
#define ENGINE_CACHE_TREE_INTERNAL_H

#include "engine/cache/tree.h"

/* The child that holds a whole page, the same ids as the n of a sequence; NULL: none. */
struct node *tree_child(const struct node *parent, const token_id *ids, int64_t n);

/* A node below `parent` for the next n ids and the page they lie in, which it shares. */
int tree_add_node(struct tree *t, struct node *parent, const token_id *ids, int n, int32_t page,
		  struct node **out, struct err *err);

/* Removes the node, and those above it, as far as nothing needs them. */
void tree_prune(struct tree *t, struct node *node);

/* Sees to it that t->marks[t->n] has a frontier that is not in use; tree_add_mark() then puts
 * that to use. */
int tree_make_mark(struct tree *t, struct err *err);
void tree_add_mark(struct tree *t, struct node *node, int64_t len);

#endif
