/*
 * Ranks of which some have a GPU in common.
 *
 * A kernel that waited there for one of another rank could keep it from running.  So nothing on
 * a device waits for what is not issued: a rank copies what it brings into its mailbox, and
 * records an event behind that; the hosts meet; and each stream waits for the others' events
 * before it reads their mailboxes.  A run of several such calls is issued, not recorded, since
 * the hosts meet in it (graph.c).
 *
 * There are two mailboxes, used in turns: a rank writes to one again at the second call from
 * now, behind an event of the next one of every rank, which that records behind its reading.
 */
#include "kernels/cuda/comm.h"

/* Of rank q, at this turn; its memory is that of an inbox. */
static float *box_of(const struct cuda_comm *k, int q, unsigned turn)
{
	return (float *)(void *)k->view.inbox[q] + (size_t)turn * PEER_VALUES;
}

int mailbox_open(struct cuda_comm *k, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++)
		rc = cuda_fail(cudaEventCreateWithFlags(&k->posted[i], cudaEventDisableTiming),
			       "mailbox of a rank", err);
	return rc;
}

void mailbox_close(struct cuda_comm *k)
{
	for (int i = 0; i < 2; i++)
		if (k->posted[i])
			(void)cudaEventDestroy(k->posted[i]);
}

/* What this rank brings, n values, none where that is 0; then *v is what all have brought. */
static int exchange(struct cuda_comm *k, const float *x, size_t n, struct mail_view *v,
		    struct err *err)
{
	const unsigned turn = k->n_said++ & 1;
	cudaStream_t stream = k->c->stream;
	int rc = 0;

	k->c->behind_other = 1;
	if (n)
		rc = cuda_fail(cudaMemcpyAsync(box_of(k, k->base.rank, turn), x,
					       n * sizeof(*x), cudaMemcpyDefault, stream),
			       "mailbox of a rank", err);
	if (!rc)
		rc = cuda_fail(cudaEventRecord(k->posted[turn], stream), "mailbox of a rank",
			       err);
	if (!rc)
		rc = comm_meet(k, err);
	*v = (struct mail_view){.rank = k->base.rank, .n_ranks = k->base.n_ranks};
	for (int q = 0; q < v->n_ranks && !rc; q++) {
		v->box[q] = box_of(k, q, turn);
		if (q != v->rank)
			rc = cuda_fail(cudaStreamWaitEvent(stream,
							   k->group->end[q].posted[turn], 0),
				       "mailbox of a rank", err);
	}
	return rc;
}

int mailbox_sum(struct cuda_comm *k, float *x, size_t n, struct err *err)
{
	int rc = 0;

	for (size_t at = 0; at < n && !rc; at += PEER_VALUES) {
		size_t now = n - at < PEER_VALUES ? n - at : PEER_VALUES;
		struct mail_view v;

		rc = exchange(k, x + at, now, &v, err);
		if (!rc)
			rc = k->c->target->mail_sum(k->c, &v, x + at, now, err);
	}
	return rc;
}

int mailbox_gather(struct cuda_comm *k, const struct gather_args *a, struct err *err)
{
	const float *in = (const float *)(const void *)a->in;
	size_t own = (size_t)a->n_row * (size_t)a->count;
	size_t all = longest_part(a, k->base.n_ranks);
	int rc = 0;

	for (size_t at = 0; at < all && !rc; at += PEER_VALUES) {
		size_t left = at < own ? own - at : 0;
		struct mail_view v;

		rc = exchange(k, in + at, left < PEER_VALUES ? left : PEER_VALUES, &v, err);
		if (!rc)
			rc = k->c->target->mail_gather(
				k->c, &v, a, at, all - at < PEER_VALUES ? all - at : PEER_VALUES,
				err);
	}
	return rc;
}
