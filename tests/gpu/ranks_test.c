/*
 * GPUs that are ranks of one model: what they add up and gather is what their hosts would, bit
 * for bit, alone and in recorded runs; and where one fails, none waits.  With one GPU all of
 * this is skipped; `--backend cpu` tries it with two CPU backends.
 */
#include "tests/gpu/harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "kernels/comm/comm.h"

#define MOST      8
#define LARGEST   ((1 << 20) + 5) /* more than the kernels take at once */
#define VOCAB     129280
#define ROWS      16
#define IN_A_STEP 86
#define REPLAYS   20

struct member {
	int rank;
	struct backend *be;
	struct comm *comm;
	dbuf x, out; /* f32 [LARGEST], [ROWS, VOCAB] */
	float *host; /* as large as the larger */
	int rc;
	struct err err;
	double us; /* of one all-reduce in a recorded run */
	pthread_t thread;
};

static struct member member[MOST];
static int n_ranks;
static int (*job)(struct member *m);
static pthread_barrier_t all; /* and the test's own thread */
static pthread_barrier_t ranks;

static float value(int rank, size_t i, int call)
{
	uint32_t u =
		((uint32_t)rank * 7919u + (uint32_t)i * 104729u + (uint32_t)call) * 2654435761u;

	return ((float)(u >> 8) - 8388608.0f) * (float)(1 << (u & 7));
}

static float sum_of(size_t i, int call)
{
	float sum = value(0, i, call);

	for (int r = 1; r < n_ranks; r++)
		sum += value(r, i, call);
	return sum;
}

static int open_rank(struct member *m)
{
	struct backend_options o = bench_options(GPU);
	size_t out = (size_t)ROWS * VOCAB * sizeof(float);
	int rc;

	o.device = m->rank;
	m->host = malloc(out);
	if (!m->host)
		return err_nomem(&m->err, "rows", out);
	rc = backend_open(&m->be, &o, &m->err);
	if (!rc)
		rc = m->be->alloc(m->be, LARGEST * sizeof(float), MEMORY_PLAIN, &m->x, &m->err);
	return rc ? rc : m->be->alloc(m->be, out, MEMORY_PLAIN, &m->out, &m->err);
}

/* Opens, waits until the ranks are joined, does its job, waits until they are parted. */
static void *live(void *arg)
{
	struct member *m = arg;

	m->rc = open_rank(m);
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	if (!m->rc && m->comm)
		m->rc = job(m);
	if (m->rc && m->comm)
		m->comm->ops->poison(m->comm, &m->err);
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	if (m->be) {
		if (m->be->forget)
			m->be->forget(m->be);
		m->be->free(m->be, m->x);
		m->be->free(m->be, m->out);
		m->be->close(m->be);
	}
	free(m->host);
	return NULL;
}

static int join_ranks(struct err *err)
{
	struct backend *be[MOST];
	struct comm *comm[MOST];
	int rc;

	for (int i = 0; i < n_ranks; i++) {
		if (member[i].rc)
			return err_set(err, member[i].rc, "%s", member[i].err.text);
		be[i] = member[i].be;
	}
	if (!be[0]->comm_new)
		return err_set(err, ERR_MODEL, "no comm_new");
	rc = be[0]->comm_new(be, n_ranks, comm, err);
	for (int i = 0; i < n_ranks && !rc; i++)
		member[i].comm = comm[i];
	return rc;
}

static void together(void **state, int (*what)(struct member *m))
{
	struct backend *gpu = bench_backend(*state, GPU);
	struct backend_caps caps;
	struct err err = {0};
	int rc;

	gpu->caps(gpu, &caps);
	n_ranks = strncmp(caps.name, "cpu", 3) == 0 ? 2
		  : caps.n_devices < MOST           ? caps.n_devices
						    : MOST;
	if (n_ranks < 2) {
		print_message("skipped: one GPU alone\n");
		skip();
	}
	memset(member, 0, sizeof(member));
	job = what;
	pthread_barrier_init(&all, NULL, (unsigned)n_ranks + 1);
	pthread_barrier_init(&ranks, NULL, (unsigned)n_ranks);
	for (int i = 0; i < n_ranks; i++) {
		member[i].rank = i;
		assert_int_equal(pthread_create(&member[i].thread, NULL, live, &member[i]), 0);
	}
	pthread_barrier_wait(&all);
	rc = join_ranks(&err);
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	if (member[0].comm)
		member[0].comm->ops->free_all(member[0].comm);
	pthread_barrier_wait(&all);
	for (int i = 0; i < n_ranks; i++)
		pthread_join(member[i].thread, NULL);
	pthread_barrier_destroy(&all);
	pthread_barrier_destroy(&ranks);
	if (rc)
		fail_msg("%s", err.text);
	for (int i = 0; i < n_ranks; i++)
		if (member[i].rc)
			fail_msg("rank %d: %s", i, member[i].err.text);
}

/* ------------------------------------------------------------------------- calls */

static int put_values(struct member *m, size_t n, int call)
{
	for (size_t i = 0; i < n; i++)
		m->host[i] = value(m->rank, i, call);
	return m->be->put(m->be, m->x, m->host, n * sizeof(float), &m->err);
}

