/*
 * What goes where the folder takes more than it may.  Files are known by their names alone: a
 * frontier's saves the tokens from the one before it in its conversation's folder, on whichever
 * branch that is.  A run is worth as much as the best frontier that needs it, and what several
 * conversations have as much as to the one it is worth most to.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/cache/disk_internal.h"
#include "engine/cache/policy.h"

void disk_note_use(const struct disk *d, const struct kv_entry *e, bool again)
{
	struct kv_entry it = *e;
	int64_t now = clock_wall_ms();

	if (!kvdir_measure(d->root, &it))
		return;
	if (again)
		it.uses_ms = policy_used(it.uses_ms, now);
	else if (it.uses_ms < now)
		it.uses_ms = now;
	kvdir_touch(d->root, &it, it.uses_ms);
}

/* -------------------------------------------------------------------- weighing */

/* A link of a file. */
struct link {
	struct kv_entry it;
	double worth; /* to its conversation */
	bool gone;
};

struct room {
	struct link *v;      /* by conversation, and there from the beginning on */
	struct link **files; /* the same, links of one file side by side */
	size_t n;
	int64_t now_ms;
};

static int by_conversation(const void *a, const void *b)
{
	const struct link *x = a, *y = b;
	int c = strcmp(x->it.identity, y->it.identity);

	if (!c)
		c = strcmp(x->it.owner, y->it.owner);
	if (!c)
		c = (x->it.name.end > y->it.name.end) - (x->it.name.end < y->it.name.end);
	return c ? c : x->it.name.frontier - y->it.name.frontier;
}

static int by_file(const void *a, const void *b)
{
	const struct link *const *x = a, *const *y = b;

	return ((*x)->it.file > (*y)->it.file) - ((*x)->it.file < (*y)->it.file);
}

static bool of_one_conversation(const struct link *a, const struct link *b)
{
	return strcmp(a->it.identity, b->it.identity) == 0 &&
	       strcmp(a->it.owner, b->it.owner) == 0;
}

/* The n links of a conversation. */
static void weigh_frontiers(struct link *v, size_t n, int64_t now_ms)
{
	int64_t at = 0, before = 0, end = 0;

	for (size_t i = 0; i < n; i++) {
		if (!v[i].gone && v[i].it.name.frontier)
			end = v[i].it.name.end;
	}
	for (size_t i = 0; i < n; i++) {
		const struct kv_entry *e = &v[i].it;
		struct worth w = {.to_end = end - e->name.end,
				  .uses = policy_uses_at(e->uses_ms, now_ms),
				  .bytes = e->bytes + 1};

		if (v[i].gone || !e->name.frontier)
			continue;
		if (e->name.end != at)
			before = at;
		at = e->name.end;
		w.saved = at - before;
		v[i].worth = policy_worth(&w);
	}
}

static void weigh_runs(struct link *v, size_t n)
{
	double best = 0;

	for (size_t i = n; i-- > 0;) {
		if (v[i].gone)
			continue;
		if (!v[i].it.name.frontier)
			v[i].worth = best;
		else if (v[i].worth > best)
			best = v[i].worth;
	}
}

static void weigh(struct room *r)
{
	size_t n;

	for (size_t i = 0; i < r->n; i += n) {
		for (n = 1; i + n < r->n && of_one_conversation(&r->v[i], &r->v[i + n]);)
			n++;
		weigh_frontiers(r->v + i, n, r->now_ms);
		weigh_runs(r->v + i, n);
	}
}

/* ------------------------------------------------------------------- thinning out */

static bool room_open(struct room *r, const struct kv_list *list)
{
	*r = (struct room){.n = list->n, .now_ms = clock_wall_ms()};
	r->v = calloc(r->n + 1, sizeof(*r->v));
	r->files = calloc(r->n + 1, sizeof(*r->files));
	if (!r->v || !r->files) {
		r->n = 0;
		return false;
	}
	for (size_t i = 0; i < r->n; i++)
		r->v[i].it = list->v[i];
	qsort(r->v, r->n, sizeof(*r->v), by_conversation);
	for (size_t i = 0; i < r->n; i++)
		r->files[i] = &r->v[i];
	qsort(r->files, r->n, sizeof(*r->files), by_file);
	return true;
}

static void room_close(struct room *r)
{
	free(r->v);
	free(r->files);
}

/* How many links of one file there are from the i-th on, and what it is worth. */
static size_t weigh_file(const struct room *r, size_t i, double *worth)
{
	size_t n = 0;

	*worth = 0;
	while (i + n < r->n && r->files[i + n]->it.file == r->files[i]->it.file) {
		if (r->files[i + n]->worth > *worth)
			*worth = r->files[i + n]->worth;
		n++;
	}
	return n;
}

/* Of two files that are worth the same: a frontier goes before the run that it needs. */
static bool goes_first(const struct kv_entry *a, const struct kv_entry *b)
{
	if (a->name.frontier != b->name.frontier)
		return a->name.frontier;
	return a->name.end > b->name.end;
}

/* Its first link, and how many; NULL: nothing is left. */
static struct link **least(const struct room *r, size_t *n_links)
{
	struct link **found = NULL;
	double lowest = 0, worth;
	size_t n;

	for (size_t i = 0; i < r->n; i += n) {
		n = weigh_file(r, i, &worth);
		if (r->files[i]->gone)
			continue;
		if (found && worth > lowest)
			continue;
		if (found && worth == lowest && !goes_first(&r->files[i]->it, &(*found)->it))
			continue;
		found = &r->files[i];
		*n_links = n;
		lowest = worth;
	}
	return found;
}

/* False: nothing is left. */
static bool drop_least(struct room *r, const char *root, int64_t *over)
{
	struct link **file;
	size_t n = 0;

	weigh(r);
	file = least(r, &n);
	for (size_t i = 0; i < n; i++) {
		kvdir_remove(root, &file[i]->it);
		file[i]->gone = true;
	}
	if (file)
		*over -= (*file)->it.bytes;
	return file != NULL;
}

static void thin_out(const char *root, int64_t budget)
{
	struct kv_list list;
	struct room r = {0};
	struct err err = {0};
	int64_t over = 0;
	size_t n;

	if (kvdir_list_all(root, &list, &err) == 0)
		over = kv_list_bytes(&list, &n) - budget;
	if (over > 0 && !room_open(&r, &list))
		log_add(LOG_WARN, "prefix cache: no memory to make room in %s", root);
	while (over > 0 && r.n && drop_least(&r, root, &over))
		;
	room_close(&r);
	kv_list_release(&list);
}

void disk_thin_out(const char *root, int64_t budget)
{
	int lock = kvdir_lock(root);

	if (lock < 0)
		return;
	thin_out(root, budget);
	close(lock);
}
