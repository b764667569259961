/*
 * Ranks that are GPUs of one host and threads of this process.
 *
 * What they add up and gather goes from GPU to GPU (peer.cu); what their hosts say to each
 * other, and who has failed, is the threads' own (kernels/comm/loopback.c).  A kernel that
 * waits for another GPU looks at two words of host memory now and then: that somebody has
 * failed, and that somebody did not come in time.
 */
#include "kernels/cuda/private.h"

#include <stdlib.h>

struct cuda_comm {
	struct comm base; /* first: a struct comm * is a struct cuda_comm * */
	struct group *group;
	struct cuda *c;
	struct comm *host; /* its end among the threads */
	struct peer_view view;
	uint32_t *counts; /* turn, done: on this GPU */
};

/* Host memory that every GPU sees. */
struct words {
	uint32_t poisoned;
	uint32_t missing[PEER_MAX]; /* as each rank found it */
};

struct group {
	int n;
	struct words *words;
	struct cuda_comm end[];
};

/* Two inboxes, which are used in turns. */
size_t comm_bytes(int n_ranks)
{
	return n_ranks > 1 ? 2 * (size_t)n_ranks * PEER_VALUES * sizeof(uint64_t) : 0;
}

static struct cuda_comm *comm_of(struct comm *c)
{
	return (struct cuda_comm *)c;
}

static int on_device(const struct cuda_comm *k, struct err *err)
{
	return cuda_fail(cudaSetDevice(k->c->device), "device", err);
}

/* ------------------------------------------------------------------------- calls */

static int all_reduce(struct comm *c, dbuf x, size_t n, struct err *err)
{
	struct cuda_comm *k = comm_of(c);
	int rc = 0;

	for (size_t at = 0; at < n && !rc; at += PEER_VALUES)
		rc = k->c->target->peer_sum(k->c, &k->view, (float *)(void *)x + at,
					    n - at < PEER_VALUES ? n - at : PEER_VALUES, err);
	return rc;
}

static int gather(struct comm *c, const struct gather_args *a, struct err *err)
{
	struct cuda_comm *k = comm_of(c);

	return k->c->target->peer_gather(k->c, &k->view, a, err);
}

static int broadcast(struct comm *c, void *p, size_t bytes, struct err *err)
{
	struct comm *host = comm_of(c)->host;

	return host->ops->broadcast(host, p, bytes, err);
}

static int barrier(struct comm *c, struct err *err)
{
	struct comm *host = comm_of(c)->host;

	return host->ops->barrier(host, err);
}

int comm_meet(struct cuda_comm *k, struct err *err)
{
	uint32_t nothing = 0;

	return k->host->ops->broadcast(k->host, &nothing, sizeof(nothing), err);
}

/* ---------------------------------------------------------------------- failures */

static void poison(struct comm *c, const struct err *why)
{
	struct cuda_comm *k = comm_of(c);

	k->host->ops->poison(k->host, why);
	__atomic_store_n(&k->group->words->poisoned, 1, __ATOMIC_RELEASE);
}

static bool poisoned(const struct comm *c)
{
	const struct comm *host = ((const struct cuda_comm *)c)->host;

	return host->ops->poisoned(host);
}

static int settle(struct comm *c, struct err *err)
{
	struct cuda_comm *k = comm_of(c);
	int rc = cuda_fail(cudaStreamSynchronize(k->c->stream), "waiting for ranks", err);
	uint32_t missing =
		__atomic_load_n(&k->group->words->missing[c->rank], __ATOMIC_ACQUIRE);

	if (rc)
		return rc;
	if (poisoned(c)) /* then what was waited for may not have come: this says why */
		return barrier(c, err);
	if (!missing)
		return 0;
	return err_set(err, ERR_MODEL,
		       "all-reduce of %d ranks: rank %u did not come within %d ms", c->n_ranks,
		       missing - 1, COMM_PATIENCE_MS);
}

/* Inboxes and turns are as they were at first. */
static int reset(struct cuda_comm *k, struct err *err)
{
	int rc = on_device(k, err);

	if (!rc)
		rc = cuda_fail(cudaMemsetAsync(k->view.inbox[k->base.rank], 0,
					       comm_bytes(k->group->n), k->c->stream),
			       "ranks", err);
	if (!rc)
		rc = cuda_fail(
			cudaMemsetAsync(k->counts, 0, 2 * sizeof(*k->counts), k->c->stream),
			"ranks", err);
	k->c->behind_other = 1;
	return rc ? rc : cuda_fail(cudaStreamSynchronize(k->c->stream), "ranks", err);
}

/* What still runs on any GPU ends soon while they are poisoned. */
static void wait_for_all(const struct group *g)
{
	struct err ignored;

	for (int i = 0; i < g->n; i++)
		if (!on_device(&g->end[i], &ignored))
			(void)cudaStreamSynchronize(g->end[i].c->stream);
}

