/* The threads of the CPU backend: who takes which items of a loop. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/cpu/pool.h"

#define MOST 1000
#define WORK 1e9 /* enough to be shared out */

static struct pool *open_pool(int n_threads)
{
	struct pool *p;
	struct err err = {0};

	assert_int_equal(pool_new(&p, n_threads, false, &err), 0);
	assert_int_equal(pool_size(p), n_threads);
	return p;
}

struct loop {
	int64_t n, grain;
	int n_workers;
	atomic_int taken[MOST];
	atomic_int odd; /* pieces that are none */
};

static void take(void *ctx, int worker, int64_t i0, int64_t i1)
{
	struct loop *l = ctx;

	if (i0 < 0 || i0 >= i1 || i1 > l->n || worker < 0 || worker >= l->n_workers ||
	    (i1 - i0 > l->grain && i1 - i0 != l->n)) {
		atomic_fetch_add(&l->odd, 1);
		return;
	}
	for (int64_t i = i0; i < i1; i++)
		atomic_fetch_add(&l->taken[i], 1);
}

static void every_item_is_taken_once(void **state)
{
	static const int threads[] = {1, 2, 3, 7};
	static const int64_t lengths[] = {0, 1, 2, 6, 7, 8, 63, 64, 65, MOST};
	static const int64_t grains[] = {1, 3, 16, 64};

	(void)state;
	for (size_t t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
		struct pool *p = open_pool(threads[t]);

		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			for (size_t g = 0; g < sizeof(grains) / sizeof(grains[0]); g++) {
				struct loop l = {lengths[i], grains[g], threads[t], {0}, 0};

				pool_for(p, l.n, l.grain, WORK, take, &l);
				assert_int_equal(l.odd, 0);
				for (int64_t k = 0; k < MOST; k++)
					assert_int_equal(l.taken[k], k < l.n);
			}
		}
		pool_free(p);
	}
}

struct wait {
	int64_t n, first; /* the item that waits */
	atomic_int_fast64_t n_done;
};

/* That one is done when all others are. */
static void wait_for_others(void *ctx, int worker, int64_t i0, int64_t i1)
{
	struct wait *w = ctx;

	(void)worker;
	while (i0 == w->first && atomic_load(&w->n_done) < w->n - 1)
		sched_yield();
	atomic_fetch_add(&w->n_done, i1 - i0);
}

static void what_a_slow_worker_leaves_is_taken_by_others(void **state)
{
	(void)state;
	for (int n_threads = 2; n_threads <= 4; n_threads++) {
		struct pool *p = open_pool(n_threads);

		for (int64_t first = 0; first < 24; first++) {
			struct wait w = {.n = 24, .first = first};

			pool_for(p, w.n, 1, WORK, wait_for_others, &w);
			assert_int_equal(w.n_done, w.n);
		}
		pool_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_is_taken_once),
		cmocka_unit_test(what_a_slow_worker_leaves_is_taken_by_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
