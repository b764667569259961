/*
 * The attention sublayer: window, compressed rows by the indexer's choice
 * (ratio 4) or all of them (ratio 128).
 */
#include <math.h>

#include "engine/pass/model_internal.h"

/* Pools a and z. */
static struct compress_args compress(const struct model *m, const struct compressor_weights *w,
				     int ratio, int dim, dbuf a, dbuf z, dbuf ring, dbuf rows,
				     const struct rows *r)
{
	return (struct compress_args){
		.n_tok = r->n,
		.ratio = ratio,
		.dim = dim,
		.max_pages = model_max_pages(m),
		.eps = m->cfg.rms_eps,
		.step = r->step,
		.a = a,
		.z = z,
		.ape = w->ape,
		.norm = w->norm,
		.freq = m->freq[ROPE_YARN],
		.ring = ring,
		.pages = m->pages,
		.rows = rows,
	};
}

/* kv → the window row. */
static struct window_row_args window_row(const struct model *m, const struct layer_weights *w,
					 const struct layer_cache *c, const struct rows *r,
					 dbuf rope)
{
	return (struct window_row_args){
		.n_tok = r->n,
		.ring_rows = m->ring_rows,
		.eps = m->cfg.rms_eps,
		.step = r->step,
		.kv = m->work.kv,
		.norm = w->kv_norm,
		.rope = rope,
		.ring = c->ring[RING_WINDOW],
	};
}

/* qr → q, and the indexer's */
static struct linear_normed_args queries(const struct model *m, const struct layer_weights *w,
					 const struct rows *r)
{
	const struct model_config *cfg = &m->cfg;
	const struct work *k = &m->work;
	struct linear_normed_args a = {
		.norm = {
			.n_tok = r->n,
			.d = cfg->q_lora_rank,
			.eps = cfg->rms_eps,
			.x = k->qr,
			.norm = w->q_norm,
			.out = k->qr,
		},
	};

	batch_linear(&a.batch, &w->wq_b, r->n, k->qr, k->q, 0);
	if (w->ratio == 4)
		batch_linear(&a.batch, &w->indexer.wq_b, r->n, k->qr, k->iq, 0);
	return a;
}

/* What is made of the first products before attention reads it. */
static struct attention_rows_args rows_args(const struct model *m,
					    const struct layer_weights *w,
					    const struct layer_cache *c, const struct rows *r,
					    dbuf rope)
{
	const struct work *k = &m->work;
	struct attention_rows_args a = {
		.queries = queries(m, w, r),
		.query =
			{
				.n_tok = r->n,
				.n_head = model_part(m, SHARD_HEADS),
				.eps = m->cfg.rms_eps,
				.rope = rope,
				.q = k->q,
			},
		.window = window_row(m, w, c, r, rope),
		.mix = mhc_rest(m, r),
	};

	if (w->ratio)
		a.compress[a.n_compress++] =
			compress(m, &w->compressor, w->ratio, HEAD_DIM, k->ca, k->cz,
				 c->ring[RING_COMPRESSOR], c->rows[ROWS_KV], r);
	if (w->ratio == 4) {
		a.compress[a.n_compress++] =
			compress(m, &w->indexer.compressor, 4, INDEX_DIM, k->ia, k->iz,
				 c->ring[RING_INDEXER], c->rows[ROWS_INDEX], r);
		a.index = (struct index_query_args){
			.n_tok = r->n,
			.n_head = m->cfg.index_n_heads,
			.rope = rope,
			.q = k->iq,
			.out = k->iq_packed,
		};
	}
	return a;
}

static int run_queries(struct model *m, const struct linear_normed_args *a, struct err *err)
{
	const struct ops *ops = m->be->ops;
	int rc;

	if (ops->linear_normed)
		return ops->linear_normed(m->be, a, err);
	rc = ops->rms_norm(m->be, &a->norm, err);
	return rc ? rc : run_batch(m, &a->batch, err);
}

static int one_by_one(struct model *m, const struct attention_rows_args *a, struct err *err)
{
	const struct ops *ops = m->be->ops;
	int rc = run_queries(m, &a->queries, err);

	if (!rc)
		rc = ops->query(m->be, &a->query, err);
	if (!rc)
		rc = ops->window_row(m->be, &a->window, err);
	if (!rc)
		rc = phase_mark(m, PHASE_ATTENTION, err);
	for (int i = 0; !rc && i < a->n_compress; i++)
		rc = ops->compress(m->be, &a->compress[i], err);
	if (!rc && a->index.n_head)
		rc = ops->index_query(m->be, &a->index, err);
	return rc ? rc : phase_mark(m, PHASE_COMPRESSOR, err);
}

/* Of the phases, the compressors' is a part of attention's where they are in one. */
static int make_rows(struct model *m, const struct attention_rows_args *a, struct err *err)
{
	int rc;

	if (!m->be->ops->attention_rows)
		return one_by_one(m, a, err);
	rc = m->be->ops->attention_rows(m->be, a, err);
	return rc ? rc : phase_mark(m, PHASE_ATTENTION, err);
}

