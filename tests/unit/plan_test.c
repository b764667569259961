/* The plan of memory: sums, refusals, its table. */
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "engine/checkpoint/plan.h"

#define GB 1000000000ull

static struct memory_plan example(void)
{
	struct memory_plan p = {
		.cache_fixed = 1 * GB,
		.cache_page = 1000000,
		.ctx_tokens = 128 * 4000,
		.scratch = 1 * GB,
		.available = 20 * GB,
	};

	p.weights[WEIGHT_KIND_EXPERTS] = 10 * GB;
	p.weights[WEIGHT_KIND_HEAD] = 2 * GB;
	return p;
}

static void a_plan_that_fits_is_no_error(void **state)
{
	struct memory_plan p = example();
	struct err err = {0};

	(void)state;
	assert_int_equal(plan_weights(&p), 12 * GB);
	assert_int_equal(plan_cache(&p), 5 * GB);
	assert_int_equal(plan_total(&p), 18 * GB);
	assert_int_equal(plan_check(&p, &err), 0);
	assert_int_equal(plan_ctx_that_fits(&p), p.ctx_tokens);
	p.available = 18 * GB;
	assert_int_equal(plan_check(&p, &err), 0);
}

static void a_context_that_does_not_fit_is_refused_with_one_that_does(void **state)
{
	struct memory_plan p = example();
	struct err err = {0};

	(void)state;
	p.available = 16 * GB;
	assert_int_equal(plan_check(&p, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "needs 18.0 GB"));
	assert_non_null(strstr(err.text, "at most 16.0 GB"));
	assert_non_null(strstr(err.text, "--ctx 256000"));
	p.ctx_tokens = plan_ctx_that_fits(&p);
	assert_int_equal(plan_check(&p, &err), 0);
	p.ctx_tokens++;
	assert_int_equal(plan_check(&p, &err), ERR_MODEL);
}

static void weights_that_do_not_fit_are_refused(void **state)
{
	struct memory_plan p = example();
	struct err err = {0};

	(void)state;
	p.available = 8 * GB;
	assert_int_equal(plan_check(&p, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "weights 12.0 GB"));
	assert_non_null(strstr(err.text, "a machine with more memory would"));
	assert_int_equal(plan_ctx_that_fits(&p), 0);
}

static void sums_beyond_64_bits_do_not_wrap_round(void **state)
{
	struct memory_plan p = example();
	struct err err = {0};

	(void)state;
	p.cache_page = UINT64_MAX / 2;
	assert_int_equal(plan_total(&p), UINT64_MAX);
	assert_int_equal(plan_check(&p, &err), ERR_MODEL);
	assert_int_equal(plan_ctx_that_fits(&p), 0);
}

static void the_table_has_a_line_for_each_part(void **state)
{
	struct memory_plan p = example();
	struct buf out = {0};

	(void)state;
	plan_add_table(&p, &out);
	assert_string_equal(buf_z(&out), "head                      2.00 GB\n"
					 "routed experts            10.0 GB\n"
					 "cache, 512000 tokens      5.00 GB\n"
					 "scratch                   1.00 GB\n"
					 "needed                    18.0 GB\n"
					 "available                 20.0 GB\n");
	buf_release(&out);
}

/* Ten experts of a GB in all layers. */
static struct memory_plan hosting_example(void)
{
	struct memory_plan p = example();

	p.n_experts = 10;
	p.expert = 1 * GB;
	p.host_available = 100 * GB;
	p.reserve = (uint64_t)1 << 30;
	return p;
}

static void host_all_but(struct memory_plan *p, int n)
{
	p->n_told = n;
	plan_host_experts(p);
}

