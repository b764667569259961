/*
 * The caches of every slot, in device memory: rings and page tables, one of each for a slot,
 * and one pool of pages, at least as many as fill every slot's context.  What is not used of
 * them stays address space where the backend has such.
 */
#include <stdlib.h>

#include "engine/pass/model_internal.h"

int model_n_cached_layers(const struct model *m)
{
	return m->cfg.n_layers + m->has_draft + m->n_stages;
}

struct layer_layout model_layer_layout(const struct model *m, int layer)
{
	return layout_layer(m->cfg.compress_ratio[layer], m->cfg.window, m->ring_rows);
}

int64_t model_max_pages(const struct model *m)
{
	return (m->ctx + PAGE_TOKENS - 1) / PAGE_TOKENS;
}

struct cache_bytes model_cache_bytes(const struct model *m)
{
	struct ring_layout streams = layout_streams(m->cfg.dim);
	struct cache_bytes b = {
		.slot = (int64_t)layout_ring_bytes(streams),
		.frontier = (int64_t)layout_kept_bytes(streams),
	};

	for (int i = 0; i < model_n_cached_layers(m); i++) {
		struct layer_layout l = model_layer_layout(m, i);

		for (int k = 0; k < N_LAYER_RINGS; k++) {
			b.slot += (int64_t)layout_ring_bytes(l.ring[k]);
			b.frontier += (int64_t)layout_kept_bytes(l.ring[k]);
		}
		for (int k = 0; k < N_LAYER_ROWS; k++)
			b.page += (int64_t)layout_page_bytes(l.rows[k]);
	}
	return b;
}

static int alloc_if(struct model *m, size_t bytes, enum memory_kind kind, dbuf *out,
		    struct err *err)
{
	return bytes ? m->be->alloc(m->be, bytes, kind, out, err) : 0;
}

static int alloc_layer(struct model *m, int layer, struct err *err)
{
	struct layer_layout l = model_layer_layout(m, layer);
	struct layer_cache *c = &m->caches[layer];
	size_t slots = (size_t)m->n_slots, pages = (size_t)m->n_pages;
	int rc = 0;

	for (int k = 0; !rc && k < N_LAYER_RINGS; k++)
		rc = alloc_if(m, slots * layout_ring_bytes(l.ring[k]), MEMORY_PLAIN,
			      &c->ring[k], err);
	for (int k = 0; !rc && k < N_LAYER_ROWS; k++)
		rc = alloc_if(m, pages * layout_page_bytes(l.rows[k]), MEMORY_LAZY, &c->rows[k],
			      err);
	return rc;
}

/* Before a sequence has pages its table names some, each a page that is there. */
static int fill_pages(struct model *m, struct err *err)
{
	size_t n = (size_t)m->n_slots * (size_t)model_max_pages(m);
	int32_t *table = malloc(n * sizeof(*table));
	int rc;

	if (!table)
		return err_nomem(err, "page table", n * sizeof(*table));
	for (size_t i = 0; i < n; i++)
		table[i] = (int32_t)i;
	rc = m->be->alloc(m->be, n * sizeof(*table), MEMORY_PLAIN, &m->pages, err);
	if (!rc)
		rc = m->be->put(m->be, m->pages, table, n * sizeof(*table), err);
	free(table);
	return rc;
}

int caches_new(struct model *m, struct err *err)
{
	size_t streams = (size_t)m->n_slots * layout_ring_bytes(layout_streams(m->cfg.dim));
	int n = model_n_cached_layers(m), rc;

	m->caches = calloc((size_t)n, sizeof(*m->caches));
	m->slot_taken = calloc((size_t)m->n_slots, sizeof(*m->slot_taken));
	if (!m->caches || !m->slot_taken)
		return err_nomem(err, "caches", (size_t)n * sizeof(*m->caches));
	/* Whose pages are whose is the first rank's to know. */
	rc = model_leads(m) ? pages_init(&m->pool, (int32_t)m->n_pages, err) : 0;
	if (!rc)
		rc = fill_pages(m, err);
	if (!rc)
		rc = m->be->alloc(m->be, streams, MEMORY_PLAIN, &m->streams, err);
	for (int i = 0; !rc && i < n; i++)
		rc = alloc_layer(m, i, err);
	return rc;
}

void caches_release(struct model *m)
{
	for (int i = 0; m->caches && i < model_n_cached_layers(m); i++) {
		for (int k = 0; k < N_LAYER_RINGS; k++)
			m->be->free(m->be, m->caches[i].ring[k]);
		for (int k = 0; k < N_LAYER_ROWS; k++)
			m->be->free(m->be, m->caches[i].rows[k]);
	}
	if (m->be) {
		m->be->free(m->be, m->streams);
		m->be->free(m->be, m->pages);
	}
	pages_release(&m->pool);
	free(m->caches);
	free(m->slot_taken);
}

int model_take_slot(struct model *m, int *slot, struct err *err)
{
	for (int i = 0; i < m->n_slots; i++) {
		if (m->slot_taken[i])
			continue;
		m->slot_taken[i] = true;
		*slot = i;
		return 0;
	}
	return err_set(err, ERR_LIMIT, "sequences: all %d that the model was opened for exist",
		       m->n_slots);
}

void model_release_slot(struct model *m, int slot)
{
	m->slot_taken[slot] = false;
}
