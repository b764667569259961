/* The arithmetic of choices: noise, logarithms and masses, against libm and by their bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/noise.h"

#define LEAST_U 0x1p-53
#define MOST_U  (1 - 0x1p-53)

static double ulps(double got, long double want)
{
	double near = fabs((double)want), ulp = nextafter(near, INFINITY) - near;

	return (double)(fabsl((long double)got - want) / (long double)ulp);
}

/* The grid of uniform numbers: the one `steps` further. */
static double next_u(double u, int steps)
{
	return u + steps * 0x1p-52;
}

static void the_generator_gives_the_published_words(void **state)
{
	static const struct {
		uint32_t counter[4], key[2], want[4];
	} cases[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		 {0xffffffff, 0xffffffff},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct noise_block c;

		memcpy(c.word, cases[i].counter, sizeof(c.word));
		c = noise_philox(c, cases[i].key[0], cases[i].key[1]);
		assert_memory_equal(c.word, cases[i].want, sizeof(c.word));
	}
}

static void uniform_numbers_stay_inside_and_are_uniform(void **state)
{
	double sum = 0, square = 0;
	const int n = 200000;
	int bin[64] = {0};
	double chi = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		double u = noise_uniform(7, (uint64_t)i / 1000, (uint32_t)i % 1000);

		assert_true(u >= LEAST_U && u <= MOST_U);
		sum += u;
		square += u * u;
		bin[(int)(u * 64)]++;
	}
	for (int i = 0; i < 64; i++)
		chi += (bin[i] - n / 64.0) * (bin[i] - n / 64.0) / (n / 64.0);
	assert_true(fabs(sum / n - 0.5) < 0.004);
	assert_true(fabs(square / n - 1.0 / 3) < 0.004);
	assert_true(chi < 120); /* 63 degrees of freedom: 1 in 50,000 */
}

static void the_ends_of_the_bits_are_the_ends_of_the_uniform_numbers(void **state)
{
	struct noise_block low = {{0, 0, 0, 0}}, high = {{~0u, ~0u, ~0u, ~0u}};

	(void)state;
	for (uint32_t token = 0; token < 2; token++) {
		assert_true(noise_uniform_of(low, token) == LEAST_U);
		assert_true(noise_uniform_of(high, token) == MOST_U);
	}
}

static void neighbouring_tokens_positions_and_seeds_draw_apart(void **state)
{
	(void)state;
	for (uint32_t t = 0; t < 1000; t++) {
		double u = noise_uniform(1, 5, t);

		assert_true(u != noise_uniform(1, 5, t + 1));
		assert_true(u != noise_uniform(1, 6, t));
		assert_true(u != noise_uniform(2, 5, t));
		assert_true(u != noise_uniform(1 + (1ull << 32), 5, t));
		assert_true(u != noise_uniform(1, 5 + (1ull << 32), t));
		assert_true(u == noise_uniform(1, 5, t));
	}
}

static void logarithms_are_within_an_ulp_of_the_true_ones(void **state)
{
	static const double edges[] = {0x1p-1074, 0x1p-1023, 0x1p-1022, 1e-300, LEAST_U, 0.25, 0.5,
				       M_SQRT1_2, MOST_U, 1.0, 1 + 0x1p-52, M_SQRT2, M_E, 36.7,
				       1e300, 0x1.fffffffffffffp+1023};
	double worst = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		double x = edges[i];

		for (int k = -3; k <= 3; k++) {
			double y = x;

			for (int s = 0; s < k; s++)
				y = nextafter(y, INFINITY);
			for (int s = 0; s > k; s--)
				y = nextafter(y, 0);
			if (y > 0 && isfinite(y) && y != 1)
				worst = fmax(worst, ulps(noise_log(y), logl((long double)y)));
		}
	}
	for (uint32_t i = 0; i < 1000000; i++) {
		double u = noise_uniform(3, 0, i);
		double x = i % 3 == 0 ? u : i % 3 == 1 ? 0.9 + 0.2 * u : ldexp(u, (int)(i % 100) - 60);

		worst = fmax(worst, ulps(noise_log(x), logl((long double)x)));
	}
	assert_true(noise_log(1.0) == 0);
	if (!(worst < 1.0))
		fail_msg("%g ulp", worst);
}

static void gumbel_variates_are_right_and_never_fall(void **state)
{
	/* 1/e is where a step of u is the least number of ulps of -ln u */
	static const double around[] = {LEAST_U, 1e-3, 0.25, 0.3678794411714423, 0.5, M_SQRT1_2,
					0.875, 0.999};
	double worst = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		double u = floor(around[i] * 0x1p52) * 0x1p-52 + 0x1p-53, last = -INFINITY;

		u = u > 0x1p-40 ? next_u(u, -20000) : u;
		for (int k = 0; k < 40000; k++, u = next_u(u, 1)) {
			double g = noise_gumbel(u);

			assert_true(g >= last);
			last = g;
		}
	}
	for (double u = next_u(MOST_U, -40000), last = -INFINITY; u <= MOST_U; u = next_u(u, 1)) {
		assert_true(noise_gumbel(u) >= last);
		last = noise_gumbel(u);
	}
	for (uint32_t i = 0; i < 500000; i++) {
		double u = noise_uniform(5, 1, i);
		long double want = -logl(-logl((long double)u));

		/* Near 1/e the variate is next to 0, and -ln u was rounded next to 1. */
		worst = fmax(worst, (double)fabsl((long double)noise_gumbel(u) - want) /
					    (0x1p-52 * (1 + (double)fabsl(want))));
	}
	if (!(worst < 1.5))
		fail_msg("%g", worst);
	assert_true(noise_gumbel(LEAST_U) > -3.61);
	assert_true(noise_gumbel(MOST_U) < 36.74);
}

