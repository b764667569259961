/* Finding in the folder what a prompt begins with, and reading it into the tree. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/cache/disk_internal.h"
#include "engine/cache/page.h"
#include "engine/cache/seq_internal.h"
#include "engine/cache/tree_internal.h"
#include "engine/pass/model_internal.h"

/* So many files may turn out to be no good before a prompt is read instead. */
#define MOST_TRIES 8

struct recall {
	struct disk *d;
	struct tree *t;
	const token_id *ids;
	int64_t len;
	struct kv_list there;
	unsigned char *block; /* one page or frontier */
	struct node *node;    /* as far as the tree has it */
	bool is_bad;          /* the file at hand: it could not be read */
};

/* ------------------------------------------------------------------- looking */

/* The length of the longest one that is there and in `have` … n; 0: none. */
static int64_t longest(const struct kv_list *list, const token_id *ids, int64_t n, int64_t have)
{
	struct kv_name *names;
	size_t n_names = frontiers_of(list, ids, n, have, &names);
	int64_t best = n_names ? names[n_names - 1].end : 0;

	free(names);
	return best;
}

/* ------------------------------------------------------------------- reading */

/* Opens an entry's file, which must hold the ids from `first` to its end and no others. */
static int open_file(const struct recall *r, const struct kv_entry *e, int64_t first,
		     struct kv_sum before, struct kvfile *f, struct err *err)
{
	int64_t n = e->name.end - first;
	struct buf path = {0};
	int rc;

	kvdir_path(&path, r->d->root, e);
	rc = buf_failed(&path) ? err_nomem(err, "path", path.len)
			       : kvfile_open(f, buf_z(&path), &r->d->like, err);
	buf_release(&path);
	if (rc)
		return rc;
	if (f->head.first == (uint64_t)first && f->head.n_ids == (uint64_t)n &&
	    (f->head.frontier_bytes != 0) == e->name.frontier &&
	    memcmp(&f->head.before, &before, sizeof(before)) == 0 &&
	    memcmp(f->ids, r->ids + first, (size_t)n * sizeof(*f->ids)) == 0)
		return 0;
	rc = err_set(err, ERR_MODEL, "%s: holds other ids than its name says", f->path);
	kvfile_close(f);
	return rc;
}

static int read_block(struct recall *r, struct kvfile *f, struct err *err)
{
	int rc = kvfile_read(f, r->block, err);

	r->is_bad = rc != 0;
	return rc;
}

/* One page of the file, into the pool and the tree. */
static int read_page(struct recall *r, struct kvfile *f, int n, struct err *err)
{
	struct pages *pool = &r->d->m->pool;
	struct node *node;
	int32_t page;
	int rc = read_block(r, f, err);

	if (!rc)
		rc = pages_take(pool, PAGE_NO_WRITER, &page, err);
	if (rc)
		return rc;
	rc = page_put(r->d->m, page, r->block, err);
	if (!rc)
		rc = tree_add_node(r->t, r->node, r->ids, n, page, &node, err);
	pages_drop(pool, page, PAGE_NO_WRITER);
	if (!rc)
		r->node = node;
	return rc;
}

/* The pages of the ids in first … end that the tree lacks. */
static int read_pages(struct recall *r, struct kvfile *f, int64_t first, int64_t end,
		      struct err *err)
{
	int rc = 0;

	for (int64_t at = first; !rc && at < end; at += PAGE_TOKENS) {
		int n = end - at < PAGE_TOKENS ? (int)(end - at) : PAGE_TOKENS;
		struct node *there =
			n == PAGE_TOKENS ? tree_child(r->node, r->ids, at + n) : NULL;

		if (there) {
			r->node = there;
			kvfile_skip(f);
		} else {
			rc = read_page(r, f, n, err);
		}
	}
	return rc;
}

