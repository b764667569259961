/* The ranks' threads, and the jobs that they are given. */
#include "engine/pass/team.h"

#include <pthread.h>
#include <stdlib.h>

#include "engine/base/thread.h"
#include "engine/pass/model_internal.h"

struct member {
	struct team *team;
	struct model *m;
	pthread_t thread; /* of all but the first */
};

struct team {
	int n, n_threads; /* of these so many have started */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock: */
	unsigned n_jobs; /* given so far */
	int n_busy;      /* threads that have not ended the job at hand */
	bool quit;
	team_job job;
	void *ctx;
	struct err first; /* failure of the job at hand */
	struct member member[];
};

static bool is_everybodys(int code)
{
	return code == ERR_USAGE || code == ERR_CANCELLED;
}

/* The first failure is the job's; then nobody waits for this rank. */
static void tell_failure(struct team *t, struct model *m, struct err *err)
{
	if (!is_everybodys(err->code))
		err_prefix(err, "rank %d of %d", m->shard.rank, t->n);
	pthread_mutex_lock(&t->lock);
	if (!t->first.code)
		t->first = *err;
	pthread_mutex_unlock(&t->lock);
	if (m->comm)
		m->comm->ops->poison(m->comm, err);
}

static void do_job(struct team *t, struct model *m, team_job job, void *ctx)
{
	struct err err = {0};

	if (job(m, ctx, &err))
		tell_failure(t, m, &err);
}

static void *work(void *arg)
{
	struct member *me = arg;
	struct team *t = me->team;
	unsigned done = 0;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->n_jobs == done && !t->quit)
			pthread_cond_wait(&t->changed, &t->lock);
		if (t->n_jobs == done)
			break;
		done = t->n_jobs;
		pthread_mutex_unlock(&t->lock);
		do_job(t, me->m, t->job, t->ctx);
		pthread_mutex_lock(&t->lock);
		if (--t->n_busy == 0)
			pthread_cond_broadcast(&t->changed);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int team_run(struct model *m, team_job job, void *ctx, struct err *err)
{
	struct team *t = m->team;

	if (!t)
		return job(m, ctx, err);
	pthread_mutex_lock(&t->lock);
	t->job = job;
	t->ctx = ctx;
	t->first = (struct err){0};
	t->n_busy = t->n_threads;
	t->n_jobs++;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	do_job(t, m, job, ctx);
	pthread_mutex_lock(&t->lock);
	while (t->n_busy)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
	if (!t->first.code)
		return 0;
	if (m->comm)
		m->comm->ops->mend(m->comm);
	return err_set(err, t->first.code, "%s", t->first.text);
}

/* -------------------------------------------------------------------- the pass */

/* What a call was before it ran: the first rank writes to the caller's. */
struct call {
	const struct forward *f;
	struct forward_cycle cycle;
};

static int run_forward(struct model *m, void *ctx, struct err *err)
{
	const struct call *c = ctx;
	struct forward own = *c->f;
	struct forward_cycle cycle = c->cycle;
	int rc;

	own.cycle = own.cycle ? &cycle : NULL;
	rc = model_forward(m, model_leads(m) ? c->f : &own, err);
	return rc ? rc : ranks_settle(m, err);
}

/* Nobody knows where a cycle stands that failed on some rank. */
static void leave_cycle(struct model *m)
{
	for (int i = 0; i < model_n_ranks(m); i++)
		team_rank(m, i)->work.in_cycle = false;
}

int team_forward(struct model *m, const struct forward *f, struct err *err)
{
	struct call c = {.f = f};
	int rc;

	if (f->cycle)
		c.cycle = *f->cycle;
	rc = team_run(m, run_forward, &c, err);
	if (rc)
		leave_cycle(m);
	return rc;
}

static int run_draft(struct model *m, void *ctx, struct err *err)
{
	int rc = model_draft(m, ctx, err);

	return rc ? rc : ranks_settle(m, err);
}

int team_draft(struct model *m, struct drafts *d, struct err *err)
{
	return team_run(m, run_draft, d, err);
}

/* --------------------------------------------------------------- making and ending */

static void init_team(struct team *t, int n)
{
	t->n = n;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	for (int i = 0; i < n; i++)
		t->member[i].team = t;
}

/* The i-th rank's model, and its thread. */
static int add_rank(struct team *t, const struct model *first, int i, struct err *err)
{
	struct member *it = &t->member[i];
	int rc;

	it->m = calloc(1, sizeof(*it->m));
	if (!it->m)
		return err_nomem(err, "rank", sizeof(*it->m));
	it->m->cfg = first->cfg;
	rc = shard_init(&it->m->shard, &first->cfg, i, t->n, err);
	if (!rc)
		rc = thread_start(&it->thread, work, it, "rank", err);
	t->n_threads += !rc;
	return rc;
}

int team_new(struct model *m, int n_ranks, struct err *err)
{
	size_t bytes = sizeof(struct team) + (size_t)n_ranks * sizeof(struct member);
	int rc = 0;

	m->team = calloc(1, bytes);
	if (!m->team)
		return err_nomem(err, "ranks", bytes);
	init_team(m->team, n_ranks);
	m->team->member[0].m = m;
	for (int i = 1; i < n_ranks && !rc; i++)
		rc = add_rank(m->team, m, i, err);
	return rc;
}

void team_free(struct model *m)
{
	struct team *t = m->team;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->quit = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	for (int i = 1; i < t->n; i++) {
		if (i <= t->n_threads)
			pthread_join(t->member[i].thread, NULL);
		free(t->member[i].m);
	}
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
	m->team = NULL;
}

struct model *team_rank(struct model *m, int i)
{
	return m->team ? m->team->member[i].m : m;
}
