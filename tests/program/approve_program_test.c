/*
 * Answers that hold: for the session, for the folder, taken back again; and the mode.  With the
 * program's own runner, a line at a time and on the full screen.
 */
#include "tests/support/shared_files.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/program.h"
#include "tests/support/sandboxed.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define SHELL(command)                                                                         \
	"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"" command "\"}}}\n"
#define TURN(expected) "{\"turn\": {\"expect_tool\": \"" expected "\"}}\n"
#define SAYS(text)     "{\"text\": \"" text "\"}\n"

static int begin(void **state)
{
	int rc = tmpdir_set_up(state);

	mkdir(tmpdir_file(&test_dir, "work"), 0700);
	return rc;
}

/* Nothing is left of an earlier one. */
static void forget(void)
{
	unlink(tmpdir_file(&test_dir, "dsv4chat/rules"));
	unlink(tmpdir_file(&test_dir, "work/made"));
}

static bool made(void)
{
	return unlink(tmpdir_file(&test_dir, "work/made")) == 0;
}

/* `how`: "--plain", or NULL, the full screen; "hi" is asked. */
static void open_stage(struct stage *st, const char *how, const char *engine)
{
	const char *args[] = {"--tools", "--titles", "off", "--ephemeral", how, NULL};
	struct stage_setup su = {.args = args,
				 .home = test_dir.path,
				 .folder = tmpdir_file(&test_dir, "work"),
				 .engine_script = engine};

	if (!how) {
		stage_begin(st, &su);
		stage_type(st, "hi\r");
		return;
	}
	stage_begin_lines(st, &su);
	stage_type(st, "hi\n");
}

/* The question on the screen has been in sight for as long as it takes. */
static void wait_for_question(struct stage *st)
{
	stage_wait_for(st, "Run this command?");
	stage_wait_for(st, "asks you");
	stage_pause(st, 700);
}

#define TWICE                                                                                  \
	SHELL("touch made")                                                                    \
	DONE TURN("(no output)") SHELL("touch made && ls") DONE TURN("made") SAYS("There.") DONE

static void a_yes_for_the_session_holds_until_it_ends(void **state)
{
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	for (int i = 0; i < 2; i++) {
		open_stage(&st, "--plain", TWICE);
		stage_wait_for(&st, "s and a allow from now on: shell touch made");
		stage_answer(&st, "[v]iew (Ctrl-C", "s\n");
		stage_wait_for(&st, "There.");
		stage_quit_lines(&st);
		assert_true(made());
		assert_int_equal(access(tmpdir_file(&test_dir, "dsv4chat/rules"), F_OK), -1);
	}
}

static void a_yes_for_the_folder_holds_in_the_next_session_until_it_is_taken_back(void **state)
{
	struct stat st_rules;
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	forget();
	open_stage(&st, "--plain", TWICE);
	stage_answer(&st, "[v]iew (Ctrl-C", "v\n");
	stage_answer(&st, "[v]iew (Ctrl-C", "a\n");
	/* What is no rule is said, and asked again; another one is taken in its place. */
	stage_answer(&st, "type another [shell touch made]:", "touch\n");
	stage_wait_for(&st, "column 1: 'touch', expected");
	stage_answer(&st, "[v]iew (Ctrl-C", "a shell touch *\n");
	stage_wait_for(&st, "There.");
	stage_quit_lines(&st);
	assert_true(made());
	assert_int_equal(stat(tmpdir_file(&test_dir, "dsv4chat/rules"), &st_rules), 0);
	assert_int_equal(st_rules.st_mode & 0777, 0600);

	open_stage(&st, "--plain", TWICE);
	stage_wait_for(&st, "There.");
	assert_true(made());
	stage_settle(&st);
	stage_type(&st, "/approve\n");
	stage_wait_for(&st, "1  allow = shell touch *  (always here)");
	stage_answer(&st, "takes one back", "/approve rm 1\n");
	stage_wait_for(&st, "no longer: allow = shell touch *");
	stage_answer(&st, "> ", "/approve rm 1\n");
	stage_wait_for(&st, "expected the number of a rule");
	stage_quit_lines(&st);

	open_stage(&st, "--plain", TWICE);
	stage_answer(&st, "[v]iew (Ctrl-C", "y\n");
	stage_answer(&st, "[v]iew (Ctrl-C", "n\n");
	/* The script wanted the command to have run. */
	stage_wait_for(&st, "the last tool message is \"error: denied by the user");
	stage_quit_lines(&st);
}

