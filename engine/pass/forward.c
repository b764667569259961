/*
 * One call of the model: what changes is put, a run issues operations alone, results are
 * fetched.
 *
 * The run: rotary tables, embedding, the layers, the head and the choices; then what the draft
 * head keeps of these positions.  Its operations follow from its shape alone, so a backend may
 * record them under a key made of that.  Logits of more rows than the head makes at once, which
 * only measuring asks for, are issued behind it.  Calls that draft: cycle.c.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/pass/draft.h"
#include "engine/pass/model_internal.h"

static uint64_t key_of(const struct run_shape *s)
{
	uint64_t key = (uint64_t)s->n;

	key = key << 16 | (uint64_t)s->n_draft;
	key = key << 8 | (uint64_t)s->n_logits;
	key = key << 8 | (uint64_t)s->n_draft_logits;
	key = key << 8 | (uint64_t)s->n_top;
	key = key << 4 | (uint64_t)s->n_chain;
	return key << 4 | (uint64_t)s->cycle << 3 | (uint64_t)s->chooses << 2 |
	       (uint64_t)s->draft_whole << 1 | (uint64_t)s->marks;
}

/* ----------------------------------------------------------------------- run */

int rope_tables(struct model *m, const struct rows *r, struct err *err)
{
	int rc = 0;

	for (int kind = 0; !rc && kind < N_ROPE_KINDS; kind++) {
		struct rope_args rope = {
			.n_tok = r->n,
			.step = r->step,
			.freq = m->freq[kind],
			.out = r->rope[kind],
		};

		rc = m->be->ops->rope(m->be, &rope, err);
	}
	return rc;
}

int run_head(struct model *m, const struct hc_weights *hc, dbuf norm, dbuf x, int n, dbuf logits,
	     struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	struct mhc_head_args mix = {
		.n_tok = n,
		.d = cfg->dim,
		.eps = cfg->hc_eps,
		.rms_eps = cfg->rms_eps,
		.x = x,
		.fn = hc->fn,
		.base = hc->base,
		.scale = hc->scale,
		.norm = norm,
		.out = m->work.u,
	};
	int rc = m->be->ops->mhc_head(m->be, &mix, err);

	return rc ? rc : run_logits(m, n, logits, err);
}

static int main_head(struct model *m, int from, int n, struct err *err)
{
	return run_head(m, &m->weights->hc_head, m->weights->norm,
			streams_at(m, m->work.x, 1 + from), n, m->work.logits, err);
}

