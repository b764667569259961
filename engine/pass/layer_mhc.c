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

int mhc_joint(struct model *m, const struct rows *r, dbuf x, bool after, struct sublayer next,
	      struct err *err)
{
	struct work *k = &m->work;
	const struct ops *ops = m->be->ops;
	struct mhc_join_args join = {.post = post_args(m, r, x)};
	int rc = 0;

	if (next.hc)
		join.pre = pre_args(m, r, x, next);
	if (after && next.hc && ops->mhc_join) {
		rc = ops->mhc_join(m->be, &join, err);
	} else {
		if (after)
			rc = ops->mhc_post(m->be, &join.post, err);
		if (!rc && next.hc)
			rc = ops->mhc_pre(m->be, &join.pre, err);
	}
	k->side = !k->side;
	return rc ? rc : phase_mark(m, PHASE_MHC, err);
}

int layer_begin(struct model *m, const struct layer_weights *w, const struct rows *r, dbuf x,
		struct err *err)
{
	m->work.side = 0;
	return mhc_joint(m, r, x, false, sublayer_attn(w), err);
}

int layer_run(struct model *m, const struct layer_weights *w, const struct layer_cache *c,
	      const struct rows *r, dbuf x, const struct layer_weights *next, struct err *err)
{
	const struct sublayer ffn = {&w->hc_ffn, w->ffn_norm}, none = {0};
	int rc = layer_attention(m, w, c, r, err);

	if (!rc)
		rc = mhc_joint(m, r, x, true, ffn, err);
	if (!rc)
		rc = layer_experts(m, w, r, err);
	return rc ? rc : mhc_joint(m, r, x, true, next ? sublayer_attn(next) : none, err);
}
