/*
 * The draft head of one token: a block that predicts the token after the next one from a
 * position's final streams and its next token.
 *
 * It runs one position behind the main rows: its row for position p needs the token at p + 1.
 * Of known positions only what its layer's window holds of them is kept.  To draft further it
 * is fed its own streams; the window rows that come of that are written anew when the main
 * streams of those positions are there.
 */
#include "engine/pass/draft.h"
#include "engine/pass/model_internal.h"

int draft_block_logits(struct model *m, int from, int n, struct err *err)
{
	const struct draft_weights *w = &m->weights->draft[0];

	return run_head(m, &w->hc_head, w->norm, streams_at(m, m->work.dx, from), n,
		    m->work.draft_logits, err);
}

/* e = RMSNorm(embed[next]), x[j] = e_proj e + h_proj RMSNorm(X[j]) */
static int draft_inputs(struct model *m, const struct rows *r, dbuf streams, struct err *err)
{
	const struct draft_weights *w = &m->weights->draft[0];
	const struct ops *ops = m->be->ops;
	struct work *k = &m->work;
	int d = m->cfg.dim;
	struct rms_norm_args enorm = {
		.n_tok = r->n,
		.d = d,
		.x_f32 = 1,
		.eps = m->cfg.rms_eps,
		.x = k->y,
		.norm = w->enorm,
		.out = k->u,
	};
	struct rms_norm_args hnorm = {
		.n_tok = r->n * HC_MULT,
		.d = d,
		.x_f32 = 1,
		.eps = m->cfg.rms_eps,
		.x = streams,
		.norm = w->hnorm,
		.out = k->dh,
	};
	struct linear_args h_proj = {
		.n_tok = r->n * HC_MULT,
		.n_group = 1,
		.out_f32 = 1,
		.rows_per_token = HC_MULT,
		.w = w->h_proj,
		.x = k->dh,
		.y = k->dx,
	};
	struct draft_join_args join = {
		.n_tok = r->n,
		.d = d,
		.e = k->y,
		.h = k->dx,
		.out = k->dx,
	};
	int rc = run_embed(m, r->ids, r->n, 1, k->y, err);

	if (!rc)
		rc = ops->rms_norm(m->be, &enorm, err);
	if (!rc)
		rc = run_linear(m, &w->e_proj, r->n, k->u, k->y, 1, err);
	if (!rc)
		rc = ops->rms_norm(m->be, &hnorm, err);
	if (!rc)
		rc = ops->linear(m->be, &h_proj, err);
	return rc ? rc : ops->draft_join(m->be, &join, err);
}

/* One layer on these, and its own head; or, not `whole`, only what later rows see of them. */
static int draft_rows(struct model *m, const struct rows *r, dbuf streams, bool whole,
		      struct err *err)
{
	const struct layer_weights *w = &m->weights->draft[0].layer;
	const struct layer_cache *c = &m->caches[m->cfg.n_layers];
	dbuf x = m->work.dx;
	int rc = rope_tables(m, r, err);

	if (!rc)
		rc = draft_inputs(m, r, streams, err);
	if (!rc)
		rc = layer_begin(m, w, r, x, err);
	if (rc)
		return rc;
	return whole ? layer_run(m, w, c, r, x, NULL, err) : layer_window(m, w, c, r, err);
}

static int recall(struct model *m, const struct stream_ring_args *ring, struct err *err)
{
	return m->be->ops->stream_recall(m->be, ring, err);
}

static int follow(struct model *m, const struct run_shape *s, struct err *err)
{
	const struct stream_ring_args ring = {
		.n_tok = s->n,
		.d = m->cfg.dim,
		.step = m->work.main.step,
		.x = m->work.x,
		.ring = m->streams,
	};
	const int skipped = s->n - s->n_draft;
	struct rows r = m->work.draft;
	int rc = 0;

	r.n = s->n_draft;
	r.ids = m->work.main.ids + (size_t)skipped * sizeof(int32_t);
	if (s->n_draft) {
		/* row 0 of the streams is the position before this call's */
		if (!skipped)
			rc = recall(m, &ring, err);
		if (!rc)
			rc = draft_rows(m, &r, streams_at(m, m->work.x, skipped), s->draft_whole,
					err);
		if (!rc && s->n_draft_logits)
			rc = draft_block_logits(m, s->n_draft - s->n_draft_logits,
						s->n_draft_logits, err);
	}
	return rc ? rc : m->be->ops->stream_keep(m->be, &ring, err);
}

/* The i-th draft: from the main streams before the next id, then from its own. */
static int draft_one(struct model *m, int i, struct err *err)
{
	struct work *k = &m->work;
	const struct rows r = {
		.n = 1,
		.step = k->chain + (size_t)i * sizeof(struct step),
		.ids = k->main.ids + (size_t)i * sizeof(int32_t),
		.rope = {k->draft.rope[0], k->draft.rope[1]},
	};
	const struct sample_args sample = {
		.n_tok = 1,
		.vocab = m->cfg.vocab,
		.first = 1, /* it is for the position after the next one's */
		.step = r.step,
		.how = k->how,
		.logits = k->draft_logits,
		.out = k->draft_choice,
	};
	const struct draft_take_args take = {
		.choice = k->draft_choice,
		.id = r.ids + sizeof(int32_t),
	};
	int rc = draft_rows(m, &r, i ? k->dx : streams_at(m, k->x, 0), true, err);

	if (!rc)
		rc = draft_block_logits(m, 0, 1, err);
	if (!rc)
		rc = m->be->ops->sample(m->be, &sample, err);
	return rc ? rc : m->be->ops->draft_take(m->be, &take, err);
}

static int draft(struct model *m, int n, struct err *err)
{
	const struct stream_ring_args ring = {
		.n_tok = 1,
		.d = m->cfg.dim,
		.step = m->work.main.step,
		.x = m->work.x,
		.ring = m->streams,
	};
	int rc = recall(m, &ring, err);

	for (int i = 0; !rc && i < n; i++)
		rc = draft_one(m, i, err);
	return rc;
}

const struct draft_head draft_block = {
	.most = DRAFT_MAX,
	.follow = follow,
	.draft = draft,
};
