#include "engine/cache/frontier.h"

#include <stdlib.h>

#include "engine/pass/model_internal.h"

/* Of ratio 4: the block before the unfinished one, and up to three tokens of that. */
#define KEPT_OF_RATIO_4 7
/* Of ratio 128: its running state holds the block. */
#define KEPT_OF_RATIO_128 1
#define KEPT_STREAMS      1

struct frontier {
	struct model *m;
	int64_t len;
	dbuf kept; /* the rings' entries, layer by layer, oldest first */
};

/* Entries by position modulo `slots`, of which the last `kept` matter later. */
struct ring {
	dbuf at; /* NULL where only sizes are asked for */
	size_t entry_bytes;
	int64_t slots, kept;
};

#define LAYER_RINGS 3

/* The rings of one layer; returns how many. */
static int layer_rings(const struct model *m, int ratio, const struct layer_cache *c,
		       struct ring out[LAYER_RINGS])
{
	const size_t halves = (size_t)2 * 2 * sizeof(float), state = 3 * sizeof(float);

	out[0] = (struct ring){c->ring, KV_ROW_BYTES, m->ring_rows, m->cfg.window};
	if (ratio == 4) {
		out[1] = (struct ring){c->comp_ring, halves * HEAD_DIM, COMPRESS_RING,
				       KEPT_OF_RATIO_4};
		out[2] = (struct ring){c->index_ring, halves * INDEX_DIM, COMPRESS_RING,
				       KEPT_OF_RATIO_4};
		return 3;
	}
	if (ratio == 128) {
		out[1] = (struct ring){c->comp_ring, state * HEAD_DIM, COMPRESS_RING,
				       KEPT_OF_RATIO_128};
		return 2;
	}
	return 1;
}

static struct ring stream_ring(const struct model *m, dbuf at)
{
	size_t bytes = HC_MULT * (size_t)m->cfg.dim * sizeof(float);

	return (struct ring){at, bytes, STREAM_RING, KEPT_STREAMS};
}

int64_t frontier_bytes(const struct model *m)
{
	struct ring r[LAYER_RINGS] = {stream_ring(m, NULL)};
	struct layer_cache none = {0};
	int64_t sum = (int64_t)r[0].entry_bytes * r[0].kept;

	for (int i = 0; i < m->cfg.n_layers + m->has_draft; i++) {
		int n = layer_rings(m, m->cfg.compress_ratio[i], &none, r);

		for (int k = 0; k < n; k++)
			sum += (int64_t)r[k].entry_bytes * r[k].kept;
	}
	return sum;
}

int frontier_new(struct frontier **out, struct model *m, struct err *err)
{
	struct frontier *f = calloc(1, sizeof(*f));
	int rc;

	*out = NULL;
	if (!f)
		return err_nomem(err, "frontier", sizeof(*f));
	f->m = m;
	rc = m->be->alloc(m->be, (size_t)frontier_bytes(m), MEMORY_PLAIN, &f->kept, err);
	if (rc)
		free(f);
	else
		*out = f;
	return rc;
}

void frontier_free(struct frontier *f)
{
	if (!f)
		return;
	f->m->be->free(f->m->be, f->kept);
	free(f);
}

int64_t frontier_len(const struct frontier *f)
{
	return f->len;
}

enum direction { OUT_OF_RING, INTO_RING };

/* The ring's last entries before `len`, in one piece or, where the ring wraps, two. */
static int copy_ring(struct backend *be, const struct ring *r, int64_t len, dbuf kept,
		     enum direction dir, struct err *err)
{
	int64_t n = len < r->kept ? len : r->kept, pos = len - n;
	int rc = 0;

	while (!rc && pos < len) {
		int64_t slot = pos % r->slots, left = len - pos, run = r->slots - slot;
		dbuf in_ring = r->at + (size_t)slot * r->entry_bytes;
		size_t bytes;

		run = run < left ? run : left;
		bytes = (size_t)run * r->entry_bytes;
		rc = dir == INTO_RING ? be->copy(be, in_ring, kept, bytes, err)
				      : be->copy(be, kept, in_ring, bytes, err);
		kept += bytes;
		pos += run;
	}
	return rc;
}

static int copy_all(struct seq *s, const struct frontier *f, int64_t len, enum direction dir,
		    struct err *err)
{
	struct ring r[LAYER_RINGS] = {stream_ring(s->m, s->streams)};
	struct backend *be = s->m->be;
	dbuf at = f->kept;
	int rc = copy_ring(be, &r[0], len, at, dir, err);

	at += r[0].entry_bytes * (size_t)r[0].kept;
	for (int i = 0; i < s->n_layers; i++) {
		int n = layer_rings(s->m, s->m->cfg.compress_ratio[i], &s->layers[i], r);

		for (int k = 0; !rc && k < n; k++) {
			rc = copy_ring(be, &r[k], len, at, dir, err);
			at += r[k].entry_bytes * (size_t)r[k].kept;
		}
	}
	return rc;
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

int seq_restore(struct seq *s, const struct frontier *f, struct err *err)
{
	int rc;

	if (f->m != s->m || f->len < 1)
		BUG("restoring a frontier that is not this sequence's");
	rc = copy_all(s, f, f->len, INTO_RING, err);
	s->len = rc ? 0 : f->len;
	/* As if it had been as long as a roll-back to here allows: further back nothing is
	 * held. */
	s->high = rc ? 0 : f->len + SEQ_MAX_ROLLBACK;
	return rc;
}
