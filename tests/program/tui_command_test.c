/* The slash commands on the screen, and what the screen shares with line mode. */
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/attach.h"
#include "app/cmd/cmd.h"
#include "app/line/line.h"
#include "app/screen/private.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

static bool file_has(const char *path, const char *text)
{
	struct buf all = {0};
	struct err err;
	bool found;

	if (file_read(&all, path, 64 << 20, &err) < 0)
		fail_msg("%s", err.text);
	found = memmem(all.data, all.len, text, strlen(text)) != NULL;
	buf_release(&all);
	return found;
}

static void each_mode_does_what_a_command_may_ask(void **state)
{
	typedef void (*any_fn)(void);
	const struct cmd_host_ops *modes[] = {&screen_host, &line_host};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		any_fn ops[sizeof(*modes[0]) / sizeof(any_fn)];
		size_t n_missing = 0;

		memcpy(ops, modes[i], sizeof(ops));
		for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
			n_missing += ops[k] == NULL;
		/* A line can't be given back to change it. */
		assert_int_equal(n_missing, modes[i] == &line_host ? 1 : 0);
		assert_true(modes[i] != &line_host || modes[i]->edit == NULL);
	}
}

static void only_one_line_with_a_word_behind_the_slash_is_a_command(void **state)
{
	static const struct {
		const char *text;
		bool meant;
	} cases[] = {
		{"/help", true},
		{"/help me", true},
		{"/nonsense", true},
		{"/", false},
		{"//", false},
		{"/usr/bin is full", false},
		{"/help\nsecond line", false},
		{" /help", false},
		{"/Help", false},
		{"help", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (cmd_meant(str_of(cases[i].text)) != cases[i].meant)
			fail_msg("\"%s\"", cases[i].text);
}

/* What is typed, and what is shown then; NULL types nothing, or waits for the model alone. */
static const struct step {
	const char *typed, *shown;
} steps[] = {
	{"/list\r", "(nothing yet)"},
	{"/title\r", "nothing was said yet"},
	{"/export x.md\r", "nothing was said yet"},
	{"/edit x\r", "nothing was asked yet"},
	{"/regen\r", "nothing was asked yet"},
	{"/fork\r", "nothing was said yet"},
	{"/continue\r", "nothing was said yet"},
	{"/nonsense\r", "no such command"},
	{"\x15/effort max\r", "effort: max"},
	{"/effort\r", "effort: max"},
	{"/effort most\r", "expected"},
	{"/set temp 0.5\r", "temp: 0.5"},
	{"/set temp\r", "temp: 0.5"},
	{"/set tmep 1\r", "cannot be set"},
	{"/system be brief\r", "system: be brief"},
	{"hello world\r", "brief and max"},
	{NULL, "ready"},
	{"/title greetings\r", "title: greetings"},
	{"/list\r", "greetings"},
	{"/search worl*\r", "[world]"},
	{"/search zebra\r", "(not found)"},
	{"/system be long\r", "system: be long"},
	{"hello sun\r", "long and max"},
	{NULL, "ready"},
	{"/regen\r", "long again"},
	{NULL, "‹2/2›"},
	{"/edit hello moon\r", "moon it is"},
	{NULL, "hello moon"},
	{"/edit\r", "Editing what you said"},
	{"\x15\x1B", "nothing was changed"},
	{"/continue\r", "whole"},
	{"/help\r", "Help: arrows scroll"},
	{"G", "find where something was said"},
	{"q/new\r", "Type a question"},
	{"/open greetings\r", "moon it is"},
	{"/open nowhere\r", "nowhere"},
	{"/fork\r", "a conversation of its own"},
	{"hello mars\r", "mars it is"},
	{NULL, "ready"},
	{"/set keys vi\r", "keys: vi"},
	{"x", "vi: writing"},
	{"\x1B", "vi: commands"},
	{"dd", "Ask anything"},
	{"i/set keys emacs\r", "keys: emacs"},
	{"\x15", "F1 help"},
};

static const char brief_script[] =
	"{\"info\": {\"model_name\": \"scripted\", \"backend\": \"none\"}}\n"
	"{\"turn\": {\"expect_system\": \"be brief\", \"expect_effort\": \"max\", "
	"\"expect_messages\": 2}}\n{\"text\": \"brief and max\"}\n{\"done\": {}}\n"
	"{\"turn\": {\"expect_system\": \"be long\", \"expect_messages\": 4}}\n"
	"{\"text\": \"long and max\"}\n{\"done\": {}}\n"
	"{\"turn\": {\"expect_system\": \"be long\", \"expect_messages\": 4}}\n"
	"{\"text\": \"long again\"}\n{\"done\": {}}\n"
	"{\"turn\": {\"expect\": \"moon\", \"expect_messages\": 4}}\n"
	"{\"text\": \"moon it is\"}\n{\"done\": {}}\n"
	"{\"turn\": {\"expect\": \"mars\", \"expect_messages\": 6}}\n"
	"{\"text\": \"mars it is\"}\n{\"done\": {}}\n";

static void commands_act_on_the_screen(void **state)
{
	struct stage_setup su = {.engine_script = brief_script};
	char here[4096];
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	su.inputs_path = tmpdir_file(&test_dir, "inputs");
	/* The screen begins there, so that it may name files shortly. */
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(test_dir.path), 0);
	stage_open(&st, &su);
	assert_int_equal(chdir(here), 0);
	stage_wait_for(&st, "ready");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].typed != NULL)
			stage_type(&st, steps[i].typed);
		stage_wait_for(&st, steps[i].shown);
	}
	stage_type(&st, "/export out.jsonl\r");
	stage_wait_for(&st, "written:");
	assert_true(file_has(tmpdir_file(&test_dir, "out.jsonl"), "hello mars"));
	stage_type(&st, "/export out.jsonl\r");
	stage_wait_for(&st, "exists");
	/* Its name ends with what was typed in it, so the file of inputs forgets it all. */
	stage_type(&st, "/title mars\r");
	stage_wait_for(&st, "title: mars");
	assert_true(file_has(su.inputs_path, "mars"));
	stage_type(&st, "/rm\r");
	stage_wait_for(&st, "/list says their ids");
	stage_type(&st, "\x15/rm mars\r");
	stage_wait_for(&st, "deleted");
	stage_type(&st, "/rm mars\r");
	stage_wait_for(&st, "was deleted");
	stage_type(&st, "\x15/quit\r");
	assert_int_equal(stage_close(&st), 0);
	assert_false(file_has(su.inputs_path, "mars"));
	assert_true(file_has(su.inputs_path, "moon"));
	assert_false(file_has(su.history_path, "mars it is"));
}

