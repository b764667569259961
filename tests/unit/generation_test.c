/*
 * generation_config.json: which ids it gives, and what of it is an error.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "engine/base/buf.h"
#include "engine/checkpoint/generation.h"
#include "tests/support/tmpdir.h"

static void the_ids_are_those_of_the_file(void **state)
{
	static const struct {
		const char *json;
		size_t n;
		int64_t ids[3];
	} cases[] = {
		{"{\"eos_token_id\": 7}", 1, {7}},
		{"{\"eos_token_id\": [7, 8, -1]}", 3, {7, 8, -1}},
		{"{\"eos_token_id\": [7, \"8\", null, 9]}", 2, {7, 9}},
		{"{\"eos_token_id\": \"7\"}", 0, {0}},
		{"{\"temperature\": 1.0}", 0, {0}},
		{"[1, 2]", 0, {0}},
	};
	struct generation_config g;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tmpdir_write_text(&test_dir, "generation_config.json", cases[i].json);
		memset(&g, 0xA5, sizeof(g));
		assert_int_equal(generation_config_read(test_dir.path, &g, &err), 0);
		assert_int_equal(g.n_stop_ids, cases[i].n);
		for (size_t j = 0; j < g.n_stop_ids; j++)
			assert_int_equal(g.stop_ids[j], cases[i].ids[j]);
	}
}

static void ids_beyond_the_most_are_passed_over(void **state)
{
	struct generation_config g;
	struct buf json = {0};
	struct err err = {0};

	(void)state;
	buf_addz(&json, "{\"eos_token_id\": [0");
	for (int i = 1; i < 100; i++)
		buf_addf(&json, ", %d", i);
	buf_addz(&json, "]}");
	tmpdir_write_text(&test_dir, "generation_config.json", buf_z(&json));
	assert_int_equal(generation_config_read(test_dir.path, &g, &err), 0);
	assert_int_equal(g.n_stop_ids, GENERATION_MAX_STOPS);
	assert_int_equal(g.stop_ids[GENERATION_MAX_STOPS - 1], GENERATION_MAX_STOPS - 1);
	buf_release(&json);
}

static void a_checkpoint_may_be_without_the_file_but_not_with_a_broken_one(void **state)
{
	const char *path = tmpdir_file(&test_dir, "generation_config.json");
	struct generation_config g;
	struct err err = {0};

	(void)state;
	remove(path);
	assert_int_equal(generation_config_read(test_dir.path, &g, &err), 0);
	assert_int_equal(g.n_stop_ids, 0);
	tmpdir_write_text(&test_dir, "generation_config.json", "{\"eos_token_id\":\n");
	assert_int_equal(generation_config_read(test_dir.path, &g, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "generation_config.json: line 2"));
	remove(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(generation_config_read(test_dir.path, &g, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "not a regular file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ids_are_those_of_the_file),
		cmocka_unit_test(ids_beyond_the_most_are_passed_over),
		cmocka_unit_test(a_checkpoint_may_be_without_the_file_but_not_with_a_broken_one),
	};

	return cmocka_run_group_tests(tests, tmpdir_set_up, tmpdir_tear_down);
}
