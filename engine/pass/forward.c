/*
 * One forward call: embedding, the layers, the head; then the draft head, one
 * position behind (its row for position p needs the token at p + 1).
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/pass/model_internal.h"

int run_linear(struct model *m, const struct weight *w, int n_tok, dbuf x, dbuf y, int out_f32,
	       struct err *err)
{
	struct linear_args args = {
		.n_tok = n_tok,
		.n_group = 1,
		.out_f32 = out_f32,
		.w = *w,
		.x = x,
		.y = y,
	};

	return m->be->ops->linear(m->be, &args, err);
}

/* Where row i of [rows, 4, d] streams begins. */
static dbuf streams_at(const struct model *m, dbuf x, size_t i)
{
	return x + i * HC_MULT * (size_t)m->cfg.dim * sizeof(float);
}

/* Positions, ids and rotary tables of n rows from pos0 on. */
static int set_rows(struct model *m, struct rows *r, int64_t pos0, const token_id *ids, int n,
		    struct err *err)
{
	struct step step = {.pos0 = pos0, .n_tok = n};
	int rc = m->be->put(m->be, r->step, &step, sizeof(step), err);

	r->n = n;
	if (!rc)
		rc = m->be->put(m->be, r->ids, ids, (size_t)n * sizeof(*ids), err);
	for (int kind = 0; !rc && kind < N_ROPE_KINDS; kind++) {
		struct rope_args rope = {
			.n_tok = n,
			.step = r->step,
			.freq = m->freq[kind],
			.out = r->rope[kind],
		};

		rc = m->be->ops->rope(m->be, &rope, err);
	}
	return rc;
}

/* Logits of n rows of streams, to the caller's memory. */
static int head(struct model *m, const struct hc_weights *hc, dbuf norm, dbuf x, int n,
		float *logits, struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	size_t vocab = (size_t)cfg->vocab;

	for (int i = 0; i < n; i += LOGIT_ROWS) {
		int rows = n - i < LOGIT_ROWS ? n - i : LOGIT_ROWS;
		struct mhc_head_args mix = {
			.n_tok = rows,
			.d = cfg->dim,
			.eps = cfg->hc_eps,
			.rms_eps = cfg->rms_eps,
			.x = streams_at(m, x, (size_t)i),
			.fn = hc->fn,
			.base = hc->base,
			.scale = hc->scale,
			.norm = norm,
			.out = m->work.u,
		};
		int rc = m->be->ops->mhc_head(m->be, &mix, err);

		if (!rc)
			rc = run_linear(m, &m->weights->head, rows, m->work.u, m->work.logits, 1,
					err);
		if (!rc)
			rc = m->be->get(m->be, logits + (size_t)i * vocab, m->work.logits,
					(size_t)rows * vocab * sizeof(float), err);
		if (rc)
			return rc;
	}
	return 0;
}

static int wanted_logits(struct model *m, const struct hc_weights *hc, dbuf norm, dbuf x, int n,
			 enum forward_want want, float *logits, struct err *err)
{
	size_t skip = 0;

	if (want == WANT_NONE || !logits || n == 0)
		return 0;
	if (want == WANT_LAST)
		skip = (size_t)n - 1;
	return head(m, hc, norm, streams_at(m, x, skip), n - (int)skip,
		    logits, err);
}

static int call_tap(struct model *m, int layer, int n, dbuf x, struct err *err)
{
	size_t bytes = (size_t)n * HC_MULT * (size_t)m->cfg.dim * sizeof(float);
	float *host;
	int rc;

	if (!m->tap)
		return 0;
	host = malloc(bytes);
	if (!host)
		return err_nomem(err, "streams", bytes);
	rc = m->be->get(m->be, host, x, bytes, err);
	if (!rc)
		m->tap(m->tap_ctx, layer, n, host);
	free(host);
	return rc;
}

/*
 * e = RMSNorm(embed[next]), x[j] = e_proj e + h_proj RMSNorm(X[j]); one layer; its own head.
 * `streams` are the main model's final ones of the draft rows.  `unseen`: nobody reads what
 * these rows come to, so they only enter the layer's window.
 */