static void what_rm_removes_comes_back_by_the_key_that_it_names(void **state)
{
	struct stage_setup su = {
		.engine_script = stage_talk, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "back.db");
	stage_begin(&st, &su);
	stage_type(&st, "hello heron\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/rm hello\r");
	stage_wait_for(&st, "Alt-U among the conversations takes it back");
	stage_wait_gone(&st, "• two");
	stage_type(&st, "\x1B[1;3D");
	stage_wait_for(&st, "type to find");
	stage_type(&st, "\x1Bu");
	stage_wait_for(&st, "it is back");
	stage_type(&st, "\r");
	stage_wait_for(&st, "• two");
	stage_quit(&st);
	assert_true(file_has(su.history_path, "hello heron"));
}

static void a_conversation_that_is_deleted_takes_what_was_typed_with_it(void **state)
{
	struct stage_setup su = {.engine_script = stage_talk};
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "deleted.db");
	su.inputs_path = tmpdir_file(&test_dir, "deleted-inputs");
	stage_begin(&st, &su);
	stage_type(&st, "hello secret\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "ready");
	assert_true(file_has(su.inputs_path, "secret"));
	stage_type(&st, "\x1B[1;3D");
	stage_wait_for(&st, "type to find");
	stage_type(&st, "\x1B[3~");
	stage_wait_for(&st, "deleted");
	assert_true(file_has(su.inputs_path, "secret"));
	stage_quit(&st);
	assert_false(file_has(su.inputs_path, "secret"));
	assert_false(file_has(su.history_path, "secret"));
}

