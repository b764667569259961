/*
 * What a terminal sends that its user did not type so: lines that are pasted without a word, a
 * wheel that comes as arrow keys, and keys in pieces over a slow line.
 */
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/stage.h"

static void open_stage(struct stage *st, const char *script)
{
	const struct stage_setup su = {.engine_script = script};

	stage_begin(st, &su);
}

static const char five[] = "{\"turn\": {\"expect\": \"one\\ntwo\\n\\tthree\\n\\nfive\", "
			   "\"expect_messages\": 1}}\n"
			   "{\"text\": \"one message\"}\n{\"done\": {}}\n";

/* A piece at a time, as over a slow line. */
static void type_slowly(struct stage *st, const char *bytes)
{
	for (; *bytes; bytes++) {
		assert_int_equal(write(st->fd, bytes, 1), 1);
		usleep(1000);
	}
}

static void lines_that_come_at_once_are_one_message(void **state)
{
	struct stage st;

	(void)state;
	for (int slow = 0; slow < 2; slow++) {
		open_stage(&st, five);
		if (slow)
			type_slowly(&st, "one\rtwo\r\tthree\r\rfive");
		else
			stage_type(&st, "one\rtwo\r\tthree\r\rfive");
		/* They wait to be sent, and can be edited. */
		stage_wait_for(&st, "five");
		stage_settle(&st);
		assert_false(stage_shows(&st, "message"));
		stage_type(&st, "\r");
		stage_wait_for(&st, "one message");
		stage_quit(&st);
		/* With the last line's end they are sent. */
		open_stage(&st, five);
		stage_type(&st, "one\rtwo\r\tthree\r\rfive\r");
		stage_wait_for(&st, "one message");
		stage_quit(&st);
	}
}

static void a_paste_longer_than_a_terminals_line_is_one_message(void **state)
{
	struct buf script = {0}, paste = {0};
	struct stage st;

	(void)state;
	buf_addz(&script, "{\"turn\": {\"expect\": \"0001 of many");
	for (int i = 2; i <= 2000; i++)
		buf_addf(&script, "\\n%04d of many", i);
	buf_addz(&script,
		 "\", \"expect_messages\": 1}}\n{\"text\": \"one message\"}\n{\"done\": {}}\n");
	for (int i = 1; i <= 2000; i++)
		buf_addf(&paste, "%04d of many%s", i, i < 2000 ? "\r" : "");
	open_stage(&st, buf_z(&script));
	stage_type(&st, buf_z(&paste));
	stage_wait_for(&st, "2000 of many");
	stage_settle(&st);
	stage_type(&st, "\r");
	stage_wait_for(&st, "one message");
	stage_quit(&st);
	buf_release(&script);
	buf_release(&paste);
}

static const char slow_answer[] = "{\"turn\": {\"again\": true}}\n"
				  "{\"text\": \"begun \"}\n{\"pause\": 3000}\n"
				  "{\"text\": \"and ended\"}\n{\"done\": {}}\n";

static void a_key_in_two_pieces_is_one_and_stops_nothing(void **state)
{
	struct stage st;

	(void)state;
	open_stage(&st, slow_answer);
	stage_type(&st, "first\r");
	stage_wait_for(&st, "begun");
	assert_int_equal(write(st.fd, "\x1B", 1), 1);
	usleep(80000);
	assert_int_equal(write(st.fd, "[A", 2), 2);
	stage_wait_for(&st, "and ended");
	assert_false(stage_shows(&st, "[A"));
	stage_quit(&st);
}

static void escdelay_says_how_long_esc_waits(void **state)
{
	struct stage st;

	(void)state;
	setenv("ESCDELAY", "900", 1);
	open_stage(&st, slow_answer);
	stage_type(&st, "first\r");
	stage_wait_for(&st, "begun");
	assert_int_equal(write(st.fd, "\x1B", 1), 1);
	usleep(500000);
	assert_int_equal(write(st.fd, "[A", 2), 2);
	stage_wait_for(&st, "and ended");
	stage_quit(&st);
	unsetenv("ESCDELAY");
}

static void esc_by_itself_stops_and_what_comes_late_types_nothing(void **state)
{
	struct stage st;

	(void)state;
	open_stage(&st, slow_answer);
	stage_type(&st, "first\r");
	stage_wait_for(&st, "begun");
	assert_int_equal(write(st.fd, "\x1B", 1), 1);
	stage_wait_for(&st, "interrupted");
	assert_int_equal(write(st.fd, "[A", 2), 2);
	stage_settle(&st);
	assert_false(stage_shows(&st, "[A"));
	stage_quit(&st);
}

static void a_wheel_that_comes_as_arrow_keys_scrolls_and_leaves_the_input(void **state)
{
	static const char script[] = "{\"turn\": {\"again\": true}}\n"
				     "{\"text\": \"top of it\\n\\n\"}\n"
				     "{\"text\": \"- more\\n\", \"repeat\": 60}\n"
				     "{\"text\": \"- last of it\\n\"}\n{\"done\": {}}\n";
	struct stage st;

	(void)state;
	open_stage(&st, script);
	/* The terminal is asked not to, and gets back what it was. */
	assert_non_null(strstr(buf_z(&st.raw), "\x1B[?1007s\x1B[?1007l"));
	stage_type(&st, "a question\r");
	stage_wait_for(&st, "last of it");
	stage_type(&st, "a draft");
	stage_wait_for(&st, "a draft");
	for (int i = 0; i < 30; i++)
		stage_type(&st, "\x1B[A\x1B[A\x1B[A\x1B[A\x1B[A");
	stage_wait_for(&st, "top of it");
	assert_true(stage_shows(&st, "a draft"));
	for (int i = 0; i < 30; i++)
		stage_type(&st, "\x1B[B\x1B[B\x1B[B");
	stage_wait_for(&st, "last of it");
	assert_true(stage_shows(&st, "a draft"));
	/* One is a key. */
	stage_type(&st, "\x15\x1B[A");
	stage_wait_for(&st, "a question\n");
	stage_type(&st, "\x15");
	stage_quit(&st);
}

static void the_terminal_has_its_wheel_back(void **state)
{
	struct stage st;

	(void)state;
	open_stage(&st, slow_answer);
	stage_type(&st, "\x11");
	while (!strstr(buf_z(&st.raw), "\x1B[?1007r"))
		assert_true(stage_read(&st, 20));
	stage_close(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_come_at_once_are_one_message),
		cmocka_unit_test(a_paste_longer_than_a_terminals_line_is_one_message),
		cmocka_unit_test(a_key_in_two_pieces_is_one_and_stops_nothing),
		cmocka_unit_test(escdelay_says_how_long_esc_waits),
		cmocka_unit_test(esc_by_itself_stops_and_what_comes_late_types_nothing),
		cmocka_unit_test(a_wheel_that_comes_as_arrow_keys_scrolls_and_leaves_the_input),
		cmocka_unit_test(the_terminal_has_its_wheel_back),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
