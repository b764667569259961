/* Opening a model: configuration, files, weights, backend, and the work area of a step. */
#include "engine/pass/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/engine.h"
#include "engine/checkpoint/plan.h"
#include "engine/pass/draft.h"
#include "engine/pass/hosting_choice.h"
#include "engine/pass/model_internal.h"
#include "engine/pass/sizes.h"

static int open_backend(struct model *m, const struct model_options *opt, struct err *err)
{
	const struct backend_options o = {
		.name = opt->backend,
		.n_threads = opt->n_threads,
		.isa = opt->isa,
		.kernels = opt->kernels,
		.experts = opt->experts,
		.comm = opt->comm,
		.device = opt->device,
		.memory = (uint64_t)opt->device_bytes,
		.rank = m->shard.rank,
		.n_sharing = m->shard.n_ranks,
	};
	int rc = m->be ? 0 : backend_open(&m->be, &o, err);

	if (!rc)
		m->be->caps(m->be, &m->caps);
	return rc;
}

/* What opening goes through, and what it plans for each rank. */
struct opening {
	const struct model_options *opt;
	const struct safetensors *files; /* the first rank's */
	struct memory_plan plan[SHARD_MAX_RANKS];
};

/* What is loading: the first rank tells how far it is; the others end where one has failed. */
struct loading {
	struct model *m;
	const struct model_options *opt;
};

static int on_progress(void *ctx, uint64_t done, uint64_t all)
{
	const struct loading *l = ctx;
	struct comm *comm = l->m->comm;

	if (comm && comm->ops->poisoned(comm))
		return 1;
	return model_leads(l->m) && l->opt->progress
		       ? l->opt->progress(l->opt->progress_ctx, done, all)
		       : 0;
}

static int open_random_weights(struct model *m, struct loading *l, struct err *err)
{
	struct weight_source source;
	int rc = dummy_new(&m->dummy, m->be->place_begin != NULL, err);

	if (rc)
		return rc;
	source = dummy_source(m->dummy);
	rc = weights_new(&m->weights, &m->cfg, &m->shard, &source, err);
	if (rc || !m->be->place_begin)
		return rc;
	rc = weights_place(m->weights, m->be, NULL, m->n_hosted, on_progress, l, err);
	dummy_free(m->dummy);
	m->dummy = NULL;
	return rc;
}

/* Files of which ranks have parts where they are mapped: all of them are read, once, by one. */
static int load_for_all(struct model *m, struct loading *l, struct err *err)
{
	size_t n_extra;
	int rc = weights_check(&m->cfg, m->files, &n_extra, err);

	return rc ? rc : safetensors_load(m->files, on_progress, l, err);
}

static int open_files(struct model *m, const struct model_options *opt, struct err *err)
{
	struct loading l = {m, opt};
	int rc = opt->dummy ? 0 : safetensors_open(&m->files, opt->dir, err);

	return rc || opt->dummy || !m->team || m->be->place_begin ? rc : load_for_all(m, &l, err);
}

static int open_weights(struct model *m, const struct opening *o, struct err *err)
{
	struct loading l = {m, o->opt};
	int rc;

	if (o->opt->dummy)
		return open_random_weights(m, &l, err);
	rc = weights_open(&m->weights, &m->cfg, &m->shard, o->files, err);
	if (rc)
		return rc;
	if (m->be->place_begin)
		return weights_place(m->weights, m->be, o->files, m->n_hosted, on_progress, &l,
				     err);
	return m->comm ? 0 : safetensors_load(o->files, on_progress, &l, err);
}

struct model_options model_options_of(const struct engine_config *config)
{
	return (struct model_options){
		.dir = config->model_dir,
		.backend = config->backend,
		.n_threads = config->n_threads,
		.kernels = config->kernels,
		.experts = config->moe_backend,
		.comm = config->comm,
		.device = config->gpu,
		.device_bytes = config->gpu_memory_bytes,
		.hosting = config->experts,
		.gpu_experts = config->gpu_experts,
		.n_ranks = config->n_ranks,
		.ctx_tokens = config->ctx_tokens,
		.prefill_chunk = config->prefill_chunk,
		.kept_bytes = config->kept_bytes,
	};
}

