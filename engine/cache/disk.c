/* Between tree and folder: what is written of a conversation, and its names. */
#include "engine/cache/disk_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "engine/base/log.h"
#include "engine/cache/page.h"
#include "engine/cache/seq_internal.h"
#include "engine/pass/model_internal.h"

_Static_assert(PAGE_TOKENS == KV_PAGE_IDS, "a page of the pool is one of a file");

int disk_open(struct disk **out, struct model *m, const char *root, const char *identity,
	      int64_t budget, struct err *err)
{
	struct cache_bytes each = model_cache_bytes(m);
	struct disk *d = calloc(1, sizeof(*d));
	int rc = 0;

	*out = NULL;
	if (!d)
		return err_nomem(err, "prefix cache", sizeof(*d));
	d->m = m;
	d->root = strdup(root);
	d->like.page_bytes = (uint64_t)each.page;
	d->like.frontier_bytes = (uint64_t)each.frontier;
	/* Backends of one width of activations read each other's: it is the model's arithmetic.
	 */
	snprintf(d->like.identity, sizeof(d->like.identity), "%s-a%d-f%d", identity,
		 m->caps.act_bytes, KV_VERSION);
	if (!d->root)
		rc = err_nomem(err, "prefix cache", strlen(root));
	if (!rc)
		rc = writer_start(&d->writer, d->root, budget, err);
	if (rc) {
		free(d->root);
		free(d);
		return rc;
	}
	*out = d;
	return 0;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	writer_stop(&d->writer);
	free(d->root);
	free(d);
}

void disk_flush(struct disk *d)
{
	writer_wait(&d->writer);
}

bool disk_writes(struct disk *d)
{
	return writer_is_busy(&d->writer);
}

const char *disk_identity(const struct disk *d)
{
	return d->like.identity;
}

void disk_forget(struct disk *d, struct str owner)
{
	char name[KV_OWNER_BYTES];

	if (!kv_owner_valid(owner))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)owner.n, owner.p);
	writer_drop(&d->writer, name);
	kvdir_remove_owner(d->root, name);
}

bool disk_in_trouble(struct disk *d, struct buf *line)
{
	bool is;

	pthread_mutex_lock(&d->writer.lock);
	is = d->writer.trouble.code && !d->told;
	if (is)
		buf_addf(line, "what was read is not kept on disk: %s", d->writer.trouble.text);
	pthread_mutex_unlock(&d->writer.lock);
	d->told |= is;
	return is;
}

static struct kv_sum sum_of(XXH128_hash_t sum)
{
	return (struct kv_sum){sum.low64, sum.high64};
}

void sum_prefixes(const token_id *ids, const int64_t *ends, size_t n, struct kv_sum *out)
{
	XXH3_state_t *state = XXH3_createState();
	int64_t at = 0;

	if (state)
		XXH3_128bits_reset(state);
	for (size_t i = 0; i < n; i++) {
		if (!state) {
			/* without memory each from the beginning */
			out[i] = sum_of(XXH3_128bits(ids, (size_t)ends[i] * sizeof(*ids)));
			continue;
		}
		XXH3_128bits_update(state, ids + at, (size_t)(ends[i] - at) * sizeof(*ids));
		at = ends[i];
		out[i] = sum_of(XXH3_128bits_digest(state));
	}
	XXH3_freeState(state);
}

static int ascending(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The ends of frontiers in have + 1 … n, each once, in order; returns how many. */
static size_t ends_of(const struct kv_list *list, int64_t n, int64_t have, int64_t *ends)
{
	size_t n_ends = 0, k = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct kv_name *name = &list->v[i].name;

		if (name->frontier && name->end > have && name->end <= n)
			ends[n_ends++] = name->end;
	}
	if (n_ends)
		qsort(ends, n_ends, sizeof(*ends), ascending);
	for (size_t i = 0; i < n_ends; i++) {
		if (k == 0 || ends[i] != ends[k - 1])
			ends[k++] = ends[i];
	}
	return k;
}

/* Puts each name on the list that is one of the ids' beginnings at the place of its end; the
 * others stay empty. */
