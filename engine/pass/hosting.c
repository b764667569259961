/* Counting choices, and the policy of who changes places. */
#include "engine/pass/hosting.h"

#include <stdlib.h>

#include "engine/pass/model_internal.h"

#define SWAPS 32    /* at once: each moves an expert to and fro over the bus */
#define AGE   0.9F  /* what a choice counts after each time that choices are taken */
#define GAIN  1.25F /* times as often, and … */
#define MORE  4.0F  /* … so many times more, or a swap does not pay */

static size_t n_all(const struct model *m)
{
	return (size_t)m->cfg.n_layers * (size_t)m->cfg.n_experts;
}

int hosting_new(struct model *m, struct err *err)
{
	struct hosting *h = &m->hosting;
	size_t n = n_all(m), per = (size_t)m->cfg.n_experts;

	if (!m->n_hosted)
		return 0;
	h->taken = calloc(n, sizeof(*h->taken));
	h->often = calloc(n, sizeof(*h->often));
	h->hosted = calloc(n, sizeof(*h->hosted));
	if (!h->taken || !h->often || !h->hosted)
		return err_nomem(err, "counts of experts", n * sizeof(*h->often));
	for (size_t i = 0; i < n; i++)
		h->hosted[i] = i % per >= per - (size_t)m->n_hosted;
	return m->be->alloc(m->be, n * sizeof(*h->taken), MEMORY_PLAIN, &h->uses, err);
}

void hosting_release(struct model *m)
{
	struct hosting *h = &m->hosting;

	if (m->be)
		m->be->free(m->be, h->uses);
	free(h->taken);
	free(h->often);
	free(h->hosted);
	*h = (struct hosting){0};
}

dbuf hosting_uses(const struct model *m, const struct layer_weights *w)
{
	const struct layer_weights *first = m->weights->layers;

	if (!m->hosting.uses || w < first || w >= first + m->cfg.n_layers)
		return NULL;
	return m->hosting.uses +
	       (size_t)(w - first) * (size_t)m->cfg.n_experts * sizeof(int32_t);
}

static int take_rank(struct model *m, void *ctx, struct err *err)
{
	struct hosting *h = &m->hosting;
	struct hosting_count *count = ctx, mine = {0};
	size_t n = n_all(m), bytes = n * sizeof(*h->taken);
	int rc = m->be->get(m->be, h->taken, h->uses, bytes, err);

	for (size_t i = 0; !rc && i < n; i++) {
		h->often[i] = AGE * h->often[i] + (float)h->taken[i];
		mine.chosen += h->taken[i];
		mine.hosted += h->hosted[i] ? h->taken[i] : 0;
		h->taken[i] = 0;
	}
	if (!rc)
		rc = m->be->put(m->be, h->uses, h->taken, bytes, err);
	if (model_leads(m))
		*count = mine;
	return rc;
}

int hosting_take(struct model *m, struct hosting_count *count, struct err *err)
{
	*count = (struct hosting_count){0};
	return m->n_hosted ? team_run(m, take_rank, count, err) : 0;
}

/* The most often chosen that is hosted, or the least often chosen that is not, of one layer. */
static size_t extreme(const struct hosting *h, size_t first, size_t n, bool hosted)
{
	size_t at = SIZE_MAX;

	for (size_t i = first; i < first + n; i++) {
		if (h->hosted[i] != hosted)
			continue;
		if (at == SIZE_MAX ||
		    (hosted ? h->often[i] > h->often[at] : h->often[i] < h->often[at]))
			at = i;
	}
	return at;
}

struct swap {
	size_t in,
		out; /* of all layers' experts: the hosted one, and the one that makes room */
	float gain;
};

/* The swap that gains most, over all layers; its gain is 0 where none pays. */
static struct swap best_swap(const struct model *m)
{
	const struct hosting *h = &m->hosting;
	size_t per = (size_t)m->cfg.n_experts;
	struct swap best = {0};

	for (size_t first = 0; first < n_all(m); first += per) {
		struct swap s = {extreme(h, first, per, true), extreme(h, first, per, false),
				 0};

		if (s.in == SIZE_MAX || s.out == SIZE_MAX)
			continue;
		s.gain = h->often[s.in] - h->often[s.out];
		if (s.gain >= MORE && h->often[s.in] >= GAIN * h->often[s.out] &&
		    s.gain > best.gain)
			best = s;
	}
	return best;
}

static int settle_rank(struct model *m, void *ctx, struct err *err)
{
	struct hosting *h = &m->hosting;
	size_t per = (size_t)m->cfg.n_experts;
	int rc = 0;

	(void)ctx;
	for (int i = 0; !rc && i < SWAPS; i++) {
		struct swap s = best_swap(m);
		struct layer_weights *w = &m->weights->layers[s.in / per];

		if (s.gain <= 0)
			break;
		rc = m->be->swap_experts(m->be, w->experts, (int)per, (int)(s.in % per),
					 (int)(s.out % per), w->expert_table, err);
		h->hosted[s.in] = false;
		h->hosted[s.out] = true;
	}
	return rc;
}

int hosting_settle(struct model *m, struct err *err)
{
	return m->n_hosted ? team_run(m, settle_rank, NULL, err) : 0;
}
