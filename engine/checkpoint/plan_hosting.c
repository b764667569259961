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

	if (!p->n_hosted || r->own <= 0 || r->bus <= 0)
		return 0;
	hosted = experts * p->n_hosted / p->n_experts;
	own = (experts - hosted) / r->own;
	if (p->hosting != HOSTING_COMPUTED)
		return dense_bytes(p) / r->own + own + hosted / r->bus;
	there = r->cpu > 0 ? hosted / r->cpu : 0;
	return dense_bytes(p) / r->own + (own > there ? own : there);
}

void plan_add_hosting(const struct memory_plan *p, struct buf *out)
{
	double rate = p->hosting == HOSTING_COMPUTED ? p->rates.cpu : p->rates.bus;
	double step = plan_step_s(p);
	char text[64];

	if (rate > 0) {
		snprintf(text, sizeof(text), "%.1f GB/s", rate / 1e9);
		buf_addf(out, "%-22s %10s\n", plan_hosting_text(p->hosting), text);
	}
	if (step > 0)
		buf_addf(out, "decode, at most %17.1f tokens/s\n", 1 / step);
}