static int compare_sums(struct member *m, size_t n, int call)
{
	int rc = m->comm->ops->settle(m->comm, &m->err);

	if (!rc)
		rc = m->be->get(m->be, m->host, m->x, n * sizeof(float), &m->err);
	for (size_t i = 0; i < n && !rc; i++) {
		float want = sum_of(i, call);

		if (memcmp(&m->host[i], &want, sizeof(want)) != 0)
			rc = err_set(&m->err, ERR_FAILED, "call %d: [%zu] %g, expected %g",
				     call, i, (double)m->host[i], (double)want);
	}
	return rc;
}

static int sum_once(struct member *m, size_t n, int call)
{
	int rc = put_values(m, n, call);

	if (!rc)
		rc = m->comm->ops->all_reduce(m->comm, m->x, n, &m->err);
	return rc ? rc : compare_sums(m, n, call);
}

static int sums(struct member *m)
{
	static const size_t sizes[] = {1, 7, 4096, 7168, 65536, 1 << 20, LARGEST, 4096, 3};
	int rc = 0;

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]) && !rc; k++)
		rc = sum_once(m, sizes[k], (int)k);
	return rc;
}

static void sums_are_made_in_the_order_of_ranks(void **state)
{
	together(state, sums);
}

static int gathers(struct member *m)
{
	static const int totals[] = {VOCAB, 203, 320};
	int rc = 0;

	for (int k = 0; k < 6 && !rc; k++) {
		int total = totals[k % 3], n = k < 3 ? 1 : ROWS - k;
		int first = (int)((int64_t)total * m->rank / n_ranks);
		int count = (int)((int64_t)total * (m->rank + 1) / n_ranks) - first;
		struct gather_args a = {n, first, count, total, m->x, m->out};

		for (int i = 0; i < n * count; i++)
			m->host[i] = value(i / count, (size_t)(first + i % count), k);
		rc = m->be->put(m->be, m->x, m->host, (size_t)(n * count) * sizeof(float),
				&m->err);
		if (!rc)
			rc = m->comm->ops->gather(m->comm, &a, &m->err);
		if (!rc)
			rc = m->comm->ops->settle(m->comm, &m->err);
		if (!rc)
			rc = m->be->get(m->be, m->host, m->out,
					(size_t)(n * total) * sizeof(float), &m->err);
		for (int i = 0; i < n * total && !rc; i++)
			if (m->host[i] != value(i / total, (size_t)(i % total), k))
				rc = err_set(&m->err, ERR_FAILED, "gather %d: [%d, %d]", k,
					     i / total, i % total);
	}
	return rc;
}

static void rows_are_gathered_part_by_part(void **state)
{
	together(state, gathers);
}

/* ------------------------------------------------------------------ recorded runs */

static int step_body(void *ctx, struct err *err)
{
	struct member *m = ctx;
	int rc = 0;

	for (int i = 0; i < IN_A_STEP && !rc; i++)
		rc = m->comm->ops->all_reduce(m->comm, m->out, 4096, err);
	return rc ? rc : m->comm->ops->all_reduce(m->comm, m->x, 4096, err);
}

static int steps(struct member *m)
{
	double start = 0;
	int rc = 0;

	for (int i = 0; i < REPLAYS && !rc; i++) {
		if (i == 3)
			start = clock_s();
		rc = put_values(m, 4096, i);
		if (!rc)
			rc = m->be->run ? m->be->run(m->be, i == 5 ? RUN_ONCE : 1, step_body, m,
						     &m->err)
					: step_body(m, &m->err);
		if (!rc)
			rc = compare_sums(m, 4096, i);
	}
	m->us = 1e6 * (clock_s() - start) / ((REPLAYS - 3) * (IN_A_STEP + 1));
	return rc;
}

static void recorded_runs_sum_as_well(void **state)
{
	together(state, steps);
	print_message("%.2f us an all-reduce of 4096 values, host and comparing included\n",
		      member[0].us);
}

/* ---------------------------------------------------------------------- failures */

/* The second rank fails instead of coming; the first is told within seconds. */
static int fails_once(struct member *m)
{
	const struct err why = {ERR_FAILED, "its time has come"};
	double start = clock_s();
	int rc;

	if (m->rank == 1) {
		m->comm->ops->poison(m->comm, &why);
		return 0;
	}
	rc = put_values(m, 4096, 0);
	if (!rc)
		rc = m->comm->ops->all_reduce(m->comm, m->x, 4096, &m->err);
	if (!rc)
		rc = m->comm->ops->settle(m->comm, &m->err);
	if (rc != ERR_FAILED || strcmp(m->err.text, why.text) != 0)
		return err_set(&m->err, ERR_USAGE, "told %d, \"%s\"", rc, m->err.text);
	if (clock_s() - start > 5)
		return err_set(&m->err, ERR_USAGE, "told after %.1f s", clock_s() - start);
	return 0;
}

static int fails_and_works(struct member *m)
{
	int rc = fails_once(m);

	pthread_barrier_wait(&ranks);
	if (m->rank == 0)
		m->comm->ops->mend(m->comm);
	pthread_barrier_wait(&ranks);
	return rc ? rc : sum_once(m, 4096, 1);
}

static void a_failure_ends_every_wait_and_the_next_call_works(void **state)
{
	together(state, fails_and_works);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(sums_are_made_in_the_order_of_ranks),
		BENCH_TEST(rows_are_gathered_part_by_part),
		BENCH_TEST(recorded_runs_sum_as_well),
		BENCH_TEST(a_failure_ends_every_wait_and_the_next_call_works),
	};

	return BENCH_MAIN(argc, argv, tests);
}