static void masses_are_the_nearest_whole_units(void **state)
{
	static const double least[] = {-29, -30, -1e300, -INFINITY};

	(void)state;
	assert_true(noise_mass(0) == NOISE_MASS_ONE);
	assert_true(noise_mass(-0x1p-60) == NOISE_MASS_ONE);
	for (size_t i = 0; i < sizeof(least) / sizeof(least[0]); i++)
		assert_true(noise_mass(least[i]) == 0);
	for (uint32_t i = 0; i < 500000; i++) {
		double x = -30 * noise_uniform(9, 2, i);
		long double exact = expl((long double)x) * (long double)NOISE_MASS_ONE;

		/* half a unit, and 2 ulp of e^x */
		assert_true(fabsl((long double)noise_mass(x) - exact) <= 0.5L + exact * 0x1p-51L);
	}
	for (double x = -29.5, last = 0; x <= 0; x += 1e-5) {
		assert_true((double)noise_mass(x) >= last);
		last = (double)noise_mass(x);
	}
}

static void a_share_is_no_less_than_was_asked_for(void **state)
{
	(void)state;
	assert_true(noise_share(0, NOISE_MASS_ONE) == 0);
	assert_true(noise_share(0.5, 3) == 2);
	assert_true(noise_share(0.5, 4) == 2);
	assert_true(noise_share(0x1p-60, 1) == 1);
	assert_true(noise_share(1 - 0x1p-53, NOISE_MASS_ONE) == NOISE_MASS_ONE);
	assert_true(noise_share(0.75, NOISE_MASS_ONE << 23) == (uint64_t)3 << 61);
}

/* What a backend computes is this, bit for bit, whoever compiled it. */
static void the_bits_are_fixed(void **state)
{
	static const struct {
		double u, log, gumbel;
	} cases[] = {
		{0x1p-53, -0x1.25e4f7b2737fap+5, -0x1.cd48a14a68f37p+1},
		{0x1.12e0be826d695p-30, -0x1.4b927f32bffb8p+4, -0x1.84003ae8e27a9p+1},
		{0x1.0624dd2f1a9fcp-10, -0x1.ba18a998fffap+2, -0x1.eec1ce26f4c48p+0},
		{0x1.948b0f8fab5e6p-7, -0x1.193ea7b495944p+2, -0x1.7af7b4b0681dep+0},
		{0x1.999999999999ap-4, -0x1.26bb1bbb55515p+1, -0x1.ab064cf84927ap-1},
		{0x1p-2, -0x1.62e42fefa39efp+0, -0x1.4e7936217083fp-2},
		{0x1.78b56362cef37p-2, -0x1p+0, -0x0p+0},
		{0x1p-1, -0x1.62e42fefa39efp-1, 0x1.774f29bdd6b9fp-2},
		{0x1.6a0902de00d1bp-1, -0x1.62e6b3842a25ep-2, 0x1.0f44122a36602p+0},
		{0x1.999999999999ap-1, -0x1.c8ff7c79a9a2p-3, 0x1.7ffc112518446p+0},
		{0x1.ccccccccccccdp-1, -0x1.af8e8210a415cp-4, 0x1.200c095d659dep+1},
		{0x1.fae147ae147aep-1, -0x1.495453e6fd4bcp-7, 0x1.2668d84d6e67fp+2},
		{0x1.ffffde7210be9p-1, -0x1.0c6f82d74d23p-20, 0x1.ba18a88c8c84ep+3},
		{0x1.fffffffffffffp-1, -0x1p-53, 0x1.25e4f7b2737fap+5},
	};
	static const struct {
		double x;
		uint64_t mass;
	} masses[] = {
		{-0x1p-40, 1099511627775u},
		{-0x1.0624dd2f1a9fcp-10, 1098412665721u},
		{-0x1.3333333333333p-2, 814538247708u},
		{-0x1.62eb1c432ca58p-2, 777451595444u},
		{-0x1.62e42fead449cp-1, 549755814196u},
		{-0x1p+0, 404487723188u},
		{-0x1.4p+1, 90253410453u},
		{-0x1.cp+2, 1002624824u},
		{-0x1.abd70a3d70a3dp+3, 1716653u},
		{-0x1.4p+4, 2266u},
		{-0x1.b8p+4, 1u},
		{-0x1.c666666666666p+4, 1u},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(noise_log(cases[i].u) == cases[i].log);
		assert_true(noise_gumbel(cases[i].u) == cases[i].gumbel);
	}
	for (size_t i = 0; i < sizeof(masses) / sizeof(masses[0]); i++)
		assert_true(noise_mass(masses[i].x) == masses[i].mass);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_generator_gives_the_published_words),
		cmocka_unit_test(uniform_numbers_stay_inside_and_are_uniform),
		cmocka_unit_test(the_ends_of_the_bits_are_the_ends_of_the_uniform_numbers),
		cmocka_unit_test(neighbouring_tokens_positions_and_seeds_draw_apart),
		cmocka_unit_test(logarithms_are_within_an_ulp_of_the_true_ones),
		cmocka_unit_test(gumbel_variates_are_right_and_never_fall),
		cmocka_unit_test(masses_are_the_nearest_whole_units),
		cmocka_unit_test(a_share_is_no_less_than_was_asked_for),
		cmocka_unit_test(the_bits_are_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
