/*
 * What is cut by vocabulary: a rank has some rows of the embedding and of the head.
 *
 * A row of the embedding is the sum of what the ranks have of it: the row of one, and 0 of the
 * others.  Logits are gathered, all of them on every rank, before a token is chosen: so the
 * choice is the one of a single rank, whatever is asked of it, and each rank makes it for itself.
 * It costs a crossing for each row: of 129280 logits two GPUs send each other half, as words of
 * 8 bytes 1.3 us at 396 GB/s (on paper).
 */
#include "engine/pass/model_internal.h"

int run_embed(struct model *m, dbuf ids, int n, int n_copy, dbuf out, struct err *err)
{
	const struct embed_args args = {
		.n_tok = n,
		.d = m->cfg.dim,
		.n_copy = n_copy,
		.first = m->shard.part[SHARD_VOCAB].first,
		.n_row = m->shard.part[SHARD_VOCAB].count,
		.ids = ids,
		.table = m->weights->embed,
		.out_f32 = 1,
		.out = out,
	};
	int rc = m->be->ops->embed(m->be, &args, err);

	return rc ? rc
		  : ranks_sum(m, PHASE_START, out,
			      (size_t)n * (size_t)n_copy * (size_t)m->cfg.dim, err);
}

int head_part(struct model *m, int n, dbuf logits, struct err *err)
{
	return run_linear(m, &m->weights->head, n, m->work.u, part_of(m, logits), 1, err);
}

int run_logits(struct model *m, int n, dbuf logits, struct err *err)
{
	int rc = head_part(m, n, logits, err);

	return rc ? rc : ranks_gather(m, n, part_of(m, logits), logits, err);
}
