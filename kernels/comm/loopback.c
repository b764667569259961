/*
 * Ranks that are threads of one process.
 *
 * A call is two meetings with the work in between: at the first every rank has left in its seat
 * what it brings, until the second nobody takes it away.  Of a sum each rank computes one
 * slice, in the order of the ranks, and writes it to all: every value is summed once, so that
 * all hold the same bits, and no two ranks write the same place.
 */
#include "kernels/comm/comm.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/spin.h"

enum what { ALL_REDUCE, GATHER, BROADCAST, BARRIER };

static const char *const names[] = {"all-reduce", "gather", "broadcast", "barrier"};

/* What a rank brings to a call.  Written by it before the first meeting. */
struct seat {
	struct comm base; /* first: a struct comm * is a struct seat * */
	struct loopback *all;
	enum what what;
	size_t n; /* float32 of a sum, rows of a gather, bytes of a broadcast */
	float *x; /* its sum, or its part of a gather */
	unsigned char *bytes;
	int first, count, total; /* as in gather_args */
	bool here;               /* at the meeting at hand; under the lock */
};

struct loopback {
	int n, spins, patience_ms;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int n_here;         /* under the lock */
	atomic_uint n_met;  /* meetings that took place */
	atomic_bool failed; /* and why, under the lock: */
	struct err why;
	struct seat seats[];
};

static struct seat *seat_of(struct comm *c)
{
	return (struct seat *)c;
}

/* ------------------------------------------------------------------ failures */

/* Under the lock. */
static void fail_locked(struct loopback *l, const struct err *why)
{
	if (!atomic_load(&l->failed)) {
		l->why = *why;
		atomic_store(&l->failed, true);
	}
	pthread_cond_broadcast(&l->changed);
}

static void loopback_poison(struct comm *c, const struct err *why)
{
	struct loopback *l = seat_of(c)->all;

	pthread_mutex_lock(&l->lock);
	fail_locked(l, why);
	pthread_mutex_unlock(&l->lock);
}

static bool loopback_poisoned(const struct comm *c)
{
	return atomic_load(&((const struct seat *)c)->all->failed);
}

static void loopback_mend(struct comm *c)
{
	struct loopback *l = seat_of(c)->all;

	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < l->n; i++)
		l->seats[i].here = false;
	l->n_here = 0;
	atomic_store(&l->failed, false);
	pthread_mutex_unlock(&l->lock);
}

/* Under the lock: those that did not come are at fault. */
static void give_up(const struct seat *s)
{
	struct loopback *l = s->all;
	struct buf who = {0};
	struct err why;
	int n = 0;

	for (int i = 0; i < l->n; i++)
		if (!l->seats[i].here)
			buf_addf(&who, "%s%d", n++ ? ", " : "", i);
	err_set(&why, ERR_MODEL, "%s of %d ranks: rank%s %s did not come within %d ms",
		names[s->what], l->n, n == 1 ? "" : "s", buf_z(&who), l->patience_ms);
	buf_release(&who);
	fail_locked(l, &why);
}

/* ------------------------------------------------------------------ meetings */

static void spin(const struct loopback *l, unsigned met)
{
	for (int i = 0; i < l->spins; i++) {
		if (atomic_load(&l->n_met) != met || atomic_load(&l->failed))
			return;
		spin_pause();
	}
}

/* Under the lock: until all have come, or one has failed, or patience ends. */
static void sleep_until_met(const struct seat *s, unsigned met)
{
	struct loopback *l = s->all;
	struct timespec until = clock_after_ms(l->patience_ms);

	while (atomic_load(&l->n_met) == met && !atomic_load(&l->failed)) {
		if (s->what == BARRIER)
			pthread_cond_wait(&l->changed, &l->lock);
		else if (pthread_cond_timedwait(&l->changed, &l->lock, &until) == ETIMEDOUT &&
			 atomic_load(&l->n_met) == met && !atomic_load(&l->failed))
			give_up(s);
	}
}

/* Comes to the meeting at hand.  True: the last one, so that it has taken place. */
static bool arrive(struct seat *s)
{
	struct loopback *l = s->all;

	s->here = true;
	if (++l->n_here < l->n)
		return false;
	for (int i = 0; i < l->n; i++)
		l->seats[i].here = false;
	l->n_here = 0;
	atomic_fetch_add(&l->n_met, 1);
	pthread_cond_broadcast(&l->changed);
	return true;
}

