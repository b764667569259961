/* Opening a model: configuration, files, weights, backend, and the work area of a step. */
#include "engine/pass/model.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/engine.h"
#include "engine/pass/draft.h"
#include "engine/pass/model_internal.h"
#include "engine/checkpoint/plan.h"

static int open_backend(struct model *m, const struct model_options *opt, struct err *err)
{
	const struct backend_options o = {
		.name = opt->backend,
		.n_threads = opt->n_threads,
		.isa = opt->isa,
		.kernels = opt->kernels,
		.experts = opt->experts,
		.device = opt->device,
	};
	int rc = m->be ? 0 : backend_open(&m->be, &o, err);

	if (!rc)
		m->be->caps(m->be, &m->caps);
	return rc;
}

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

/* How many rows a call has, and what follows from it. */
static int choose_sizes(struct model *m, const struct model_options *opt, struct err *err)
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

/*
 * What it needs, and what there is.  A context that nobody asked for is cut to what fits; what
 * nobody asked to be kept takes a part of what is left then.
 */
static int make_plan(struct model *m, const struct model_options *opt, struct memory_plan *p,
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
	};
	if (weights_measure(&m->cfg, &m->shard, p->weights, err))
		return ERR_NOMEM;
	if (opt->keeps && opt->kept_bytes)
		keep_bytes(m, opt->kept_bytes, p);
	fits = plan_ctx_that_fits(p);
	if (!opt->ctx_tokens && fits > 0 && fits < m->ctx) {
		m->ctx = fits;
		p->ctx_tokens = fits;
	}
	left = plan_total(p) < p->available ? p->available - plan_total(p) : 0;
	if (opt->keeps && !opt->kept_bytes)
		keep_bytes(m, (int64_t)(left / KEPT_SHARE), p);
	m->n_pages += m->n_slots * model_max_pages(m);
	return 0;
}

static int open_random_weights(struct model *m, const struct model_options *opt,
			       struct err *err)
{
	struct weight_source source;
	int rc = dummy_new(&m->dummy, m->be->place_begin != NULL, err);

	if (rc)
		return rc;
	source = dummy_source(m->dummy);
	rc = weights_new(&m->weights, &m->cfg, &m->shard, &source, err);
	if (rc || !m->be->place_begin)
		return rc;
	rc = weights_place(m->weights, m->be, NULL, opt->progress, opt->progress_ctx, err);
	dummy_free(m->dummy);
	m->dummy = NULL;
	return rc;
}

static int open_weights(struct model *m, const struct model_options *opt, struct err *err)
{
	int rc;

	if (opt->dummy)
		return open_random_weights(m, opt, err);
	rc = safetensors_open(&m->files, opt->dir, err);
	if (!rc)
		rc = weights_open(&m->weights, &m->cfg, &m->shard, m->files, err);
	if (rc)
		return rc;
	if (!m->be->place_begin)
		return safetensors_load(m->files, opt->progress, opt->progress_ctx, err);
	rc = weights_place(m->weights, m->be, m->files, opt->progress, opt->progress_ctx, err);
	safetensors_unmap(m->files);
	return rc;
}

struct model_options model_options_of(const struct engine_config *config)
{
	return (struct model_options){
		.dir = config->model_dir,
		.backend = config->backend,
		.n_threads = config->n_threads,
		.kernels = config->kernels,
		.experts = config->moe_backend,
		.device = config->gpu,
		.ctx_tokens = config->ctx_tokens,
		.prefill_chunk = config->prefill_chunk,
		.kept_bytes = config->kept_bytes,
	};
}

/* All that comes before weights: configuration, backend, sizes, memory. */
static int prepare(struct model **out, const struct model_options *opt,
		   struct memory_plan *plan, struct err *err)
{
	struct model *m = calloc(1, sizeof(*m));
	int rc;

