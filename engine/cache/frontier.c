/* Copies of what lies at a sequence's end, and back. */
#include "engine/cache/frontier.h"

#include <stdlib.h>
#include <string.h>

#include "engine/cache/copies.h"
#include "engine/cache/seq_internal.h"
#include "engine/pass/model_internal.h"

struct frontier {
	struct model *m;
	int64_t len;
	dbuf kept[]; /* on each rank: the rings' entries, streams first, then layer by layer, oldest
			first */
};

int64_t frontier_bytes(const struct model *m)
{
	return model_cache_bytes(m).frontier;
}

static int alloc_kept(struct model *m, void *ctx, struct err *err)
{
	struct frontier *f = ctx;

	return m->be->alloc(m->be, (size_t)frontier_bytes(m), MEMORY_PLAIN,
			    &f->kept[m->shard.rank], err);
}

static int free_kept(struct model *m, void *ctx, struct err *err)
{
	struct frontier *f = ctx;

	(void)err;
	m->be->free(m->be, f->kept[m->shard.rank]);
	return 0;
}

int frontier_new(struct frontier **out, struct model *m, struct err *err)
{
	size_t bytes = sizeof(struct frontier) + (size_t)model_n_ranks(m) * sizeof(dbuf);
	struct frontier *f = calloc(1, bytes);
	int rc;

	*out = NULL;
	if (!f)
		return err_nomem(err, "frontier", bytes);
	f->m = m;
	rc = team_run(m, alloc_kept, f, err);
	if (rc)
		frontier_free(f);
	else
		*out = f;
	return rc;
}

void frontier_free(struct frontier *f)
{
	struct err ignored;

	if (!f)
		return;
	team_run(f->m, free_kept, f, &ignored);
	free(f);
}

/* What a ring does not fill yet is 0, whatever was kept there before. */
static void clear_rest(unsigned char *kept, struct ring_layout r, int64_t len)
{
	size_t n = (size_t)(len < r.kept ? len : r.kept) * r.entry_bytes;

	memset(kept + n, 0, layout_kept_bytes(r) - n);
}

int frontier_get(const struct frontier *f, unsigned char *out, struct err *err)
{
	struct ring_layout streams = layout_streams(f->m->cfg.dim);
	int rc = f->m->be->get(f->m->be, out, f->kept[0], (size_t)frontier_bytes(f->m), err);

	if (rc)
		return rc;
	clear_rest(out, streams, f->len);
	out += layout_kept_bytes(streams);
	for (int i = 0; i < model_n_cached_layers(f->m); i++) {
		struct layer_layout l = model_layer_layout(f->m, i);

		for (int k = 0; k < N_LAYER_RINGS; k++) {
			clear_rest(out, l.ring[k], f->len);
			out += layout_kept_bytes(l.ring[k]);
		}
	}
	return 0;
}

struct put_job {
	struct frontier *f;
	const unsigned char *in;
};

static int put_kept(struct model *m, void *ctx, struct err *err)
{
	const struct put_job *j = ctx;

	return m->be->put(m->be, j->f->kept[m->shard.rank], j->in, (size_t)frontier_bytes(m), err);
}

int frontier_put(struct frontier *f, int64_t len, const unsigned char *in, struct err *err)
{
	struct put_job j = {f, in};
	int rc;

	f->len = 0;
	rc = team_run(f->m, put_kept, &j, err);
	if (!rc)
		f->len = len;
	return rc;
}

enum direction { OUT_OF_RING, INTO_RING };

/* Between a sequence's rings and a frontier, of so many tokens. */
struct copying {
	const struct seq *s;
	const struct frontier *f;
	int64_t len;
	enum direction dir;
};

/* The last entries before `len` of a slot's ring, in one piece or, where it wraps, two. */
static int copy_ring(const struct copying *c, struct copies *out, dbuf all,
		     struct ring_layout r, dbuf kept, struct err *err)
{
	dbuf ring = all + (size_t)c->s->slot * layout_ring_bytes(r);
	int64_t len = c->len, n = len < r.kept ? len : r.kept, pos = len - n;
	int rc = 0;

	while (!rc && pos < len) {
		int64_t at = pos % r.entries, left = len - pos, run = r.entries - at;
		dbuf in_ring = ring + (size_t)at * r.entry_bytes;
		size_t bytes;

		run = run < left ? run : left;
		bytes = (size_t)run * r.entry_bytes;
		rc = c->dir == INTO_RING ? copies_add(out, in_ring, kept, bytes, err)
					 : copies_add(out, kept, in_ring, bytes, err);
		kept += bytes;
		pos += run;
	}
	return rc;
}

static int copy_rings(struct model *m, void *ctx, struct err *err)
{
	const struct copying *c = ctx;
	struct ring_layout streams = layout_streams(m->cfg.dim);
	dbuf at = c->f->kept[m->shard.rank];
	struct copies out;
	int rc;

	copies_init(&out, m->be);
	rc = copy_ring(c, &out, m->streams, streams, at, err);
	at += layout_kept_bytes(streams);
	for (int i = 0; i < model_n_cached_layers(m); i++) {
		struct layer_layout l = model_layer_layout(m, i);

		for (int k = 0; !rc && k < N_LAYER_RINGS; k++) {
			if (!l.ring[k].entry_bytes)
				continue;
			rc = copy_ring(c, &out, m->caches[i].ring[k], l.ring[k], at, err);
			at += layout_kept_bytes(l.ring[k]);
		}
	}
	return rc ? rc : copies_issue(&out, err);
}

static int copy_all(const struct seq *s, const struct frontier *f, int64_t len,
		    enum direction dir, struct err *err)
{
	struct copying c = {s, f, len, dir};

	return team_run(s->m, copy_rings, &c, err);
}

int seq_save(struct seq *s, int64_t len, struct frontier *f, struct err *err)
{
	int rc;

	if (f->m != s->m || len < 1 || len > s->len || len < seq_floor(s))
		BUG("a frontier where the sequence has none");
	f->len = 0;
	rc = copy_all(s, f, len, OUT_OF_RING, err);
	if (!rc)
		f->len = len;
	return rc;
}

/* Shares them first: some may be its own. */
static int change_pages(struct seq *s, const int32_t *pages, int64_t n, struct err *err)
{
	for (int64_t i = 0; i < n; i++)
		pages_share(&s->m->pool, pages[i]);
	seq_drop_pages(s, 0);
	memcpy(s->table, pages, (size_t)n * sizeof(*pages));
	s->n_pages = n;
	return seq_put_table(s, 0, n, err);
}

int seq_restore(struct seq *s, const struct frontier *f, const int32_t *pages, struct err *err)
{
	int rc;

	if (f->m != s->m || f->len < 1)
		BUG("restoring a frontier that is not this model's");
	rc = change_pages(s, pages, seq_pages_of(f->len), err);
	if (!rc)
		rc = copy_all(s, f, f->len, INTO_RING, err);
	if (rc) {
		seq_empty(s);
		return rc;
	}
	s->len = f->len;
	/* As if it had been as long as a roll-back to here allows: further back nothing is
	 * held. */
	s->high = f->len + SEQ_MAX_ROLLBACK;
	return 0;
}