/* A device that is lost says so at its next call. */
static void mend(struct comm *c)
{
	struct cuda_comm *k = comm_of(c);
	struct group *g = k->group;
	struct err ignored;

	wait_for_all(g);
	for (int i = 0; i < g->n; i++)
		(void)reset(&g->end[i], &ignored);
	*g->words = (struct words){0};
	k->host->ops->mend(k->host);
	(void)on_device(k, &ignored);
}

/* ------------------------------------------------------------- making and ending */

static void free_group(struct group *g)
{
	struct err ignored;

	for (int i = 0; i < g->n; i++) {
		struct cuda_comm *k = &g->end[i];

		k->c->comm = NULL;
		if (on_device(k, &ignored))
			continue;
		(void)cudaFree(k->view.inbox[i]);
		(void)cudaFree(k->counts);
	}
	(void)on_device(&g->end[0], &ignored);
	(void)cudaFreeHost(g->words);
	if (g->end[0].host)
		g->end[0].host->ops->free_all(g->end[0].host);
	free(g);
}

static void free_all(struct comm *c)
{
	struct group *g = comm_of(c)->group;

	wait_for_all(g);
	free_group(g);
}

static const struct comm_ops ops = {
	.all_reduce = all_reduce,
	.gather = gather,
	.settle = settle,
	.broadcast = broadcast,
	.barrier = barrier,
	.poison = poison,
	.poisoned = poisoned,
	.mend = mend,
	.free_all = free_all,
};

/* That GPU reaches this one's memory and is reached; what this one allocates from now on, too.
 */
static int reach(int device, int other, struct err *err)
{
	cudaError_t enabled;
	int can = 0, rc;

	rc = cuda_fail(cudaDeviceCanAccessPeer(&can, device, other), "ranks", err);
	if (rc)
		return rc;
	if (!can)
		return err_set(
			err, ERR_MODEL,
			"ranks: GPU %d does not reach the memory of GPU %d, expected GPUs "
			"that reach each other's",
			device, other);
	enabled = cudaDeviceEnablePeerAccess(other, 0);
	if (enabled != cudaErrorPeerAccessAlreadyEnabled)
		return cuda_fail(enabled, "ranks", err);
	(void)cudaGetLastError();
	return 0;
}

static int reach_all(const struct cuda_comm *k, struct err *err)
{
	const struct group *g = k->group;
	int rc = 0;

	for (int i = 0; i < g->n && !rc; i++)
		if (i != k->base.rank)
			rc = reach(k->c->device, g->end[i].c->device, err);
	return rc;
}

static int make_end(struct group *g, int i, struct err *err)
{
	struct cuda_comm *k = &g->end[i];
	void *inbox = NULL;
	int rc = on_device(k, err);

	if (!rc)
		rc = reach_all(k, err);
	if (!rc)
		rc = cuda_fail(cudaMalloc(&inbox, comm_bytes(g->n)), "inbox of a rank", err);
	for (int r = 0; r < g->n; r++)
		g->end[r].view.inbox[i] = inbox;
	if (!rc)
		rc = cuda_fail(cudaMalloc((void **)&k->counts, 2 * sizeof(*k->counts)),
			       "inbox of a rank", err);
	if (rc)
		return rc;
	k->view.rank = i;
	k->view.n_ranks = g->n;
	k->view.turn = k->counts;
	k->view.done = k->counts + 1;
	k->view.poisoned = &g->words->poisoned;
	k->view.missing = &g->words->missing[i];
	k->view.patience_ns = (uint64_t)COMM_PATIENCE_MS * 1000000;
	return reset(k, err);
}

static int make_group(struct group *g, struct comm **out, struct err *err)
{
	int rc = cuda_fail(cudaHostAlloc((void **)&g->words, sizeof(*g->words),
					 cudaHostAllocPortable | cudaHostAllocMapped),
			   "words of ranks", err);

	if (!rc) {
		*g->words = (struct words){0};
		rc = loopback_new(out, g->n, COMM_PATIENCE_MS, err);
	}
	for (int i = 0; i < g->n && !rc; i++)
		g->end[i].host = out[i];
	for (int i = 0; i < g->n && !rc; i++)
		rc = make_end(g, i, err);
	return rc;
}

int comm_new(struct backend *const *ranks, int n, struct comm **out, struct err *err)
{
	size_t bytes = sizeof(struct group) + (size_t)n * sizeof(struct cuda_comm);
	struct group *g;
	int rc;

	if (n > PEER_MAX)
		return err_set(err, ERR_USAGE, "ranks: %d, expected at most %d on GPUs", n,
			       PEER_MAX);
	g = calloc(1, bytes);
	if (!g)
		return err_nomem(err, "ranks", bytes);
	g->n = n;
	for (int i = 0; i < n; i++)
		g->end[i] = (struct cuda_comm){
			.base = {&ops, i, n}, .group = g, .c = cuda_of(ranks[i])};
	rc = make_group(g, out, err);
	if (!rc)
		rc = on_device(&g->end[0], err);
	if (rc) {
		free_group(g);
		return rc;
	}
	for (int i = 0; i < n; i++) {
		g->end[i].c->comm = &g->end[i];
		out[i] = &g->end[i].base;
	}
	return 0;
}
