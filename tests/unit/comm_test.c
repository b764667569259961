/*
 * Ranks that are threads: sums, gathers and broadcasts are the same on all, bit for bit; and
 * where one fails, or does not come, or comes to something else, nobody waits for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/thread.h"
#include "kernels/comm/comm.h"

#define MOST  8
#define N     1003 /* floats: no multiple of a count of ranks, or of a block */
#define ROWS  5
#define TOTAL 131
#define CALLS 200

struct member {
	struct comm *c;
	int (*run)(struct member *m);
	int n_calls;  /* that succeeded */
	int stops_at; /* the call that this rank does not come to; -1: none */
	bool says_so; /* that it failed */
	int rc;
	struct err err;
	float x[N], part[ROWS * TOTAL], all[ROWS * TOTAL];
	pthread_t thread;
};

static struct member member[MOST];

static void *run(void *arg)
{
	struct member *m = arg;

	m->rc = m->run(m);
	return NULL;
}

/* Every rank in a thread of its own, the first in this one. */
static void together(int n, int patience_ms, int (*what)(struct member *m))
{
	struct comm *ends[MOST];
	struct err err;

	assert_int_equal(loopback_new(ends, n, patience_ms, &err), 0);
	for (int i = 0; i < n; i++) {
		member[i].c = ends[i];
		member[i].run = what;
		member[i].n_calls = 0;
		member[i].err = (struct err){0};
		assert_int_equal(ends[i]->rank, i);
		assert_int_equal(ends[i]->n_ranks, n);
	}
	for (int i = 1; i < n; i++)
		assert_int_equal(thread_start(&member[i].thread, run, &member[i], "rank", &err),
				 0);
	run(&member[0]);
	for (int i = 1; i < n; i++)
		pthread_join(member[i].thread, NULL);
}

static void everybody_comes(void)
{
	for (int i = 0; i < MOST; i++) {
		member[i].stops_at = -1;
		member[i].says_so = false;
	}
}

/* Values whose sum depends on the order. */
static float value(int rank, int i, int call)
{
	uint32_t u = (uint32_t)(rank * 7919 + i * 104729 + call * 1299709) * 2654435761u;

	return ((float)(u >> 8) - 8388608.0f) * (float)(1 << (u & 15));
}

static float expected_sum(int n, int i, int call)
{
	float sum = value(0, i, call);

	for (int r = 1; r < n; r++)
		sum += value(r, i, call);
	return sum;
}

static dbuf bytes(float *x)
{
	return (dbuf)(void *)x;
}

static int sums(struct member *m)
{
	for (int call = 0; call < CALLS; call++) {
		int n = call % 2 ? N
				 : call % 7; /* sometimes fewer than there are ranks, or none */
		int rc;

		for (int i = 0; i < n; i++)
			m->x[i] = value(m->c->rank, i, call);
		rc = m->c->ops->all_reduce(m->c, bytes(m->x), (size_t)n, &m->err);
		if (rc)
			return rc;
		for (int i = 0; i < n; i++) {
			float want = expected_sum(m->c->n_ranks, i, call);

			if (memcmp(&m->x[i], &want, sizeof(want)) != 0)
				return err_set(&m->err, ERR_FAILED,
					       "call %d: [%d] %g, expected %g", call, i,
					       (double)m->x[i], (double)want);
		}
		m->n_calls++;
	}
	return 0;
}

static void assert_all_well(int n)
{
	for (int i = 0; i < n; i++)
		if (member[i].rc)
			fail_msg("rank %d of %d: %s", i, n, member[i].err.text);
	member[0].c->ops->free_all(member[0].c);
}

static void sums_are_made_in_the_order_of_ranks(void **state)
{
	(void)state;
	everybody_comes();
	for (int n = 1; n <= MOST; n++) {
		together(n, COMM_PATIENCE_MS, sums);
		assert_all_well(n);
	}
}

static int gathers(struct member *m)
{
	int rank = m->c->rank, n = m->c->n_ranks;
	int first = TOTAL * rank / n, count = TOTAL * (rank + 1) / n - first;

	for (int call = 0; call < CALLS; call++) {
		const struct gather_args a = {.n_row = 1 + call % ROWS,
					      .first = first,
					      .count = count,
					      .total = TOTAL,
					      .in = bytes(m->part),
					      .out = bytes(m->all)};
		int rc;

		for (int i = 0; i < a.n_row * count; i++)
			m->part[i] = value(i / count, first + i % count, call);
		rc = m->c->ops->gather(m->c, &a, &m->err);
		for (int i = 0; i < a.n_row * TOTAL && !rc; i++)
			if (m->all[i] != value(i / TOTAL, i % TOTAL, call))
				rc = err_set(&m->err, ERR_FAILED, "call %d: [%d]", call, i);
		if (rc)
			return rc;
	}
	return 0;
}

static void rows_are_gathered_part_by_part(void **state)
{
	(void)state;
	for (int n = 1; n <= MOST; n++) {
		together(n, COMM_PATIENCE_MS, gathers);
		assert_all_well(n);
	}
}