static void find_names(const struct kv_list *list, const int64_t *ends,
		       const struct kv_sum *sums, size_t n_ends, struct kv_name *names)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct kv_name *name = &list->v[i].name;
		const int64_t *end =
			name->frontier && n_ends
				? bsearch(&name->end, ends, n_ends, sizeof(*ends), ascending)
				: NULL;
		const struct kv_sum *sum = end ? &sums[end - ends] : NULL;

		if (sum && sum->low == name->sum.low && sum->high == name->sum.high)
			names[end - ends] = *name;
	}
}

size_t frontiers_of(const struct kv_list *list, const token_id *ids, int64_t n, int64_t have,
		    struct kv_name **out)
{
	int64_t *ends = malloc((list->n + 1) * sizeof(*ends));
	struct kv_sum *sums = malloc((list->n + 1) * sizeof(*sums));
	struct kv_name *names = calloc(list->n + 1, sizeof(*names));
	size_t n_names = 0, n_ends = ends && sums && names ? ends_of(list, n, have, ends) : 0;

	if (n_ends) {
		sum_prefixes(ids, ends, n_ends, sums);
		find_names(list, ends, sums, n_ends, names);
	}
	for (size_t i = 0; i < n_ends; i++) {
		if (names[i].frontier)
			names[n_names++] = names[i];
	}
	free(ends);
	free(sums);
	*out = names;
	return n_names;
}

/* -------------------------------------------------------------------- storing */

struct storing {
	struct disk *d;
	const token_id *ids;
	struct kv_sum *before; /* of all ids before each run, and before what follows them */
	char owner[KV_OWNER_BYTES];
	struct kv_list there;
};

/* The pages that n ids from `first` on lie in, of the path that ends in `node`. */
static int get_pages(const struct storing *s, const struct node *node, int64_t first, int64_t n,
		     unsigned char *data, struct err *err)
{
	int64_t end = first + n;
	int32_t pages[KV_RUN_IDS / KV_PAGE_IDS];
	int n_pages = (int)seq_pages_of(n);

	while (node->first >= end)
		node = node->parent;
	for (int i = n_pages; i-- > 0; node = node->parent)
		pages[i] = node->page;
	return pages_get(s->d->m, pages, n_pages, (int)(n - (n_pages - 1) * PAGE_TOKENS), data,
			 err);
}

/* Which file, of which ids; its memory comes later. */
static struct job job_of(const struct storing *s, const struct kv_name *name,
			 const struct mark *mark)
{
	int64_t first = mark ? mark->len / KV_RUN_IDS * KV_RUN_IDS : name->end - KV_RUN_IDS;
	struct job job = {.head = s->d->like, .entry = {.name = *name}};

	job.head.first = (uint64_t)first;
	job.head.n_ids = (uint32_t)(name->end - first);
	job.head.before = s->before[first / KV_RUN_IDS];
	if (!mark)
		job.head.frontier_bytes = 0;
	memcpy(job.entry.identity, s->d->like.identity, sizeof(job.entry.identity));
	memcpy(job.entry.owner, s->owner, sizeof(job.entry.owner));
	return job;
}

static int fill_job(const struct storing *s, struct job *job, const struct node *node,
		    const struct mark *mark, struct err *err)
{
	int64_t first = (int64_t)job->head.first;
	int rc;

	job->ids = malloc((job->head.n_ids + 1) * sizeof(*job->ids));
	job->data = malloc(kv_data_bytes(&job->head) + 1);
	if (!job->ids || !job->data)
		return err_nomem(err, "cache file", kv_data_bytes(&job->head));
	memcpy(job->ids, s->ids + first, job->head.n_ids * sizeof(*job->ids));
	rc = get_pages(s, node, first, job->head.n_ids, job->data, err);
	if (rc || !mark)
		return rc;
	return frontier_get(mark->frontier,
			    job->data + kv_n_pages(&job->head) * job->head.page_bytes, err);
}

/* NULL: there is no memory for it, or the device fails. */
static struct job *make_job(const struct storing *s, const struct job *like,
			    const struct node *node, const struct mark *mark)
{
	struct job *job = malloc(sizeof(*job));
	struct err err = {0};
	int rc;

	if (!job)
		return NULL;
	*job = *like;
	rc = fill_job(s, job, node, mark, &err);
	if (!rc)
		return job;
	log_add(LOG_WARN, "prefix cache: %s", err.text);
	job_free(job);
	return NULL;
}

