/*
 * SQLite without memory, once, at each of its allocations: what was said to be kept is, and
 * what is said next finds the store and its search as sound as before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/support/store.h"

static sqlite3_mem_methods real;
static long countdown; /* allocations up to the one that fails; 0: none does */

static bool fails(void)
{
	return countdown && --countdown == 0;
}

static void *bad_malloc(int n)
{
	return fails() ? NULL : real.xMalloc(n);
}

static void *bad_realloc(void *p, int n)
{
	return fails() ? NULL : real.xRealloc(p, n);
}

static bool say(struct history_tree *t, const char *text)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = str_of(text)};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};
	const struct history_message *said;
	struct err err;

	return history_tree_say(t, &m, &said, &err) == 0;
}

/* Says, and again where it failed; true where an allocation of the first time did. */
static bool say_without_memory(struct history *h, long n)
{
	struct history_tree *t;
	struct err err;
	bool failed, said;

	assert_int_equal(history_tree_new(&t, h, &err), 0);
	assert_true(say(t, "one question"));
	countdown = n;
	said = say(t, "another one");
	failed = countdown == 0;
	countdown = 0;
	if (!said)
		assert_true(say(t, "another one"));
	assert_true(say(t, "the last one of them"));
	history_tree_free(t);
	return failed;
}

static void an_index_survives_every_allocation_that_fails(void **state)
{
	struct store s;
	bool failed = true;
	long n = 0;

	(void)state;
	store_init(&s);
	while (failed) {
		struct buf problems = {0};

		failed = say_without_memory(s.h, ++n);
		if (store_problems(s.h, &problems))
			fail_msg("allocation %ld: %s", n, buf_z(&problems));
		assert_int_equal(store_hits(s.h, "last"), n);
		buf_release(&problems);
	}
	print_message("%ld allocations\n", n - 1);
	assert_true(n > 10);
	store_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_survives_every_allocation_that_fails),
	};
	sqlite3_mem_methods bad;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
		return 1;
	bad = real;
	bad.xMalloc = bad_malloc;
	bad.xRealloc = bad_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &bad) != SQLITE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
