/* Who computes what lies in the host's memory, and what that lets one expect. */
#include "engine/checkpoint/plan.h"

#include <stdio.h>

enum hosted_by plan_hosting(enum hosted_by want, const struct hosting_rates *r)
{
	if (want != HOSTING_AUTO)
		return want;
	return r->cpu > r->bus ? HOSTING_COMPUTED : HOSTING_READ;
}

const char *plan_hosting_text(enum hosted_by hosting)
{
	switch (hosting) {
	case HOSTING_AUTO:
	case HOSTING_NONE:
		break;
	case HOSTING_READ:
		return "read over the bus";
	case HOSTING_COMPUTED:
		return "computed there";
	}
	return "on the GPU";
}

#define LEAST_CONTEXT 4 /* this part of it is enough, where that is faster */

void plan_choose_hosting(struct memory_plan *p, enum hosted_by want, uint64_t staged)
{
	struct memory_plan computed = *p;
	int64_t ctx = p->ctx_told ? p->ctx_tokens : plan_ctx_that_fits(p) / LEAST_CONTEXT;

	p->hosting = plan_hosting(want, &p->rates);
	if (p->hosting != HOSTING_COMPUTED)
		return;
	computed.hosting = HOSTING_COMPUTED;
	computed.staged = staged;
	plan_host_experts(&computed);
	if (want == HOSTING_AUTO && plan_ctx_that_fits(&computed) < ctx)
		p->hosting = HOSTING_READ;
	else
		*p = computed;
}

/* Of a step's weights, what the device reads for certain. */
static double dense_bytes(const struct memory_plan *p)
{
	double sum = 0;

	for (int i = 0; i < N_WEIGHT_KINDS; i++) {
		if (i != WEIGHT_KIND_EMBED && i != WEIGHT_KIND_EXPERTS &&
		    i != WEIGHT_KIND_DRAFT)
			sum += (double)p->weights[i];
	}
	return sum;
}

double plan_step_s(const struct memory_plan *p)
{
	const struct hosting_rates *r = &p->rates;
	double experts = (double)p->expert * p->n_used; /* of a token */
	double hosted, own, there;

	if (!p->n_experts || r->own <= 0 || (p->n_hosted && r->bus <= 0))
		return 0;
	hosted = experts * p->n_hosted / p->n_experts;
	if (!p->n_hosted)
		return (dense_bytes(p) + experts) / r->own;
	own = (experts - hosted) / r->own;
	if (p->hosting != HOSTING_COMPUTED)
		return dense_bytes(p) / r->own + own + hosted / r->bus;
	there = r->cpu > 0 ? hosted / r->cpu : 0;
	return dense_bytes(p) / r->own + (own > there ? own : there);
}

double plan_chunk_s(const struct memory_plan *p)
{
	return p->rates.bus > 0 ? (double)plan_hosted(p) / p->rates.bus : 0;
}

void plan_add_hosting(const struct memory_plan *p, struct buf *out)
{
	double rate = p->hosting == HOSTING_COMPUTED ? p->rates.cpu : p->rates.bus;
	double step = plan_step_s(p), chunk = plan_chunk_s(p);
	char text[64];

	if (p->n_hosted && rate > 0) {
		snprintf(text, sizeof(text), "%.1f GB/s", rate / 1e9);
		buf_addf(out, "%-22s %10s\n", plan_hosting_text(p->hosting), text);
	}
	if (step > 0)
		buf_addf(out, "decode, at most %17.1f tokens/s\n", 1 / step);
	if (chunk > 0 && p->chunk_rows)
		buf_addf(out, "prompt, at most %17.1f tokens/s\n", p->chunk_rows / chunk);
}