static int read_blocks(struct recall *r, struct kvfile *f, const struct kv_name *name,
		       int64_t first, struct err *err)
{
	int rc = read_pages(r, f, first, name->end, err);

	if (rc || !name->frontier)
		return rc;
	rc = read_block(r, f, err);
	return rc ? rc : frontier_put(r->t->marks[r->t->n]->frontier, name->end, r->block, err);
}

/* The file of the ids in first … end; one that cannot be opened, or proves to be damaged while
 * it is read, goes. */
static int read_file(struct recall *r, bool frontier, int64_t first, int64_t end,
		     struct err *err)
{
	const int64_t ends[2] = {first, end};
	struct kv_name name = {.frontier = frontier, .end = end};
	const struct kv_entry *e;
	struct kv_sum sums[2];
	struct kvfile f;
	int rc;

	sum_prefixes(r->ids, ends, 2, sums);
	name.sum = sums[1];
	e = kv_list_find(&r->there, &name);
	if (!e)
		return err_set(err, ERR_FAILED, "a run of what was kept is gone");
	rc = open_file(r, e, first, sums[0], &f, err);
	r->is_bad = rc && rc != ERR_NOMEM;
	if (!rc) {
		disk_note_use(r->d, e, true);
		rc = read_blocks(r, &f, &name, first, err);
		kvfile_close(&f);
	}
	if (r->is_bad)
		kvdir_drop(r->d->root, r->d->like.identity, &name);
	return rc;
}

/* Whether the tree has the whole run; then no file is needed. */
static bool pass_over_run(struct recall *r, int64_t first)
{
	struct node *node = r->node;

	for (int64_t at = first; node && at < first + KV_RUN_IDS; at += PAGE_TOKENS)
		node = tree_child(node, r->ids, at + PAGE_TOKENS);
	if (node)
		r->node = node;
	return node != NULL;
}

static int read_all(struct recall *r, struct err *err)
{
	int64_t n_pages = seq_pages_of(r->len), tail = r->len / KV_RUN_IDS * KV_RUN_IDS;
	int rc = 0;

	tree_make_room(r->t, n_pages);
	if (r->d->m->pool.n_free < n_pages)
		return err_set(err, ERR_LIMIT, "no room for %lld pages", (long long)n_pages);
	r->node = &r->t->root;
	rc = tree_make_mark(r->t, err);
	for (int64_t at = 0; !rc && at < tail; at += KV_RUN_IDS) {
		if (!pass_over_run(r, at))
			rc = read_file(r, false, at, at + KV_RUN_IDS, err);
	}
	if (!rc)
		rc = read_file(r, true, tail, r->len, err);
	if (rc)
		tree_prune(r->t, r->node);
	else
		tree_add_mark(r->t, r->node, r->len);
	return rc;
}

int64_t disk_look(struct disk *d, const token_id *ids, int64_t n, int64_t have)
{
	struct kv_list list;
	struct err err = {0};
	int64_t len = 0;

	if (kvdir_list(d->root, d->like.identity, &list, &err) == 0)
		len = longest(&list, ids, n, have);
	kv_list_release(&list);
	return len;
}

int64_t disk_recall(struct disk *d, struct tree *t, const token_id *ids, int64_t n,
		    int64_t have)
{
	struct recall r = {.d = d, .t = t, .ids = ids};
	size_t most = d->like.page_bytes > d->like.frontier_bytes ? d->like.page_bytes
								  : d->like.frontier_bytes;
	int64_t found = 0;

	for (int i = 0; !found && i < MOST_TRIES; i++) {
		struct err err = {0};
		int rc = kvdir_list(d->root, d->like.identity, &r.there, &err);

		r.len = rc ? 0 : longest(&r.there, ids, n, have);
		if (r.len && !r.block)
			r.block = malloc(most);
		if (r.len && r.block) {
			rc = read_all(&r, &err);
			found = rc ? 0 : r.len;
			/* without this one */
			n = r.len - 1;
		}
		if (rc)
			log_add(LOG_WARN, "prefix cache: %s", err.text);
		kv_list_release(&r.there);
		if (!r.len || !r.block)
			break;
	}
	free(r.block);
	return found;
}
