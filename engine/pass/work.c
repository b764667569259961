/* The work area of a pass: what its operations hand to each other, and what is put and fetched.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/pass/model_internal.h"

/* A piece of it. */
struct piece {
	dbuf *at;
	size_t n, bytes;
	enum memory_kind kind;
};

#define N_PIECES 41

static size_t inputs_bytes(const struct model *m)
{
	return sizeof(struct inputs) + (size_t)m->max_rows * sizeof(int32_t);
}

/* Whether pages leave the pool and come back, and their rows are copied many at once. */
static bool gathers(const struct model *m)
{
	return m->n_frontiers && m->be->copy_many;
}

/* All of them; they point into the model. */
static void work_pieces(struct model *m, struct piece out[N_PIECES])
{
	const struct model_config *c = &m->cfg;
	struct work *k = &m->work;
	size_t rows = (size_t)m->max_rows, act = (size_t)m->caps.act_bytes;
	size_t d = (size_t)c->dim, streams = HC_MULT * d;
	size_t heads = (size_t)model_part(m, SHARD_HEADS) * HEAD_DIM;
	size_t low = (size_t)model_part(m, SHARD_GROUPS) * (size_t)c->o_lora_rank;
	size_t ih = (size_t)c->index_n_heads;
	size_t rope = ROPE_DIM * sizeof(float);
	size_t logits = LOGIT_ROWS * (size_t)c->vocab;
	size_t part = LOGIT_ROWS * (size_t)model_part(m, SHARD_VOCAB);
	size_t page = (size_t)model_cache_bytes(m).page;
	size_t targets = m->n_stages ? (size_t)c->spark.n_targets : 0;
	const struct piece pieces[] = {
		{&k->inputs, 1, inputs_bytes(m), 0},
		{&k->x, (rows + 1) * streams, sizeof(float), 0},
		{&k->dx, rows * streams, sizeof(float), 0},
		{&k->dh, rows * streams, act, 0},
		{&k->u, (rows > LOGIT_ROWS ? rows : LOGIT_ROWS) * d, act, 0},
		{&k->y, rows * d, sizeof(float), 0},
		{&k->post[0], rows * HC_MULT, sizeof(float), 0},
		{&k->post[1], rows * HC_MULT, sizeof(float), 0},
		{&k->comb[0], rows * HC_MULT * HC_MULT, sizeof(float), 0},
		{&k->comb[1], rows * HC_MULT * HC_MULT, sizeof(float), 0},
		{&k->mix, rows * MHC_RAW, sizeof(float), 0},
		{&k->qr, rows * (size_t)c->q_lora_rank, act, 0},
		{&k->q, rows * heads, act, 0},
		{&k->o, rows * heads, act, 0},
		{&k->kv, rows * HEAD_DIM, act, 0},
		{&k->oa, rows * low, act, 0},
		{&k->ca, rows * 2 * HEAD_DIM, sizeof(float), 0},
		{&k->cz, rows * 2 * HEAD_DIM, sizeof(float), 0},
		{&k->ia, rows * 2 * INDEX_DIM, sizeof(float), 0},
		{&k->iz, rows * 2 * INDEX_DIM, sizeof(float), 0},
		{&k->iq, rows * ih * INDEX_DIM, act, 0},
		{&k->iq_packed, rows * ih, INDEX_ROW_BYTES, 0},
		{&k->iw, rows * ih, sizeof(float), 0},
		{&k->sel, rows * (size_t)c->index_topk, sizeof(int32_t), 0},
		{&k->n_sel, rows, sizeof(int32_t), 0},
		{&k->scores, INDEX_SCORE_ROWS * (size_t)k->score_stride, sizeof(float), 0},
		{&k->route, rows * (size_t)c->n_experts, sizeof(float), 0},
		{&k->expert, rows * (size_t)c->n_experts_used, sizeof(int32_t), 0},
		{&k->expert_weight, rows * (size_t)c->n_experts_used, sizeof(float), 0},
		{&k->logits, logits, sizeof(float), 0},
		{&k->draft_logits, m->head ? logits : 0, sizeof(float), 0},
		{&k->part, m->shard.n_ranks > 1 ? part : 0, sizeof(float), 0},
		{&k->record, 1, sizeof(struct record), MEMORY_RESULT},
		{&k->draft_choice, m->head != NULL, sizeof(struct choice), 0},
		{&k->means, rows * targets * d, act, 0},
		{&k->block_ids, (size_t)spark_block(m), sizeof(int32_t), 0},
		{&k->staging, gathers(m) ? STAGING_PAGES : 0, page, 0},
		{&k->main.rope[ROPE_PLAIN], 2 * rows, rope, 0},
		{&k->main.rope[ROPE_YARN], 2 * rows, rope, 0},
		{&m->freq[ROPE_PLAIN], ROPE_DIM / 2, sizeof(double), 0},
		{&m->freq[ROPE_YARN], ROPE_DIM / 2, sizeof(double), 0},
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
		.inner = model_part(m, SHARD_INNER),
		.n_expert = c->n_experts,
		.n_used = c->n_experts_used,
		.n_head = model_part(m, SHARD_HEADS),
		.n_group = model_part(m, SHARD_GROUPS),
		.group_rank = c->o_lora_rank,
		.q_rank = c->q_lora_rank,
		.index_heads = c->index_n_heads,
		.top_k = c->index_topk,
		.vocab = c->vocab,
		.ctx = m->ctx,
		.n_ranks = m->shard.n_ranks,
	};

	return m->be->scratch_bytes(m->be, &shape);
}

