/* File edits taken back and made again as a user meets it: in line mode, on the screen and in a
 * JSON Lines session, with the program's own runner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/shared_files.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define EDITS                                                                                  \
	"{\"call\": {\"name\": \"edit_file\", \"arguments\": {\"path\": \"notes.txt\","        \
	" \"old\": \"milk\", \"new\": \"tea\"}}}\n"                                            \
	"{\"call\": {\"name\": \"write_file\", \"arguments\": {\"path\": \"new.txt\","         \
	" \"content\": \"made\"}}}\n" DONE "{\"text\": \"Changed.\"}\n" DONE
#define HEARS(text, says)                                                                      \
	"{\"turn\": {\"expect\": \"" text "\"}}\n{\"text\": \"" says "\"}\n" DONE

static struct tmpdir d;

static int begin(void **state)
{
	(void)state;
	tmpdir_init(&d);
	assert_int_equal(mkdir(tmpdir_file(&d, "work"), 0700), 0);
	tmpdir_write_text(&d, "work/notes.txt", "buy milk\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	tmpdir_release(&d);
	return 0;
}

static void expect_files(const char *notes, bool made)
{
	struct buf now = {0};

	assert_true(whole_file(tmpdir_file(&d, "work/notes.txt"), &now));
	assert_string_equal(buf_z(&now), notes);
	assert_int_equal(access(tmpdir_file(&d, "work/new.txt"), F_OK) == 0, made);
	buf_release(&now);
}

static void open_program(struct stage *st, bool lines, const char *engine)
{
	const char *args[] = {"--tools", "--titles", "off", lines ? "--plain" : NULL, NULL};
	struct stage_setup su = {.args = args,
				 .home = d.path,
				 .folder = tmpdir_file(&d, "work"),
				 .engine_script = engine};

	(lines ? stage_begin_lines : stage_begin)(st, &su);
}

/* Two files are changed, in line mode. */
static void edit_in_lines(struct stage *st, const char *engine)
{
	open_program(st, true, engine);
	stage_type(st, "hi\n");
	stage_wait_for(st, "Change this file?  edit_file");
	stage_wait_for(st, "(Ctrl-C stops):");
	stage_type(st, "y\n");
	/* What is typed before the question is dropped. */
	stage_wait_for(st, "\\ No newline at end of file\n"
			   "  s and a allow from now on: edit new.txt\n  (write)\n"
			   "[y]es [s]ession");
	stage_type(st, "y\n");
	stage_wait_for(st, "Changed.");
	stage_settle(st);
	expect_files("buy tea\n", true);
}

static void in_line_mode_it_is_shown_asked_and_told(void **state)
{
	struct stage st;

	(void)state;
	edit_in_lines(&st, EDITS HEARS("thanks\\n\\n[the user took back the edits of new.txt, "
				       "notes.txt]",
				       "I see."));
	stage_type(&st, "/undo\n");
	stage_wait_for(&st, "notes.txt: back to what it was before");
	stage_wait_for(&st, "Take these edits back? [y]es, [n]o (Ctrl-C stops):");
	stage_type(&st, "y\n");
	stage_wait_for(&st, "notes.txt: as it was before");
	stage_wait_for(&st, "new.txt: removed");
	expect_files("buy milk\n", false);
	stage_settle(&st);
	stage_type(&st, "thanks\n");
	stage_wait_for(&st, "I see.");
	stage_settle(&st);
	stage_type(&st, "/redo\n");
	stage_wait_for(&st, "Make these edits again? [y]es, [n]o (Ctrl-C stops):");
	stage_type(&st, "y\n");
	stage_wait_for(&st, "notes.txt: as the edits left it");
	expect_files("buy tea\n", true);
	stage_type(&st, "/undo x\n");
	stage_wait_for(&st, "/undo x: expected nothing, or a number of questions");
	stage_quit_lines(&st);
}

