/* Growing, searching and thinning out the tree. */
#include "engine/cache/tree.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "engine/cache/policy.h"
#include "engine/cache/seq_internal.h"
#include "engine/cache/tree_internal.h"
#include "engine/pass/model_internal.h"

/* Owners that no name is. */
enum { NOBODY, SEVERAL };

int tree_init(struct tree *t, struct model *m, struct err *err)
{
	size_t n = (size_t)model_n_frontiers(m);

	*t = (struct tree){.m = m};
	t->marks = calloc(n, sizeof(struct mark *));
	return t->marks ? 0 : err_nomem(err, "prefix tree", n * sizeof(struct mark *));
}

void tree_tick(struct tree *t)
{
	t->clock++;
}

/* ------------------------------------------------------------------------ nodes */

static int n_common(const token_id *a, const token_id *b, int64_t n)
{
	int i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* How many of the node's ids those of a sequence have in common with it. */
static int n_shared(const struct node *c, const token_id *ids, int64_t n)
{
	int64_t left = n - c->first;

	return n_common(c->ids, ids + c->first, left < c->n_ids ? left : c->n_ids);
}

static void unlink_node(struct tree *t, struct node *node)
{
	struct node **at = &node->parent->child;

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	pages_drop(&t->m->pool, node->page, PAGE_NO_WRITER);
	free(node);
}

void tree_prune(struct tree *t, struct node *node)
{
	while (node != &t->root && !node->child && !node->marks) {
		struct node *parent = node->parent;

		unlink_node(t, node);
		node = parent;
	}
}

static void set_ids(struct tree *t, struct node *node, const token_id *ids, int n)
{
	memcpy(node->ids, ids + node->first, (size_t)n * sizeof(*ids));
	node->n_ids = n;
	pages_claim(&t->m->pool, node->page, n);
}

int tree_add_node(struct tree *t, struct node *parent, const token_id *ids, int n, int32_t page,
		  struct node **out, struct err *err)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return err_nomem(err, "prefix tree", sizeof(*node));
	node->parent = parent;
	node->first = parent == &t->root ? 0 : parent->first + PAGE_TOKENS;
	node->page = page;
	pages_share(&t->m->pool, page);
	set_ids(t, node, ids, n);
	node->next = parent->child;
	parent->child = node;
	*out = node;
	return 0;
}

/* ---------------------------------------------------------------------- growing */

struct node *tree_child(const struct node *parent, const token_id *ids, int64_t n)
{
	for (struct node *c = parent->child; c; c = c->next) {
		if (c->n_ids == PAGE_TOKENS && n_shared(c, ids, n) == PAGE_TOKENS)
			return c;
	}
	return NULL;
}

/* The sequence's k-th page is this one from now on. */
static int change_page(struct seq *s, int64_t k, int32_t page, struct err *err)
{
	int32_t own = s->table[k];
	int rc;

	if (own == page)
		return 0;
	s->table[k] = page;
	rc = seq_put_table(s, k, 1, err);
	if (rc) {
		s->table[k] = own;
		return rc;
	}
	pages_share(&s->m->pool, page);
	pages_drop(&s->m->pool, own, s->slot);
	return 0;
}

/* The node that holds the page already, and n ids of the sequence or the first of them. */
static struct node *child_with_page(const struct node *parent, int32_t page,
				    const token_id *ids, int64_t len, int n)
{
	for (struct node *c = parent->child; c; c = c->next) {
		int shared = c->page == page ? n_shared(c, ids, len) : 0;

		if (shared && (shared == n || shared == c->n_ids))
			return c;
	}
	return NULL;
}

/* The node of the sequence's k-th page, with the n ids that are in it. */
static int grow(struct tree *t, struct seq *s, struct node *parent, const token_id *ids,
		int64_t k, int n, struct node **out, struct err *err)
{
	int64_t len = k * PAGE_TOKENS + n;
	struct node *c = n == PAGE_TOKENS ? tree_child(parent, ids, len) : NULL;

	*out = c;
	if (c)
		return change_page(s, k, c->page, err);
	c = child_with_page(parent, s->table[k], ids, len, n);
	if (!c)
		return tree_add_node(t, parent, ids, n, s->table[k], out, err);
	if (c->n_ids < n)
		set_ids(t, c, ids, n);
	*out = c;
	return 0;
}

