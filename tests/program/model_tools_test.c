/*
 * What the small model does with tools, at temperature 0: eight tasks, each with all that is
 * shown of it.  It has ten million parameters: it calls the right tool for each, says what came
 * of it, and knows a denial by the user or by a rule; what it makes of "nobody can be asked" is
 * no sentence.
 */
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
#include "tests/support/program.h"
#include "tests/support/sandboxed.h"
#include "tests/support/sanitized.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define EDITED "int bar(void)\n{\n\treturn 1;\n}\n"

static const char main_c[] = "int foo(void)\n{\n\treturn 1;\n}\n";

static int begin(void **state)
{
	tmpdir_set_up(state);
	mkdir(tmpdir_file(&test_dir, "home"), 0700);
	mkdir(tmpdir_file(&test_dir, "home/work"), 0700);
	mkdir(tmpdir_file(&test_dir, "home/work/src"), 0700);
	tmpdir_write_text(&test_dir, "home/work/notes.txt", "buy milk\ncall Ann\n");
	tmpdir_write_text(&test_dir, "home/work/src/main.py", "x = 1  # TODO: more\n");
	tmpdir_write_text(&test_dir, "home/work/Makefile",
			  "all:\n\t@echo x > made; echo built\n");
	tmpdir_write_text(&test_dir, "home/work/main.c", main_c);
	tmpdir_write_text(&test_dir, "home/work/list.txt", "fish and bread\n");
	tmpdir_write_text(&test_dir, "home/work/info.txt", "the key is 42\n");
	return 0;
}

/* "(0.3 s)" is told as "(T s)". */
static void hide_times(struct buf *text)
{
	struct buf out = {0};
	const char *at = buf_z(text), *open;

	while ((open = strchr(at, '('))) {
		size_t n = strspn(open + 1, "0123456789.");

		buf_add(&out, at, (size_t)(open - at) + 1);
		at = open + 1;
		if (n && strncmp(at + n, " s)", 3) == 0) {
			buf_addz(&out, "T");
			at += n;
		}
	}
	buf_addz(&out, at);
	buf_release(text);
	*text = out;
}

/* All that is shown, stdout and stderr as they come. */
static int ask(const char *args, const char *question, struct buf *out)
{
	char *program = realpath(program_path(), NULL), *model = realpath("share/nano", NULL),
	     *home = realpath(tmpdir_file(&test_dir, "home"), NULL);
	struct buf line = {0};
	int status;

	assert_true(program && model && home);
	buf_addf(&line,
		 "cd '%s/work' && HOME='%s' XDG_CONFIG_HOME= XDG_DATA_HOME= XDG_STATE_HOME= "
		 "XDG_CACHE_HOME= '%s' --model '%s' --tools --ephemeral --temp 0 %s '%s' 2>&1 "
		 "</dev/null",
		 home, home, program, model, args, question);
	buf_reset(out);
	status = program_shell(buf_z(&line), out);
	hide_times(out);
	buf_release(&line);
	free(program);
	free(model);
	free(home);
	return status;
}

static const struct task {
	const char *args, *question;
	int status;
	bool runs; /* a command, which needs a sandbox */
	const char *shown;
} tasks[] = {
	{"", "show me notes.txt", 0, false,
	 "I read `notes.txt`.\n→ read_file notes.txt  (T s)\n"
	 "The result has 2 lines.\n`notes.txt` contains:\n```\nbuy milk\ncall Ann\n```\n"},
	{"", "list the python files in src", 0, false,
	 "I list `src`.\n→ list_files src  (T s)\nI count: 1 main.py.\n"
	 "There is 1 file in `src`: main.py.\n"},
	/* Two calls of one answer. */
	{"", "read list.txt and info.txt", 0, false,
	 "I read both files.\n→ read_file list.txt  (T s)\n→ read_file info.txt  (T s)\n"
	 "I have both results.\n`list.txt` contains: fish and bread\n\n"
	 "`info.txt` contains: the key is 42\n"},
	{"--approve auto", "run `make`", 0, true,
	 "I run the command in the shell.\n→ shell make  (T s)\nThe output is one line.\n"
	 "The command printed: built\n"},
	{"--approve edits", "replace foo with bar in main.c", 0, false,
	 "I edit `main.c`.\n→ edit_file main.c  (T s)\nIt worked.\n"
	 "I replaced `foo` with `bar` in `main.c`.\n"},
	/* What it thinks hangs on the folder's name and the day, which it is told, too. */
	{"--hide-thinking", "which files contain TODO?", 0, false,
	 "→ search_files TODO  (T s)\n→ read_file src/main.py  (T s)\n"
	 "`src/main.py` contains: x = 1 # TODO: more\n"},
	{"--approve auto --deny 'shell make'", "run `make`", 0, true,
	 "I run the command in the shell.\n→ shell make  (denied)\nThe call was denied.\n"
	 "I was not allowed to run the command: error: deny = shell make\n"},
	/* So does what it says then. */
	{"", "run `make`", 5, true,
	 "I run the command in the shell.\n→ shell make  (refused)\n"},
};