/* A rank's part of what comes before weights: backend, sizes, memory. */
static int prepare_rank(struct model *m, void *ctx, struct err *err)
{
	struct opening *o = ctx;
	int rc = open_backend(m, o->opt, err);

	if (!rc)
		rc = sizes_choose(m, o->opt, err);
	if (!rc)
		rc = spark_check(m, err);
	return rc ? rc : sizes_plan(m, o->opt, &o->plan[m->shard.rank], err);
}

/* The ranks hear each other. */
static int join_ranks(struct model *m, struct err *err)
{
	struct backend *be[SHARD_MAX_RANKS] = {0};
	struct comm *comm[SHARD_MAX_RANKS];
	int n = model_n_ranks(m), rc;

	if (!m->be->comm_new)
		return err_set(err, ERR_MODEL,
			       "ranks: %d, expected 1: %s cannot add up what several compute", n,
			       m->caps.name);
	for (int i = 0; i < n; i++)
		be[i] = team_rank(m, i)->be;
	rc = m->be->comm_new(be, n, comm, err);
	for (int i = 0; i < n && !rc; i++)
		team_rank(m, i)->comm = comm[i];
	return rc;
}

/* How many there are to be. */
static int choose_ranks(struct model *m, const struct model_options *opt, int *n, struct err *err)
{
	int rc = 0;

	*n = opt->n_ranks ? opt->n_ranks : 1;
	if (opt->n_ranks == RANKS_AUTO) {
		rc = open_backend(m, opt, err);
		if (!rc)
			*n = shard_most_ranks(&m->cfg, m->caps.n_devices);
	}
	BUG_ON(*n > 1 && opt->be);
	return rc ? rc : shard_init(&m->shard, &m->cfg, 0, *n, err);
}

/* All that comes before weights: configuration, ranks, backends, sizes, memory. */
static int prepare(struct model **out, struct opening *o, struct err *err)
{
	const struct model_options *opt = o->opt;
	struct model *m = calloc(1, sizeof(*m));
	int n, rc;

	*out = m;
	if (!m)
		return err_nomem(err, "model", sizeof(*m));
	m->be = opt->be;
	rc = opt->dummy ? dummy_config(opt->dummy, opt->dummy_layers, &m->cfg, err)
			: model_config_read(opt->dir, &m->cfg, err);
	if (!rc)
		rc = choose_ranks(m, opt, &n, err);
	if (!rc && n > 1)
		rc = team_new(m, n, err);
	if (!rc)
		rc = team_run(m, prepare_rank, o, err);
	if (!rc && n > 1)
		rc = join_ranks(m, err);
	if (rc)
		return rc;
	sizes_agree(m, o->plan);
	if (n > 1)
		snprintf(m->name, sizeof(m->name), "%d ranks, each %.46s", (uint8_t)n, m->caps.name);
	else
		memcpy(m->name, m->caps.name, sizeof(m->name));
	return 0;
}

int model_plan(const struct model_options *opt, struct memory_plan *plan, struct err *err)
{
	struct opening o = {.opt = opt};
	struct model *m;
	int rc = prepare(&m, &o, err);

	*plan = o.plan[0];
	model_close(m);
	return rc;
}

/* A rank's part of the rest.  None goes on before all are ready. */
static int open_rank(struct model *m, void *ctx, struct err *err)
{
	int rc = hosting_lend(m, err);

	if (!rc)
		rc = open_weights(m, ctx, err);
	if (!rc)
		rc = hosting_new(m, err);
	if (!rc)
		rc = work_new(m, err);
	if (!rc)
		rc = caches_new(m, err);
	return rc || !m->comm ? rc : m->comm->ops->barrier(m->comm, err);
}

static int open_all(struct model *m, struct opening *o, struct err *err)
{
	double start = clock_s();
	int rc = 0;

	for (int i = 0; i < model_n_ranks(m) && !rc; i++)
		rc = plan_check(&o->plan[i], err);
	if (!rc)
		rc = open_files(m, o->opt, err);
	o->files = m->files;
	if (!rc)
		rc = team_run(m, open_rank, o, err);
	if (!rc && m->files && m->be->place_begin)
		safetensors_unmap(m->files);
	m->load_s = clock_s() - start;
	return rc;
}

