/* What would make a model fit that does not: in words, with the numbers that they need. */
#include "engine/checkpoint/plan.h"

#include <inttypes.h>

/* The context shortened to a page: what there must be room for at the least. */
static struct memory_plan shortest(const struct memory_plan *p)
{
	struct memory_plan s = *p;

	if (s.ctx_tokens > PAGE_TOKENS)
		s.ctx_tokens = PAGE_TOKENS;
	return s;
}

/* Experts lie wherever there is room: what nobody has asked for. */
static struct memory_plan unasked(const struct memory_plan *p)
{
	struct memory_plan s = *p;

	s.n_told = 0;
	s.hosting = HOSTING_AUTO;
	s.staged = 0;
	plan_host_experts(&s);
	return s;
}

static bool fits(const struct memory_plan *p)
{
	return plan_total(p) <= p->available && plan_hosted(p) <= p->host_available;
}

/* With a host of any size: how much of it, at the least; and how much of the GPU. */
static void add_least(const struct memory_plan *p, struct buf *out)
{
	struct memory_plan s = shortest(p);
	char gpu[32], host[32];

	s.host_available = UINT64_MAX;
	s = unasked(&s);
	if (fits(&s)) {
		buf_addf(out, "; %s of the host's memory for experts would do, there are %s",
			 bytes_text(host, plan_hosted(&s)), bytes_text(gpu, p->host_available));
		return;
	}
	s.n_hosted = s.n_experts - 1;
	buf_addf(out, "; the least is %s on the GPU, with %s of the host's memory for experts",
		 bytes_text(gpu, plan_total(&s)), bytes_text(host, plan_hosted(&s)));
}

/* Where all of a layer's experts could lie on the host, or some, and do not. */
static bool add_hosting(const struct memory_plan *p, struct buf *out)
{
	struct memory_plan s = unasked(p), least = shortest(p);
	bool asked = p->n_told || p->hosting == HOSTING_NONE;

	least = unasked(&least);
	if (!asked || !p->n_experts || (!fits(&s) && !fits(&least)))
		return false;
	if (!fits(&s))
		s = least;
	buf_addf(out, "; with %d of the %d experts of each layer on the host it would fit",
		 s.n_hosted, s.n_experts);
	if (s.ctx_tokens < p->ctx_tokens)
		buf_addz(out, ", and a shorter context");
	if (p->n_told)
		buf_addf(out, " (--gpu-experts %d)", s.n_experts - s.n_hosted);
	else
		buf_addz(out, " (--experts auto)");
	return true;
}

void plan_add_ways(const struct memory_plan *p, struct buf *out)
{
	int64_t ctx = plan_ctx_that_fits(p);
	size_t before = out->len;

	if (ctx && ctx < p->ctx_tokens)
		buf_addf(out, "; a context of %" PRId64 " tokens would fit (--ctx %" PRId64 ")",
			 ctx, ctx);
	if (!add_hosting(p, out) && !ctx && p->n_experts)
		add_least(p, out);
	if (p->n_ranks_that_fit)
		buf_addf(out, "; %d such GPUs would do (--ranks %d)", p->n_ranks_that_fit,
			 p->n_ranks_that_fit);
	if (out->len == before)
		buf_addz(out, "; no context would fit: a machine with more memory would, or a "
			      "smaller model");
}
