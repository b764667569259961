/* Opening a model: configuration, files, weights, backend, and the work area of a step. */
#include "engine/pass/model.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
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

static int choose_n_frontiers(const struct model *m)
{
	int64_t rows = 0, n;

	for (int i = 0; i < m->cfg.n_layers + m->has_draft; i++)
		rows += layer_cache_bytes(m, m->cfg.compress_ratio[i], true);
	n = rows / FRONTIERS_SHARE / frontier_bytes(m);
	return n < FRONTIERS_MIN ? FRONTIERS_MIN : n > FRONTIERS_MAX ? FRONTIERS_MAX : (int)n;
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
	m->ctx = opt->ctx_tokens ? opt->ctx_tokens : m->cfg.max_pos;
	m->chunk = opt->prefill_chunk ? opt->prefill_chunk : m->caps.prefill_rows;
	m->max_rows = m->chunk > SEQ_MAX_ROLLBACK ? m->chunk : SEQ_MAX_ROLLBACK;
	m->ring_rows = m->cfg.window + m->max_rows + SEQ_MAX_ROLLBACK;
	/* rows complete at the last position, in whole tiles of 16 */
	m->work.score_stride = (m->ctx / 4 + 15) / 16 * 16 + 16;
	m->has_draft = m->cfg.n_draft_layers == 1 && !m->cfg.spark.present;
	if (opt->keeps_frontiers)
		m->n_frontiers = choose_n_frontiers(m);
	return 0;
}

/* A piece of the work area. */
struct piece {
	dbuf *at;
	size_t n, bytes;
};

#define N_PIECES 36

/* What the work area is made of; pieces[] points into the model. */
static void work_pieces(struct model *m, struct piece out[N_PIECES])
{
	const struct model_config *c = &m->cfg;
	struct work *k = &m->work;
	size_t rows = (size_t)m->max_rows, act = (size_t)m->caps.act_bytes;
	size_t d = (size_t)c->dim, streams = HC_MULT * d;
	size_t heads = (size_t)c->n_heads * HEAD_DIM, ih = (size_t)c->index_n_heads;
	size_t rope = ROPE_DIM * sizeof(float);
	struct piece pieces[] = {
		{&k->x, (rows + 1) * streams, sizeof(float)},
		{&k->dx, rows * streams, sizeof(float)},
		{&k->dh, rows * streams, act},
		{&k->u, (rows > LOGIT_ROWS ? rows : LOGIT_ROWS) * d, act},
		{&k->y, rows * d, sizeof(float)},
		{&k->post[0], rows * HC_MULT, sizeof(float)},
		{&k->post[1], rows * HC_MULT, sizeof(float)},
		{&k->comb[0], rows * HC_MULT * HC_MULT, sizeof(float)},
		{&k->comb[1], rows * HC_MULT * HC_MULT, sizeof(float)},
		{&k->qr, rows * (size_t)c->q_lora_rank, act},
		{&k->q, rows * heads, act},
		{&k->o, rows * heads, act},
		{&k->kv, rows * HEAD_DIM, act},
		{&k->oa, rows * (size_t)c->o_groups * (size_t)c->o_lora_rank, act},
		{&k->ca, rows * 2 * HEAD_DIM, sizeof(float)},
		{&k->cz, rows * 2 * HEAD_DIM, sizeof(float)},
		{&k->iq, rows * ih * INDEX_DIM, act},
		{&k->iq_packed, rows * ih, INDEX_ROW_BYTES},
		{&k->iw, rows * ih, sizeof(float)},
		{&k->sel, rows * (size_t)c->index_topk, sizeof(int32_t)},
		{&k->n_sel, rows, sizeof(int32_t)},
		{&k->scores, INDEX_SCORE_ROWS * (size_t)k->score_stride, sizeof(float)},
		{&k->route, rows * (size_t)c->n_experts, sizeof(float)},
		{&k->expert, rows * (size_t)c->n_experts_used, sizeof(int32_t)},
		{&k->expert_weight, rows * (size_t)c->n_experts_used, sizeof(float)},
		{&k->logits, LOGIT_ROWS * (size_t)c->vocab, sizeof(float)},
		{&k->main.step, 1, sizeof(struct step)},
		{&k->main.ids, rows, sizeof(int32_t)},
		{&k->main.rope[ROPE_PLAIN], rows, rope},
		{&k->main.rope[ROPE_YARN], rows, rope},
		{&k->draft.step, 1, sizeof(struct step)},
		{&k->draft.ids, rows, sizeof(int32_t)},
		{&k->draft.rope[ROPE_PLAIN], rows, rope},
		{&k->draft.rope[ROPE_YARN], rows, rope},
		{&m->freq[ROPE_PLAIN], ROPE_DIM / 2, sizeof(double)},
		{&m->freq[ROPE_YARN], ROPE_DIM / 2, sizeof(double)},
	};

	_Static_assert(sizeof(pieces) == N_PIECES * sizeof(pieces[0]), "N_PIECES");
	memcpy(out, pieces, sizeof(pieces));
}

static uint64_t backend_scratch(const struct model *m)
{
	const struct model_config *c = &m->cfg;
	const struct pass_shape shape = {
		.rows = m->max_rows,
		.d = c->dim,
		.inner = c->moe_inter,
		.n_expert = c->n_experts,
		.n_used = c->n_experts_used,
		.n_head = c->n_heads,
		.n_group = c->o_groups,
		.group_rank = c->o_lora_rank,
		.q_rank = c->q_lora_rank,
		.index_heads = c->index_n_heads,
		.top_k = c->index_topk,
		.vocab = c->vocab,
		.ctx = m->ctx,
	};

	return m->be->scratch_bytes(m->be, &shape);
}

