/*
 * One model over several ranks on the CPU: the logits are the golden ones, the same bits each
 * time however tokens come in; each rank holds its part, and has a plan of its own.
 */
#include "tests/support/golden.h"
#include "tests/support/ranks.h"
#include "tests/support/sanitized.h"

#include <string.h>

#include "engine/checkpoint/plan.h"
#include "tests/support/shared_files.h"

#define NANO "share/nano"

static const int counts[] = {2, 4};

#define N_COUNTS ((int)(sizeof(counts) / sizeof(counts[0])))

/* ------------------------------------------------------------------- what comes of it */

static void logits_are_the_golden_ones(void **state)
{
	struct golden g = golden_open(GOLDEN);

	(void)state;
	for (int i = 0; i < N_COUNTS; i++) {
		const struct setup s = {GOLDEN, NULL, 1, 0, counts[i]};
		struct golden_rows r = golden_rows_of(s, g.ids, g.n, 300);

		golden_compare(&g, "a32.logits", r.logits, 260, 1e-4, 1e-3);
		golden_compare(&g, "a32.mtp_logits", r.draft, 260, 6e-4, 2e-3);
		golden_rows_free(&r);
		if (SANITIZED && i)
			continue; /* a long text is the same code for each count */
		r = golden_rows_of(s, g.long_ids, g.n_long, 1920);
		golden_compare(&g, "a32.long_logits", r.logits, g.n_long - 18, 2.5e-4, 5e-3);
		golden_compare(&g, "a32.long_mtp_logits", r.draft, g.n_long - 18, 2.5e-3, 2e-2);
		golden_rows_free(&r);
	}
	safetensors_close(g.st);
}

/* Scored and hash-routed layers, window-only ones, two heads to a group. */
static void so_are_those_of_a_model_like_flash(void **state)
{
	struct buf path = {0}, config = {0};
	struct golden g;

	(void)state;
	shared_read("golden/flash-tiny.3/config.json", &config);
	buf_release(&config);
	shared_path(&path, "golden/flash-tiny.3");
	g = golden_open(buf_z(&path));
	for (int i = 0; i < N_COUNTS; i++) {
		const struct setup s = {buf_z(&path), NULL, 1, 0, counts[i]};
		struct golden_rows r = golden_rows_of(s, g.ids, g.n, 300);

		golden_compare(&g, "a32.logits", r.logits, 260, 6e-4, 8e-3);
		golden_compare(&g, "a32.mtp_logits", r.draft, 260, 2.5e-3, 1.2e-2);
		golden_rows_free(&r);
	}
	safetensors_close(g.st);
	buf_release(&path);
}

static void bits_depend_on_the_count_of_ranks_alone(void **state)
{
	static const struct {
		int threads, chunk, prefill;
	} cases[] = {{1, 128, 300}, {1, 1, 1}, {3, 37, 419}, {9, 100, 128}};
	struct golden g = golden_open(GOLDEN);

	(void)state;
	for (int i = 0; i < N_COUNTS; i++) {
		const struct setup first = {GOLDEN, NULL, 2, 64, counts[i]};
		struct golden_rows want = golden_rows_of(first, g.ids, g.n, 200);

		for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
			const struct setup s = {GOLDEN, NULL, cases[k].threads, cases[k].chunk,
						counts[i]};
			struct golden_rows got;

			if (SANITIZED && k % N_COUNTS != (size_t)i)
				continue;
			got = golden_rows_of(s, g.ids, g.n, cases[k].prefill);
			golden_same_bits(&want, &got, "ranks and case",
					 100 * counts[i] + (int)k);
			golden_rows_free(&got);
		}
		golden_rows_free(&want);
	}
	safetensors_close(g.st);
}

/* ------------------------------------------------------------------------- opening */

static void a_count_that_does_not_divide_is_refused_with_those_that_do(void **state)
{
	const struct model_options opt = ranks_options(NANO, 3);
	struct err err = {0};
	struct model *m;

	(void)state;
	assert_int_equal(model_open(&m, &opt, &err), ERR_USAGE);
	assert_null(m);
	assert_string_equal(
		err.text,
		"ranks: 3 do not divide 4 heads in 2 output groups and an inner size of "
		"128 in blocks of 128; expected one of 1, 2, 4");
}

static void ranks_share_the_weights_and_have_all_of_the_caches(void **state)
{
	struct model *one = ranks_open(NANO, 1), *four = ranks_open(NANO, 4);
	struct model_memory whole = model_memory(one), all = model_memory(four);

	(void)state;
	assert_int_equal(all.cache_bytes, 4 * whole.cache_bytes);
	assert_true(all.weight_bytes > whole.weight_bytes);
	assert_true(all.weight_bytes < 2 * whole.weight_bytes);
	assert_int_equal(model_n_ranks(four), 4);
	assert_non_null(strstr(model_backend_name(four), "4 ranks, each cpu"));
	model_close(four);
	model_close(one);
}

static void the_plan_is_of_each_rank(void **state)
{
	struct model_options opt = ranks_options(NANO, 1);
	struct memory_plan one, two;
	struct err err = {0};

	(void)state;
	assert_int_equal(model_plan(&opt, &one, &err), 0);
	opt.n_ranks = 2;
	assert_int_equal(model_plan(&opt, &two, &err), 0);
	assert_int_equal(two.n_ranks, 2);
	assert_int_equal(2 * two.weights[WEIGHT_KIND_EXPERTS],
			 one.weights[WEIGHT_KIND_EXPERTS]);
	assert_int_equal(two.weights[WEIGHT_KIND_ROUTER], one.weights[WEIGHT_KIND_ROUTER]);
	assert_int_equal(plan_cache(&two), plan_cache(&one));
	assert_true(two.available < one.available * 2 / 3);
}

static int stop_halfway(void *ctx, uint64_t done, uint64_t all)
{
	(void)ctx;
	return 2 * done > all;
}

static void an_interrupted_load_leaves_nothing(void **state)
{
	struct model_options opt = ranks_options(NANO, 2);
	struct err err = {0};
	struct model *m;

	(void)state;
	opt.progress = stop_halfway;
	assert_int_equal(model_open(&m, &opt, &err), ERR_CANCELLED);
	assert_string_equal(err.text, "loading was interrupted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_are_the_golden_ones),
		cmocka_unit_test(so_are_those_of_a_model_like_flash),
		cmocka_unit_test(bits_depend_on_the_count_of_ranks_alone),
		cmocka_unit_test(a_count_that_does_not_divide_is_refused_with_those_that_do),
		cmocka_unit_test(ranks_share_the_weights_and_have_all_of_the_caches),
		cmocka_unit_test(the_plan_is_of_each_rank),
		cmocka_unit_test(an_interrupted_load_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
