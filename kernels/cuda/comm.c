/*
 * Ranks that are GPUs of one host and threads of this process.
 *
 * What they add up and gather goes from GPU to GPU (peer.cu), or its sums through NCCL where
 * that is asked for (nccl.c); where ranks have a GPU in common, through mailboxes (mailbox.c).
 * What their hosts say to each other, and who has failed, is the threads' own
 * (kernels/comm/loopback.c).  A kernel that waits for another GPU looks at two words of host
 * memory now and then: that somebody has failed, and that somebody did not come in time.  One
 * of NCCL's does not, so its host ends it; and recorded by threads of one process its sums did
 * not end (2.28.9, two GPUs), so they are issued.
 */
#include "kernels/cuda/comm.h"

#include <stdlib.h>

#include "engine/base/clock.h"

/* How long NCCL's kernels may still run once somebody has failed: what all came to ends soon. */
#define GRACE_S 1.0

/* Two inboxes, which are used in turns. */
static size_t inbox_bytes(int n_ranks)
{
	return 2 * (size_t)n_ranks * PEER_VALUES * sizeof(uint64_t);
}

size_t comm_bytes(int n_ranks)
{
	return n_ranks > 1 ? inbox_bytes(n_ranks) : 0;
}

#define FLAGS_BYTES ((size_t)2 * PEER_MAX * PEER_BLOCKS * sizeof(uint32_t))

static struct cuda_comm *comm_of(struct comm *c)
{
	return (struct cuda_comm *)c;
}

static int on_device(const struct cuda_comm *k, struct err *err)
{
	return cuda_fail(cudaSetDevice(k->c->device), "device", err);
}

/* ------------------------------------------------------------------------- calls */

/* Where the ranks have what a call adds up; all come to the same call. */
static int say_where(struct cuda_comm *k, float *x, struct peer_rows *rows, struct err *err)
{
	const unsigned turn = k->n_said++ & 1;
	int rc;

	k->said[turn] = x;
	rc = comm_meet(k, err);
	for (int q = 0; q < k->base.n_ranks && !rc; q++)
		rows->x[q] = k->group->end[q].said[turn];
	return rc;
}

static int peer_sum(struct cuda_comm *k, float *x, size_t n, struct err *err)
{
	const struct cuda_target *target = k->c->target;
	struct peer_rows rows = {0};
	int rc = 0;

	if (n > PEER_VALUES && n % 4 == 0) {
		rc = say_where(k, x, &rows, err);
		return rc ? rc : target->peer_sum_slices(k->c, &k->view, &rows, n, err);
	}
	for (size_t at = 0; at < n && !rc; at += PEER_VALUES)
		rc = target->peer_sum(k->c, &k->view, x + at,
				      n - at < PEER_VALUES ? n - at : PEER_VALUES, err);
	return rc;
}

static int sum_through_nccl(struct cuda_comm *k, float *x, size_t n, struct err *err)
{
	if (!k->group->nccl)
		return err_set(err, ERR_MODEL, "NCCL: lost in a failure, and not to be had again");
	k->c->behind_other = 1;
	return nccl_sum(k->group->nccl, k->base.rank, k->c->stream, x, n, err);
}

static int all_reduce(struct comm *c, dbuf x, size_t n, struct err *err)
{
	static int (*const sum[])(struct cuda_comm *, float *, size_t, struct err *) = {
		[WAY_PEER] = peer_sum,
		[WAY_MAIL] = mailbox_sum,
		[WAY_NCCL] = sum_through_nccl,
	};
	struct cuda_comm *k = comm_of(c);

	return sum[k->group->way](k, (float *)(void *)x, n, err);
}