static void inputs_of_either_mode_are_there_in_the_other(void **state)
{
	static const char *const plain[] = {"--plain", NULL};
	static const char *const screen[] = {"--titles", "off", NULL};
	static const char answers[] = "{\"text\": \"answer one\"}\n{\"done\": {}}\n"
				      "{\"text\": \"answer two\"}\n{\"done\": {}}\n";
	struct stage_setup su = {.engine_script = answers, .home = test_dir.path};
	struct stage st;

	(void)state;
	assert_int_equal(mkdir(tmpdir_file(&test_dir, "dsv4chat"), 0700), 0);
	/* What an older program left, in every way of vis(3). */
	tmpdir_write_text(&test_dir, "dsv4chat/input_history",
			  "_HiStOrY_V2_\nold\\040words\nin\\^Jtwo\\M-C\\M-$\\sparts\n");
	su.args = plain;
	stage_open(&st, &su);
	stage_wait_for(&st, "\n>");
	stage_type(&st, "\x1B[A");
	stage_wait_for(&st, "parts");
	stage_type(&st, "\x1B[A");
	stage_wait_for(&st, "old words");
	stage_type(&st, "\x15hello from the line\r");
	stage_wait_for(&st, "answer one");
	stage_type(&st, "one \\\\\rmore\r");
	stage_wait_for(&st, "answer two");
	/* At once, not at the end. */
	assert_true(file_has(tmpdir_file(&test_dir, "dsv4chat/input_history"),
			     "hello\\040from\\040the\\040line\\000"));

	su.args = screen;
	{
		struct stage both;

		stage_begin(&both, &su);
		stage_type(&both, "\x1B[A");
		stage_wait_for(&both, "more");
		stage_type(&both, "\x1B<\x1B[A");
		stage_wait_for(&both, "hello from the line");
		stage_type(&both, "\x1B[A\x1B<");
		stage_wait_for(&both, "in\n");
		stage_wait_for(&both, "twoä parts");
		stage_type(&both, "\x1B[A");
		stage_wait_for(&both, "old words");
		stage_type(&both, "\x15hello from the screen\r");
		stage_wait_for(&both, "answer one");
		stage_quit(&both);
	}
	/* The other one goes on writing to the same file. */
	stage_type(&st, "/effort\r");
	stage_wait_for(&st, "effort:");
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);

	su.args = plain;
	stage_open(&st, &su);
	stage_wait_for(&st, "\n>");
	stage_type(&st, "\x1B[A\x1B[A");
	stage_wait_for(&st, "/effort");
	stage_type(&st, "\x1B[A");
	stage_wait_for(&st, "hello from the screen");
	stage_type(&st, "\x15/quit\r");
	assert_int_equal(stage_close(&st), 0);
}

static void what_is_archived_is_found_by_typing_and_comes_back(void **state)
{
	struct stage_setup su = {
		.engine_script = stage_talk, .term = "xterm-256color", .w = 100, .h = 24};
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "archived.db");
	stage_begin(&st, &su);
	stage_type(&st, "hello zebra\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/title stripes\r");
	stage_wait_for(&st, "title: stripes");
	stage_type(&st, "/new\r");
	stage_wait_for(&st, "(nothing said");
	stage_type(&st, "\x1B[1;3D\x1B[B"); /* Alt-Left, Down */
	stage_wait_for(&st, "Enter opens");
	stage_type(&st, "\x1B"
			"a");
	stage_wait_gone(&st, "stripes");
	/* By its name, and by what was said. */
	stage_type(&st, "stri");
	stage_wait_for(&st, "stripes");
	stage_type(&st, "\x15");
	stage_wait_gone(&st, "stripes");
	stage_type(&st, "zebra");
	stage_wait_for(&st, "stripes");
	stage_type(&st, "\x1B"
			"a");
	stage_wait_for(&st, "no longer archived");
	stage_type(&st, "\x15");
	stage_wait_for(&st, "type to find");
	stage_wait_for(&st, "stripes");
	stage_quit(&st);
}

static void files_go_along_from_either_mode(void **state)
{
	static const char answers[] = "{\"turn\": {\"expect\": \"inside\"}}\n"
				      "{\"text\": \"read it\"}\n{\"done\": {}}\n";
	static const char *const modes[][3] = {{"--ephemeral", NULL},
					       {"--ephemeral", "--plain"}};

	(void)state;
	tmpdir_write_text(&test_dir, "note", "inside\n");
	tmpdir_write_text(&test_dir, "huge", "");
	assert_int_equal(truncate(tmpdir_file(&test_dir, "huge"), ATTACH_MAX_BYTES + 1), 0);
	for (size_t i = 0; i < 2; i++) {
		struct stage_setup su = {.engine_script = answers,
					 .term = "xterm-256color",
					 .w = 120,
					 .h = 24,
					 .args = modes[i],
					 .home = test_dir.path};
		char typed[600];
		struct stage st;

		stage_open(&st, &su);
		stage_wait_for(&st, i == 0 ? "ready" : "\n>");
		snprintf(typed, sizeof(typed), "what says @%s\r", tmpdir_file(&test_dir, "huge"));
		stage_type(&st, typed);
		stage_wait_for(&st, "not sent");
		snprintf(typed, sizeof(typed), "\x15what says @%s?\r",
			 tmpdir_file(&test_dir, "nothing"));
		stage_type(&st, typed);
		stage_wait_for(&st, "no file");
		snprintf(typed, sizeof(typed), "\x15what says @%s?\r",
			 tmpdir_file(&test_dir, "note"));
		stage_type(&st, typed);
		stage_wait_for(&st, "read it");
		stage_type(&st, "/quit\r");
		assert_int_equal(stage_close(&st), 0);
	}
}

