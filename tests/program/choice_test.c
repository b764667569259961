/* What is asked where a word alone says too little: which conversation, and whether to leave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

static const char engine[] = "{\"info\": {\"model_name\": \"scripted\"}}\n"
			     "{\"turn\": {\"again\": true}}\n"
			     "{\"text\": \"An answer.\"}\n"
			     "{\"done\": {}}\n";

static void begin(struct stage *st, const char *const *args)
{
	struct stage_setup su = {.engine_script = engine,
				 .args = args,
				 .home = test_dir.path,
				 .term = "xterm-256color",
				 .w = 80,
				 .h = 24};

	stage_open(st, &su);
}

static const char *const none[] = {NULL};
static const char *const plain[] = {"--plain", NULL};
static const char *const resume[] = {"-r", NULL};
static const char *const resume_plain[] = {"-r", "--plain", NULL};
static const char *const resume_fork[] = {"--resume", "--fork", NULL};
static const char *const resume_system[] = {"-r", "--system", "Be brief.", NULL};
static const char *const resume_both_plain[] = {"-r",     "--system", "Be brief.",
						"--fork", "--plain",  NULL};

static void say_two_things(void)
{
	struct stage st;

	begin(&st, none);
	stage_wait_for(&st, "ready");
	stage_type(&st, "about zebras\r");
	stage_wait_for(&st, "An answer.");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/clear\r");
	stage_wait_for(&st, "Type a question");
	stage_type(&st, "about übung\r");
	stage_wait_for(&st, "An answer.");
	stage_wait_for(&st, "ready");
	stage_quit(&st);
}

static void resume_without_an_id_asks_which(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, resume);
	stage_wait_for(&st, "there is no conversation to go on with yet");
	stage_quit(&st);
	say_two_things();

	begin(&st, resume);
	stage_wait_for(&st, "Go on with which conversation?");
	assert_true(stage_shows(&st, "about zebras"));
	assert_true(stage_shows(&st, "about übung"));
	stage_type(&st, "UBUNG");
	stage_wait_gone(&st, "about zebras");
	stage_type(&st, "\r");
	stage_wait_for(&st, "❯ about übung");
	stage_quit(&st);

	/* Esc: none of them. */
	begin(&st, resume);
	stage_wait_for(&st, "Go on with which conversation?");
	stage_type(&st, "\x1B");
	stage_wait_for(&st, "Type a question");
	stage_quit(&st);

	begin(&st, resume_fork);
	stage_wait_for(&st, "Go on with which conversation?");
	stage_type(&st, "zebra\r");
	stage_wait_for(&st, "a conversation of its own");
	assert_true(stage_shows(&st, "❯ about zebras"));
	stage_quit(&st);
}

/* As it is with an id: the system prompt goes before what is asked then. */
static void a_system_prompt_is_that_of_the_chosen_one(void **state)
{
	struct stage st;

	(void)state;
	say_two_things();
	begin(&st, resume_system);
	stage_wait_for(&st, "Go on with which conversation?");
	stage_type(&st, "zebra\r");
	stage_wait_for(&st, "❯ about zebras");
	stage_type(&st, "/system\r");
	stage_wait_for(&st, "Be brief.");
	stage_quit(&st);

	begin(&st, resume_both_plain);
	stage_wait_for(&st, "Go on with which?");
	stage_type(&st, "2\r");
	stage_wait_for(&st, "Fork of about zebras\", 2 messages");
	stage_settle(&st);
	stage_type(&st, "/system\r");
	stage_wait_for(&st, "Be brief.");
	stage_type(&st, "/q\r");
	assert_int_equal(stage_close(&st), 0);
}

