/* Which kernels a GPU of which capability gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/cuda/tile_policy.h"

#define GIB (UINT64_C(1) << 30)

static void each_capability_gets_what_runs_on_it(void **state)
{
	static const struct {
		int sm, general;
		enum cuda_variant variant;
		int has_code;
	} cases[] = {
		{61, 0, VARIANT_NONE, 0},     {70, 0, VARIANT_NONE, 0},
		{75, 0, VARIANT_NONE, 0},     {75, 1, VARIANT_NONE, 0},
		{80, 0, VARIANT_GENERAL, 1},  {80, 1, VARIANT_GENERAL, 1},
		{86, 0, VARIANT_GENERAL, 1},  {89, 0, VARIANT_GENERAL, 1},
		{90, 0, VARIANT_SM90A, 1},    {90, 1, VARIANT_GENERAL, 0},
		{100, 0, VARIANT_GENERAL, 0}, {103, 0, VARIANT_GENERAL, 0},
		{120, 0, VARIANT_GENERAL, 0}, {121, 0, VARIANT_GENERAL, 0},
		{130, 0, VARIANT_GENERAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tile_policy p = tile_policy(cases[i].sm, 80 * GIB, cases[i].general);

		assert_int_equal(p.variant, cases[i].variant);
		assert_int_equal(p.has_code, cases[i].has_code);
	}
}

static void only_a_capability_that_tests_ran_on_counts_as_tried(void **state)
{
	static const int untried[] = {80, 86, 89, 100, 103, 120, 121};

	(void)state;
	for (size_t i = 0; i < sizeof(untried) / sizeof(untried[0]); i++)
		assert_false(tile_policy(untried[i], 80 * GIB, 0).has_run);
	assert_true(tile_policy(90, 80 * GIB, 0).has_run);
}

static void a_prefill_chunk_grows_with_the_memory(void **state)
{
	static const struct {
		uint64_t memory;
		int rows;
	} cases[] = {
		{8 * GIB, 512},   {12 * GIB, 512},  {16 * GIB, 1024},  {24 * GIB, 1024},
		{48 * GIB, 2048}, {80 * GIB, 2048}, {140 * GIB, 4096},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tile_policy p = tile_policy(89, cases[i].memory, 0);

		assert_int_equal(p.prefill_rows, cases[i].rows);
		assert_true(p.max_rows >= p.prefill_rows);
	}
}

static void a_gpu_can_be_used_as_if_it_had_less_memory(void **state)
{
	static const struct {
		uint64_t left, all, most, is;
	} cases[] = {
		{130, 140, 0, 130}, /* what it has */
		{130, 140, 24, 14}, /* what others use of it is taken off */
		{130, 140, 140, 130}, {130, 140, 200, 130},
		{100, 140, 24, 0},    {116, 140, 24, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(tile_policy_free(cases[i].left * GIB, cases[i].all * GIB,
						  cases[i].most * GIB),
				 cases[i].is * GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gpu_can_be_used_as_if_it_had_less_memory),
		cmocka_unit_test(each_capability_gets_what_runs_on_it),
		cmocka_unit_test(only_a_capability_that_tests_ran_on_counts_as_tried),
		cmocka_unit_test(a_prefill_chunk_grows_with_the_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
