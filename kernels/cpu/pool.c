/* Workers that spin a little, then sleep, and where they are pinned. */
#include "kernels/cpu/pool.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/spin.h"

/* Below this many multiply-adds waking another thread costs more than it saves. */
#define MIN_WORK 40000.0

/* Times as long as between two loops of a step that all run here: some milliseconds. */
#define AWAKE 50

/* What is written by one thread while others read what stands beside it lies apart. */
#define LINE 64

/* A worker's part of the loop: it is its own until others have nothing left to do. */
struct share {
	_Alignas(LINE) atomic_int_fast64_t next;
	int64_t end;
};

struct pool {
	int n;
	int spins;
	pthread_t *threads;   /* n - 1 */
	struct share *shares; /* n */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int n_asleep; /* under lock */
	bool quit;    /* under lock; read after a generation change */

	/* the loop at hand: written by the caller before `generation` moves on, as shares are */
	_Alignas(LINE) atomic_uint generation;
	pool_fn fn;
	void *ctx;
	int64_t grain;
	_Alignas(LINE) atomic_int n_busy; /* workers that have not finished the loop */
};

struct seat {
	struct pool *pool;
	int worker;
};

static void take_share(const struct pool *p, struct share *s, int worker)
{
	/* Asking first leaves a share that is done to whoever has its line. */
	while (atomic_load(&s->next) < s->end) {
		int64_t i = atomic_fetch_add(&s->next, p->grain);

		if (i >= s->end)
			return;
		p->fn(p->ctx, worker, i, i + p->grain < s->end ? i + p->grain : s->end);
	}
}

static void take_items(const struct pool *p, int worker)
{
	for (int i = 0; i < p->n; i++)
		take_share(p, &p->shares[(worker + i) % p->n], worker);
}

static unsigned await_generation(struct pool *p, unsigned seen)
{
	unsigned now;

	for (int i = 0; i < p->spins; i++) {
		now = atomic_load(&p->generation);
		if (now != seen)
			return now;
		spin_pause();
	}
	pthread_mutex_lock(&p->lock);
	p->n_asleep++;
	while ((now = atomic_load(&p->generation)) == seen)
		pthread_cond_wait(&p->wake, &p->lock);
	p->n_asleep--;
	pthread_mutex_unlock(&p->lock);
	return now;
}

static void *work(void *arg)
{
	struct seat seat = *(struct seat *)arg;
	struct pool *p = seat.pool;
	unsigned seen = 0;

	free(arg);
	for (;;) {
		seen = await_generation(p, seen);
		if (p->quit)
			return NULL;
		take_items(p, seat.worker);
		atomic_fetch_sub(&p->n_busy, 1);
	}
}

/* The lock makes sure that a worker about to sleep sees the new generation or the broadcast. */
static void start_generation(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->generation, 1);
	if (p->n_asleep)
		pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static int usable_cpus(void)
{
	cpu_set_t may;

	return sched_getaffinity(0, sizeof(may), &may) == 0 ? CPU_COUNT(&may) : 1;
}

/* The first processor of the core that `cpu` is a thread of. */
static int core_of(int cpu)
{
	char path[128];
	FILE *f;
	int first = cpu;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 cpu);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%d", &first) != 1 || first < 0 || first >= CPU_SETSIZE)
			first = cpu;
		fclose(f);
	}
	return first;
}

/*
 * How many cores this process may run on.  cores[i], where there is room for it, gets those
 * processors of the i-th that it may use.
 */
static int list_cores(cpu_set_t *cores, int n_room)
{
	int index[CPU_SETSIZE], n = 0; /* index[core]: its number + 1 */
	cpu_set_t may;

	if (sched_getaffinity(0, sizeof(may), &may) != 0)
		return 0;
	memset(index, 0, sizeof(index));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int core, i;

		if (!CPU_ISSET((size_t)cpu, &may))
			continue;
		core = core_of(cpu);
		if (!index[core])
			index[core] = ++n;
		i = index[core] - 1;
		if (cores && i < n_room)
			CPU_SET((size_t)cpu, &cores[i]);
	}
	return n;
}

