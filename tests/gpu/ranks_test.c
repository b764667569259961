/*
 * Ranks of one model on GPUs: what they add up and gather is what their hosts would, bit for
 * bit, alone and in recorded runs; and where one fails, none waits.  As many ranks as there are
 * GPUs, in each way to add up; twice as many, that share them; and, on one GPU, four that do
 * and one alone with NCCL.  `--backend cpu` tries it with two CPU backends.
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
#define SUMS      100   /* of a batch */
#define EACH      16384 /* values of one, at most */

#define BATCH_BYTES ((size_t)SUMS * EACH * sizeof(float))
#define OUT_BYTES   ((size_t)ROWS * VOCAB * sizeof(float))

/* Either holds whatever a test has. */
_Static_assert(OUT_BYTES >= BATCH_BYTES && OUT_BYTES >= LARGEST * sizeof(float), "room");

struct member {
	int rank;
	struct backend *be;
	struct comm *comm;
	dbuf x, out; /* OUT_BYTES each */
	float *host; /* likewise */
	int rc;
	struct err err;
	pthread_t thread;
};

/* Ranks, and how they add up. */
struct way {
	int n;
	const char *comm;
};

static struct member member[MOST];
static int n_ranks;
static struct way way;
static int (*job)(struct member *m);
static char said[100]; /* by the first rank's job */
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
	int rc;

	o.rank = m->rank;
	o.n_sharing = n_ranks;
	o.comm = way.comm;
	m->host = malloc(OUT_BYTES);
	if (!m->host)
		return err_nomem(&m->err, "rows", OUT_BYTES);
	rc = backend_open(&m->be, &o, &m->err);
	if (!rc)
		rc = m->be->alloc(m->be, OUT_BYTES, MEMORY_PLAIN, &m->x, &m->err);
	return rc ? rc : m->be->alloc(m->be, OUT_BYTES, MEMORY_PLAIN, &m->out, &m->err);
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

/* All ranks do that; the failure that came first, or 0. */
static int run_ranks(int (*what)(struct member *m), struct err *err)
{
	int rc;

	n_ranks = way.n;
	memset(member, 0, sizeof(member));
	job = what;
	pthread_barrier_init(&all, NULL, (unsigned)n_ranks + 1);
	pthread_barrier_init(&ranks, NULL, (unsigned)n_ranks);
	for (int i = 0; i < n_ranks; i++) {
		member[i].rank = i;
		assert_int_equal(pthread_create(&member[i].thread, NULL, live, &member[i]), 0);
	}
	pthread_barrier_wait(&all);
	rc = join_ranks(err);
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	if (member[0].comm)
		member[0].comm->ops->free_all(member[0].comm);
	pthread_barrier_wait(&all);
	for (int i = 0; i < n_ranks; i++)
		pthread_join(member[i].thread, NULL);
	pthread_barrier_destroy(&all);
	pthread_barrier_destroy(&ranks);
	for (int i = 0; i < n_ranks && !rc; i++)
		if (member[i].rc)
			rc = err_set(err, member[i].rc, "rank %d: %s", i, member[i].err.text);
	return rc;
}

/* The ways that there are here. */
static int list_ways(struct bench *b, struct way *out)
{
	struct backend *gpu = bench_backend(b, GPU);
	struct backend_caps caps;
	int n = 0;

	gpu->caps(gpu, &caps);
	if (strncmp(caps.name, "cpu", 3) == 0) {
		out[n++] = (struct way){2, NULL};
		return n;
	}
	if (caps.n_devices > 1)
		out[n++] = (struct way){caps.n_devices < MOST ? caps.n_devices : MOST, "peer"};
	out[n++] = (struct way){caps.n_devices < MOST ? caps.n_devices : MOST, "nccl"};
	if (caps.n_devices <= MOST / 2)
		out[n++] = (struct way){2 * caps.n_devices, NULL};
	if (caps.n_devices == 1)
		out[n++] = (struct way){4, NULL};
	return n;
}

#define MOST_WAYS 4

