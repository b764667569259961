/* What is copied, whole and clean, and by what: told, whichever it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

static const char engine[] = "{\"info\": {\"model_name\": \"scripted\"}}\n"
			     "{\"turn\": {\"expect\": \"one\"}}\n"
			     "{\"text\": \"So:\\n\\n1. do\\n\\n   ```make\\n   all: x\\n   "
			     "\\tcc -c x.c\\n   ```\\n\"}\n"
			     "{\"done\": {}}\n"
			     "{\"turn\": {\"again\": true}}\n"
			     "{\"text\": \"Two:\\n\\n```sh\\nls "
			     "-l\\n```\\n\\nor\\n\\n```c\\nint x;\\nint y;\\n```\\n\"}\n"
			     "{\"done\": {}}\n";

static char taken[512];

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&test_dir);
	snprintf(taken, sizeof(taken), "%s", tmpdir_file(&test_dir, "taken"));
	return 0;
}

/* A program of that name, which does what the script says with TAKEN. */
static void put_program(const char *name, const char *script)
{
	const char *path = tmpdir_file(&test_dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\nTAKEN=%s\n%s\n", taken, script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

/* The program with `variable` set and nothing but the test's folder before its PATH. */
static void begin(struct stage *st, const char *const *args, const char *variable)
{
	static char path[1024];
	const char *const env[] = {path, variable, NULL};
	struct stage_setup su = {.engine_script = engine,
				 .args = args,
				 .home = test_dir.path,
				 .env = env,
				 .term = "xterm-256color",
				 .w = 80,
				 .h = 30};

	snprintf(path, sizeof(path), "PATH=%s:%s", test_dir.path, getenv("PATH"));
	unlink(taken);
	stage_open(st, &su);
}

static const char *const on_the_screen[] = {NULL};
static const char *const in_line_mode[] = {"--plain", NULL};

static void expect(const char *text)
{
	struct buf got = {0};
	struct err err;

	if (file_read(&got, taken, 1 << 20, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(buf_z(&got), text);
	buf_release(&got);
}

static void ask_both(struct stage *st)
{
	stage_wait_for(st, "ready");
	stage_type(st, "one\r");
	stage_wait_for(st, "cc -c x.c");
	stage_wait_for(st, "ready");
	stage_type(st, "two\r");
	stage_wait_for(st, "int y;");
	stage_wait_for(st, "ready");
}

static void keys_and_a_command_copy_code_and_answers(void **state)
{
	struct stage st;

	(void)state;
	put_program("wl-copy", "cat > $TAKEN");
	begin(&st, on_the_screen, "WAYLAND_DISPLAY=wayland-9");
	ask_both(&st);
	/* Of two blocks one is chosen: the last, unless the user goes elsewhere. */
	stage_type(&st, "\x1B[1;3AY");
	stage_wait_for(&st, "Copy which code block?");
	stage_type(&st, "\r");
	stage_wait_for(&st, "copied 2 lines by wl-copy");
	expect("int x;\nint y;");
	stage_type(&st, "Y");
	stage_wait_for(&st, "Copy which code block?");
	stage_type(&st, "ls\r");
	stage_wait_for(&st, "copied 1 line by wl-copy");
	expect("ls -l");
	stage_type(&st, "{{Y");
	stage_wait_for(&st, "copied 2 lines by wl-copy");
	expect("all: x\n\tcc -c x.c");
	stage_type(&st, "{y");
	stage_wait_for(&st, "copied 1 line by wl-copy");
	expect("one");
	stage_type(&st, "i"); /* back to the input */
	stage_wait_gone(&st, "copied");
	stage_type(&st, "/copy\r");
	stage_wait_for(&st, "copied 12 lines by wl-copy");
	expect("Two:\n\n```sh\nls -l\n```\n\nor\n\n```c\nint x;\nint y;\n```\n");
	stage_type(&st, "/copy 2\r");
	stage_wait_for(&st, "copied 8 lines by wl-copy");
	stage_type(&st, "/copy code 1\r");
	stage_wait_for(&st, "copied 1 line by wl-copy");
	expect("ls -l");
	stage_type(&st, "/copy code 3\r");
	stage_wait_for(&st, "the answer has 2 code blocks");
	stage_type(&st, "/copy 3\r");
	stage_wait_for(&st, "not so many answers");
	stage_type(&st, "/copy x\r");
	stage_wait_for(&st, "expected nothing, N");
	stage_quit(&st);
}

static void line_mode_copies_as_well(void **state)
{
	struct stage st;

	(void)state;
	put_program("wl-copy", "cat > $TAKEN");
	begin(&st, in_line_mode, "WAYLAND_DISPLAY=wayland-9");
	stage_wait_for(&st, "quits.");
	stage_type(&st, "/copy\r");
	stage_wait_for(&st, "not so many answers");
	stage_type(&st, "one\r");
	stage_wait_for(&st, "cc -c x.c");
	stage_type(&st, "/copy code\r");
	stage_wait_for(&st, "copied 2 lines by wl-copy");
	expect("all: x\n\tcc -c x.c");
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
}

static void the_bare_screen_has_nothing_but_the_text(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, on_the_screen, "TMUX=");
	ask_both(&st);
	stage_wait_for(&st, "  │ int x;");
	stage_type(&st, "\x1BOS"); /* F4 */
	stage_wait_for(&st, "\n   ```make\n   all: x\n");
	stage_wait_for(&st, "\nint x;\n");
	assert_false(stage_shows(&st, "│"));
	stage_type(&st, "\x1BOS");
	stage_wait_for(&st, "\n  │ int x;");
	stage_assert_clean(&st);
	stage_quit(&st);
}

/* Who fails, or takes for ever, is passed over, and the terminal is left. */
static void where_no_program_takes_it_the_terminal_gets_it(void **state)
{
	static const char *const scripts[] = {"exit 1", "cat >/dev/null; sleep 100"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct stage st;

		put_program("wl-copy", scripts[i]);
		put_program("pbcopy", "exit 1");
		begin(&st, on_the_screen, "WAYLAND_DISPLAY=wayland-9");
		ask_both(&st);
		stage_type(&st, "/copy code\r");
		stage_wait_for(&st, "2 lines sent to the terminal to copy (OSC 52)");
		assert_non_null(memmem(st.raw.data, st.raw.len,
				       "\x1B]52;c;aW50IHg7CmludCB5Ow==\a", 28));
		stage_quit(&st);
	}
}

static void an_early_tmux_gets_it_without_what_it_does_not_know(void **state)
{
	struct stage st;

	(void)state;
	put_program("tmux", "test $2 = - && cat > $TAKEN");
	begin(&st, on_the_screen, "TMUX=/tmp/x,1,0");
	ask_both(&st);
	stage_type(&st, "/copy code\r");
	stage_wait_for(&st, "copied 2 lines by tmux");
	expect("int x;\nint y;");
	stage_quit(&st);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_and_a_command_copy_code_and_answers,
						set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(the_bare_screen_has_nothing_but_the_text,
						set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(line_mode_copies_as_well, set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(where_no_program_takes_it_the_terminal_gets_it,
						set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(
			an_early_tmux_gets_it_without_what_it_does_not_know, set_up, tmpdir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
