/*
 * What wraps each sublayer: its input from the streams, and its output back into
 * them (manifold-constrained hyper-connections, model part "mHC").
 */
#include "engine/pass/model_internal.h"

int sublayer_begin(struct model *m, const struct hc_weights *hc, dbuf norm, const struct rows *r,
		   dbuf x, struct err *err)
{
	struct mhc_pre_args pre = {
		.n_tok = r->n,
		.d = m->cfg.dim,
		.n_iter = m->cfg.hc_iters,
		.eps = m->cfg.hc_eps,
		.rms_eps = m->cfg.rms_eps,
		.x = x,
		.fn = hc->fn,
		.base = hc->base,
		.scale = hc->scale,
		.norm = norm,
		.out = m->work.u,
		.post = m->work.post,
		.comb = m->work.comb,
	};
	int rc = m->be->ops->mhc_pre(m->be, &pre, err);

	phase_mark(&m->clock, PHASE_MHC);
	return rc;
}

int sublayer_end(struct model *m, const struct rows *r, dbuf x, struct err *err)
{
	struct mhc_post_args post = {
		.n_tok = r->n,
		.d = m->cfg.dim,
		.y = m->work.y,
		.post = m->work.post,
		.comb = m->work.comb,
		.x = x,
	};
	int rc = m->be->ops->mhc_post(m->be, &post, err);

	phase_mark(&m->clock, PHASE_MHC);
	return rc;
}