static int broadcasts(struct member *m)
{
	for (int call = 0; call < CALLS; call++) {
		int64_t said[2] = {m->c->rank ? -1 : call, m->c->rank ? -1 : 3 * call};
		int rc = m->c->ops->broadcast(m->c, said, sizeof(said), &m->err);

		if (!rc && (said[0] != call || said[1] != 3 * call))
			rc = err_set(&m->err, ERR_FAILED, "call %d: %lld", call,
				     (long long)said[0]);
		if (!rc)
			rc = m->c->ops->barrier(m->c, &m->err);
		if (rc)
			return rc;
	}
	return 0;
}

static void what_the_first_rank_says_all_hear(void **state)
{
	(void)state;
	for (int n = 1; n <= MOST; n++) {
		together(n, COMM_PATIENCE_MS, broadcasts);
		assert_all_well(n);
	}
}

/* ------------------------------------------------------------------ failures */

/* A call of every kind in turn, until one fails, or this rank's time has come. */
static int some_of_each(struct member *m)
{
	const struct gather_args gather = {.n_row = 1,
					   .first = m->c->rank,
					   .count = 1,
					   .total = m->c->n_ranks,
					   .in = bytes(m->part),
					   .out = bytes(m->all)};
	const struct comm_ops *ops = m->c->ops;
	int64_t said = 0;

	for (int call = 0; call < 8; call++) {
		int rc;

		if (call == m->stops_at) {
			const struct err why = {ERR_NOMEM, "its memory is at an end"};

			if (m->says_so)
				ops->poison(m->c, &why);
			return 0;
		}
		switch (call % 4) {
		case 0:
			rc = ops->all_reduce(m->c, bytes(m->x), N, &m->err);
			break;
		case 1:
			rc = ops->gather(m->c, &gather, &m->err);
			break;
		case 2:
			rc = ops->broadcast(m->c, &said, sizeof(said), &m->err);
			break;
		default:
			rc = ops->barrier(m->c, &m->err);
		}
		if (rc)
			return rc;
		m->n_calls++;
	}
	return 0;
}

static void a_rank_that_fails_anywhere_fails_all(void **state)
{
	(void)state;
	for (int n = 2; n <= 4; n++) {
		for (int who = 0; who < n; who++) {
			for (int call = 0; call < 8; call++) {
				everybody_comes();
				member[who].stops_at = call;
				member[who].says_so = true;
				together(n, COMM_PATIENCE_MS, some_of_each);
				for (int i = 0; i < n; i++) {
					assert_int_equal(member[i].n_calls, call);
					if (i == who)
						continue;
					assert_int_equal(member[i].rc, ERR_NOMEM);
					assert_string_equal(member[i].err.text,
							    "its memory is at an end");
				}
				assert_true(member[0].c->ops->poisoned(member[0].c));
				member[0].c->ops->free_all(member[0].c);
			}
		}
	}
	everybody_comes();
}

static void a_rank_that_does_not_come_is_named(void **state)
{
	static const char *const expected[] = {
		"all-reduce of 3 ranks: rank 1 did not come within 2000 ms",
		"gather of 3 ranks: rank 1 did not come within 2000 ms",
		"broadcast of 3 ranks: rank 1 did not come within 2000 ms"};

	(void)state;
	for (int call = 0; call < 3; call++) {
		everybody_comes();
		member[1].stops_at = call;
		together(3, 2000, some_of_each);
		for (int i = 0; i < 3; i += 2) {
			assert_int_equal(member[i].rc, ERR_MODEL);
			assert_string_equal(member[i].err.text, expected[call]);
		}
		member[0].c->ops->free_all(member[0].c);
	}
	everybody_comes();
}

static int other_sizes(struct member *m)
{
	return m->c->ops->all_reduce(m->c, bytes(m->x), m->c->rank == 2 ? N : N - 1, &m->err);
}

static void ranks_at_different_calls_are_told(void **state)
{
	(void)state;
	together(3, COMM_PATIENCE_MS, other_sizes);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(member[i].rc, ERR_MODEL);
		assert_non_null(strstr(member[i].err.text, "all-reduce of 1003"));
	}
	member[0].c->ops->free_all(member[0].c);
}

static int fails_then_works(struct member *m)
{
	const struct err why = {ERR_FAILED, "once"};
	int rc = 0;

	if (m->c->rank == 1)
		m->c->ops->poison(m->c, &why);
	rc = m->c->ops->all_reduce(m->c, bytes(m->x), N, &m->err);
	return rc == ERR_FAILED ? 0 : ERR_USAGE;
}

/* One after another, in the same ends. */
static void mended_ranks_work_again(void **state)
{
	(void)state;
	everybody_comes();
	together(4, COMM_PATIENCE_MS, fails_then_works);
	for (int i = 0; i < 4; i++)
		assert_int_equal(member[i].rc, 0);
	member[3].c->ops->mend(member[3].c);
	assert_false(member[0].c->ops->poisoned(member[0].c));
	for (int i = 0; i < 4; i++) {
		struct err err;

		member[i].run = sums;
		assert_int_equal(thread_start(&member[i].thread, run, &member[i], "rank", &err),
				 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(member[i].thread, NULL);
	assert_all_well(4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_made_in_the_order_of_ranks),
		cmocka_unit_test(rows_are_gathered_part_by_part),
		cmocka_unit_test(what_the_first_rank_says_all_hear),
		cmocka_unit_test(a_rank_that_fails_anywhere_fails_all),
		cmocka_unit_test(a_rank_that_does_not_come_is_named),
		cmocka_unit_test(ranks_at_different_calls_are_told),
		cmocka_unit_test(mended_ranks_work_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