static void on_the_screen_the_rule_stands_in_the_input_before_it_is_kept(void **state)
{
	struct buf text = {0};
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	forget();
	open_stage(&st, NULL, TWICE);
	wait_for_question(&st);
	/* No answer is one that begins like it. */
	stage_type(&st, "a\r");
	stage_wait_for(&st, "always shell touch made");
	assert_false(made());
	stage_type(&st, "\r");
	stage_wait_for(&st, "There.");
	assert_true(made());
	assert_true(whole_file(tmpdir_file(&test_dir, "dsv4chat/rules"), &text));
	assert_non_null(strstr(buf_z(&text), "\"rule\": \"shell touch made\""));
	stage_type(&st, "/approve\r");
	stage_wait_for(&st, "allow = shell touch made  (always here)");
	stage_assert_clean(&st);
	stage_quit(&st);
	buf_release(&text);
}

/* Each line a command: more than the screen has rows. */
static void a_call_is_agreed_to_only_when_all_of_it_was_in_sight(void **state)
{
	struct buf script = {0};
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	forget();
	buf_addz(&script,
		 "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"touch made");
	for (int i = 0; i < 60; i++)
		buf_addf(&script, "\\ntouch made # %d", i);
	buf_addz(&script, "\"}}}\n" DONE TURN("(no output)") SAYS("There.") DONE);
	open_stage(&st, NULL, buf_z(&script));
	stage_wait_for(&st, "asks you");
	stage_pause(&st, 700);
	stage_type(&st, "y\r");
	stage_wait_for(&st, "not all of it was in sight yet");
	assert_false(made());
	for (int i = 0; i < 6; i++) {
		stage_type(&st, "\033[5~");
		stage_pause(&st, 50);
	}
	stage_wait_for(&st, "Run this command?");
	stage_type(&st, "\r");
	stage_wait_for(&st, "There.");
	assert_true(made());
	stage_quit(&st);
	buf_release(&script);
}

static void a_key_and_a_command_change_what_needs_no_question(void **state)
{
	static const char *const modes[] = {"approve: edits", "approve: auto", "approve: ask",
					    "approve: edits", "approve: auto"};
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	forget();
	open_stage(&st, NULL, SAYS("Hello.") DONE "{\"turn\": {}}\n" TWICE);
	stage_wait_for(&st, "Hello.");
	stage_wait_for(&st, "ready");
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		stage_type(&st, "\033[Z");
		stage_wait_for(&st, modes[i]);
	}
	stage_type(&st, "now\r");
	stage_wait_for(&st, "There.");
	assert_true(made());
	stage_type(&st, "/approve never\r");
	stage_wait_for(&st, "approve: never");
	stage_type(&st, "/approve sometimes\r");
	stage_wait_for(&st, "expected ask, edits, auto, never");
	stage_quit(&st);
}

/* A program that answers for the user: the request says what session would allow. */
static void a_host_may_say_yes_for_the_session(void **state)
{
	char *program = realpath(program_path(), NULL);
	struct buf line = {0}, out = {0};
	const char *asked;

	(void)state;
	assert_non_null(program);
	if (!has_sandbox()) {
		free(program);
		skip();
	}
	forget();
	tmpdir_write_text(&test_dir, "engine", TWICE);
	buf_addf(&line,
		 "cd '%s' && (echo '{\"text\": \"hi\"}'; sleep 2; "
		 "echo '{\"tool_answer\": \"c1\", \"decision\": \"session\"}') | HOME='%s' "
		 "'%s' --tools "
		 "--ephemeral --input-format jsonl --approve-host --engine-script '%s'",
		 tmpdir_file(&test_dir, "work"), test_dir.path, program,
		 tmpdir_file(&test_dir, "engine"));
	assert_int_equal(program_shell(buf_z(&line), &out), 0);
	asked = strstr(buf_z(&out), "\"tool_request\"");
	assert_non_null(asked);
	assert_non_null(strstr(asked, "\"suggest\": \"shell touch made\""));
	assert_null(strstr(asked + 1, "\"tool_request\""));
	assert_non_null(strstr(buf_z(&out), "There."));
	assert_true(made());
	free(program);
	buf_release(&line);
	buf_release(&out);
}

#define OFFLINE "echo x >> made; echo Could not resolve host; exit 6"

/* By default it does not. */
static void what_failed_for_want_of_the_network_may_run_again_with_it(void **state)
{
	static const struct {
		const char *typed, *told, *left;
	} rows[] = {{"\n", "[the sandbox has no network]", "x\n"},
		    {"n\n", "[the sandbox has no network]", "x\n"},
		    {"y\n", "Could not resolve host\\n[exit code 6]", "x\nx\n"}};

	(void)state;
	if (!has_sandbox())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf script = {0}, left = {0};
		struct stage st;

		forget();
		buf_addf(&script, SHELL(OFFLINE) DONE TURN("%s") SAYS("There.") DONE,
			 rows[i].told);
		open_stage(&st, "--plain", buf_z(&script));
		stage_answer(&st, "(Ctrl-C stops):", "y\n");
		stage_wait_for(&st,
			       "It failed without the network.  Run it again with it?  shell");
		stage_answer(&st, "[y]es, [N]o (Ctrl-C stops):", rows[i].typed);
		stage_wait_for(&st, "There.");
		stage_quit_lines(&st);
		assert_true(whole_file(tmpdir_file(&test_dir, "work/made"), &left));
		assert_string_equal(buf_z(&left), rows[i].left);
		buf_release(&script);
		buf_release(&left);
	}
}

