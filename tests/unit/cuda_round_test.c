/* The GPU's roundings and how it shares rows out, which need no GPU: against plain definitions.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/cuda/round.h"
#include "kernels/cuda/split.h"

#define DRAWS 200000

static uint64_t seed = 7;

static uint32_t draw(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 32);
}

/* A finite number of any size between 2^-low and 2^high. */
static float draw_float(int low, int high)
{
	int e = -low + (int)(draw() % (uint32_t)(low + high));
	float m = 1.0f + (float)(draw() >> 8) * 0x1p-24f;

	return ldexpf(draw() & 1 ? m : -m, e);
}

static double f8_value(uint32_t code)
{
	int e = (int)(code >> 3 & 15), m = (int)(code & 7);
	double v = e ? ldexp(8.0 + m, e - 10) : ldexp((double)m, -9);

	return code & 0x80 ? -v : v;
}

static double fp4_value(uint32_t code)
{
	static const double value[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

	return code & 8 ? -value[code & 7] : value[code & 7];
}

static double f16_value(uint32_t h)
{
	int e = (int)(h >> 10 & 31), m = (int)(h & 1023);
	double v = e ? ldexp(1024.0 + m, e - 25) : ldexp((double)m, -24);

	return h & 0x8000 ? -v : v;
}

static double bf16_value(uint32_t h)
{
	return (double)round_of_bits(h << 16);
}

/* The nearest of n magnitudes, of two the one whose code is even. */
static uint32_t nearest(double x, uint32_t n, double (*value)(uint32_t))
{
	uint32_t best = 0;

	for (uint32_t c = 1; c < n; c++) {
		double was = fabs(fabs(x) - value(best)), is = fabs(fabs(x) - value(c));

		if (is < was || (is == was && c % 2 == 0))
			best = c;
	}
	return best;
}

static void e4m3_is_the_nearest_code(void **state)
{
	(void)state;
	for (int i = 0; i < DRAWS / 10; i++) {
		float x = draw_float(14, 9);
		uint32_t code = round_e4m3(x);

		if (i % 2) /* a tie */
			x = (float)((f8_value(code & 0x7f) +
				     f8_value((code & 0x7f) ? (code & 0x7f) - 1 : 1)) /
				    2);
		assert_int_equal(round_e4m3(x),
				 nearest((double)x, 127, f8_value) | (x < 0 ? 0x80u : 0));
	}
	assert_int_equal(round_e4m3(0.0f), 0);
	assert_int_equal(round_e4m3(-0.0f), 0x80);
	assert_int_equal(round_e4m3(1e30f), 0x7e);
	assert_int_equal(round_e4m3(-INFINITY), 0xfe);
	assert_int_equal(round_e4m3(NAN) & 0x7f, 0x7f);
}

static void e2m1_is_the_nearest_code(void **state)
{
	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		float x = i % 2 ? draw_float(4, 3) : (float)((int)(draw() % 49) - 24) * 0.25f;

		assert_int_equal(round_e2m1(x),
				 nearest((double)x, 8, fp4_value) | (signbit(x) ? 8u : 0));
	}
}

static void a_scale_is_the_next_power_of_two(void **state)
{
	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		float v = fabsf(draw_float(120, 120));
		uint32_t e = round_e8m0_ceil(v);

		assert_true(round_scale(e) >= v && round_scale(e) < 2 * v);
		assert_true(round_scale(round_e8m0_ceil(round_scale(e))) == round_scale(e));
	}
	assert_int_equal(round_e8m0_ceil(0.0f), 1);
	assert_int_equal(round_e8m0_ceil(INFINITY), 254);
	assert_true(round_scale(0) == 0x1p-127f);
	assert_true(isinf(round_scale(255)));
}

static void the_exponential_is_within_two_units(void **state)
{
	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		float x = (float)(draw() >> 8) * 0x1p-24f * 174.0f - 86.5f;
		double want = exp((double)x);

		assert_true(fabs((double)round_exp(x) - want) <= 2.5e-7 * want);
	}
	assert_true(round_exp(0.0f) == 1.0f);
	assert_true(round_exp(-INFINITY) > 0.0f && round_exp(-INFINITY) < 2e-38f);
	assert_true(isfinite(round_exp(INFINITY)));
}

static void fp4_pairs_are_exact_halves(void **state)
{
	(void)state;
	for (int n = 0; n < DRAWS; n++) {
		uint32_t w = draw();

		for (int i = 0; i < 4; i++) {
			uint32_t pair = round_fp4_pair(w, i);

			assert_true(f16_value(pair & 0xffff) * 0x1p14 ==
				    fp4_value(w >> (4 * i) & 15));
			assert_true(f16_value(pair >> 16) * 0x1p14 ==
				    fp4_value(w >> (4 * i + 16) & 15));
		}
	}
}

static void f8_pairs_times_their_scale_are_exact(void **state)
{
	(void)state;
	for (uint32_t e = 100; e < 135; e++) {
		for (uint32_t c = 0; c < 256; c++) {
			uint32_t pair = round_f8_pair(c << 8 | (255 - c) << 24);
			double s = bf16_value(round_f8_scale(e)), want = (double)round_scale(e);

			if ((c & 0x7f) == 0x7f || (c & 0x7f) == 0)
				continue;
			assert_true(bf16_value(pair & 0xffff) * s == f8_value(c) * want);
			assert_true(bf16_value(pair >> 16) * s == f8_value(255 - c) * want);
		}
	}
	assert_true(isinf(bf16_value(round_f8_scale(135))));
}

static void keys_order_as_numbers_do(void **state)
{
	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		float a = draw_float(60, 60), b = i % 5 ? draw_float(60, 60) : a;

		assert_int_equal(a < b, round_key(a) < round_key(b));
		assert_int_equal(a == b, round_key(a) == round_key(b));
	}
	assert_int_equal(round_key(-0.0f), round_key(0.0f));
	assert_int_equal(round_key(NAN), 0);
	assert_true(round_key(-INFINITY) > 0);
}

static void parts_of_rows_cover_all_and_are_no_more_than_said(void **state)
{
	(void)state;
	for (int n = 1; n < 400000; n += n < 5000 ? 1 : 997) {
		int run = attend_run(n), parts = attend_parts(n);

		assert_true(run % 8 == 0 && run >= ATTEND_TILE);
		assert_true(run == ATTEND_TILE || parts > ATTEND_PARTS / 2);
		assert_true(parts >= 1 && parts <= ATTEND_PARTS);
		assert_true(parts * run >= n);
		assert_true((parts - 1) * run < n);
		assert_true(parts <= attend_most_parts(n));
		assert_true(attend_most_parts(n) <= attend_most_parts(n + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e4m3_is_the_nearest_code),
		cmocka_unit_test(e2m1_is_the_nearest_code),
		cmocka_unit_test(a_scale_is_the_next_power_of_two),
		cmocka_unit_test(the_exponential_is_within_two_units),
		cmocka_unit_test(fp4_pairs_are_exact_halves),
		cmocka_unit_test(f8_pairs_times_their_scale_are_exact),
		cmocka_unit_test(keys_order_as_numbers_do),
		cmocka_unit_test(parts_of_rows_cover_all_and_are_no_more_than_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