/* The nodes of all that the sequence holds up to `len`. */
static int grow_path(struct tree *t, struct seq *s, const token_id *ids, int64_t len,
		     struct node **out, struct err *err)
{
	struct node *node = &t->root;
	int rc = 0;

	for (int64_t k = 0; !rc && k * PAGE_TOKENS < len; k++) {
		int64_t left = len - k * PAGE_TOKENS;
		struct node *next = NULL;

		rc = grow(t, s, node, ids, k, left < PAGE_TOKENS ? (int)left : PAGE_TOKENS,
			  &next, err);
		if (rc)
			tree_prune(t, node);
		else
			node = next;
	}
	*out = node;
	return rc;
}

/* ------------------------------------------------------------------------ marks */

void tree_add_mark(struct tree *t, struct node *node, int64_t len)
{
	struct mark *mark = t->marks[t->n++];

	mark->node = node;
	mark->len = len;
	mark->next = node->marks;
	mark->hits = 0;
	mark->owner = NOBODY;
	mark->used = t->clock;
	node->marks = mark;
	t->spared = mark;
}

/* Takes the i-th out of those in use; its memory stays. */
static void drop_mark(struct tree *t, int i)
{
	struct mark *mark = t->marks[i], **at = &mark->node->marks;

	while (*at != mark) {
		BUG_ON(!*at);
		at = &(*at)->next;
	}
	*at = mark->next;
	tree_prune(t, mark->node);
	t->marks[i] = t->marks[--t->n];
	t->marks[t->n] = mark;
}

void tree_release(struct tree *t)
{
	while (t->n > 0)
		drop_mark(t, t->n - 1);
	for (int i = 0; i < t->n_made; i++) {
		frontier_free(t->marks[i]->frontier);
		free(t->marks[i]);
	}
	free(t->marks);
	*t = (struct tree){0};
}

/* The furthest of a node's marks below or at `len`; NULL: none. */
static struct mark *mark_in(const struct node *node, int64_t len)
{
	struct mark *best = NULL;

	for (struct mark *m = node->marks; m; m = m->next) {
		if (m->len <= len && (!best || m->len > best->len))
			best = m;
	}
	return best;
}

/*
 * The furthest in a node's children of which ids[0..n) hold the beginning; NULL: none.  *whole:
 * the child whose page they hold all of, NULL: none.
 */
static struct mark *mark_below(const struct node *node, const token_id *ids, int64_t n,
			       const struct node **whole)
{
	struct mark *best = NULL;

	*whole = NULL;
	for (const struct node *c = node->child; c; c = c->next) {
		int shared = n_shared(c, ids, n);
		struct mark *m = shared ? mark_in(c, c->first + shared) : NULL;

		if (m && (!best || m->len > best->len))
			best = m;
		if (shared == PAGE_TOKENS)
			*whole = c;
	}
	return best;
}

struct mark *tree_find(const struct tree *t, const token_id *ids, int64_t n)
{
	const struct node *node = &t->root;
	struct mark *best = NULL;

	while (node) {
		struct mark *m = mark_below(node, ids, n, &node);

		if (m)
			best = m;
	}
	return best;
}

struct mark *tree_before(const struct mark *mark, const token_id *ids)
{
	const struct node *whole;
	struct mark *m = NULL;

	for (const struct node *up = mark->node->parent; up && !m; up = up->parent)
		m = mark_below(up, ids, mark->len - 1, &whole);
	return m;
}

void tree_spare(struct tree *t, struct mark *mark)
{
	t->spared = mark;
}

void tree_use(struct tree *t, struct mark *mark)
{
	mark->hits++;
	tree_spare(t, mark);
	for (struct node *node = mark->node; node; node = node->parent) {
		for (struct mark *m = node->marks; m; m = m->next) {
			if (m->len <= mark->len)
				m->used = t->clock;
		}
	}
}

int tree_restore(struct tree *t, struct mark *mark, struct seq *s, struct err *err)
{
	int64_t n = mark->node->first / PAGE_TOKENS + 1;
	int32_t *pages = malloc((size_t)n * sizeof(*pages));
	struct node *node = mark->node;
	int rc;

	if (!pages)
		return err_nomem(err, "page table", (size_t)n * sizeof(*pages));
	for (int64_t i = n; i-- > 0; node = node->parent)
		pages[i] = node->page;
	tree_use(t, mark);
	rc = seq_restore(s, mark->frontier, pages, err);
	free(pages);
	return rc;
}