int model_open(struct model **out, const struct model_options *opt, struct err *err)
{
	struct opening o = {.opt = opt};
	struct model *m;
	int rc = prepare(&m, &o, err);

	*out = NULL;
	if (!rc)
		rc = open_all(m, &o, err);
	if (rc) {
		model_close(m);
		return rc;
	}
	log_add(LOG_INFO, "model open: %s, %s, %d layers, context %lld, chunk %d, %.1f s",
		opt->dummy ? opt->dummy : opt->dir, m->name, m->cfg.n_layers, (long long)m->ctx,
		m->chunk, m->load_s);
	*out = m;
	return 0;
}

static int close_rank(struct model *m, void *ctx, struct err *err)
{
	(void)ctx;
	(void)err;
	if (m->be && m->be->forget)
		m->be->forget(m->be);
	caches_release(m);
	work_release(m);
	hosting_release(m);
	weights_free(m->weights);
	dummy_free(m->dummy);
	if (m->be)
		m->be->close(m->be);
	if (m->helper)
		m->helper->close(m->helper);
	return 0;
}

void model_close(struct model *m)
{
	struct comm *comm;
	struct err ignored;

	if (!m)
		return;
	comm = m->comm;
	for (int i = 0; i < model_n_ranks(m) && comm; i++)
		team_rank(m, i)->comm = NULL;
	if (comm)
		comm->ops->free_all(comm);
	team_run(m, close_rank, NULL, &ignored);
	team_free(m);
	safetensors_close(m->files);
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
	return m->name;
}

int model_n_ranks(const struct model *m)
{
	return m->shard.n_ranks;
}

int64_t model_ctx_tokens(const struct model *m)
{
	return m->ctx;
}

int model_prefill_chunk(const struct model *m)
{
	return m->chunk;
}

int model_n_hosted(const struct model *m)
{
	return m->n_hosted;
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

struct model_load model_load(struct model *m)
{
	struct model_load l = {.seconds = m->load_s};
	double read = 0;

	if (!m->files)
		return l;
	for (int i = 0; i < model_n_ranks(m); i++) {
		const struct weights *w = team_rank(m, i)->weights;

		l.bytes += w->bytes;
		read += w->read_s;
	}
	l.readers = read / l.seconds;
	return l;
}

static int64_t rank_cache_bytes(const struct model *m)
{
	struct cache_bytes each = model_cache_bytes(m);

	return m->n_slots * each.slot + m->n_pages * each.page + m->n_frontiers * each.frontier;
}

struct model_memory model_memory(struct model *m)
{
	struct model_memory mem = {0};

	for (int i = 0; i < model_n_ranks(m); i++) {
		const struct model *r = team_rank(m, i);

		mem.weight_bytes += (int64_t)r->weights->bytes;
		mem.scratch_bytes += r->work_bytes;
		mem.cache_bytes += rank_cache_bytes(r);
	}
	return mem;
}

struct model_memory model_resident(struct model *m, int64_t n_tokens)
{
	struct model_memory mem = model_memory(m);
	struct cache_bytes each = model_cache_bytes(m);
	int64_t pages = model_max_pages(m), n = model_n_ranks(m);
	int64_t used = (n_tokens + PAGE_TOKENS - 1) / PAGE_TOKENS;
	/* Of each row of index scores only as much is written as there are rows to score. */
	int64_t unscored = m->work.score_stride - (n_tokens / 4 + 15) / 16 * 16;

	mem.cache_bytes = n * (each.slot + each.page * (used < pages ? used : pages));
	if (unscored > 0)
		mem.scratch_bytes -= n * INDEX_SCORE_ROWS * unscored * (int64_t)sizeof(float);
	return mem;
}

void model_set_tap(struct model *m, forward_tap tap, void *ctx)
{
	m->tap = tap;
	m->tap_ctx = ctx;
}
