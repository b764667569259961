/*
 * What stands between sublayers: the output of one goes into the streams, the input of the next
 * comes out of them (manifold-constrained hyper-connections, model part "mHC").
 */
#include "engine/pass/model_internal.h"

static struct mhc_post_args post_args(const struct model *m, const struct rows *r, dbuf x)
{
	const struct work *k = &m->work;

	return (struct mhc_post_args){
		.n_tok = r->n,
		.d = m->cfg.dim,
		.y = k->y,
		.post = k->post[k->side],
		.comb = k->comb[k->side],
		.x = x,
	};
}

/* Whether something else makes post and comb along: see mhc_pre_args. */
static bool leaves_mixing(const struct model *m)
{
	return m->be->ops->attention_rows && m->be->ops->gate_route;
}

struct mhc_mix_args mhc_rest(const struct model *m, const struct rows *r)
{
	const struct work *k = &m->work;

	return (struct mhc_mix_args){
		.n_tok = r->n,
		.n_iter = m->cfg.hc_iters,
		.eps = m->cfg.hc_eps,
		.raw = leaves_mixing(m) ? k->mix : NULL,
		.post = k->post[k->side],
		.comb = k->comb[k->side],
	};
}

static struct mhc_pre_args pre_args(const struct model *m, const struct rows *r, dbuf x,
				    struct sublayer next)
{
	const struct work *k = &m->work;

	return (struct mhc_pre_args){
		.n_tok = r->n,
		.d = m->cfg.dim,
		.n_iter = m->cfg.hc_iters,
		.eps = m->cfg.hc_eps,
		.rms_eps = m->cfg.rms_eps,
		.x = x,
		.fn = next.hc->fn,
		.base = next.hc->base,
		.scale = next.hc->scale,
		.norm = next.norm,
		.out = k->u,
		.post = k->post[!k->side],
		.comb = k->comb[!k->side],
		.raw = leaves_mixing(m) ? k->mix : NULL,
	};
}

/* The product, if there is one, post and pre, one by one. */
static int one_by_one(struct model *m, const struct mhc_join_args *a, struct err *err)
{
	const struct ops *ops = m->be->ops;
	int rc = 0;

	if (a->product.w.w)
		rc = ops->linear(m->be, &a->product, err);
	if (!rc && a->product.w.w)
		rc = phase_mark(m, PHASE_ATTENTION, err);
	if (!rc)
		rc = ops->mhc_post(m->be, &a->post, err);
	if (!rc && a->pre.x)
		rc = ops->mhc_pre(m->be, &a->pre, err);
	return rc ? rc : phase_mark(m, PHASE_MHC, err);
}

/* Between two sublayers: work.y, which `last` makes or has been made, goes into the streams x
 * where they stand, and work.u comes out of them for the next one where there is one. */
static int joint(struct model *m, const struct rows *r, dbuf x, const struct linear_args *last,
		 struct sublayer next, struct err *err)
{
	struct mhc_join_args join = {.product = *last, .post = post_args(m, r, x)};
	int rc;

	if (next.hc)
		join.pre = pre_args(m, r, x, next);
	m->work.side = !m->work.side;
	if (!next.hc || !m->be->ops->mhc_join)
		return one_by_one(m, &join, err);
	rc = m->be->ops->mhc_join(m->be, &join, err);
	return rc ? rc : phase_mark(m, last->w.w ? PHASE_ATTENTION : PHASE_MHC, err);
}

int layer_begin(struct model *m, const struct layer_weights *w, const struct rows *r, dbuf x,
		struct err *err)
{
	struct mhc_pre_args pre;
	int rc;

	m->work.side = 0;
	pre = pre_args(m, r, x, sublayer_attn(w));
	m->work.side = 1;
	rc = m->be->ops->mhc_pre(m->be, &pre, err);
	return rc ? rc : phase_mark(m, PHASE_MHC, err);
}

int layer_run(struct model *m, const struct layer_weights *w, const struct layer_cache *c,
	      const struct rows *r, dbuf x, const struct layer_weights *next, struct err *err)
{
	const struct sublayer ffn = {&w->hc_ffn, w->ffn_norm}, none = {0};
	const struct linear_args nothing = {0};
	struct linear_args last = {0};
	int rc = layer_attention(m, w, c, r, &last, err);

	if (!rc)
		rc = joint(m, r, x, &last, ffn, err);
	if (!rc)
		rc = layer_experts(m, w, r, err);
	return rc ? rc : joint(m, r, x, &nothing, next ? sublayer_attn(next) : none, err);
}