static int alloc_work(struct model *m, struct err *err)
{
	struct piece pieces[N_PIECES];

	work_pieces(m, pieces);
	m->buffers = calloc(N_PIECES, sizeof(*m->buffers));
	if (!m->buffers)
		return err_nomem(err, "work area", N_PIECES * sizeof(*m->buffers));
	for (int i = 0; i < N_PIECES; i++) {
		size_t bytes = pieces[i].n * pieces[i].bytes;
		int rc = m->be->alloc(m->be, bytes, MEMORY_LAZY, &m->buffers[i], err);

		if (rc)
			return rc;
		m->n_buffers++;
		*pieces[i].at = m->buffers[i];
		m->work_bytes += (int64_t)bytes;
	}
	m->work_bytes += (int64_t)backend_scratch(m);
	return 0;
}

/* Does it fit?  A context that nobody asked for is cut to what does. */
static int plan_memory(struct model *m, bool ctx_given, struct err *err)
{
	struct memory_plan p = {.available = m->be->memory_free(m->be)};
	struct piece pieces[N_PIECES];
	int64_t fits;
	int rc = weights_measure(&m->cfg, &m->shard, p.weights, err);

	if (rc)
		return rc;
	work_pieces(m, pieces);
	for (int i = 0; i < N_PIECES; i++)
		p.scratch += pieces[i].n * pieces[i].bytes;
	p.scratch += backend_scratch(m);
	p.ctx_tokens = model_max_pages(m) * PAGE_TOKENS;
	for (int i = 0; i < m->cfg.n_layers + m->has_draft; i++) {
		int ratio = m->cfg.compress_ratio[i];

		p.cache_fixed += (uint64_t)layer_cache_bytes(m, ratio, false);
		p.cache_page += (uint64_t)(layer_cache_bytes(m, ratio, true) /
					   (p.ctx_tokens / PAGE_TOKENS));
	}
	p.cache_fixed += (uint64_t)(m->n_frontiers * frontier_bytes(m));
	fits = plan_ctx_that_fits(&p);
	if (!ctx_given && fits > 0 && fits < m->ctx) {
		m->ctx = fits;
		p.ctx_tokens = fits;
	}
	return plan_check(&p, err);
}

static int put_frequencies(struct model *m, struct err *err)
{
	for (int kind = 0; kind < N_ROPE_KINDS; kind++) {
		double freq[ROPE_DIM / 2];
		int rc;

		rope_frequencies(&m->cfg, kind, freq);
		rc = m->be->put(m->be, m->freq[kind], freq, sizeof(freq), err);
		if (rc)
			return rc;
	}
	return 0;
}

static int open_random_weights(struct model *m, const struct model_options *opt, struct err *err)
{
	struct weight_source source;
	int rc = dummy_new(&m->dummy, err);

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

int model_open(struct model **out, const struct model_options *opt, struct err *err)
{
	struct model *m = calloc(1, sizeof(*m));
	int rc;

	*out = NULL;
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
		rc = plan_memory(m, opt->ctx_tokens != 0, err);
	if (!rc)
		rc = open_weights(m, opt, err);
	if (!rc)
		rc = alloc_work(m, err);
	if (!rc)
		rc = put_frequencies(m, err);
	if (rc) {
		model_close(m);
		return rc;
	}
	log_add(LOG_INFO, "model open: %s, %s, %d layers, context %lld, chunk %d",
		opt->dummy ? opt->dummy : opt->dir,
		m->caps.name, m->cfg.n_layers, (long long)m->ctx, m->chunk);
	*out = m;
	return 0;
}

void model_close(struct model *m)
{
	if (!m)
		return;
	for (int i = 0; i < m->n_buffers; i++)
		m->be->free(m->be, m->buffers[i]);
	free(m->buffers);
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

int64_t model_max_pages(const struct model *m)
{
	return (m->ctx + PAGE_TOKENS - 1) / PAGE_TOKENS;
}

int model_prefill_chunk(const struct model *m)
{
	return m->chunk;
}

int model_n_frontiers(const struct model *m)
{
	return m->n_frontiers;
}

struct model_memory model_memory(const struct model *m)
{
	struct model_memory mem = {
		.weight_bytes = (int64_t)m->weights->bytes,
		.scratch_bytes = m->work_bytes,
	};

	for (int i = 0; i < m->cfg.n_layers + m->has_draft; i++)
		mem.cache_bytes += layer_cache_bytes(m, m->cfg.compress_ratio[i], false) +
				   layer_cache_bytes(m, m->cfg.compress_ratio[i], true);
	mem.cache_bytes += m->n_frontiers * frontier_bytes(m);
	return mem;
}

struct model_memory model_resident(const struct model *m, int64_t n_tokens)
{
	struct model_memory mem = model_memory(m);
	int64_t pages = model_max_pages(m);
	int64_t used = (n_tokens + PAGE_TOKENS - 1) / PAGE_TOKENS;
	/* Of each row of index scores only as much is written as there are rows to score. */
	int64_t unscored = m->work.score_stride - (n_tokens / 4 + 15) / 16 * 16;

	used = used < pages ? used : pages;
	mem.cache_bytes = 0;
	for (int i = 0; i < m->cfg.n_layers + m->has_draft; i++)
		mem.cache_bytes += layer_cache_bytes(m, m->cfg.compress_ratio[i], false) +
				   layer_cache_bytes(m, m->cfg.compress_ratio[i], true) / pages * used;
	if (unscored > 0)
		mem.scratch_bytes -= INDEX_SCORE_ROWS * unscored * (int64_t)sizeof(float);
	return mem;
}

void model_set_tap(struct model *m, forward_tap tap, void *ctx)
{
	m->tap = tap;
	m->tap_ctx = ctx;
}