static void a_yes_may_give_more_than_the_sandbox_does(void **state)
{
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	forget();
	for (int screen = 0; screen < 2; screen++) {
		open_stage(&st, screen ? NULL : "--plain",
			   SHELL("echo x > ../escaped") DONE TURN("(no output)") SAYS("There.")
				   DONE);
		if (screen) {
			wait_for_question(&st);
			stage_type(&st, "w outside\r");
		} else {
			stage_answer(&st, "[w]ider [n]o", "w\n");
			stage_answer(&st, "with network, git or outside of the sandbox?",
				     "all\n");
			stage_answer(&st, "[w]ider [n]o", "w outside\n");
		}
		stage_wait_for(&st, "There.");
		assert_int_equal(unlink(tmpdir_file(&test_dir, "escaped")), 0);
		if (screen)
			stage_quit(&st);
		else
			stage_quit_lines(&st);
	}
}

/* The question has what the model is told; the system message stays. */
#define PLANS                                                                                  \
	"{\"turn\": {\"expect\": \"[plan mode: only what reads runs\"}}\n" SHELL("touch made") \
		DONE TURN("error: denied: plan mode: only what reads runs") SHELL("ls")        \
			DONE TURN("(no output)") SAYS("First, touch.") DONE
#define GOES                                                                                   \
	"{\"turn\": {\"expect\": \"Go ahead with the plan.\\n\\n[plan mode is "                \
	"over\"}}\n" SHELL("touch made") DONE TURN("(no output)") SAYS("There.") DONE

static void a_plan_only_looks_until_the_user_says_go_ahead(void **state)
{
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	forget();
	open_stage(&st, "--plain",
		   SAYS("Hello.") DONE PLANS "{\"turn\": {}}\n" SAYS("More.") DONE GOES);
	stage_wait_for(&st, "Hello.");
	stage_answer(&st, "> ", "/plan\n");
	stage_wait_for(&st, "Plan mode: only what reads runs.");
	stage_answer(&st, "> ", "make it\n");
	stage_wait_for(&st, "First, touch.");
	assert_false(made());
	stage_answer(&st, "(plan mode: /plan goes ahead with this plan)", "and then?\n");
	stage_wait_for(&st, "More.");
	stage_answer(&st, "> ", "/plan\n");
	stage_answer(&st, "Go ahead with this plan? [y]es, [n]o", "y\n");
	stage_answer(&st, "[v]iew (Ctrl-C", "y\n");
	stage_wait_for(&st, "There.");
	stage_quit_lines(&st);
	assert_true(made());
}

static void on_the_screen_the_box_says_how_to_go_ahead(void **state)
{
	struct stage st;

	(void)state;
	if (!has_sandbox())
		skip();
	forget();
	open_stage(&st, NULL, SAYS("Hello.") DONE PLANS GOES);
	stage_wait_for(&st, "Hello.");
	stage_wait_for(&st, "ready");
	stage_type(&st, "\033[15~");
	stage_wait_for(&st, "approve: plan");
	stage_type(&st, "make it\r");
	stage_wait_for(&st, "First, touch.");
	stage_wait_for(&st, "ready · plan");
	/* Not the next mode, but the question. */
	stage_type(&st, "\033[Z");
	stage_wait_for(&st, "Go ahead with this plan?");
	stage_type(&st, "\033[B\r");
	stage_wait_for(&st, "edits unasked");
	wait_for_question(&st);
	stage_type(&st, "y\r");
	stage_wait_for(&st, "There.");
	assert_true(made());
	stage_assert_clean(&st);
	stage_quit(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_yes_for_the_session_holds_until_it_ends),
		cmocka_unit_test(
			a_yes_for_the_folder_holds_in_the_next_session_until_it_is_taken_back),
		cmocka_unit_test(on_the_screen_the_rule_stands_in_the_input_before_it_is_kept),
		cmocka_unit_test(a_call_is_agreed_to_only_when_all_of_it_was_in_sight),
		cmocka_unit_test(a_key_and_a_command_change_what_needs_no_question),
		cmocka_unit_test(a_host_may_say_yes_for_the_session),
		cmocka_unit_test(what_failed_for_want_of_the_network_may_run_again_with_it),
		cmocka_unit_test(a_yes_may_give_more_than_the_sandbox_does),
		cmocka_unit_test(a_plan_only_looks_until_the_user_says_go_ahead),
		cmocka_unit_test(on_the_screen_the_box_says_how_to_go_ahead),
	};

	return cmocka_run_group_tests(tests, begin, tmpdir_tear_down);
}