static void in_line_mode_a_number_or_a_name_says_which(void **state)
{
	static const struct {
		const char *typed, *shown;
	} steps[] = {
		{"77777777777\r", "is called \"77777777777\""},
		{"nothing like it\r", "is called \"nothing"},
		{"2\r", "about zebras\", 2 messages"},
	};
	struct stage st;

	(void)state;
	begin(&st, resume_plain);
	stage_wait_for(&st, "no conversation to go on with yet");
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
	say_two_things();

	begin(&st, resume_plain);
	stage_wait_for(&st, "Go on with which?");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		stage_type(&st, steps[i].typed);
		stage_wait_for(&st, steps[i].shown);
	}
	/* What is typed then is a message again. */
	stage_settle(&st);
	stage_type(&st, "hello\r");
	stage_wait_for(&st, "tokens");
	stage_settle(&st);
	stage_type(&st, "/q\r");
	assert_int_equal(stage_close(&st), 0);

	begin(&st, resume_plain);
	stage_wait_for(&st, "Go on with which?");
	stage_type(&st, "\r");
	stage_settle(&st);
	stage_type(&st, "/title\r");
	stage_wait_for(&st, "nothing was said yet");
	stage_type(&st, "/exit\r");
	assert_int_equal(stage_close(&st), 0);
}

/* What a command has opened is gone on with: nothing is asked any more. */
static void in_line_mode_a_command_may_choose_instead(void **state)
{
	struct stage st;

	(void)state;
	say_two_things();
	begin(&st, resume_plain);
	stage_wait_for(&st, "Go on with which?");
	stage_type(&st, "/new\r");
	stage_wait_for(&st, "A new conversation.");
	stage_settle(&st);
	stage_type(&st, "hello\r");
	stage_wait_for(&st, "An answer.");
	stage_settle(&st);
	stage_type(&st, "/q\r");
	assert_int_equal(stage_close(&st), 0);

	begin(&st, resume_plain);
	stage_wait_for(&st, "Go on with which?");
	stage_type(&st, "/open about zebras\r");
	stage_wait_for(&st, "about zebras\", 2 messages");
	stage_settle(&st);
	stage_type(&st, "hello\r");
	stage_wait_for(&st, "tokens");
	stage_settle(&st);
	stage_type(&st, "/q\r");
	assert_int_equal(stage_close(&st), 0);
}

static void a_slash_alone_offers_the_commands(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, none);
	stage_wait_for(&st, "ready");
	stage_type(&st, "/\r");
	stage_wait_for(&st, "Completions");
	assert_true(stage_shows(&st, "/help"));
	stage_type(&st, "/title\r");
	stage_wait_for(&st, "❯ /title");
	stage_type(&st, "\r");
	stage_wait_for(&st, "nothing was said yet");
	stage_quit(&st);

	begin(&st, plain);
	stage_wait_for(&st, "quits.");
	stage_type(&st, "/\r");
	stage_wait_for(&st, "/title");
	stage_type(&st, "/q\r");
	assert_int_equal(stage_close(&st), 0);
}

static void a_word_that_ends_other_programs_is_asked_about(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, none);
	stage_wait_for(&st, "ready");
	stage_type(&st, "exit\r");
	stage_wait_for(&st, "\"exit\" is no command");
	stage_type(&st, "\x1B");
	stage_wait_gone(&st, "is no command");
	assert_true(stage_shows(&st, "❯ exit"));
	stage_type(&st, "\r");
	stage_wait_for(&st, "send it to the model");
	stage_type(&st, "send\r");
	stage_wait_for(&st, "An answer.");
	stage_wait_for(&st, "ready");
	stage_type(&st, "quit\r");
	stage_wait_for(&st, "\"quit\" is no command");
	stage_type(&st, "\r");
	assert_int_equal(stage_close(&st), 0);

	begin(&st, plain);
	stage_wait_for(&st, "quits.");
	stage_type(&st, "exit\r");
	stage_wait_for(&st, "End the program?");
	stage_type(&st, "n\r");
	stage_settle(&st);
	stage_type(&st, " exit\r");
	stage_wait_for(&st, "An answer.");
	stage_settle(&st);
	stage_type(&st, "quit\r");
	stage_settle(&st);
	stage_type(&st, "y\r");
	assert_int_equal(stage_close(&st), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(resume_without_an_id_asks_which, tmpdir_set_up,
						tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(a_system_prompt_is_that_of_the_chosen_one,
						tmpdir_set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(in_line_mode_a_number_or_a_name_says_which,
						tmpdir_set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(in_line_mode_a_command_may_choose_instead,
						tmpdir_set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(a_slash_alone_offers_the_commands, tmpdir_set_up,
						tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(a_word_that_ends_other_programs_is_asked_about,
						tmpdir_set_up, tmpdir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
