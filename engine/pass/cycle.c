/*
 * A cycle of drafting: tokens are drafted behind the next one, all are run in one pass, each
 * row's token is chosen with its position's noise, and drafts are accepted for as long as they
 * are what was chosen.  So what comes of it is what single steps give, token for token.
 *
 * On the device a cycle goes on from where the last one stopped (struct cycle): where the
 * caller does so too, nothing is put.  All of it is one run with one record; only where the head
 * says how sure it is, and the caller cuts the block by that, are drafts and rows a run each.
 */
#include <string.h>

#include "engine/base/clock.h"
#include "engine/pass/draft.h"
#include "engine/pass/model_internal.h"

/* ----------------------------------------------------------------------- run */

static int advance(struct model *m, int n_draft, struct err *err)
{
	const struct work *k = &m->work;
	const struct advance_args args = {
		.n_draft = n_draft,
		.cycle = k->cycle,
		.main = k->main.step,
		.keep = k->draft.step,
		.chain = k->chain,
		.ids = k->main.ids,
	};

	return m->be->ops->advance(m->be, &args, err);
}

int cycle_draft(struct model *m, const struct run_shape *s, struct err *err)
{
	int rc = advance(m, s->n_chain ? s->n_chain : s->n - 1, err);

	return rc || !s->n_chain ? rc : m->head->draft(m, s->n_chain, err);
}

int cycle_accept(struct model *m, const struct run_shape *s, struct err *err)
{
	const struct work *k = &m->work;
	const struct accept_args args = {
		.n_draft = s->n - 1,
		.ids = k->main.ids,
		.choices = k->choices,
		.cycle = k->cycle,
		.out = k->accepted,
	};

	return m->be->ops->accept(m->be, &args, err);
}

/* -------------------------------------------------------------- put and fetch */

static bool same_how(const struct sample_how *a, const struct sample_how *b)
{
	return a->temperature == b->temperature && a->top_p == b->top_p &&
	       a->min_p == b->min_p && a->seed == b->seed && a->top_k == b->top_k &&
	       a->n_choice == b->n_choice;
}

/* Where the device stands already, nothing is. */
static int put_cycle(struct model *m, const struct forward *f, struct err *err)
{
	struct inputs *in = m->work.host_inputs;
	const struct cycle c = {f->pos0, f->slot, f->ids[0]};

	if (m->work.in_cycle && in->cycle.pos == c.pos && in->cycle.slot == c.slot &&
	    in->cycle.next == c.next && same_how(&in->how, f->how))
		return 0;
	in->cycle = c;
	in->how = *f->how;
	return m->be->put(m->be, m->work.inputs, in, sizeof(*in), err);
}

static int fetch_cycle(struct model *m, const struct forward *f, struct err *err)
{
	struct forward_cycle *c = f->cycle;
	struct cycle *at = &m->work.host_inputs->cycle;
	struct record record;
	size_t n = (size_t)(1 + c->depth);
	int rc = m->be->get(m->be, &record, m->work.record,
			    offsetof(struct record, choices) + n * sizeof(record.choices[0]), err);

	if (!rc && f->logits)
		rc = fetch_logits(m, (int)n, (int)n, m->work.logits, f->logits, NULL, err);
	if (rc)
		return rc;
	c->n_accepted = record.accepted.n;
	memcpy(c->ids, record.accepted.ids, n * sizeof(c->ids[0]));
	if (model_leads(m))
		memcpy(f->choices, record.choices, n * sizeof(record.choices[0]));
	at->pos += 1 + c->n_accepted;
	at->next = record.choices[c->n_accepted].id;
	m->work.in_cycle = true;
	return 0;
}

/* The head has its row for the position before: its first draft came of that. */
static struct run_shape shape_of(const struct model *m, const struct forward *f)
{
	int depth = f->cycle->depth;

	return (struct run_shape){
		.n = 1 + depth,
		.n_draft = depth,
		.n_logits = 1 + depth,
		.n_top = f->n_top,
		.n_chain = depth,
		.cycle = true,
		.chooses = true,
		.marks = m->clock.on,
	};
}

/* Drafts in a run of their own, and of them as many as are worth a row. */
static int draft_and_cut(struct model *m, struct forward_cycle *c, struct err *err)
{
	struct run run = {
		.m = m,
		.shape = {.n_chain = c->depth, .marks = m->clock.on},
	};
	struct accepted a;
	int rc = run_issue(&run, err);

	if (!rc && model_leads(m))
		rc = m->be->get(m->be, &a, m->work.accepted, sizeof(a), err);
	if (!rc && model_leads(m))
		c->depth = c->cut(c->cut_ctx, a.confidence, c->depth);
	return rc ? rc : ranks_follow(m, &c->depth, sizeof(c->depth), err);
}

/* No draft is worth a row. */
static int without_drafts(struct model *m, const struct forward *f, struct err *err)
{
	struct forward alone = *f;

	alone.cycle = NULL;
	f->cycle->n_accepted = 0;
	f->cycle->ids[0] = f->ids[0];
	return model_forward(m, &alone, err);
}

int cycle_forward(struct model *m, const struct forward *f, struct err *err)
{
	struct run run = {.m = m};
	bool cuts = m->head->is_sure && f->cycle->cut;
	int rc = put_cycle(m, f, err);

	m->work.in_cycle = false;
	if (!rc && cuts)
		rc = draft_and_cut(m, f->cycle, err);
	if (rc)
		return rc;
	if (!f->cycle->depth)
		return without_drafts(m, f, err);
	run.shape = shape_of(m, f);
	if (cuts)
		run.shape.n_chain = 0;
	rc = run_issue(&run, err);
	return rc ? rc : fetch_cycle(m, f, err);
}

int model_draft(struct model *m, struct drafts *d, struct err *err)
{
	const struct forward at = {.slot = d->slot, .pos0 = d->pos0, .ids = &d->next, .how = d->how};
	struct run run = {.m = m, .shape = {.n_chain = d->n, .marks = m->clock.on}};
	size_t n = (size_t)d->n, vocab = (size_t)m->cfg.vocab;
	struct backend *be = m->be;
	int rc;

	if (!m->head || d->n < 1 || d->n > model_draft_most(m) || d->pos0 < 1 ||
	    (d->logits && !model_drafts_blocks(m)))
		BUG("drafts alone");
	if (d->next < 0 || d->next >= m->cfg.vocab)
		return err_set(err, ERR_USAGE, "token id %ld to draft after: expected 0 to %d",
			       (long)d->next, m->cfg.vocab - 1);
	m->clock.last = m->clock.on ? clock_s() : 0;
	rc = put_cycle(m, &at, err);
	m->work.in_cycle = false;
	if (!rc)
		rc = run_issue(&run, err);
	if (rc || !model_leads(m))
		return rc;
	rc = be->get(be, d->ids, m->work.main.ids + sizeof(int32_t), n * sizeof(d->ids[0]), err);
	if (!rc)
		rc = be->get(be, d->sure, m->work.accepted + offsetof(struct accepted, confidence),
			     n * sizeof(d->sure[0]), err);
	if (!rc && d->logits)
		rc = be->get(be, d->logits, m->work.draft_logits, n * vocab * sizeof(float), err);
	return rc;
}