/* ----------------------------------------------------------------------- owners */

uint64_t tree_owner(struct str name)
{
	uint64_t sum = name.n ? XXH3_64bits(name.p, name.n) : NOBODY;

	return name.n && sum <= SEVERAL ? SEVERAL + 1 : sum;
}

void tree_own(struct tree *t, uint64_t owner, const token_id *ids, int64_t n)
{
	struct mark *m = owner ? tree_find(t, ids, n) : NULL;

	for (; m; m = tree_before(m, ids))
		m->owner = m->owner == NOBODY || m->owner == owner ? owner : SEVERAL;
}

void tree_forget(struct tree *t, struct str owner)
{
	uint64_t who = tree_owner(owner);

	for (int i = t->n - 1; i >= 0; i--) {
		if (who && t->marks[i]->owner == who)
			drop_mark(t, i);
	}
}

/* -------------------------------------------------------------------- thinning out */

static struct mark *mark_before(const struct mark *mark)
{
	const struct node *node = mark->node;
	struct mark *m = mark_in(node, mark->len - 1);

	while (!m && node->parent) {
		node = node->parent;
		m = mark_in(node, mark->len);
	}
	return m;
}

static void measure_marks(struct tree *t)
{
	for (int i = 0; i < t->n; i++) {
		t->marks[i]->before = mark_before(t->marks[i]);
		t->marks[i]->end = t->marks[i]->len;
	}
	for (int i = 0; i < t->n; i++) {
		struct mark *m = t->marks[i];

		for (struct mark *b = m->before; b && b->end < m->len; b = b->before)
			b->end = m->len;
	}
}

/* How many pages go with it. */
static int64_t n_pages_alone(const struct tree *t, const struct mark *mark)
{
	const struct node *node = mark->node;
	int64_t n = 1;

	if (node->child || node->marks->next)
		return 0;
	while (node->parent != &t->root && !node->parent->marks && !node->parent->child->next) {
		node = node->parent;
		n++;
	}
	return n;
}

static double worth_of(const struct tree *t, const struct mark *m)
{
	struct cache_bytes each = model_cache_bytes(t->m);
	const struct worth w = {
		.saved = m->len - (m->before ? m->before->len : 0),
		.to_end = m->end - m->len,
		.uses = policy_uses(m->hits, t->clock - m->used),
		.bytes = each.frontier + n_pages_alone(t, m) * each.page,
	};

	return policy_worth(&w);
}

/* The one that is spared never goes to make room for the next. */
static void drop_least(struct tree *t)
{
	double least = 0;
	int found = -1;

	measure_marks(t);
	for (int i = 0; i < t->n; i++) {
		double worth = worth_of(t, t->marks[i]);

		if (t->n > 1 && t->marks[i] == t->spared)
			continue;
		if (found < 0 || worth < least) {
			least = worth;
			found = i;
		}
	}
	drop_mark(t, found);
}

void tree_make_room(struct tree *t, int64_t n_pages)
{
	while (t->m->pool.n_free < n_pages && t->n > 0)
		drop_least(t);
}

int tree_make_mark(struct tree *t, struct err *err)
{
	struct mark *mark;
	int rc;

	if (t->n == model_n_frontiers(t->m))
		drop_least(t);
	if (t->n < t->n_made)
		return 0;
	mark = calloc(1, sizeof(*mark));
	if (!mark)
		return err_nomem(err, "prefix tree", sizeof(*mark));
	rc = frontier_new(&mark->frontier, t->m, err);
	if (rc)
		free(mark);
	else
		t->marks[t->n_made++] = mark;
	return rc;
}

int tree_keep(struct tree *t, struct seq *s, const token_id *ids, int64_t len, struct err *err)
{
	struct mark *there = tree_find(t, ids, len);
	struct node *node;
	int rc;

	if (there && there->len == len) {
		tree_spare(t, there);
		return 0;
	}
	rc = tree_make_mark(t, err);
	if (!rc)
		rc = seq_save(s, len, t->marks[t->n]->frontier, err);
	if (!rc)
		rc = grow_path(t, s, ids, len, &node, err);
	if (!rc)
		tree_add_mark(t, node, len);
	return rc;
}