/* In every way of at least so many ranks. */
static void together(void **state, int least, int (*what)(struct member *m))
{
	struct way ways[MOST_WAYS];
	int n = list_ways(*state, ways);

	for (int i = 0; i < n; i++) {
		struct err err = {0};
		int rc;

		way = ways[i];
		if (way.n < least)
			continue;
		rc = run_ranks(what, &err);
		if (rc && strstr(err.text, "NCCL: no ")) {
			print_message("skipped: %s\n", err.text);
			continue;
		}
		if (rc)
			fail_msg("%d ranks, %s: %s", way.n, way.comm ? way.comm : "auto",
				 err.text);
		print_message("%d ranks, %s: ok, %s\n", way.n, way.comm ? way.comm : "auto",
			      said[0] ? said : "all of it");
	}
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
	static const size_t sizes[] = {1,	  7,	   4096,    7168,	   65536,
				       1 << 18, 1 << 19, 1 << 20, (1 << 20) + 4, LARGEST,
				       4096,	  3};
	int rc = 0;

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]) && !rc; k++)
		rc = sum_once(m, sizes[k], (int)k);
	return rc;
}

static void sums_are_made_in_the_order_of_ranks(void **state)
{
	together(state, 1, sums);
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
	together(state, 1, gathers);
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
	if (!rc && !m->rank)
		snprintf(said, sizeof(said), "%.2f us a sum of 4096 values, host included",
			 1e6 * (clock_s() - start) / ((REPLAYS - 3) * (IN_A_STEP + 1)));
	return rc;
}

static void recorded_runs_sum_as_well(void **state)
{
	together(state, 1, steps);
	said[0] = '\0';
}

/* Sums of 1 to 64 KB at random, many in a run, each in its place of x. */
struct batch {
	struct member *m;
	size_t n[SUMS];
	uint64_t seed;
};

static int batch_body(void *ctx, struct err *err)
{
	const struct batch *b = ctx;
	struct member *m = b->m;
	int rc = 0;

	for (int i = 0; i < SUMS && !rc; i++)
		rc = m->comm->ops->all_reduce(
			m->comm, m->x + (size_t)i * EACH * sizeof(float), b->n[i], err);
	return rc;
}

static int run_batch(struct batch *b, int first)
{
	struct member *m = b->m;
	int rc;

	for (int i = 0; i < SUMS; i++) {
		b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
		b->n[i] = 256 + (size_t)(b->seed >> 33) % (EACH - 256 + 1);
		for (size_t k = 0; k < EACH; k++)
			m->host[(size_t)i * EACH + k] = value(m->rank, k, first + i);
	}
	rc = m->be->put(m->be, m->x, m->host, BATCH_BYTES, &m->err);
	if (!rc)
		rc = m->be->run ? m->be->run(m->be, RUN_ONCE, batch_body, b, &m->err)
				: batch_body(b, &m->err);
	if (!rc)
		rc = m->comm->ops->settle(m->comm, &m->err);
	if (!rc)
		rc = m->be->get(m->be, m->host, m->x, BATCH_BYTES, &m->err);
	for (size_t at = 0; at < (size_t)SUMS * EACH && !rc; at++) {
		int i = (int)(at / EACH);
		size_t k = at % EACH;
		float want = k < b->n[i] ? sum_of(k, first + i) : value(m->rank, k, first + i);

		if (memcmp(&m->host[at], &want, sizeof(want)) != 0)
			rc = err_set(&m->err, ERR_FAILED, "sum %d of %zu: [%zu] %g, expected %g",
				     first + i, b->n[i], k, (double)m->host[at], (double)want);
	}
	return rc;
}

static int batches(struct member *m)
{
	int n = getenv("DSV4CHAT_SLOW") ? 1000 : 20, rc = 0;
	struct batch b = {.m = m, .seed = 5};

	for (int i = 0; i < n && !rc; i++)
		rc = run_batch(&b, i * SUMS);
	if (!rc && !m->rank)
		snprintf(said, sizeof(said), "%d sums", n * SUMS);
	return rc;
}

static void random_sums_are_right_value_for_value(void **state)
{
	together(state, 1, batches);
	said[0] = '\0';
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
	together(state, 2, fails_and_works);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(sums_are_made_in_the_order_of_ranks),
		BENCH_TEST(rows_are_gathered_part_by_part),
		BENCH_TEST(recorded_runs_sum_as_well),
		BENCH_TEST(random_sums_are_right_value_for_value),
		BENCH_TEST(a_failure_ends_every_wait_and_the_next_call_works),
	};

	return BENCH_MAIN(argc, argv, tests);
}