static void names_with_blanks_are_completed_and_mistyped_ones_told_once(void **state)
{
	static const char answers[] = "{\"turn\": {\"expect\": \"sea level\"}}\n"
				      "{\"text\": \"read it\"}\n{\"done\": {}}\n"
				      "{\"turn\": {\"expect\": \"none.txt?\"}}\n"
				      "{\"text\": \"as text\"}\n{\"done\": {}}\n";
	static const char *const args[] = {"--ephemeral", NULL};
	/* So wide that what is told with a file's name stands in one line. */
	struct stage_setup su = {.engine_script = answers,
				 .term = "xterm-256color",
				 .w = 240,
				 .h = 24,
				 .args = args,
				 .home = test_dir.path};
	struct stage st;
	char text[600];

	(void)state;
	assert_int_equal(mkdir(tmpdir_file(&test_dir, "two words"), 0700), 0);
	tmpdir_write_text(&test_dir, "two words/a table of tides", "sea level\n");
	stage_begin(&st, &su);
	snprintf(text, sizeof(text), "what says @%s\t", tmpdir_file(&test_dir, "two"));
	stage_type(&st, text);
	stage_wait_for(&st, "/two\\ words/");
	stage_type(&st, "a\\ t\t");
	stage_wait_for(&st, "/two\\ words/a\\ table\\ of\\ tides");
	stage_type(&st, "\r");
	stage_wait_for(&st, "read it");
	stage_type(&st, "and @/none.txt?\r");
	stage_wait_for(&st, "no file /none.txt; Enter again sends it as text");
	stage_type(&st, "\r");
	stage_wait_for(&st, "as text");
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
}

/* Until `text` is shown below `above`, whatever else shows it. */
static void wait_below(struct stage *st, const char *above, const char *text)
{
	int64_t end = clock_ms() + STAGE_PATIENCE_MS;
	struct buf all = {0};
	const char *at = NULL;

	while (!at || !strstr(at, text)) {
		if (clock_ms() > end || !stage_read(st, 50))
			fail_msg("no \"%s\" below \"%s\":\n%s", text, above, buf_z(&all));
		stage_text(st, &all);
		at = strstr(buf_z(&all), above);
	}
	buf_release(&all);
}

static void a_branch_may_be_asked_for_at_the_start(void **state)
{
	static const char *const none[] = {"--fork", NULL};
	static const char *const plainly[] = {"--effort", "low", NULL};
	struct tmpdir home;
	struct history *h;
	struct history_list found;
	struct err err;
	struct stage_setup su = {.engine_script = stage_talk, .args = none};
	struct stage st;

	(void)state;
	tmpdir_init(&home);
	su.home = home.path;
	stage_open(&st, &su);
	stage_wait_for(&st, "there is no conversation to go on with yet");
	assert_int_equal(WEXITSTATUS(stage_close(&st)), 2);
	su.args = plainly;
	stage_begin(&st, &su);
	stage_type(&st, "hello there\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "ready");
	stage_quit(&st);

	su.args = none;
	stage_open(&st, &su);
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "a conversation of its own");
	stage_type(&st, "hello branch\r");
	wait_below(&st, "hello branch", "• two");
	stage_wait_for(&st, "ready");
	stage_quit(&st);

	assert_int_equal(history_open(&h, tmpdir_file(&home, "dsv4chat/history.db"), &err), 0);
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &found, &err), 0);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.items[0].n_messages, 4);
	assert_int_equal(found.items[0].forked_from, found.items[1].id);
	assert_int_equal(found.items[1].n_messages, 2);
	history_list_release(&found);
	history_close(h);
	tmpdir_release(&home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mode_does_what_a_command_may_ask),
		cmocka_unit_test(only_one_line_with_a_word_behind_the_slash_is_a_command),
		cmocka_unit_test(commands_act_on_the_screen),
		cmocka_unit_test(a_conversation_that_is_deleted_takes_what_was_typed_with_it),
		cmocka_unit_test(what_rm_removes_comes_back_by_the_key_that_it_names),
		cmocka_unit_test(inputs_of_either_mode_are_there_in_the_other),
		cmocka_unit_test(what_is_archived_is_found_by_typing_and_comes_back),
		cmocka_unit_test(files_go_along_from_either_mode),
		cmocka_unit_test(names_with_blanks_are_completed_and_mistyped_ones_told_once),
		cmocka_unit_test(a_branch_may_be_asked_for_at_the_start),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, tmpdir_set_up, tmpdir_tear_down);
}
