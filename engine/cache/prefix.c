/* What of a prompt is held already, and where the next one may part from it. */
#include "engine/cache/prefix.h"

int prefix_open(struct prefix *p, struct model *m, token_id user, token_id assistant,
		struct err *err)
{
	*p = (struct prefix){.m = m, .user = user, .assistant = assistant};
	frontier_set_init(&p->frontiers, m);
	return seq_new(&p->seq, m, err);
}

void prefix_release(struct prefix *p)
{
	frontier_set_release(&p->frontiers);
	seq_free(p->seq);
	tokens_release(&p->held);
	*p = (struct prefix){0};
}

int64_t prefix_len(const struct prefix *p)
{
	return seq_len(p->seq);
}

static int64_t common_prefix(const struct tokens *held, const token_id *ids, int64_t n)
{
	int64_t i = 0;

	while (i < (int64_t)held->n && i < n && held->ids[i] == ids[i])
		i++;
	return i;
}

int64_t prefix_begin(struct prefix *p, const token_id *ids, int64_t n, struct err *err)
{
	int64_t common = common_prefix(&p->held, ids, n);
	int64_t keep = common < n ? common : common - 1;
	const struct frontier *back;
	int rc = 0;

	/* What comes after is about to be written anew. */
	frontier_set_cut(&p->frontiers, common);
	back = frontier_set_find(&p->frontiers, keep);
	if (keep >= seq_floor(p->seq))
		rc = seq_truncate(p->seq, keep, err);
	else if (back)
		rc = seq_restore(p->seq, back, err);
	else
		rc = seq_truncate(p->seq, 0, err);
	p->held.n = (size_t)seq_len(p->seq);
	places_init(&p->places, ids, n, p->user, p->assistant);
	return rc ? rc : seq_len(p->seq);
}

static int64_t last_frontier(const struct prefix *p)
{
	const struct frontier *f = frontier_set_last(&p->frontiers);

	return f ? frontier_len(f) : 0;
}

int64_t prefix_next(const struct prefix *p)
{
	int64_t at = seq_len(p->seq), n = p->places.n, chunk = model_prefill_chunk(p->m);
	int64_t end = n - at < chunk ? n : at + chunk;
	int64_t place = places_next(&p->places, at, last_frontier(p));

	/* Nearer to the end than that, its frontier can be taken afterwards. */
	return end - place > SEQ_MAX_ROLLBACK ? place : end;
}

/* The frontiers that a call from `from` on has reached. */
static void keep_frontiers(struct prefix *p, int64_t from)
{
	int64_t at = seq_len(p->seq);
	int64_t place = from;

	if (from >= p->places.n)
		return;
	while ((place = places_next(&p->places, place, last_frontier(p))) <= at &&
	       place < p->places.n)
		frontier_set_keep(&p->frontiers, p->seq, place);
	if (at - last_frontier(p) >= PLACE_EVERY)
		frontier_set_keep(&p->frontiers, p->seq, at);
}

int prefix_run(struct prefix *p, struct forward call, struct err *err)
{
	int64_t from = seq_len(p->seq);
	int rc;

	/* Room first, for what may be drafted as well: after the call there must be no way to
	 * fail. */
	tokens_add_all(&p->held, call.ids, (size_t)call.n);
	for (int i = call.n; i < forward_rows(&call); i++)
		tokens_add(&p->held, -1);
	if (tokens_failed(&p->held)) {
		p->held.n = (size_t)from;
		p->held.failed = false;
		return err_nomem(err, "token ids",
				 (unsigned long long)forward_rows(&call) * sizeof(*call.ids));
	}
	rc = seq_run(p->seq, call, err);
	for (int i = 1; !rc && call.cycle && i <= call.cycle->n_accepted; i++)
		p->held.ids[from + i] = call.cycle->ids[i];
	/* Some failures leave the sequence empty. */
	p->held.n = (size_t)seq_len(p->seq);
	if (!rc)
		keep_frontiers(p, from);
	return rc;
}

int prefix_roll_back(struct prefix *p, int64_t len, struct err *err)
{
	int rc = seq_truncate(p->seq, len, err);

	p->held.n = (size_t)seq_len(p->seq);
	return rc;
}

void prefix_end(struct prefix *p)
{
	frontier_set_keep(&p->frontiers, p->seq, seq_len(p->seq));
	places_init(&p->places, NULL, 0, p->user, p->assistant);
}
