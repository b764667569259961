/* One sequence's caches: window rings, compressor states, and rows in pages of 128 tokens. */
#include <stdlib.h>

#include "engine/pass/model_internal.h"

struct cache_sizes {
	size_t ring, comp_ring, rows, index_ring, index_rows;
};

static struct cache_sizes sizes_of(const struct model *m, int ratio)
{
	struct cache_sizes z = {.ring = (size_t)m->ring_rows * KV_ROW_BYTES};
	size_t pages = (size_t)model_max_pages(m);

	if (ratio == 4) {
		z.comp_ring = COMPRESS_RING * 2 * 2 * HEAD_DIM * sizeof(float);
		z.index_ring = COMPRESS_RING * 2 * 2 * INDEX_DIM * sizeof(float);
		z.rows = pages * (PAGE_TOKENS / 4) * KV_ROW_BYTES;
		z.index_rows = pages * (PAGE_TOKENS / 4) * INDEX_ROW_BYTES;
	} else if (ratio == 128) {
		z.comp_ring = COMPRESS_RING * 3 * HEAD_DIM * sizeof(float);
		z.rows = pages * KV_ROW_BYTES;
	}
	return z;
}

int64_t layer_cache_bytes(const struct model *m, int ratio, bool growing)
{
	struct cache_sizes z = sizes_of(m, ratio);

	return (int64_t)(growing ? z.rows + z.index_rows : z.ring + z.comp_ring + z.index_ring);
}

static int alloc_if(struct model *m, size_t bytes, enum memory_kind kind, dbuf *out, struct err *err)
{
	return bytes ? m->be->alloc(m->be, bytes, kind, out, err) : 0;
}

static int alloc_layer(struct model *m, int ratio, struct layer_cache *c, struct err *err)
{
	struct cache_sizes z = sizes_of(m, ratio);
	int rc = alloc_if(m, z.ring, MEMORY_PLAIN, &c->ring, err);

	if (!rc)
		rc = alloc_if(m, z.comp_ring, MEMORY_PLAIN, &c->comp_ring, err);
	if (!rc)
		rc = alloc_if(m, z.rows, MEMORY_LAZY, &c->rows, err);
	if (!rc)
		rc = alloc_if(m, z.index_ring, MEMORY_PLAIN, &c->index_ring, err);
	if (!rc)
		rc = alloc_if(m, z.index_rows, MEMORY_LAZY, &c->index_rows, err);
	return rc;
}

/* Pages lie in order: a sequence owns all of its own. */
static int fill_pages(struct seq *s, struct err *err)
{
	size_t n = (size_t)model_max_pages(s->m);
	int32_t *table = malloc(n * sizeof(*table));
	int rc;

	if (!table)
		return err_nomem(err, "page table", n * sizeof(*table));
	for (size_t i = 0; i < n; i++)
		table[i] = (int32_t)i;
	rc = s->m->be->alloc(s->m->be, n * sizeof(*table), MEMORY_PLAIN, &s->pages, err);
	if (!rc)
		rc = s->m->be->put(s->m->be, s->pages, table, n * sizeof(*table), err);
	free(table);
	return rc;
}

int seq_new(struct seq **out, struct model *m, struct err *err)
{
	struct seq *s = calloc(1, sizeof(*s));
	size_t streams = STREAM_RING * HC_MULT * (size_t)m->cfg.dim * sizeof(float);
	int rc;

	*out = NULL;
	if (!s)
		return err_nomem(err, "sequence", sizeof(*s));
	s->m = m;
	s->n_layers = m->cfg.n_layers + m->has_draft;
	s->layers = calloc((size_t)s->n_layers, sizeof(*s->layers));
	rc = s->layers ? fill_pages(s, err) : err_nomem(err, "sequence", sizeof(*s->layers));
	if (!rc)
		rc = m->be->alloc(m->be, streams, MEMORY_PLAIN, &s->streams, err);
	for (int i = 0; !rc && i < s->n_layers; i++)
		rc = alloc_layer(m, m->cfg.compress_ratio[i], &s->layers[i], err);
	if (rc)
		seq_free(s);
	else
		*out = s;
	return rc;
}

void seq_free(struct seq *s)
{
	struct backend *be;

	if (!s)
		return;
	be = s->m->be;
	for (int i = 0; s->layers && i < s->n_layers; i++) {
		struct layer_cache *c = &s->layers[i];

		be->free(be, c->ring);
		be->free(be, c->comp_ring);
		be->free(be, c->rows);
		be->free(be, c->index_ring);
		be->free(be, c->index_rows);
	}
	be->free(be, s->streams);
	be->free(be, s->pages);
	free(s->layers);
	free(s);
}

int64_t seq_len(const struct seq *s)
{
	return s->len;
}

int64_t seq_floor(const struct seq *s)
{
	return s->high > SEQ_MAX_ROLLBACK ? s->high - SEQ_MAX_ROLLBACK : 0;
}

int seq_truncate(struct seq *s, int64_t len, struct err *err)
{
	if (len < 0 || len > s->len)
		BUG("truncating a sequence to more than it holds");
	if (len == 0) {
		s->len = s->high = 0;
		return 0;
	}
	if (len < seq_floor(s))
		return err_set(err, ERR_LIMIT, "roll-back of %lld tokens: at most %d",
			       (long long)(s->high - len), SEQ_MAX_ROLLBACK);
	s->len = len;
	return 0;
}

static int pretend_rows(struct seq *s, dbuf rows, int64_t n_rows, size_t row_bytes, uint64_t *seed,
			struct err *err)
{
	unsigned char *host = malloc((size_t)n_rows * row_bytes);
	int rc;

	if (!host)
		return err_nomem(err, "random cache rows", (size_t)n_rows * row_bytes);
	dummy_fill(row_bytes == KV_ROW_BYTES ? DTYPE_F8_E4M3 : DTYPE_U8, host,
		   (size_t)n_rows * row_bytes, seed);
	for (int64_t i = 0; i < n_rows; i++) {
		unsigned char *row = host + (size_t)i * row_bytes;

		if (row_bytes == KV_ROW_BYTES) {
			dummy_fill(DTYPE_F8_E8M0, row + 448, 8, seed);
			dummy_fill(DTYPE_BF16, row + 456, 128, seed);
		} else {
			dummy_fill(DTYPE_F8_E8M0, row + 64, 4, seed);
		}
	}
	rc = s->m->be->put(s->m->be, rows, host, (size_t)n_rows * row_bytes, err);
	free(host);
	return rc;
}

int seq_pretend(struct seq *s, int64_t len, struct err *err)
{
	uint64_t seed = 7;
	int rc = 0;

	for (int i = 0; !rc && i < s->n_layers; i++) {
		const struct layer_cache *c = &s->layers[i];
		int ratio = s->m->cfg.compress_ratio[i];

		if (c->rows)
			rc = pretend_rows(s, c->rows, len / ratio, KV_ROW_BYTES, &seed, err);
		if (!rc && c->index_rows)
			rc = pretend_rows(s, c->index_rows, len / ratio, INDEX_ROW_BYTES, &seed, err);
	}
	if (!rc)
		s->len = s->high = len;
	return rc;
}