static int choose(struct model *m, const struct run_shape *s, struct err *err)
{
	struct sample_args args = {
		.n_tok = s->n_logits,
		.vocab = m->cfg.vocab,
		.first = s->n - s->n_logits,
		.n_top = s->n_top,
		.step = m->work.main.step,
		.how = m->work.how,
		.logits = m->work.logits,
		.out = m->work.choices,
	};

	return m->be->ops->sample(m->be, &args, err);
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

static int main_rows(struct model *m, const struct run_shape *s, struct err *err)
{
	const struct rows *r = &m->work.main;
	const struct layer_weights *w = m->weights->layers;
	dbuf x = streams_at(m, m->work.x, 1);
	int rc = rope_tables(m, r, err);

	if (!rc)
		rc = run_embed(m, r->ids, s->n, HC_MULT, x, err);
	if (!rc)
		rc = phase_mark(m, PHASE_START, err);
	if (!rc)
		rc = layer_begin(m, w, r, x, err);
	for (int i = 0; !rc && i < m->cfg.n_layers; i++) {
		const struct layer_weights *next = i + 1 < m->cfg.n_layers ? &w[i + 1] : NULL;

		rc = layer_run(m, &w[i], &m->caches[i], r, x, next, err);
		if (!rc)
			rc = spark_gather(m, i, s->n, err);
		if (!rc)
			rc = call_tap(m, i, s->n, x, err);
	}
	if (!rc && s->n_logits)
		rc = main_head(m, s->n - s->n_logits, s->n_logits, err);
	if (!rc && s->chooses)
		rc = choose(m, s, err);
	return rc ? rc : phase_mark(m, PHASE_HEAD, err);
}

/* All of the draft head counts as one phase. */
static int drafting(struct model *m, const struct run_shape *s,
		    int (*what)(struct model *m, const struct run_shape *s, struct err *err),
		    struct err *err)
{
	int rc;

	m->clock.drafting = true;
	rc = what(m, s, err);
	if (!rc)
		rc = phase_mark(m, PHASE_DRAFT, err);
	m->clock.drafting = false;
	return rc;
}

static int run_body(void *ctx, struct err *err)
{
	const struct run *run = ctx;
	struct model *m = run->m;
	const struct run_shape *s = &run->shape;
	int rc = 0;

	if (s->n_chain || s->cycle)
		rc = drafting(m, s, cycle_draft, err);
	if (rc || !s->n)
		return rc;
	m->work.main.n = s->n;
	rc = main_rows(m, s, err);
	if (!rc && m->head)
		rc = drafting(m, s, m->head->follow, err);
	return rc || !s->cycle ? rc : cycle_accept(m, s, err);
}

/*
 * Decode, verification and whole chunks come again and again.  A prompt's last chunk has whatever
 * length: recorded, it would hardly be replayed.
 */
static bool comes_again(const struct model *m, int n)
{
	return n <= LOGIT_ROWS || n == m->chunk;
}

/* What a tap sees is fetched in between, so that with one nothing is recorded. */
int run_issue(struct run *run, struct err *err)
{
	struct backend *be = run->m->be;

	if (be->run && !run->m->tap && comes_again(run->m, run->shape.n))
		return be->run(be, key_of(&run->shape), run_body, run, err);
	/* Ranks begin a run together, and only when it is issued whole. */
	if (be->run && run->m->comm)
		return be->run(be, RUN_ONCE, run_body, run, err);
	return run_body(run, err);
}

/* --------------------------------------------------------------- put and fetch */

/* How many rows of n have logits. */
static int wanted(enum forward_want want, const void *to, int n)
{
	if (!to || want == WANT_NONE)
		return 0;
	return want == WANT_LAST && n > 1 ? 1 : n;
}

static int most_at_once(int n)
{
	return n > LOGIT_ROWS ? 0 : n;
}

static struct run_shape shape_of(const struct model *m, const struct forward *f)
{
	/* No later row of a draft sees further back than its window. */
	const int kept = m->cfg.window + SEQ_MAX_ROLLBACK;
	struct run_shape s = {
		.n = f->n,
		.n_logits = most_at_once(
			wanted(f->want, f->choices ? (void *)f->choices : f->logits, f->n)),
		.chooses = f->choices && f->want != WANT_NONE,
		.marks = m->clock.on,
	};

	s.n_top = s.chooses ? f->n_top : 0;
	if (m->n_stages)
		s.n_draft = f->n < kept ? f->n : kept;
	if (m->has_draft) {
		int n_logits;

		s.n_draft = f->pos0 > 0 ? f->n : f->n - 1;
		n_logits = wanted(f->want, f->draft, s.n_draft);
		s.draft_whole = n_logits || m->weights->draft[0].layer.ratio != 0;
		s.n_draft_logits = most_at_once(n_logits);
		if (!s.draft_whole && s.n_draft > kept)
			s.n_draft = kept;
	}
	return s;
}

static int put_inputs(struct model *m, const struct forward *f, const struct run_shape *s,
		      struct err *err)
{
	struct inputs *in = m->work.host_inputs;

	in->main = (struct step){f->pos0, f->n, f->slot};
	/* The one-token head is a position behind. */
	in->draft = (struct step){f->pos0 - m->has_draft + f->n - s->n_draft, s->n_draft, f->slot};
	in->how = f->how ? *f->how : (struct sample_how){0};
	m->work.in_cycle = false;
	memcpy(in->ids, f->ids, (size_t)f->n * sizeof(*f->ids));
	return m->be->put(m->be, m->work.inputs, in,
			  sizeof(*in) + (size_t)f->n * sizeof(*in->ids), err);
}

int fetch_logits(struct model *m, int n, int n_made, dbuf from, float *logits,
		 int (*make)(struct model *, int, int, struct err *), struct err *err)
{
	size_t row = (size_t)m->cfg.vocab;

	for (int i = 0; i < n; i += LOGIT_ROWS) {
		int rows = n - i < LOGIT_ROWS ? n - i : LOGIT_ROWS;
		int rc = n_made ? 0 : make(m, i, rows, err);

		if (!rc && model_leads(m))
			rc = m->be->get(m->be, logits + (size_t)i * row, from,
					(size_t)rows * row * sizeof(float), err);
		if (rc)
			return rc;
	}
	return 0;
}

static int fetch(struct model *m, const struct forward *f, const struct run_shape *s,
		 struct err *err)
{
	struct work *k = &m->work;
	int rc = 0;

	if (s->chooses && model_leads(m))
		rc = m->be->get(m->be, f->choices, k->choices,
				(size_t)s->n_logits * sizeof(*f->choices), err);
	if (!rc)
		rc = fetch_logits(m, wanted(f->want, f->logits, s->n), s->n_logits, k->logits,
				  f->logits, main_head, err);
	if (!rc && s->draft_whole)
		rc = fetch_logits(m, wanted(f->want, f->draft, s->n_draft), s->n_draft_logits,
				  k->draft_logits, f->draft, draft_block_logits, err);
	return rc;
}

int model_check(const struct model *m, const struct forward *f, struct err *err)
{
	if (f->n < 1 || f->n > m->max_rows)
		BUG("forward call: row count");
	if (f->choices && (!f->how || f->n_top < 0 || f->n_top > SAMPLE_TOP ||
			   (f->want == WANT_ALL && f->n > LOGIT_ROWS)))
		BUG("forward call: choices");
	if (f->cycle && (!m->head || f->n != 1 || f->pos0 < 1 || !f->choices || f->draft ||
			 f->want != WANT_ALL || f->cycle->depth < 1 ||
			 f->cycle->depth > model_draft_most(m)))
		BUG("forward call: cycle");
	if (f->pos0 + forward_rows(f) > m->ctx)
		return err_set(err, ERR_LIMIT, "context: %lld tokens are all it holds",
			       (long long)m->ctx);
	for (int i = 0; i < f->n; i++) {
		if (f->ids[i] < 0 || f->ids[i] >= m->cfg.vocab)
			return err_set(err, ERR_USAGE,
				       "token id %ld at position %lld: expected 0 to %d",
				       (long)f->ids[i], (long long)(f->pos0 + i),
				       m->cfg.vocab - 1);
	}
	return 0;
}

int model_forward(struct model *m, const struct forward *f, struct err *err)
{
	struct run run = {.m = m};
	int rc;

	m->clock.last = m->clock.on ? clock_s() : 0;
	if (f->cycle)
		return cycle_forward(m, f, err);
	run.shape = shape_of(m, f);
	rc = put_inputs(m, f, &run.shape, err);
	if (!rc)
		rc = run_issue(&run, err);
	return rc ? rc : fetch(m, f, &run.shape, err);
}
