/*
 * The block drafter: stages in place of the one-token draft head.
 *
 * Of every known position each stage has a window row, made of what the target layers left there:
 * the means of their streams, joined, projected and normed.  Nothing else of a stage runs for
 * known positions; so the rows depend on the position's own streams alone, however it came in.
 *
 * A block is drafted after the last known position: the next token and noise behind it go through
 * the stages as rows that see each other and the window.  Their own rows stand in the rings until
 * the positions become known, where no known position's row sees them.  Then each position's
 * logits get what the token before says of them, one after another.
 */
#include "engine/pass/draft.h"
#include "engine/pass/model_internal.h"

int spark_block(const struct model *m)
{
	return m->n_stages ? m->cfg.spark.block_size : 0;
}

int spark_check(const struct model *m, struct err *err)
{
	const struct ops *ops = m->be->ops;
	const char *lacks = !ops->stream_mean       ? "stream_mean"
			    : !ops->block_attention ? "block_attention"
			    : !ops->mhc_head_sum    ? "mhc_head_sum"
			    : !ops->markov          ? "markov"
						    : NULL;

	if (!m->n_stages || !lacks)
		return 0;
	return err_set(err, ERR_MODEL,
		       "draft stages (dspark_block_size): %s cannot compute them: no operation %s",
		       m->caps.name, lacks);
}

/* ------------------------------------------------------------ known positions */

/* Which of the target layers this is; -1: none. */
static int target_of(const struct spark_config *c, int layer)
{
	for (int i = 0; i < c->n_targets; i++)
		if (c->target_layer[i] == layer)
			return i;
	return -1;
}

/* No later block sees further back than its window. */
static int n_kept(const struct model *m, int n)
{
	int most = m->cfg.window + SEQ_MAX_ROLLBACK;

	return n < most ? n : most;
}

int spark_gather(struct model *m, int layer, int n, struct err *err)
{
	const struct spark_config *c = &m->cfg.spark;
	int target = m->n_stages ? target_of(c, layer) : -1, kept = n_kept(m, n);
	struct stream_mean_args mean = {
		.n_tok = kept,
		.d = m->cfg.dim,
		.n_part = c->n_targets,
		.at = target,
		.x = streams_at(m, m->work.x, 1 + n - kept),
		.out = m->work.means,
	};

	return target < 0 ? 0 : m->be->ops->stream_mean(m->be, &mean, err);
}

/* means → u */
static int join_means(struct model *m, int n, struct err *err)
{
	const struct draft_weights *first = &m->weights->draft[0];
	struct work *k = &m->work;
	struct rms_norm_args norm = {
		.n_tok = n,
		.d = m->cfg.dim,
		.x_f32 = 1,
		.eps = m->cfg.rms_eps,
		.x = k->y,
		.norm = first->main_norm,
		.out = k->u,
	};
	int rc = run_linear(m, &first->main_proj, n, k->means, k->y, 1, err);

	return rc ? rc : m->be->ops->rms_norm(m->be, &norm, err);
}

static struct layer_cache *cache_of(const struct model *m, int stage)
{
	return &m->caches[m->cfg.n_layers + stage];
}

/* A cycle's drafts among the rows are known as far as they are accepted; the rest is rewritten. */
static int follow(struct model *m, const struct run_shape *s, struct err *err)
{
	const struct work *k = &m->work;
	const int n = n_kept(m, s->n), skipped = s->n - n;
	const struct rows known = {
		.n = n,
		.step = skipped ? k->draft.step : k->main.step,
		.rope[ROPE_PLAIN] = k->main.rope[ROPE_PLAIN] +
				    (size_t)skipped * ROPE_DIM * sizeof(float),
	};
	int rc = join_means(m, n, err);

	for (int i = 0; !rc && i < m->n_stages; i++)
		rc = layer_window(m, &m->weights->draft[i].layer, cache_of(m, i), &known, err);
	return rc;
}

/* -------------------------------------------------------------------- a block */

int spark_put_noise(struct model *m, struct err *err)
{
	int32_t ids[LOGIT_ROWS];
	size_t n = (size_t)spark_block(m);

	for (size_t i = 0; i < n; i++)
		ids[i] = m->cfg.spark.noise_token;
	return n ? m->be->put(m->be, m->work.block_ids, ids, n * sizeof(*ids), err) : 0;
}

