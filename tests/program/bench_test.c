/* bench, as its user meets it: each table is there, and its figures can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/program.h"

/* The number behind the first `what`. */
static double behind(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	if (!at)
		fail_msg("no \"%s\" in:\n%s", what, text);
	return strtod(at + strlen(what), NULL);
}

/* Milliseconds of each number of rows rise from the first to the last. */
static void rows_cost_more(const char *text)
{
	double one = behind(text, "\n     1 "), eight = behind(text, "\n     8 ");

	assert_true(one > 0);
	assert_true(eight > one);
}

/* What it prints; the run is to be released. */
static const char *printed(struct program_run *run, const char *const *argv)
{
	program_run(run, argv, (struct str){0}, 110);
	assert_int_equal(run->status, 0);
	return buf_z(&run->out);
}

static void every_table_is_there(void **state)
{
	static const char *const argv[] = {"bench", "--model",   "share/nano", "--ctx",
					   "4096",  "--threads", "1",          NULL};
	struct program_run run;
	const char *text = printed(&run, argv);

	(void)state;
	assert_true(behind(text, "loaded in ") >= 0);
	assert_true(behind(text, " s: ") > 0); /* GB/s */
	assert_true(behind(text, "memory reads ") > 0);
	assert_true(behind(text, "wq_b and wo_b ") > 0);
	assert_true(behind(text, "\n  experts ") > 0);
	assert_true(behind(text, "decode, context 1000: ") > 0);
	rows_cost_more(text);
	assert_true(behind(text, "    4096 tokens ") > 0);
	assert_true(behind(text, "prefill of 512 tokens, ") > 0);
	if (behind(text, "tokens, 512 at a time: ") < 1500) /* a longer one takes seconds else */
		assert_true(behind(text, "a prompt of   1024 tokens ") > 0);
	assert_null(strstr(text, "derived")); /* all of its layers were run */
	assert_null(strstr(text, " nan"));
	assert_null(strstr(text, " inf"));
	program_run_release(&run);
}

static void a_checkpoint_is_loaded_twice_and_nothing_else(void **state)
{
	static const char *const argv[] = {"bench", "--load", "--model", "share/nano", NULL};
	struct program_run run;
	const char *text = printed(&run, argv), *again;

	(void)state;
	assert_true(behind(text, "\nloaded in ") >= 0);
	again = strstr(strstr(text, "\nloaded in ") + 1, "\nloaded in ");
	assert_non_null(again);
	assert_true(behind(again, " s: ") > 0); /* GB/s */
	assert_null(strstr(text, "memory reads"));
	program_run_release(&run);
}

/* What ranks do together stands apart. */
static void ranks_have_a_table(void **state)
{
	static const char *const argv[] = {"bench", "--model",   "share/nano", "--ctx", "1024",
					   "--threads", "2", "--backend", "cpu", "--ranks", "2", NULL};
	struct program_run run;
	const char *text = printed(&run, argv);

	(void)state;
	assert_true(behind(text, "\n2 ranks: each holds ") > 0);
	assert_true(behind(text, " of weights and reads ") > 0);
	assert_true(behind(text, "\n  ranks ") > 0);
	/* Two in each of five layers, the embedding, and that of the draft head. */
	assert_true(behind(text, " a step\n") == 12);
	assert_true(behind(text, "alone: ") > 0);
	assert_true(behind(text, "prefill of 512 tokens, ") > 0);
	program_run_release(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_is_there),
		cmocka_unit_test(a_checkpoint_is_loaded_twice_and_nothing_else),
		cmocka_unit_test(ranks_have_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