static int gather(struct comm *c, const struct gather_args *a, struct err *err)
{
	struct cuda_comm *k = comm_of(c);

	if (k->group->way == WAY_MAIL)
		return mailbox_gather(k, a, err);
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

/* NCCL's kernels wait for as long as it takes: for what will not come, they are ended. */
static int wait_for_nccl(struct cuda_comm *k, const char *what, struct err *err)
{
	double start = clock_s(), failed = 0;

	for (;;) {
		cudaError_t state = cudaStreamQuery(k->c->stream);

		if (state != cudaErrorNotReady)
			return cuda_fail(state, what, err);
		(void)cudaGetLastError();
		if (!poisoned(&k->base))
			failed = 0;
		else if (failed <= 0)
			failed = clock_s();
		if ((failed <= 0 || clock_s() - failed < GRACE_S) &&
		    clock_s() - start < COMM_PATIENCE_MS / 1e3)
			continue;
		if (k->group->nccl)
			nccl_abort(k->group->nccl, k->base.rank);
		(void)cudaStreamSynchronize(k->c->stream);
		return err_set(err, ERR_MODEL, "%s: NCCL's sum of %d ranks did not end", what,
			       k->base.n_ranks);
	}
}

int comm_wait(struct cuda_comm *k, const char *what, struct err *err)
{
	if (k->group->way == WAY_NCCL)
		return wait_for_nccl(k, what, err);
	return cuda_fail(cudaStreamSynchronize(k->c->stream), what, err);
}

static int settle(struct comm *c, struct err *err)
{
	struct cuda_comm *k = comm_of(c);
	int rc = comm_wait(k, "waiting for ranks", err);
	uint32_t missing =
		__atomic_load_n(&k->group->words->missing[c->rank], __ATOMIC_ACQUIRE);

	if (poisoned(c)) /* then what was waited for may not have come: this says why */
		return barrier(c, err);
	if (rc || !missing)
		return rc;
	return err_set(err, ERR_MODEL,
		       "all-reduce of %d ranks: rank %u did not come within %d ms", c->n_ranks,
		       missing - 1, COMM_PATIENCE_MS);
}

/* Inboxes, flags and turns are as they were at first. */
static int reset(struct cuda_comm *k, struct err *err)
{
	const struct {
		void *p;
		size_t bytes;
	} zero[] = {{k->view.inbox[k->base.rank], inbox_bytes(k->group->n)},
		    {k->view.flags[k->base.rank], FLAGS_BYTES},
		    {k->counts, 2 * sizeof(*k->counts)}};
	int rc = on_device(k, err);

	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]) && !rc; i++)
		rc = cuda_fail(cudaMemsetAsync(zero[i].p, 0, zero[i].bytes, k->c->stream),
			       "ranks", err);
	k->c->behind_other = 1;
	k->n_said = 0;
	return rc ? rc : cuda_fail(cudaStreamSynchronize(k->c->stream), "ranks", err);
}

/* What still runs on any GPU ends soon while they are poisoned. */
static void wait_for_all(struct group *g)
{
	struct err ignored;

	for (int i = 0; i < g->n; i++)
		if (!on_device(&g->end[i], &ignored))
			(void)comm_wait(&g->end[i], "ranks", &ignored);
}

static int open_nccl(struct group *g, struct err *err)
{
	struct nccl_place place[PEER_MAX];

	for (int i = 0; i < g->n; i++)
		place[i] = (struct nccl_place){g->end[i].c->device, g->end[i].c->stream,
					       g->end[i].view.inbox[i]};
	return nccl_new(&g->nccl, place, g->n, inbox_bytes(g->n), err);
}

/* Ends that were aborted are made anew, and with them all. */
static void mend_nccl(struct group *g)
{
	struct err ignored;

	if (g->nccl && nccl_is_whole(g->nccl))
		return;
	nccl_free(g->nccl);
	g->nccl = NULL;
	(void)open_nccl(g, &ignored);
}

/*
 * Ranks meet while they record sums of many values, so all have a recording of a key or none: one
 * that failed there has none, and the others' go, too.  A device that is lost says so at its next
 * call.
 */