/* Rotary table and streams of the block's rows. */
static int block_inputs(struct model *m, const struct rows *r, struct err *err)
{
	int rc = m->be->copy(m->be, r->ids, m->work.main.ids, sizeof(int32_t), err);

	if (!rc)
		rc = rope_tables(m, r, err);
	return rc ? rc : run_embed(m, r->ids, r->n, HC_MULT, m->work.dx, err);
}

static int block_stages(struct model *m, const struct rows *r, struct err *err)
{
	const struct draft_weights *w = m->weights->draft;
	int rc = layer_begin(m, &w[0].layer, r, m->work.dx, err);

	for (int i = 0; !rc && i < m->n_stages; i++) {
		const struct layer_weights *next = i + 1 < m->n_stages ? &w[i + 1].layer : NULL;

		rc = layer_run(m, &w[i].layer, cache_of(m, i), r, m->work.dx, next, err);
	}
	return rc;
}

/* dx → y, before the norm, and the rank's part of the logits without what the tokens before say. */
static int block_head(struct model *m, const struct rows *r, struct err *err)
{
	const struct draft_weights *last = &m->weights->draft[m->n_stages - 1];
	struct work *k = &m->work;
	struct mhc_head_args sum = {
		.n_tok = r->n,
		.d = m->cfg.dim,
		.eps = m->cfg.hc_eps,
		.rms_eps = m->cfg.rms_eps,
		.x = k->dx,
		.fn = last->hc_head.fn,
		.base = last->hc_head.base,
		.scale = last->hc_head.scale,
		.out = k->y,
	};
	struct rms_norm_args norm = {
		.n_tok = r->n,
		.d = m->cfg.dim,
		.x_f32 = 1,
		.eps = m->cfg.rms_eps,
		.x = k->y,
		.norm = last->norm,
		.out = k->u,
	};
	int rc = m->be->ops->mhc_head_sum(m->be, &sum, err);

	if (!rc)
		rc = m->be->ops->rms_norm(m->be, &norm, err);
	return rc ? rc : head_part(m, r->n, k->draft_logits, err);
}

/* What the token before says of row i; then its own. */
static int block_choose(struct model *m, const struct rows *r, int i, struct err *err)
{
	const struct draft_weights *last = &m->weights->draft[m->n_stages - 1];
	const struct model_config *cfg = &m->cfg;
	struct work *k = &m->work;
	const size_t row = (size_t)i * sizeof(float), d = (size_t)cfg->dim;
	const size_t part = (size_t)model_part(m, SHARD_VOCAB);
	const struct markov_args markov = {
		.vocab = model_part(m, SHARD_VOCAB),
		.d = cfg->dim,
		.rank = cfg->spark.markov_rank,
		.before = k->main.ids + (size_t)i * sizeof(int32_t),
		.w1 = last->markov_w1,
		.w2 = last->markov_w2,
		.proj = last->confidence,
		.x = k->y + row * d,
		.logits = part_of(m, k->draft_logits) + row * part,
		.confidence = k->accepted + offsetof(struct accepted, confidence) + row,
	};
	const struct sample_args sample = {
		.n_tok = 1,
		.vocab = cfg->vocab,
		.first = i,
		.step = r->step,
		.how = k->how,
		.logits = k->draft_logits + row * (size_t)cfg->vocab,
		.out = k->draft_choice,
	};
	const struct draft_take_args take = {
		.choice = k->draft_choice,
		.id = markov.before + sizeof(int32_t),
	};
	int rc = m->be->ops->markov(m->be, &markov, err);

	if (!rc)
		rc = ranks_gather(m, 1, markov.logits, sample.logits, err);
	if (!rc)
		rc = m->be->ops->sample(m->be, &sample, err);
	return rc ? rc : m->be->ops->draft_take(m->be, &take, err);
}

/* The whole block runs, however many of its tokens are wanted: its rows see each other. */
static int draft(struct model *m, int n, struct err *err)
{
	const struct work *k = &m->work;
	const struct rows r = {
		.n = spark_block(m),
		.block = true,
		.step = k->main.step,
		.ids = k->block_ids,
		.rope = {k->draft.rope[0], k->draft.rope[1]},
	};
	int rc = block_inputs(m, &r, err);

	if (!rc)
		rc = block_stages(m, &r, err);
	if (!rc)
		rc = block_head(m, &r, err);
	for (int i = 0; !rc && i < n; i++)
		rc = block_choose(m, &r, i, err);
	return rc;
}

const struct draft_head draft_spark = {
	.most = DRAFT_MAX,
	.is_sure = true,
	.follow = follow,
	.draft = draft,
};