static int draft_rows(struct seq *s, dbuf streams, bool unseen, enum forward_want want,
		      float *draft, struct err *err)
{
	struct model *m = s->m;
	const struct draft_weights *w = &m->weights->draft[0];
	const struct layer_cache *c = &s->layers[s->n_layers - 1];
	const struct ops *ops = m->be->ops;
	struct work *k = &m->work;
	const struct rows *r = &k->draft;
	int d = m->cfg.dim;
	struct embed_args embed = {
		.n_tok = r->n,
		.d = d,
		.n_copy = 1,
		.ids = r->ids,
		.table = m->weights->embed,
		.out = k->u,
	};
	struct rms_norm_args enorm = {
		.n_tok = r->n,
		.d = d,
		.eps = m->cfg.rms_eps,
		.x = k->u,
		.norm = w->enorm,
		.out = k->u,
	};
	struct rms_norm_args hnorm = {
		.n_tok = r->n * HC_MULT,
		.d = d,
		.x_f32 = 1,
		.eps = m->cfg.rms_eps,
		.x = streams,
		.norm = w->hnorm,
		.out = k->dh,
	};
	struct draft_join_args join = {
		.n_tok = r->n,
		.d = d,
		.e = k->y,
		.h = k->dx,
		.out = k->dx,
	};
	int rc = ops->embed(m->be, &embed, err);

	if (!rc)
		rc = ops->rms_norm(m->be, &enorm, err);
	if (!rc)
		rc = run_linear(m, &w->e_proj, r->n, k->u, k->y, 1, err);
	if (!rc)
		rc = ops->rms_norm(m->be, &hnorm, err);
	if (!rc)
		rc = run_linear(m, &w->h_proj, r->n * HC_MULT, k->dh, k->dx, 1, err);
	if (!rc)
		rc = ops->draft_join(m->be, &join, err);
	if (!rc)
		rc = layer_begin(m, &w->layer, r, k->dx, err);
	if (!rc && unseen)
		return layer_window(m, &w->layer, c, r, err);
	if (!rc)
		rc = layer_run(m, &w->layer, c, r, k->dx, NULL, err);
	if (!rc)
		rc = wanted_logits(m, &w->hc_head, w->norm, k->dx, r->n, want, draft, err);
	return rc;
}

static int draft_head(struct seq *s, const token_id *ids, int n, enum forward_want want,
		      float *draft, struct err *err)
{
	struct model *m = s->m;
	struct stream_ring_args ring = {
		.n_tok = n,
		.d = m->cfg.dim,
		.step = m->work.main.step,
		.x = m->work.x,
		.ring = s->streams,
	};
	int skip = s->len > 0 ? 0 : 1; /* row 0 is the position before this call's */
	bool unseen = (want == WANT_NONE || !draft) && m->weights->draft[0].layer.ratio == 0;
	int kept = m->cfg.window + SEQ_MAX_ROLLBACK;
	int rc = 0;

	if (n > skip) {
		rc = m->be->ops->stream_recall(m->be, &ring, err);
		/* No later row sees further back than its window. */
		if (unseen && n - skip > kept)
			skip = n - kept;
		if (!rc)
			rc = set_rows(m, &m->work.draft, s->len - 1 + skip, ids + skip, n - skip,
				      err);
		if (!rc)
			rc = draft_rows(s, streams_at(m, m->work.x, (size_t)skip), unseen, want,
					draft, err);
	}
	return rc ? rc : m->be->ops->stream_keep(m->be, &ring, err);
}

static int check_call(const struct seq *s, const token_id *ids, int n, struct err *err)
{
	const struct model *m = s->m;

	if (n < 1 || n > m->max_rows)
		BUG("forward call: row count");
	if (s->len + n > m->ctx)
		return err_set(err, ERR_LIMIT, "context: %lld tokens are all it holds",
			       (long long)m->ctx);
	for (int i = 0; i < n; i++) {
		if (ids[i] < 0 || ids[i] >= m->cfg.vocab)
			return err_set(err, ERR_USAGE,
				       "token id %ld at position %lld: expected 0 to %d",
				       (long)ids[i], (long long)(s->len + i), m->cfg.vocab - 1);
	}
	return 0;
}

int model_forward(struct seq *s, const token_id *ids, int n, enum forward_want want,
		  float *logits, float *draft, struct err *err)
{
	struct model *m = s->m;
	struct work *k = &m->work;
	const struct layer_weights *w = m->weights->layers;
	dbuf x = streams_at(m, k->x, 1);
	struct embed_args embed = {
		.n_tok = n,
		.d = m->cfg.dim,
		.n_copy = HC_MULT,
		.ids = k->main.ids,
		.table = m->weights->embed,
		.out_f32 = 1,
		.out = x,
	};
	int rc = check_call(s, ids, n, err);

	if (rc)
		return rc;
	m->clock.last = m->clock.on ? clock_s() : 0;
	rc = set_rows(m, &k->main, s->len, ids, n, err);
	if (!rc)
		rc = m->be->ops->embed(m->be, &embed, err);
	phase_mark(&m->clock, PHASE_START);
	k->main.pages = k->draft.pages = s->pages;
	if (!rc)
		rc = layer_begin(m, w, &k->main, x, err);
	for (int i = 0; !rc && i < m->cfg.n_layers; i++) {
		const struct layer_weights *next = i + 1 < m->cfg.n_layers ? &w[i + 1] : NULL;

		rc = layer_run(m, &w[i], &s->layers[i], &k->main, x, next, err);
		if (!rc)
			rc = call_tap(m, i, n, x, err);
	}
	if (!rc)
		rc = wanted_logits(m, &m->weights->hc_head, m->weights->norm, x, n, want, logits,
				   err);
	phase_mark(&m->clock, PHASE_HEAD);
	m->clock.drafting = true;
	if (!rc && m->has_draft)
		rc = draft_head(s, ids, n, want, draft, err);
	phase_mark(&m->clock, PHASE_DRAFT);
	m->clock.drafting = false;
	if (rc) {
		s->len = s->high = 0;
		return rc;
	}
	s->len += n;
	if (s->len > s->high)
		s->high = s->len;
	return 0;
}