static int meet(struct seat *s, struct err *err)
{
	struct loopback *l = s->all;
	unsigned met;
	bool done;
	int rc = 0;

	pthread_mutex_lock(&l->lock);
	met = atomic_load(&l->n_met);
	done = !atomic_load(&l->failed) && arrive(s);
	if (!done && !atomic_load(&l->failed)) {
		pthread_mutex_unlock(&l->lock);
		spin(l, met);
		pthread_mutex_lock(&l->lock);
		sleep_until_met(s, met);
	}
	if (atomic_load(&l->n_met) == met)
		rc = err_set(err, l->why.code, "%s", l->why.text);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

/* All have come, and to the same: what one brings fits what another takes. */
static int meet_alike(struct seat *s, struct err *err)
{
	struct loopback *l = s->all;
	int rc = meet(s, err);

	for (int i = 0; i < l->n && !rc; i++) {
		const struct seat *o = &l->seats[i];

		if (o->what == s->what && o->n == s->n && o->total == s->total)
			continue;
		rc = err_set(err, ERR_MODEL,
			     "ranks: rank %d is at %s of %zu, rank %d at %s of %zu: expected "
			     "the same",
			     s->base.rank, names[s->what], s->n, i, names[o->what], o->n);
		loopback_poison(&s->base, err);
	}
	return rc;
}

/* --------------------------------------------------------------------- calls */

#define BLOCK 256

static void sum_block(const struct loopback *l, size_t at, size_t n)
{
	float sum[BLOCK];

	memcpy(sum, l->seats[0].x + at, n * sizeof(*sum));
	for (int r = 1; r < l->n; r++) {
		const float *x = l->seats[r].x + at;

		for (size_t i = 0; i < n; i++)
			sum[i] += x[i];
	}
	for (int r = 0; r < l->n; r++)
		memcpy(l->seats[r].x + at, sum, n * sizeof(*sum));
}

static void sum_slice(const struct loopback *l, size_t from, size_t to)
{
	for (size_t at = from; at < to; at += BLOCK)
		sum_block(l, at, to - at < BLOCK ? to - at : BLOCK);
}

static int loopback_all_reduce(struct comm *c, dbuf x, size_t n, struct err *err)
{
	struct seat *s = seat_of(c);
	size_t rank = (size_t)c->rank, ranks = (size_t)c->n_ranks;
	int rc;

	s->what = ALL_REDUCE;
	s->n = n;
	s->x = (float *)(void *)x;
	s->total = 0;
	rc = meet_alike(s, err);
	if (rc)
		return rc;
	sum_slice(s->all, n * rank / ranks, n * (rank + 1) / ranks);
	return meet(s, err);
}

static int loopback_gather(struct comm *c, const struct gather_args *a, struct err *err)
{
	struct seat *s = seat_of(c);
	float *out = (float *)(void *)a->out;
	int rc;

	if (a->first < 0 || a->count < 0 || a->first > a->total - a->count)
		BUG("gather: columns");
	s->what = GATHER;
	s->n = (size_t)a->n_row;
	s->x = (float *)(void *)a->in;
	s->first = a->first;
	s->count = a->count;
	s->total = a->total;
	rc = meet_alike(s, err);
	for (int r = 0; r < c->n_ranks && !rc; r++) {
		const struct seat *o = &s->all->seats[r];

		for (size_t t = 0; t < s->n; t++)
			memcpy(out + t * (size_t)a->total + o->first,
			       o->x + t * (size_t)o->count, (size_t)o->count * sizeof(float));
	}
	return rc ? rc : meet(s, err);
}

/* Its calls have run when they return. */
static int loopback_settle(struct comm *c, struct err *err)
{
	(void)c;
	(void)err;
	return 0;
}

static int loopback_broadcast(struct comm *c, void *p, size_t bytes, struct err *err)
{
	struct seat *s = seat_of(c);
	int rc;

	s->what = BROADCAST;
	s->n = bytes;
	s->bytes = p;
	s->total = 0;
	rc = meet_alike(s, err);
	if (!rc && c->rank)
		memcpy(p, s->all->seats[0].bytes, bytes);
	return rc ? rc : meet(s, err);
}

static int loopback_barrier(struct comm *c, struct err *err)
{
	struct seat *s = seat_of(c);

	int rc;

	s->what = BARRIER;
	s->n = 0;
	s->total = 0;
	rc = meet_alike(s, err);
	return rc ? rc : meet(s, err);
}

/* --------------------------------------------------------------- the ends */

static void loopback_free_all(struct comm *c)
{
	struct loopback *l = seat_of(c)->all;

	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static const struct comm_ops loopback_ops = {
	.all_reduce = loopback_all_reduce,
	.gather = loopback_gather,
	.settle = loopback_settle,
	.broadcast = loopback_broadcast,
	.barrier = loopback_barrier,
	.poison = loopback_poison,
	.poisoned = loopback_poisoned,
	.mend = loopback_mend,
	.free_all = loopback_free_all,
};

/* By so much ranks miss each other within a step. */
static int spins_for(int n)
{
	cpu_set_t may;

	return sched_getaffinity(0, sizeof(may), &may) == 0 && CPU_COUNT(&may) >= n ? SPIN_PAUSES : 0;
}

int loopback_new(struct comm **out, int n, int patience_ms, struct err *err)
{
	size_t bytes = sizeof(struct loopback) + (size_t)n * sizeof(struct seat);
	struct loopback *l;
	pthread_condattr_t attr;

	BUG_ON(n < 1 || n > COMM_MAX_RANKS);
	l = calloc(1, bytes);
	if (!l)
		return err_nomem(err, "ranks", bytes);
	l->n = n;
	l->spins = spins_for(n);
	l->patience_ms = patience_ms;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	for (int i = 0; i < n; i++) {
		l->seats[i].base = (struct comm){&loopback_ops, i, n};
		l->seats[i].all = l;
		out[i] = &l->seats[i].base;
	}
	return 0;
}