uint64_t work_bytes(struct model *m)
{
	struct piece pieces[N_PIECES];
	uint64_t sum = backend_scratch(m);

	work_pieces(m, pieces);
	for (int i = 0; i < N_PIECES; i++)
		sum += pieces[i].n * pieces[i].bytes;
	return sum;
}

/* What lies within other pieces. */
static void point_inside(struct model *m)
{
	struct work *k = &m->work;
	size_t rope = (size_t)m->max_rows * ROPE_DIM * sizeof(float);

	k->main.step = k->inputs + offsetof(struct inputs, main);
	k->draft.step = k->inputs + offsetof(struct inputs, draft);
	k->how = k->inputs + offsetof(struct inputs, how);
	k->cycle = k->inputs + offsetof(struct inputs, cycle);
	k->chain = k->inputs + offsetof(struct inputs, chain);
	k->accepted = k->record + offsetof(struct record, accepted);
	k->choices = k->record + offsetof(struct record, choices);
	k->main.ids = k->inputs + offsetof(struct inputs, ids);
	for (int kind = 0; kind < N_ROPE_KINDS; kind++)
		k->draft.rope[kind] = k->main.rope[kind] + rope;
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

int work_new(struct model *m, struct err *err)
{
	struct piece pieces[N_PIECES];
	int rc;

	work_pieces(m, pieces);
	m->buffers = calloc(N_PIECES, sizeof(*m->buffers));
	m->work.host_inputs = calloc(1, inputs_bytes(m));
	if (!m->buffers || !m->work.host_inputs)
		return err_nomem(err, "work area", inputs_bytes(m));
	for (int i = 0; i < N_PIECES; i++) {
		size_t bytes = pieces[i].n * pieces[i].bytes;
		enum memory_kind kind = pieces[i].kind ? pieces[i].kind : MEMORY_LAZY;

		rc = bytes ? m->be->alloc(m->be, bytes, kind, &m->buffers[i], err) : 0;

		if (rc)
			return rc;
		*pieces[i].at = m->buffers[i];
	}
	m->work_bytes = (int64_t)work_bytes(m);
	point_inside(m);
	rc = put_frequencies(m, err);
	return rc ? rc : spark_put_noise(m, err);
}

void work_release(struct model *m)
{
	for (int i = 0; m->buffers && i < N_PIECES; i++)
		m->be->free(m->be, m->buffers[i]);
	free(m->buffers);
	free(m->work.host_inputs);
}