static void mend(struct comm *c)
{
	struct cuda_comm *k = comm_of(c);
	struct group *g = k->group;
	struct err ignored;

	wait_for_all(g);
	for (int i = 0; i < g->n; i++) {
		(void)reset(&g->end[i], &ignored);
		graph_forget(&g->end[i].c->base);
	}
	if (g->way == WAY_NCCL)
		mend_nccl(g);
	*g->words = (struct words){0};
	k->host->ops->mend(k->host);
	(void)on_device(k, &ignored);
}

int comm_issues_runs(const struct cuda_comm *k)
{
	return k->group->way != WAY_PEER;
}

/* ------------------------------------------------------------- making and ending */

static void free_group(struct group *g)
{
	struct err ignored;

	nccl_free(g->nccl);
	for (int i = 0; i < g->n; i++) {
		struct cuda_comm *k = &g->end[i];

		k->c->comm = NULL;
		if (on_device(k, &ignored))
			continue;
		mailbox_close(k);
		(void)cudaFree(k->view.inbox[i]);
		(void)cudaFree(k->view.flags[i]);
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
		if (g->end[i].c->device != k->c->device)
			rc = reach(k->c->device, g->end[i].c->device, err);
	return rc;
}

/* Blocks of one call run at once on each GPU. */
static int least_blocks(const struct group *g)
{
	int n = PEER_BLOCKS;

	for (int i = 0; i < g->n; i++)
		n = g->end[i].c->n_sm < n ? g->end[i].c->n_sm : n;
	return n;
}

static int make_end(struct group *g, int i, struct err *err)
{
	struct cuda_comm *k = &g->end[i];
	void *inbox = NULL, *flags = NULL;
	int rc = on_device(k, err);

	if (!rc)
		rc = reach_all(k, err);
	if (!rc)
		rc = cuda_fail(cudaMalloc(&inbox, inbox_bytes(g->n)), "inbox of a rank", err);
	if (!rc)
		rc = cuda_fail(cudaMalloc(&flags, FLAGS_BYTES), "inbox of a rank", err);
	for (int r = 0; r < g->n; r++) {
		g->end[r].view.inbox[i] = inbox;
		g->end[r].view.flags[i] = flags;
	}
	if (!rc)
		rc = cuda_fail(cudaMalloc((void **)&k->counts, 2 * sizeof(*k->counts)),
			       "inbox of a rank", err);
	if (!rc)
		rc = mailbox_open(k, err);
	if (rc)
		return rc;
	k->view.rank = i;
	k->view.n_ranks = g->n;
	k->view.n_blocks = least_blocks(g);
	k->view.turn = k->counts;
	k->view.done = k->counts + 1;
	k->view.poisoned = &g->words->poisoned;
	k->view.missing = &g->words->missing[i];
	k->view.patience_ns = (uint64_t)COMM_PATIENCE_MS * 1000000;
	return reset(k, err);
}

/* Which way what they add up goes. */
static int choose_way(struct group *g, struct err *err)
{
	enum cuda_comm_way asked = g->end[0].c->comm_way;

	g->way = asked == CUDA_COMM_NCCL ? WAY_NCCL : WAY_PEER;
	for (int i = 0; i < g->n; i++)
		for (int q = 0; q < i; q++)
			if (g->end[i].c->device == g->end[q].c->device) {
				g->end[i].c->has_company = g->end[q].c->has_company = 1;
				g->way = WAY_MAIL;
			}
	if (g->way == WAY_MAIL && asked != CUDA_COMM_AUTO)
		return err_set(err, ERR_USAGE,
			       "comm: %s, expected auto: some of the %d ranks have a GPU in common",
			       asked == CUDA_COMM_NCCL ? "nccl" : "peer", g->n);
	return 0;
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
	if (!rc)
		rc = choose_way(g, err);
	for (int i = 0; i < g->n && !rc; i++)
		rc = make_end(g, i, err);
	return rc || g->way != WAY_NCCL ? rc : open_nccl(g, err);
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
