/* The clocks: their units agree, moments to come are well formed, and the wall's is the wall's. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "engine/base/clock.h"

static void the_monotonic_units_are_one_clock(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t before = clock_ns(), ms = clock_ms();
		double s = clock_s();
		int64_t after = clock_ns();

		assert_in_range(ms, before / 1000000, after / 1000000);
		assert_true(s >= (double)before / 1e9 && s <= (double)after / 1e9);
	}
}

static void a_moment_to_come_is_so_far_away_and_well_formed(void **state)
{
	static const int waits_ms[] = {0, 1, 999, 1000, 1001, 86400000, INT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
		/* Often, so that the nanoseconds carry over in some. */
		for (int again = 0; again < 200; again++) {
			int64_t wait = (int64_t)waits_ms[i] * 1000000, before = clock_ns();
			struct timespec t = clock_after_ms(waits_ms[i]);
			int64_t after = clock_ns(), at = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;

			assert_in_range(t.tv_nsec, 0, 999999999);
			assert_in_range(at, before + wait, after + wait);
		}
	}
}

static void what_is_left_until_a_moment_is_as_poll_takes_it(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		int64_t now = clock_ms();
		int left = clock_left_ms(now + 100000), more = (int)(clock_ms() - now);

		assert_in_range(left, 100000 - more, 100000);
	}
	assert_int_equal(clock_left_ms(0), -1);
	assert_int_equal(clock_left_ms(clock_ms()), 0);
	assert_int_equal(clock_left_ms(1), 0);
	assert_int_equal(clock_left_ms(INT64_MAX), INT_MAX);
}

static void the_wall_shows_the_time_of_day(void **state)
{
	time_t before = time(NULL);
	int64_t ms = clock_wall_ms();

	(void)state;
	/* time() may lag by the tick it is taken from. */
	assert_in_range(ms / 1000, before, before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_monotonic_units_are_one_clock),
		cmocka_unit_test(a_moment_to_come_is_so_far_away_and_well_formed),
		cmocka_unit_test(what_is_left_until_a_moment_is_as_poll_takes_it),
		cmocka_unit_test(the_wall_shows_the_time_of_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
