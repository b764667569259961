/* What Enter would read stands in the status while a draft is written: the small model's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

/* The price on the screen, once there is one. */
static void wait_for_price(struct stage *st, int *reads, int *of)
{
	struct buf all = {0};
	const char *at;

	stage_wait_for(st, "reads ");
	stage_text(st, &all);
	at = strstr(buf_z(&all), "reads ");
	if (!at || sscanf(at, "reads %d of %d", reads, of) != 2)
		fail_msg("no price: %s", buf_z(&all));
	buf_release(&all);
}

static void the_price_of_a_draft_is_what_is_new(void **state)
{
	static const char *const args[] = {"--model",   "share/nano", "--threads", "1",
					   "--nothink", "--temp",     "0",         NULL};
	struct stage_setup su = {.args = args, .term = "xterm-256color", .w = 160, .h = 24};
	struct tmpdir home;
	struct stage st;
	int reads, of, before;

	(void)state;
	tmpdir_init(&home);
	su.home = home.path;
	stage_begin(&st, &su);
	stage_type(&st, "tell me about the river");
	wait_for_price(&st, &reads, &of);
	/* what stands before it may be read by now */
	assert_in_range(reads, 5, of);
	before = of;
	stage_type(&st, "\r");
	stage_wait_for(&st, "cached");
	stage_wait_for(&st, "ready");
	stage_type(&st, "and");
	wait_for_price(&st, &reads, &of);
	/* The question and its answer are there: one id of the answer, and what is new. */
	assert_in_range(of, before + 2, before + 80);
	assert_in_range(reads, 1, 8);
	stage_assert_clean(&st);
	stage_type(&st, "\x15");
	stage_quit(&st);
	tmpdir_release(&home);
}

static void a_reopened_conversation_is_restored_while_nobody_types(void **state)
{
	static const char *const ask[] = {
		"--model", "share/nano", "--threads", "1", "--nothink", "--temp", "0", "-p",
		"tell me about the river and all the boats that come along on it", NULL};
	static const char *const args[] = {"--model",   "share/nano", "--threads", "1",
					   "--nothink", "--temp",     "0",         "-c", NULL};
	struct stage_setup su = {.args = args, .term = "xterm-256color", .w = 160, .h = 24};
	struct program_run run;
	struct tmpdir home;
	struct stage st;
	int reads, of;

	(void)state;
	tmpdir_init(&home);
	su.home = home.path;
	program_live_in(home.path);
	program_run(&run, ask, (struct str){0}, 120);
	assert_int_equal(run.status, 0);
	program_run_release(&run);
	stage_open(&st, &su);
	stage_wait_for(&st, "tokens from disk in ");
	/* The ruler of a wide screen: it lies in memory now. */
	stage_wait_for(&st, "┃");
	/* The question that the keys are at, answered again: it was read. */
	stage_type(&st, "\033[1;3A");
	wait_for_price(&st, &reads, &of);
	assert_int_equal(reads, 1);
	assert_in_range(of, 10, 60);
	/* changed, all behind its beginning is new */
	stage_type(&st, "e");
	stage_type(&st, "\001or ");
	stage_wait_gone(&st, "reads 1 ");
	wait_for_price(&st, &reads, &of);
	assert_in_range(reads, of - 4, of);
	stage_assert_clean(&st);
	stage_type(&st, "\x15");
	stage_quit(&st);
	tmpdir_release(&home);
}

/* Nearly a thousand of them, which are read while the first question is written. */
static void what_an_agent_session_begins_with_is_priced_and_read_ahead(void **state)
{
	char *model = realpath("share/nano", NULL);
	const char *const args[] = {"--model", model, "--threads", "1", "--nothink",
				    "--temp",  "0",   "--tools",   NULL};
	struct stage_setup su = {.args = args, .term = "xterm-256color", .w = 160, .h = 24};
	struct tmpdir home;
	struct stage st;
	int reads, of;

	(void)state;
	assert_non_null(model);
	tmpdir_init(&home);
	su.home = home.path;
	/* A workspace that has no HOME in it, nor any AGENTS.md. */
	assert_int_equal(mkdir(tmpdir_file(&home, "work"), 0700), 0);
	su.folder = tmpdir_file(&home, "work");
	stage_begin(&st, &su);
	stage_type(&st, "say");
	wait_for_price(&st, &reads, &of);
	assert_true(of > 500);
	/* All but the draft. */
	do {
		stage_read(&st, 50);
		wait_for_price(&st, &reads, &of);
	} while (reads > 10);
	stage_type(&st, "\x15");
	stage_quit(&st);
	tmpdir_release(&home);
	free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_price_of_a_draft_is_what_is_new),
		cmocka_unit_test(a_reopened_conversation_is_restored_while_nobody_types),
		cmocka_unit_test(what_an_agent_session_begins_with_is_priced_and_read_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