static void as_few_experts_as_must_lie_on_the_host(void **state)
{
	struct memory_plan p = hosting_example();
	struct buf out = {0};
	struct err err = {0};

	(void)state;
	plan_host_experts(&p);
	assert_int_equal(p.n_hosted, 0);
	p.available = 15 * GB; /* 3 GB too few, and what is not counted */
	plan_host_experts(&p);
	assert_int_equal(p.n_hosted, 5);
	assert_int_equal(plan_hosted(&p), 5 * GB);
	assert_int_equal(plan_total(&p), 13 * GB);
	assert_int_equal(plan_check(&p, &err), 0);
	assert_int_equal(plan_ctx_that_fits(&p), p.ctx_tokens);
	plan_add_table(&p, &out);
	assert_non_null(strstr(buf_z(&out), "5 of 10 experts, host     5.00 GB\n"));
	buf_release(&out);
	p.host_available = 4 * GB;
	assert_int_equal(plan_check(&p, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "5 of the 10 experts"));
	plan_host_experts(&p); /* as many as there is room for */
	assert_int_equal(p.n_hosted, 4);
	assert_int_equal(plan_ctx_that_fits(&p), p.ctx_tokens);
	p.host_available = 100 * GB;
	p.available = 5 * GB; /* not even without any of them */
	plan_host_experts(&p);
	assert_int_equal(p.n_hosted, 9); /* all but one */
	assert_int_equal(plan_ctx_that_fits(&p), 0);
	assert_int_equal(plan_check(&p, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "needs 9.00 GB"));
}

static void what_the_host_computes_needs_some_room_on_the_gpu(void **state)
{
	struct memory_plan p = hosting_example();

	(void)state;
	p.staged = GB / 4;
	p.available = 15 * GB;
	plan_host_experts(&p); /* 4 GB by three quarters of one each */
	assert_int_equal(p.n_hosted, 6);
	assert_int_equal(plan_hosted(&p), 6 * GB);
	assert_int_equal(plan_total(&p), 18 * GB - 6 * (GB - GB / 4));
}

