/* The expert sublayer: routing, the chosen experts and the shared one, within mHC pre and post. */
#include "engine/model_internal.h"

int layer_experts(struct model *m, const struct layer_weights *w, const struct rows *r, dbuf x,
		  struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	const struct ops *ops = m->be->ops;
	struct work *k = &m->work;
	struct mhc_pre_args pre = {
		.n_tok = r->n,
		.d = cfg->dim,
		.n_iter = cfg->hc_iters,
		.eps = cfg->hc_eps,
		.rms_eps = cfg->rms_eps,
		.x = x,
		.fn = w->hc_ffn.fn,
		.base = w->hc_ffn.base,
		.scale = w->hc_ffn.scale,
		.norm = w->ffn_norm,
		.out = k->u,
		.post = k->post,
		.comb = k->comb,
	};
	struct route_args route = {
		.n_tok = r->n,
		.n_expert = cfg->n_experts,
		.n_used = cfg->n_experts_used,
		.scale = cfg->route_scale,
		.logits = k->route,
		.bias = w->bias,
		.table = w->tid2eid,
		.ids = r->ids,
		.expert = k->expert,
		.weight = k->expert_weight,
	};
	struct experts_args experts = {
		.n_tok = r->n,
		.d = cfg->dim,
		.inner = cfg->moe_inter,
		.n_expert = cfg->n_experts,
		.n_used = cfg->n_experts_used,
		.limit = cfg->swiglu_limit,
		.experts = w->experts,
		.shared = &w->shared,
		.x = k->u,
		.expert = k->expert,
		.weight = k->expert_weight,
		.y = k->y,
	};
	struct mhc_post_args post = {
		.n_tok = r->n,
		.d = cfg->dim,
		.y = k->y,
		.post = k->post,
		.comb = k->comb,
		.x = x,
	};
	int rc = ops->mhc_pre(m->be, &pre, err);

	phase_mark(&m->clock, PHASE_MHC);
	if (!rc)
		rc = run_linear(m, &w->gate, r->n, k->u, k->route, 1, err);
	if (!rc)
		rc = ops->route(m->be, &route, err);
	phase_mark(&m->clock, PHASE_ROUTER);
	if (!rc)
		rc = ops->experts(m->be, &experts, err);
	phase_mark(&m->clock, PHASE_EXPERTS);
	if (!rc)
		rc = ops->mhc_post(m->be, &post, err);
	phase_mark(&m->clock, PHASE_MHC);
	return rc;
}