static void without_tools_it_says_so(void **state)
{
	const char *args[] = {"--plain", NULL};
	struct stage_setup su = {.args = args, .home = d.path, .engine_script = EDITS};
	struct stage st;

	(void)state;
	stage_begin_lines(&st, &su);
	stage_type(&st, "/undo\n");
	stage_wait_for(&st, "this session has no tools");
	stage_quit_lines(&st);
}

/* Two files are changed, on the screen. */
static void edit_on_screen(struct stage *st, const char *engine)
{
	open_program(st, false, engine);
	stage_type(st, "hi\r");
	for (int i = 0; i < 2; i++) {
		stage_wait_for(st, i ? "+made" : "+buy tea");
		stage_wait_for(st, "asks you");
		stage_pause(st, 700);
		stage_type(st, "y\r");
	}
	stage_wait_for(st, "Changed.");
	stage_wait_for(st, "ready");
}

static void on_the_screen_a_box_asks(void **state)
{
	struct stage st;

	(void)state;
	edit_on_screen(&st, EDITS HEARS("[the user took back the edits of", "I see."));
	stage_type(&st, "/undo\r");
	stage_wait_for(&st, "Take back the edits of 2 files?");
	stage_type(&st, "\033");
	stage_wait_gone(&st, "Take back the edits of 2 files?");
	expect_files("buy tea\n", true);
	stage_type(&st, "/undo\r");
	stage_wait_for(&st, "Take back the edits of 2 files?");
	stage_type(&st, "n\r");
	stage_wait_for(&st, "no file is changed");
	expect_files("buy tea\n", true);
	stage_type(&st, "/undo\r");
	stage_wait_for(&st, "Take back the edits of 2 files?");
	stage_assert_clean(&st);
	stage_type(&st, "y\r");
	stage_wait_for(&st, "new.txt: removed");
	expect_files("buy milk\n", false);
	stage_type(&st, "/undo\r");
	stage_wait_for(&st, "no file edits here can be taken back");
	stage_type(&st, "thanks\r");
	stage_wait_for(&st, "I see.");
	stage_wait_for(&st, "[the user took back the edits of new.txt, notes.txt]");
	stage_quit(&st);
}

/* Of two files, what the last call did. */
static void on_the_screen_a_key_takes_back_one_edit(void **state)
{
	struct stage st;

	(void)state;
	edit_on_screen(&st, EDITS);
	stage_type(&st, "\033[1;3A");
	stage_type(&st, "d");
	stage_wait_for(&st, "Take back the edits of 1 file?");
	stage_type(&st, "\r");
	stage_wait_for(&st, "new.txt: removed");
	expect_files("buy tea\n", false);
	stage_type(&st, "d");
	stage_wait_for(&st, "this call left no edit that can be taken back");
	stage_quit(&st);
}

#define LONG_FILE                                                                              \
	"{\"call\": {\"name\": \"write_file\", \"arguments\": {\"path\": \"new.txt\","         \
	" \"content\": \"1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\n10\\n11\\n12\\n\"}}}\n"

/* Without a question, which would show it. */
static void open_editing(struct stage *st, const char *how, const char *engine)
{
	const char *args[] = {"--tools", "--titles", "off", "--approve", "edits", how, NULL};
	struct stage_setup su = {.args = args,
				 .home = d.path,
				 .folder = tmpdir_file(&d, "work"),
				 .engine_script = engine};

	(how && !strcmp(how, "--plain") ? stage_begin_lines : stage_begin)(st, &su);
}

static void on_the_screen_a_card_shows_what_its_call_changed(void **state)
{
	struct stage st;

	(void)state;
	for (int again = 0; again < 2; again++) {
		open_editing(&st, again ? "-c" : NULL, EDITS);
		if (!again)
			stage_type(&st, "hi\r");
		stage_wait_for(&st, "Changed.");
		stage_wait_for(&st, "│ replaced 1 occurrence in notes.txt");
		stage_wait_for(&st, "│ -buy milk");
		stage_wait_for(&st, "│ +buy tea");
		stage_wait_for(&st, "│ +made");
		stage_assert_clean(&st);
		stage_quit(&st);
		tmpdir_write_text(&d, "work/notes.txt", "else\n");
	}
}