/* 18 GB in all; 16 are there. */
static void what_would_fit_is_told_by_who_stands_in_the_way(void **state)
{
	static const struct {
		int n_told;
		enum hosted_by hosting;
		uint64_t gpu, host; /* GB */
		int64_t ctx_tokens;
		int ranks;
		const char *text;
	} cases[] = {
		{0, HOSTING_NONE, 15, 100, 128, 0, NULL}, /* a page of context is enough */
		{0, HOSTING_NONE, 13, 100, 128, 0,
		 "; with 3 of the 10 experts of each layer on the "
		 "host it would fit (--experts auto)"},
		{0, HOSTING_NONE, 13, 100, 512000, 0,
		 "; with 6 of the 10 experts of each layer on the host it would fit (--experts "
		 "auto)"},
		{9, HOSTING_AUTO, 11, 100, 512000, 0,
		 "; with 8 of the 10 experts of each layer on the host it would fit "
		 "(--gpu-experts "
		 "2)"},
		{9, HOSTING_AUTO, 7, 100, 512000, 0,
		 "; with 9 of the 10 experts of each layer on the host it would fit, and a "
		 "shorter "
		 "context (--gpu-experts 1)"},
		{0, HOSTING_AUTO, 7, 3, 512000, 0,
		 "; 9.00 GB of the host's memory for experts would do, there are 3.00 GB"},
		{0, HOSTING_AUTO, 4, 3, 512000, 2,
		 "; the least is 5.00 GB on the GPU, with 9.00 GB of the host's memory for "
		 "experts; "
		 "2 such GPUs would do (--ranks 2)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct memory_plan p = hosting_example();
		struct err err = {0};

		p.reserve = 1 * GB;
		p.n_told = cases[i].n_told;
		p.hosting = cases[i].hosting;
		p.available = cases[i].gpu * GB;
		p.host_available = cases[i].host * GB;
		p.ctx_tokens = cases[i].ctx_tokens;
		p.n_ranks_that_fit = cases[i].ranks;
		if (p.hosting != HOSTING_NONE)
			plan_host_experts(&p);
		assert_int_equal(plan_check(&p, &err), cases[i].text ? ERR_MODEL : 0);
		if (cases[i].text && !strstr(err.text, cases[i].text))
			fail_msg("%s: expected%s", err.text, cases[i].text);
	}
}

static void the_faster_one_computes_unless_somebody_is_named(void **state)
{
	static const struct hosting_rates bus = {4e12, 40e9, 20e9}, cpu = {4e12, 40e9, 150e9},
					  no_cpu = {4e12, 40e9, 0};

	(void)state;
	assert_int_equal(plan_hosting(HOSTING_AUTO, &bus), HOSTING_READ);
	assert_int_equal(plan_hosting(HOSTING_AUTO, &cpu), HOSTING_COMPUTED);
	assert_int_equal(plan_hosting(HOSTING_AUTO, &no_cpu), HOSTING_READ);
	assert_int_equal(plan_hosting(HOSTING_READ, &cpu), HOSTING_READ);
	assert_int_equal(plan_hosting(HOSTING_COMPUTED, &bus), HOSTING_COMPUTED);
}

/* Half of the experts on the host; a token takes two of ten, so of ten GB it takes two. */
static void a_step_takes_what_its_bytes_take(void **state)
{
	struct memory_plan p = hosting_example();
	struct buf out = {0};

	(void)state;
	memset(p.weights, 0, sizeof(p.weights));
	p.weights[WEIGHT_KIND_ATTENTION] = 8 * GB;
	p.weights[WEIGHT_KIND_EMBED] = p.weights[WEIGHT_KIND_DRAFT] = 1 * GB;
	p.weights[WEIGHT_KIND_EXPERTS] = 10 * GB;
	p.n_used = 2;
	p.rates = (struct hosting_rates){1e12, 50e9, 200e9};
	assert_true(fabs(plan_step_s(&p) - (0.008 + 0.002)) < 1e-9);
	assert_true(plan_chunk_s(&p) == 0);
	host_all_but(&p, 5);
	p.hosting = HOSTING_READ;
	p.chunk_rows = 1024;
	assert_true(fabs(plan_step_s(&p) - (0.008 + 0.001 + 0.020)) < 1e-9);
	assert_true(fabs(plan_chunk_s(&p) - 0.1) < 1e-9);
	plan_add_table(&p, &out);
	assert_non_null(strstr(buf_z(&out), "read over the bus       50.0 GB/s\n"
					    "decode, at most              34.5 tokens/s\n"
					    "prompt, at most           10240.0 tokens/s\n"));
	buf_reset(&out);
	p.hosting = HOSTING_COMPUTED;
	assert_true(fabs(plan_step_s(&p) - (0.008 + 0.005)) < 1e-9);
	plan_add_table(&p, &out);
	assert_non_null(strstr(buf_z(&out), "computed there         200.0 GB/s\n"
					    "decode, at most              76.9 tokens/s\n"));
	buf_release(&out);
}

static void how_many_the_gpu_holds_can_be_said(void **state)
{
	struct memory_plan p = hosting_example();

	(void)state;
	host_all_but(&p, 4);
	assert_int_equal(p.n_hosted, 6);
	host_all_but(&p, 10);
	assert_int_equal(p.n_hosted, 0);
	host_all_but(&p, 11);
	assert_int_equal(p.n_hosted, 0);
	p.n_experts = 0; /* a backend that has them all */
	host_all_but(&p, 4);
	assert_int_equal(p.n_hosted, 0);
}

static void bytes_are_written_in_decimal_units(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{999, "999 B"},
		{1000, "1.00 KB"},
		{3510, "3.51 KB"},
		{999949, "999.9 KB"},
		{999951, "1.00 MB"},
		{160 * GB, "160.0 GB"},
		{UINT64_MAX, "18.4 EB"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(bytes_text(text, cases[i].bytes), cases[i].text);
}

static void this_machine_has_some_memory(void **state)
{
	(void)state;
	assert_in_range(memory_available(), 1000000, UINT64_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_that_fits_is_no_error),
		cmocka_unit_test(a_context_that_does_not_fit_is_refused_with_one_that_does),
		cmocka_unit_test(weights_that_do_not_fit_are_refused),
		cmocka_unit_test(sums_beyond_64_bits_do_not_wrap_round),
		cmocka_unit_test(the_table_has_a_line_for_each_part),
		cmocka_unit_test(as_few_experts_as_must_lie_on_the_host),
		cmocka_unit_test(what_would_fit_is_told_by_who_stands_in_the_way),
		cmocka_unit_test(how_many_the_gpu_holds_can_be_said),
		cmocka_unit_test(what_the_host_computes_needs_some_room_on_the_gpu),
		cmocka_unit_test(the_faster_one_computes_unless_somebody_is_named),
		cmocka_unit_test(a_step_takes_what_its_bytes_take),
		cmocka_unit_test(bytes_are_written_in_decimal_units),
		cmocka_unit_test(this_machine_has_some_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
