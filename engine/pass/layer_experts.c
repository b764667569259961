/* The expert sublayer: routing, the chosen experts and the shared one. */
#include "engine/pass/model_internal.h"

/* u → the experts and their weights. */
static int choose_experts(struct model *m, const struct layer_weights *w, const struct rows *r,
			  struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	const struct ops *ops = m->be->ops;
	struct work *k = &m->work;
	struct gate_route_args a = {
		.gate = linear_over(&w->gate, r->n, k->u, k->route, 1),
		.route =
			{
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
				.uses = hosting_uses(m, w),
			},
		.mix = mhc_rest(m, r),
	};
	int rc;

	if (ops->gate_route)
		return ops->gate_route(m->be, &a, err);
	rc = ops->linear(m->be, &a.gate, err);
	return rc ? rc : ops->route(m->be, &a.route, err);
}

int run_experts(struct model *m, const struct layer_weights *w, int n, struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	struct work *k = &m->work;
	struct experts_args experts = {
		.n_tok = n,
		.d = cfg->dim,
		.inner = model_part(m, SHARD_INNER),
		.n_expert = cfg->n_experts,
		.n_used = cfg->n_experts_used,
		.limit = cfg->swiglu_limit,
		.experts = w->experts,
		.shared = &w->shared,
		.table = w->expert_table,
		.x = k->u,
		.expert = k->expert,
		.weight = k->expert_weight,
		.y = k->y,
	};

	return m->be->ops->experts(m->be, &experts, err);
}

int layer_experts(struct model *m, const struct layer_weights *w, const struct rows *r,
		  struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	struct work *k = &m->work;
	int rc = choose_experts(m, w, r, err);

	if (!rc)
		rc = phase_mark(m, PHASE_ROUTER, err);
	if (!rc)
		rc = run_experts(m, w, r->n, err);
	if (!rc)
		rc = phase_mark(m, PHASE_EXPERTS, err);
	return rc ? rc
		  : ranks_sum(m, PHASE_EXPERTS, k->y, (size_t)r->n * (size_t)cfg->dim, err);
}