/*
 * A team that fills the machine gets a core for each worker; the caller, whose thread belongs
 * to the application, is left the one that remains.  A smaller team is left to the scheduler:
 * two such teams would meet on the same cores.  It works without, so failures are none.
 */
static void pin_workers(struct pool *p)
{
	cpu_set_t *cores = calloc((size_t)p->n, sizeof(*cores));

	if (cores && list_cores(cores, p->n) == p->n) {
		for (int i = 1; i < p->n; i++)
			(void)pthread_setaffinity_np(p->threads[i - 1], sizeof(*cores), &cores[i]);
	}
	free(cores);
}

int pool_new(struct pool **out, int n_threads, bool awake, struct err *err)
{
	size_t shares = (size_t)n_threads * sizeof(struct share);
	struct pool *p = aligned_alloc(LINE, sizeof(*p));
	sigset_t all, old;
	int rc = 0;

	if (!p)
		return err_nomem(err, "thread pool", sizeof(*p));
	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->n = 1;
	/* As long as two loops of a decode step are apart; larger than the machine, never. */
	p->spins = n_threads <= usable_cpus() ? SPIN_PAUSES : 0;
	if (awake)
		p->spins *= AWAKE;
	p->threads = calloc((size_t)n_threads, sizeof(*p->threads));
	p->shares = aligned_alloc(LINE, shares);
	if (!p->threads || !p->shares) {
		rc = err_nomem(err, "thread pool",
			       (size_t)n_threads * sizeof(*p->threads) + shares);
		goto done;
	}
	memset(p->shares, 0, shares);
	sigfillset(&all); /* signals are the application's own threads' business */
	pthread_sigmask(SIG_BLOCK, &all, &old);
	for (int i = 1; i < n_threads; i++) {
		struct seat *seat = malloc(sizeof(*seat));
		int failed;

		if (!seat) {
			rc = err_nomem(err, "thread pool", sizeof(*seat));
			break;
		}
		*seat = (struct seat){p, i};
		failed = pthread_create(&p->threads[i - 1], NULL, work, seat);
		if (failed) {
			free(seat);
			rc = err_set(err, ERR_FAILED, "thread pool: thread %d of %d did not start",
				     i + 1, n_threads);
			break;
		}
		p->n++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!rc)
		pin_workers(p);
done:
	if (rc) {
		pool_free(p);
		p = NULL;
	}
	*out = p;
	return rc;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	p->quit = true;
	start_generation(p);
	for (int i = 1; i < p->n; i++)
		pthread_join(p->threads[i - 1], NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p->shares);
	free(p->threads);
	free(p);
}

int pool_size(const struct pool *p)
{
	return p->n;
}

/* As many whole pieces for each as for any other; the last piece may be short. */
static void share_out(struct pool *p, int64_t n)
{
	int64_t pieces = (n + p->grain - 1) / p->grain, at = 0;

	for (int i = 0; i < p->n; i++) {
		int64_t end = pieces * (i + 1) / p->n * p->grain;

		atomic_store_explicit(&p->shares[i].next, at, memory_order_relaxed);
		p->shares[i].end = at = end < n ? end : n;
	}
}

void pool_for(struct pool *p, int64_t n, int64_t grain, double work_estimate, pool_fn fn,
	      void *ctx)
{
	if (n <= 0)
		return;
	if (p->n == 1 || n <= grain || work_estimate < MIN_WORK) {
		fn(ctx, 0, 0, n);
		return;
	}
	p->fn = fn;
	p->ctx = ctx;
	p->grain = grain;
	share_out(p, n);
	atomic_store(&p->n_busy, p->n - 1);
	start_generation(p);
	take_items(p, 0);
	for (int i = 0; atomic_load(&p->n_busy) > 0; i++) {
		if (i < p->spins)
			spin_pause();
		else
			sched_yield();
	}
}

int pool_physical_cores(void)
{
	int n = list_cores(NULL, 0);

	return n > 0 ? n : 1;
}
