/* How large a model's parts are: rows of a call, context, what is kept; before a byte is had.
 */
#include "engine/pass/sizes.h"

#include "engine/checkpoint/plan.h"
#include "engine/pass/draft.h"
#include "engine/pass/hosting_choice.h"
#include "engine/pass/model_internal.h"

/* Page numbers are 32 bits. */
#define KEPT_PAGES_MAX ((int64_t)1 << 24)

static void choose_head(struct model *m, const struct model_options *opt)
{
	if (opt->no_draft || !m->cfg.n_draft_layers)
		return;
	m->has_draft = !m->cfg.spark.present;
	m->n_stages = m->cfg.spark.present ? m->cfg.n_draft_layers : 0;
	m->head = m->has_draft ? &draft_block : &draft_spark;
}

int sizes_choose(struct model *m, const struct model_options *opt, struct err *err)
{
	if (opt->ctx_tokens < 0 || opt->ctx_tokens > m->cfg.max_pos)
		return err_set(err, ERR_USAGE, "context: %lld tokens, expected at most %d",
			       (long long)opt->ctx_tokens, m->cfg.max_pos);
	if (opt->prefill_chunk < 0 || opt->prefill_chunk > m->caps.max_rows)
		return err_set(err, ERR_USAGE, "prefill chunk: %d tokens, expected 1 to %d",
			       opt->prefill_chunk, m->caps.max_rows);
	if (opt->n_slots < 0 || opt->n_slots > MODEL_MAX_SLOTS)
		return err_set(err, ERR_USAGE, "sequences: %d, expected 1 to %d", opt->n_slots,
			       MODEL_MAX_SLOTS);
	choose_head(m, opt);
	m->n_slots = opt->n_slots ? opt->n_slots : 1;
	m->ctx = opt->ctx_tokens ? opt->ctx_tokens : m->cfg.max_pos;
	m->chunk = opt->prefill_chunk ? opt->prefill_chunk : m->caps.prefill_rows;
	m->max_rows = m->chunk > SEQ_MAX_ROLLBACK ? m->chunk : SEQ_MAX_ROLLBACK;
	if (m->max_rows < spark_block(m))
		m->max_rows = spark_block(m);
	m->ring_rows = m->cfg.window + m->max_rows + SEQ_MAX_ROLLBACK;
	/* rows complete at the last position, in whole tiles of 16 */
	m->work.score_stride = (m->ctx / 4 + 15) / 16 * 16 + 16;
	if (opt->kept_bytes < 0)
		return err_set(err, ERR_USAGE, "cache memory: %lld bytes, expected 0 or more",
			       (long long)opt->kept_bytes);
	m->n_frontiers = opt->keeps ? FRONTIERS_MIN : 0;
	return 0;
}

/* What this many bytes hold, half of them frontiers; FRONTIERS_MIN are there anyway. */
static void keep_bytes(struct model *m, int64_t bytes, struct memory_plan *p)
{
	struct cache_bytes each = model_cache_bytes(m);
	int64_t n = bytes / 2 / each.frontier, n_pages = each.page ? bytes / 2 / each.page : 0;

	n = n < FRONTIERS_MIN ? FRONTIERS_MIN : n > FRONTIERS_MAX ? FRONTIERS_MAX : n;
	if (n_pages > KEPT_PAGES_MAX)
		n_pages = KEPT_PAGES_MAX;
	p->cache_fixed +=
		(uint64_t)((n - m->n_frontiers) * each.frontier + n_pages * each.page);
	m->n_frontiers = (int)n;
	m->n_pages += n_pages;
}

/* Of a plan for a device that does not fit: with how many ranks it would; 0: with none. */
static int ranks_that_fit(const struct model *m, const struct memory_plan *p)
{
	int n_now = m->shard.n_ranks;
	struct err ignored;

	for (int n = n_now + 1; n <= SHARD_MAX_RANKS; n++) {
		struct memory_plan q = *p;
		struct shard s;

		if (shard_init(&s, &m->cfg, 0, n, &ignored) ||
		    weights_measure(&m->cfg, &s, q.weights, &ignored))
			continue;
		q.expert = q.weights[WEIGHT_KIND_EXPERTS] / (uint64_t)q.n_experts;
		q.staged = q.staged / (uint64_t)n * (uint64_t)n_now;
		q.host_available = q.host_available / (uint64_t)n * (uint64_t)n_now;
		q.n_hosted = 0;
		if (q.hosting != HOSTING_NONE)
			plan_host_experts(&q);
		if (plan_total(&q) <= q.available && plan_hosted(&q) <= q.host_available)
			return n;
	}
	return 0;
}

int sizes_plan(struct model *m, const struct model_options *opt, struct memory_plan *p,
	       struct err *err)
{
	struct cache_bytes each = model_cache_bytes(m);
	int64_t fits;
	uint64_t left;

	*p = (struct memory_plan){
		.available = m->be->memory_free(m->be),
		.scratch = work_bytes(m),
		.ctx_tokens = model_max_pages(m) * PAGE_TOKENS,
		.cache_fixed =
			(uint64_t)(m->n_slots * each.slot + m->n_frontiers * each.frontier),
		.cache_page = (uint64_t)(m->n_slots * each.page),
		.n_ranks = m->shard.n_ranks,
		.chunk_rows = m->chunk,
		.ctx_told = opt->ctx_tokens != 0,
	};
	if (weights_measure(&m->cfg, &m->shard, p->weights, err))
		return ERR_NOMEM;
	if (opt->keeps && opt->kept_bytes)
		keep_bytes(m, opt->kept_bytes, p);
	if (hosting_choose(m, opt, p, err))
		return err->code;
	fits = plan_ctx_that_fits(p);
	if (!opt->ctx_tokens && fits > 0 && fits < m->ctx) {
		m->ctx = fits;
		p->ctx_tokens = fits;
	}
	if (p->n_experts && plan_total(p) > p->available)
		p->n_ranks_that_fit = ranks_that_fit(m, p);
	left = plan_total(p) < p->available ? p->available - plan_total(p) : 0;
	if (opt->keeps && !opt->kept_bytes)
		keep_bytes(m, (int64_t)(left / KEPT_SHARE), p);
	m->n_pages += m->n_slots * model_max_pages(m);
	return 0;
}

void sizes_agree(struct model *m, struct memory_plan *plan)
{
	int n = model_n_ranks(m);
	int64_t kept = INT64_MAX;

	for (int i = 0; i < n; i++) {
		const struct model *r = team_rank(m, i);
		int64_t kept_here = r->n_pages - r->n_slots * model_max_pages(r);

		m->ctx = r->ctx < m->ctx ? r->ctx : m->ctx;
		m->n_frontiers =
			r->n_frontiers < m->n_frontiers ? r->n_frontiers : m->n_frontiers;
		kept = kept_here < kept ? kept_here : kept;
	}
	for (int i = 0; i < n; i++) {
		struct model *r = team_rank(m, i);

		r->ctx = m->ctx;
		r->n_frontiers = m->n_frontiers;
		r->n_pages = r->n_slots * model_max_pages(r) + kept;
		plan[i].ctx_tokens = model_max_pages(r) * PAGE_TOKENS;
	}
}