/* Whether the conversation has it, or has a link to it now. */
static bool has_file(const struct storing *s, const struct kv_name *name)
{
	const struct kv_entry *other = NULL;

	for (size_t i = 0; i < s->there.n; i++) {
		const struct kv_entry *e = &s->there.v[i];

		if (!kv_name_same(&e->name, name))
			continue;
		if (strcmp(e->owner, s->owner) == 0) {
			disk_note_use(s->d, e, false);
			return true;
		}
		other = e;
	}
	if (!other)
		return false;
	disk_note_use(s->d, other, false);
	return kvdir_make(s->d->root, other->identity, s->owner, &(struct err){0}) == 0 &&
	       kvdir_link(s->d->root, other, s->owner);
}

static void store_file(const struct storing *s, const struct kv_name *name,
		       const struct node *node, const struct mark *mark)
{
	const struct job like = job_of(s, name, mark);
	struct writer *w = &s->d->writer;
	struct job *job;

	if (has_file(s, name) || !writer_wants(w, &like))
		return;
	job = make_job(s, &like, node, mark);
	if (job)
		writer_add(w, job);
}

/* s->before for n_runs; false: there is no memory for it. */
static bool sum_runs(struct storing *s, size_t n_runs)
{
	int64_t *ends = calloc(n_runs + 1, sizeof(*ends));
	bool done;

	s->before = calloc(n_runs + 1, sizeof(*s->before));
	done = ends && s->before;
	for (size_t i = 0; done && i <= n_runs; i++)
		ends[i] = (int64_t)i * KV_RUN_IDS;
	if (done)
		sum_prefixes(s->ids, ends, n_runs + 1, s->before);
	free(ends);
	return done;
}

/* The runs of the path that ends in `node`. */
static void store_runs(const struct storing *s, const struct node *node, size_t n_runs)
{
	for (size_t i = 1; i <= n_runs; i++) {
		const struct kv_name name = {.end = (int64_t)i * KV_RUN_IDS,
					     .sum = s->before[i]};

		store_file(s, &name, node, NULL);
	}
}

/* The frontiers of the path, of which the tree has `most` at most, the furthest first: should
 * the others not be taken, it serves best. */
static void store_marks(const struct storing *s, const struct mark *last, size_t most)
{
	int64_t *ends = calloc(most, sizeof(*ends));
	struct kv_sum *sums = calloc(most, sizeof(*sums));
	size_t at = most;

	/* Backwards: sums are taken in ascending order. */
	for (const struct mark *m = last; ends && m; m = tree_before(m, s->ids))
		ends[--at] = m->len;
	if (ends && sums) {
		const struct mark *m = last;

		sum_prefixes(s->ids, ends + at, most - at, sums + at);
		for (size_t i = most; i-- > at; m = tree_before(m, s->ids)) {
			const struct kv_name name = {true, ends[i], sums[i]};

			store_file(s, &name, m->node, m);
		}
	}
	free(ends);
	free(sums);
}

/* What others have of the way is this one's, too, whether or not memory has it. */
static void share_files(const struct storing *s, int64_t n)
{
	struct kv_name *names;
	size_t n_names = frontiers_of(&s->there, s->ids, n, 0, &names);

	for (size_t i = 0; i < n_names; i++)
		has_file(s, &names[i]);
	free(names);
}

void disk_store(struct disk *d, struct tree *t, struct str owner, const token_id *ids,
		int64_t n)
{
	struct storing s = {.d = d, .ids = ids};
	const struct mark *last = tree_find(t, ids, n);
	struct err err = {0};
	size_t n_runs = last ? (size_t)(last->len / KV_RUN_IDS) : 0;

	if (!last || !kv_owner_valid(owner))
		return;
	snprintf(s.owner, sizeof(s.owner), "%.*s", (int)owner.n, owner.p);
	if (kvdir_list(d->root, d->like.identity, &s.there, &err) == 0 &&
	    sum_runs(&s, n_runs)) {
		share_files(&s, last->len);
		store_runs(&s, last->node, n_runs);
		store_marks(&s, last, (size_t)t->n);
	}
	free(s.before);
	kv_list_release(&s.there);
}