	*out = m;
	if (!m)
		return err_nomem(err, "model", sizeof(*m));
	m->be = opt->be;
	rc = opt->dummy ? dummy_config(opt->dummy, opt->dummy_layers, &m->cfg, err)
			: model_config_read(opt->dir, &m->cfg, err);
	if (!rc)
		rc = shard_init(&m->shard, &m->cfg, 0, 1, err);
	if (!rc)
		rc = open_backend(m, opt, err);
	if (!rc)
		rc = choose_sizes(m, opt, err);
	if (!rc)
		rc = spark_check(m, err);
	return rc ? rc : make_plan(m, opt, plan, err);
}

int model_plan(const struct model_options *opt, struct memory_plan *plan, struct err *err)
{
	struct model *m;
	int rc = prepare(&m, opt, plan, err);

	model_close(m);
	return rc;
}

int model_open(struct model **out, const struct model_options *opt, struct err *err)
{
	struct memory_plan plan;
	struct model *m;
	int rc = prepare(&m, opt, &plan, err);

	*out = NULL;
	if (!rc)
		rc = plan_check(&plan, err);
	if (!rc)
		rc = open_weights(m, opt, err);
	if (!rc)
		rc = work_new(m, err);
	if (!rc)
		rc = caches_new(m, err);
	if (rc) {
		model_close(m);
		return rc;
	}
	log_add(LOG_INFO, "model open: %s, %s, %d layers, context %lld, chunk %d",
		opt->dummy ? opt->dummy : opt->dir, m->caps.name, m->cfg.n_layers,
		(long long)m->ctx, m->chunk);
	*out = m;
	return 0;
}

void model_close(struct model *m)
{
	if (!m)
		return;
	if (m->be && m->be->forget)
		m->be->forget(m->be);
	caches_release(m);
	work_release(m);
	weights_free(m->weights);
	safetensors_close(m->files);
	dummy_free(m->dummy);
	if (m->be)
		m->be->close(m->be);
	free(m);
}

const struct model_config *model_config(const struct model *m)
{
	return &m->cfg;
}

const struct safetensors *model_files(const struct model *m)
{
	return m->files;
}

const char *model_backend_name(const struct model *m)
{
	return m->caps.name;
}

int64_t model_ctx_tokens(const struct model *m)
{
	return m->ctx;
}

int model_prefill_chunk(const struct model *m)
{
	return m->chunk;
}

int model_n_frontiers(const struct model *m)
{
	return m->n_frontiers;
}

int model_draft_most(const struct model *m)
{
	int most = m->head ? m->head->most : 0;

	return m->n_stages && most > spark_block(m) ? spark_block(m) : most;
}

bool model_drafts_blocks(const struct model *m)
{
	return m->n_stages > 0;
}

struct model_memory model_memory(const struct model *m)
{
	struct model_memory mem = {
		.weight_bytes = (int64_t)m->weights->bytes,
		.scratch_bytes = m->work_bytes,
	};
	struct cache_bytes each = model_cache_bytes(m);

	mem.cache_bytes = m->n_slots * each.slot + m->n_pages * each.page +
			  m->n_frontiers * each.frontier;
	return mem;
}

struct model_memory model_resident(const struct model *m, int64_t n_tokens)
{
	struct model_memory mem = model_memory(m);
	struct cache_bytes each = model_cache_bytes(m);
	int64_t pages = model_max_pages(m);
	int64_t used = (n_tokens + PAGE_TOKENS - 1) / PAGE_TOKENS;
	/* Of each row of index scores only as much is written as there are rows to score. */
	int64_t unscored = m->work.score_stride - (n_tokens / 4 + 15) / 16 * 16;

	mem.cache_bytes = each.slot + each.page * (used < pages ? used : pages);
	if (unscored > 0)
		mem.scratch_bytes -= INDEX_SCORE_ROWS * unscored * (int64_t)sizeof(float);
	return mem;
}

void model_set_tap(struct model *m, forward_tap tap, void *ctx)
{
	m->tap = tap;
	m->tap_ctx = ctx;
}
