/* Where the ranks of a pass meet. */
#include "engine/pass/model_internal.h"

int ranks_sum(struct model *m, enum phase after, dbuf x, size_t n, struct err *err)
{
	int rc;

	if (!m->comm)
		return 0;
	m->clock.n_sums++;
	rc = phase_mark(m, after, err);
	if (!rc)
		rc = m->comm->ops->all_reduce(m->comm, x, n, err);
	return rc ? rc : phase_mark(m, PHASE_RANKS, err);
}

int ranks_gather(struct model *m, int n, dbuf part, dbuf out, struct err *err)
{
	const struct gather_args args = {
		.n_row = n,
		.first = m->shard.part[SHARD_VOCAB].first,
		.count = m->shard.part[SHARD_VOCAB].count,
		.total = m->shard.part[SHARD_VOCAB].of,
		.in = part,
		.out = out,
	};
	int rc;

	if (!m->comm)
		return 0;
	rc = phase_mark(m, PHASE_HEAD, err);
	if (!rc)
		rc = m->comm->ops->gather(m->comm, &args, err);
	return rc ? rc : phase_mark(m, PHASE_RANKS, err);
}

int ranks_settle(struct model *m, struct err *err)
{
	return m->comm ? m->comm->ops->settle(m->comm, err) : 0;
}

int ranks_follow(struct model *m, void *p, size_t bytes, struct err *err)
{
	return m->comm ? m->comm->ops->broadcast(m->comm, p, bytes, err) : 0;
}