/* Fills work.sel and work.n_sel. */
static int choose_rows(struct model *m, const struct layer_cache *c, const struct rows *r,
		       struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	struct work *k = &m->work;
	struct index_select_args select = {
		.n_tok = r->n,
		.n_head = cfg->index_n_heads,
		.top_k = cfg->index_topk,
		.max_pages = model_max_pages(m),
		.scale = (float)(1 / sqrt((double)INDEX_DIM * cfg->index_n_heads)),
		.step = r->step,
		.q = k->iq_packed,
		.w = k->iw,
		.pages = m->pages,
		.rows = c->rows[ROWS_INDEX],
		.sel = k->sel,
		.n_sel = k->n_sel,
		.scores = k->scores,
		.scores_stride = k->score_stride,
	};

	return m->be->ops->index_select(m->be, &select, err);
}

/* u → kv: its rows are rounded to FP8 next, so exactly. */
static void batch_kv(struct linear_batch_args *b, struct model *m,
		     const struct layer_weights *w, const struct rows *r)
{
	batch_linear(b, &w->wkv, r->n, m->work.u, m->work.kv, 0);
	b->part[b->n - 1].exact = 1;
}

/* u → qr, kv, and what the compressors and the indexer want of it. */
static int inputs(struct model *m, const struct layer_weights *w, const struct rows *r,
		  struct err *err)
{
	const struct indexer_weights *x = &w->indexer;
	struct work *k = &m->work;
	struct linear_batch_args b = {0};

	batch_linear(&b, &w->wq_a, r->n, k->u, k->qr, 0);
	batch_kv(&b, m, w, r);
	if (w->ratio) {
		batch_linear(&b, &w->compressor.wkv, r->n, k->u, k->ca, 1);
		batch_linear(&b, &w->compressor.wgate, r->n, k->u, k->cz, 1);
	}
	if (w->ratio == 4) {
		batch_linear(&b, &x->compressor.wkv, r->n, k->u, k->ia, 1);
		batch_linear(&b, &x->compressor.wgate, r->n, k->u, k->iz, 1);
		batch_linear(&b, &x->weights_proj, r->n, k->u, k->iw, 1);
	}
	return run_batch(m, &b, err);
}

/* o → oa, and y, or what gives y: ranks meet before it goes into the streams. */
static int attention_out(struct model *m, const struct layer_weights *w, const struct rows *r,
			 struct linear_args *last, struct err *err)
{
	struct work *k = &m->work;
	struct linear_args groups = {
		.n_tok = r->n,
		.n_group = model_part(m, SHARD_GROUPS),
		.w = w->wo_a,
		.x = k->o,
		.y = k->oa,
	};
	int rc = m->be->ops->linear(m->be, &groups, err);

	if (rc || !m->comm) {
		*last = linear_over(&w->wo_b, r->n, k->oa, k->y, 1);
		return rc;
	}
	rc = run_linear(m, &w->wo_b, r->n, k->oa, k->y, 1, err);
	if (!rc)
		rc = phase_mark(m, PHASE_ATTENTION, err);
	return rc ? rc
		  : ranks_sum(m, PHASE_ATTENTION, k->y, (size_t)r->n * (size_t)m->cfg.dim, err);
}

int layer_attention(struct model *m, const struct layer_weights *w, const struct layer_cache *c,
		    const struct rows *r, struct linear_args *last, struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	const struct ops *ops = m->be->ops;
	struct work *k = &m->work;
	dbuf rope = r->rope[w->ratio ? ROPE_YARN : ROPE_PLAIN];
	struct attention_args attention = {
		.n_tok = r->n,
		.n_head = model_part(m, SHARD_HEADS),
		.ring_rows = m->ring_rows,
		.window = cfg->window,
		.ratio = w->ratio,
		.top_k = cfg->index_topk,
		.max_pages = model_max_pages(m),
		.scale = (float)(1 / sqrt((double)HEAD_DIM)),
		.step = r->step,
		.q = k->q,
		.rope = rope,
		.sink = w->sink,
		.ring = c->ring[RING_WINDOW],
		.pages = m->pages,
		.rows = c->rows[ROWS_KV],
		.sel = k->sel,
		.n_sel = k->n_sel,
		.out = k->o,
	};
	struct attention_rows_args made = rows_args(m, w, c, r, rope);
	int rc = inputs(m, w, r, err);

	if (!rc)
		rc = make_rows(m, &made, err);
	if (!rc && w->ratio == 4)
		rc = choose_rows(m, c, r, err);
	if (!rc)
		rc = (r->block ? ops->block_attention : ops->attention)(m->be, &attention, err);
	if (!rc)
		rc = phase_mark(m, PHASE_CACHE, err);
	return rc ? rc : attention_out(m, w, r, last, err);
}

int layer_window(struct model *m, const struct layer_weights *w, const struct layer_cache *c,
		 const struct rows *r, struct err *err)
{
	struct window_row_args window = window_row(m, w, c, r, r->rope[ROPE_PLAIN]);
	struct linear_batch_args b = {0};
	int rc;

	batch_kv(&b, m, w, r);
	rc = run_batch(m, &b, err);
	return rc ? rc : m->be->ops->window_row(m->be, &window, err);
}