static void each_task_is_done_as_it_always_is(void **state)
{
	struct buf out = {0}, text = {0};
	bool sandbox = has_sandbox();
	struct err err;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		const struct task *t = &tasks[i];
		int status;

		if (t->runs && !sandbox)
			continue;
		status = ask(t->args, t->question, &out);
		if (status != t->status ||
		    strncmp(buf_z(&out), t->shown, strlen(t->shown) + (t->status == 0)) != 0)
			fail_msg("%s %s: %d, expected %d:\n%s\nexpected:\n%s", t->args,
				 t->question, status, t->status, buf_z(&out), t->shown);
		n++;
	}
	assert_int_equal(access(tmpdir_file(&test_dir, "home/work/made"), F_OK),
			 sandbox ? 0 : -1);
	assert_int_equal(
		file_read(&text, tmpdir_file(&test_dir, "home/work/main.c"), 4096, &err), 0);
	assert_string_equal(buf_z(&text), EDITED);
	if (!sandbox)
		print_message("%zu of the tasks, for no command runs here\n", n);
	buf_release(&out);
	buf_release(&text);
}

/* What one rank does, several do; a sanitizer takes a tenth of a minute for each. */
static void so_it_is_over_several_ranks(void **state)
{
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < (SANITIZED ? 1 : 3); i++) {
		for (int ranks = 2; ranks <= (SANITIZED ? 2 : 4); ranks += 2) {
			char args[60];

			snprintf(args, sizeof(args), "--backend cpu --ranks %d", ranks);
			assert_int_equal(ask(args, tasks[i].question, &out), 0);
			assert_string_equal(buf_z(&out), tasks[i].shown);
		}
	}
	buf_release(&out);
}

/* The user says no, with a reason and without, and yes. */
static void what_the_user_decides_is_understood(void **state)
{
	static const struct {
		const char *typed, *called, *said;
	} rows[] = {
		{"n\n", "→ shell make  (denied)", "I was not allowed to run the command."},
		{"r not now\n", "→ shell make  (denied)",
		 "I was not allowed to run the command: not now"},
		{"y\n", "→ shell make  (0.", "The command printed: built"},
	};
	const char *args[] = {"--tools", "--ephemeral", "--temp", "0", "run `make`", NULL};
	struct stage_setup su = {.args = args,
				 .home = test_dir.path,
				 .folder = tmpdir_file(&test_dir, "home/work")};

	(void)state;
	if (!has_sandbox())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i += SANITIZED ? 2 : 1) {
		struct stage st;

		assert_int_equal(access(tmpdir_file(&test_dir, "home/work/made"), F_OK), -1);
		stage_open(&st, &su);
		stage_wait_for(&st, "(Ctrl-C stops):");
		stage_settle(&st);
		stage_type(&st, rows[i].typed);
		stage_wait_for(&st, rows[i].called);
		stage_wait_for(&st, rows[i].said);
		assert_int_equal(stage_close(&st), 0);
	}
	assert_int_equal(access(tmpdir_file(&test_dir, "home/work/made"), F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_task_is_done_as_it_always_is, begin,
						tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(so_it_is_over_several_ranks, begin,
						tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(what_the_user_decides_is_understood, begin,
						tmpdir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