static void in_line_mode_what_a_call_changed_is_shown_folded(void **state)
{
	struct stage st;

	(void)state;
	open_editing(&st, "--plain",
		     "{\"call\": {\"name\": \"edit_file\", \"arguments\": {\"path\": "
		     "\"notes.txt\", \"old\": \"milk\", \"new\": \"tea\"}}}\n" LONG_FILE DONE
		     "{\"text\": \"Changed.\"}\n" DONE);
	stage_type(&st, "hi\n");
	stage_wait_for(&st, "Changed.");
	stage_settle(&st);
	stage_wait_for(&st, "\n  @@ -1 +1 @@\n  -buy milk\n  +buy tea\n");
	stage_wait_for(&st, "\n  @@ -0,0 +1,12 @@\n  +1\n  +2\n  +3\n  +4\n  +5\n"
			    "  … 4 more lines\n  +10\n  +11\n  +12\n");
	stage_quit_lines(&st);
}

static void who_says_no_is_left_alone_and_a_session_of_lines_has_events(void **state)
{
	struct buf line = {0}, out = {0};
	char *program = realpath(program_path(), NULL);
	struct stage st;

	(void)state;
	assert_non_null(program);
	edit_in_lines(&st, EDITS);
	stage_type(&st, "/undo\n");
	stage_wait_for(&st, "Take these edits back? [y]es, [n]o (Ctrl-C stops):");
	stage_type(&st, "n\n");
	stage_wait_for(&st, "Nothing was changed.");
	expect_files("buy tea\n", true);
	stage_quit_lines(&st);
	tmpdir_write_text(&d, "work/notes.txt", "theirs\n");
	tmpdir_write_text(&d, "lines",
			  "{\"undo\": 1}\n{\"redo\": 1}\n{\"undo\": 0}\n"
			  "{\"undo\": 1, \"text\": \"x\"}\n{\"undo\": 2}\n");
	program_live_in(d.path);
	tmpdir_write_text(&d, "engine", DONE);
	buf_addf(&line,
		 "cd '%s' && '%s' --tools --engine-script '%s' -c --input-format jsonl <'%s'"
		 " 2>&1",
		 tmpdir_file(&d, "work"), program, tmpdir_file(&d, "engine"),
		 tmpdir_file(&d, "lines"));
	assert_int_equal(program_shell(buf_z(&line), &out), 2);
	assert_non_null(strstr(buf_z(&out),
			       "{\"type\": \"undo\", \"files\": [{\"path\": \"new.txt\", "
			       "\"state\": \"removed\"}, {\"path\": \"notes.txt\", "
			       "\"state\": \"changed\"}]}"));
	assert_non_null(strstr(buf_z(&out),
			       "{\"type\": \"redo\", \"files\": [{\"path\": \"new.txt\", "
			       "\"state\": \"made\"}]}"));
	assert_non_null(strstr(buf_z(&out), "line 3: undo: expected a number of questions"));
	assert_non_null(strstr(buf_z(&out), "line 4: undo: expected a number of questions"));
	expect_files("theirs\n", false);
	free(program);
	buf_release(&line);
	buf_release(&out);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(in_line_mode_it_is_shown_asked_and_told),
		T(without_tools_it_says_so),
		T(on_the_screen_a_box_asks),
		T(on_the_screen_a_key_takes_back_one_edit),
		T(on_the_screen_a_card_shows_what_its_call_changed),
		T(in_line_mode_what_a_call_changed_is_shown_folded),
		T(who_says_no_is_left_alone_and_a_session_of_lines_has_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
