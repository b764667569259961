/* An agent session on the full screen: what is asked, answered, stopped and found again. */
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

#include "app/tools/tools.h"
#include "tests/support/shared_files.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define READ "{\"call\": {\"name\": \"read_file\", \"arguments\": {\"path\": \"notes.txt\"}}}\n"
#define MAKE "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"make\"}}}\n"
#define SAYS(expected, text)                                                                   \
	"{\"turn\": {\"expect_tool\": \"" expected "\"}}\n{\"text\": \"" text "\"}\n" DONE
/* Its job prints at once, and goes on for an hour. */
#define LONG_JOB                                                                               \
	"{\"output\": \"begunended\", \"chunk\": 5, \"delay_ms\": 400, \"stubborn_ms\": 10}\n"

/* A program with these scripts, asked "hi"; `again`: with -c, and nothing asked. */
static void begin(struct stage *st, const char *engine, const char *runner, bool again)
{
	const char *args[] = {"--tools",
			      "--titles",
			      "off",
			      "--runner-script",
			      tmpdir_file(&test_dir, "runner"),
			      again ? "-c" : NULL,
			      NULL};
	struct stage_setup su = {.args = args, .home = test_dir.path, .engine_script = engine};

	tmpdir_write_text(&test_dir, "runner", runner ? runner : "# nothing\n");
	stage_begin(st, &su);
	if (!again)
		stage_type(st, "hi\r");
}

/* The question has been in sight for as long as it takes. */
static void wait_for_question(struct stage *st)
{
	stage_wait_for(st, "Run this command?");
	stage_wait_for(st, "asks you");
	stage_pause(st, 700);
}

static const struct {
	const char *typed, *engine, *runner, *shown;
} words[] = {
	{"y\r", MAKE DONE SAYS("made", "Good."), "{\"output\": \"made\\n\"}\n", "│ made"},
	{"YES\r", MAKE DONE SAYS("no rule", "Bad."), "{\"output\": \"no rule\", \"exit\": 2}\n",
	 "exit 2"},
	{"n\r", MAKE DONE SAYS("error: denied by the user", "Sorry."), NULL,
	 "denied by the user"},
	{"n use ninja\r", MAKE DONE SAYS("denied by the user: use ninja", "Sorry."), NULL,
	 "denied by the user: use ninja"},
};

static void a_word_from_the_input_decides_about_a_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct stage st;

		begin(&st, words[i].engine, words[i].runner, false);
		wait_for_question(&st);
		assert_true(stage_shows(&st, "  make"));
		stage_type(&st, words[i].typed);
		stage_wait_for(&st, words[i].shown);
		stage_wait_for(&st, "ready");
		assert_false(stage_shows(&st, "Run this command?"));
		assert_true(stage_shows(&st, "shell make"));
		assert_true(stage_shows(&st, "Sorry.") || stage_shows(&st, "Good.") ||
			    stage_shows(&st, "Bad."));
		stage_assert_clean(&st);
		stage_quit(&st);
	}
}

#define CHANGE                                                                                 \
	"{\"call\": {\"name\": \"edit_file\", \"arguments\": {\"path\": \"f.c\", \"old\": "    \
	"\"two\", "                                                                            \
	"\"new\": \"2\"}}}\n"

/* With the tools themselves: what would change is seen, and changed with a yes alone. */
static void a_file_is_changed_after_what_would_change_was_seen(void **state)
{
	const char *args[] = {"--tools", "--titles", "off", NULL};
	struct stage_setup su = {.args = args,
				 .home = test_dir.path,
				 .folder = tmpdir_file(&test_dir, "project")};

	(void)state;
	if (tools_landlock() < 1)
		skip();
	assert_int_equal(mkdir(tmpdir_file(&test_dir, "project"), 0700), 0);
	for (int yes = 0; yes < 2; yes++) {
		struct buf now = {0};
		struct stage st;

		tmpdir_write_text(&test_dir, "project/f.c", "one\ntwo\n");
		su.engine_script = yes ? CHANGE DONE SAYS("replaced 1 occurrence in f.c", "Good.")
				       : CHANGE DONE SAYS("denied by the user", "Sorry.");
		stage_begin(&st, &su);
		stage_type(&st, "hi\r");
		stage_wait_for(&st, "Change this file?");
		stage_wait_for(&st, "-two");
		stage_wait_for(&st, "+2");
		stage_wait_for(&st, "asks you");
		stage_pause(&st, 700);
		stage_type(&st, yes ? "y\r" : "n\r");
		stage_wait_for(&st, yes ? "Good." : "Sorry.");
		stage_wait_for(&st, "ready");
		stage_assert_clean(&st);
		stage_quit(&st);
		assert_true(whole_file(tmpdir_file(&test_dir, "project/f.c"), &now));
		assert_string_equal(buf_z(&now), yes ? "one\n2\n" : "one\ntwo\n");
		buf_release(&now);
	}
}

static void other_words_are_no_decision_and_join_behind_the_results(void **state)
{
	static const char engine[] = MAKE DONE
		"{\"turn\": {\"expect\": \"yes, but with tests\", \"expect_tool\": \"made\", "
		"\"expect_messages\": 5}}\n{\"text\": \"Good.\"}\n" DONE;
	struct stage st;

	(void)state;
	begin(&st, engine, "{\"output\": \"made\\n\"}\n", false);
	wait_for_question(&st);
	stage_type(&st, "yes, but with tests\r");
	stage_wait_for(&st, "joins after this round");
	assert_true(stage_shows(&st, "asks you"));
	stage_type(&st, "\r");
	assert_true(stage_shows(&st, "asks you"));
	stage_type(&st, "y\r");
	stage_wait_for(&st, "Good.");
	stage_wait_for(&st, "ready");
	assert_false(stage_shows(&st, "joins after this round"));
	stage_quit(&st);
}

/* Sent while the model answers it waits for its turn, until there are calls to join behind. */
static void what_was_sent_before_the_calls_joins_behind_them(void **state)
{
	static const char engine[] =
		"{\"text\": \"I look at it, and at that.\", \"chunk\": 1, \"delay_ms\": 60}\n" MAKE DONE
		"{\"turn\": {\"expect\": \"and this\", \"expect_tool\": \"made\", "
		"\"expect_messages\": 5}}\n{\"text\": \"Good.\"}\n" DONE;
	struct stage st;

	(void)state;
	begin(&st, engine, "{\"output\": \"made\\n\"}\n", false);
	stage_wait_for(&st, "I look");
	stage_type(&st, "and this\r");
	stage_wait_for(&st, "waits for its turn");
	wait_for_question(&st);
	assert_true(stage_shows(&st, "joins after this round"));
	stage_type(&st, "y\r");
	stage_wait_for(&st, "Good.");
	stage_quit(&st);
}

/* Typed before it was seen, y is no yes, and is not lost. */
static void what_came_up_just_now_is_not_answered_by_chance(void **state)
{
	static const char engine[] = "{\"pause\": 500}\n" MAKE DONE SAYS("made", "Good.");
	struct stage st;

	(void)state;
	begin(&st, engine, "{\"output\": \"made\\n\"}\n", false);
	stage_type(&st, "y");
	stage_wait_for(&st, "Run this command?");
	stage_type(&st, "\r");
	stage_wait_for(&st, "this came up just now");
	assert_true(stage_shows(&st, "❯ y"));
	stage_pause(&st, 700);
	assert_false(stage_shows(&st, "Good."));
	stage_type(&st, "\r");
	stage_wait_for(&st, "Good.");
	stage_quit(&st);
}

static void esc_at_the_question_is_no_and_stops(void **state)
{
	static const char engine[] =
		MAKE READ DONE SAYS("error: not run: stopped by the user", "I wait.");
	struct stage st;

	(void)state;
	begin(&st, engine, NULL, false);
	wait_for_question(&st);
	stage_type(&st, "\x1B");
	stage_wait_for(&st, "not run: stopped by the user");
	stage_wait_for(&st, "ready");
	assert_true(stage_shows(&st, "denied by the user"));
	stage_type(&st, "go on\r");
	stage_wait_for(&st, "I wait.");
	stage_quit(&st);
}

static void esc_stops_what_runs_and_keeps_what_it_printed(void **state)
{
	static const char engine[] = READ DONE SAYS("begun\\n[stopped by the user]", "I wait.");
	struct stage st;

	(void)state;
	begin(&st, engine, LONG_JOB, false);
	stage_wait_for(&st, "│ begun");
	stage_wait_for(&st, "running");
	stage_type(&st, "\x1B");
	stage_wait_for(&st, "[stopped by the user]");
	stage_wait_for(&st, "ready");
	stage_type(&st, "go on\r");
	stage_wait_for(&st, "I wait.");
	stage_quit(&st);
}

static void a_question_of_another_conversation_is_answered_there_alone(void **state)
{
	static const char engine[] = MAKE DONE SAYS("made", "Good.");
	struct stage st;

	(void)state;
	begin(&st, engine, "{\"output\": \"made\\n\"}\n", false);
	wait_for_question(&st);
	stage_type(&st, "/new\r");
	stage_wait_gone(&st, "Run this command?");
	/* A question of its own, which waits. */
	stage_type(&st, "y\r");
	stage_wait_for(&st, "waits for its turn");
	stage_type(&st, "/open hi\r");
	stage_wait_for(&st, "Run this command?");
	assert_true(stage_shows(&st, "asks you"));
	assert_false(stage_shows(&st, "Good."));
	/* What waited there came along in the input. */
	stage_type(&st, "\x7F\x15y\r");
	stage_wait_for(&st, "Good.");
	stage_quit(&st);
}

/* Between the turns of one the model would be free for another. */
static void nothing_is_answered_elsewhere_while_tools_are_at_work(void **state)
{
	static const char engine[] =
		"{\"text\": \"One.\"}\n" DONE MAKE DONE SAYS("made", "Good.");
	struct stage st;

	(void)state;
	begin(&st, engine, "{\"output\": \"made\\n\"}\n", false);
	stage_wait_for(&st, "One.");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/new\r");
	stage_wait_gone(&st, "One.");
	stage_type(&st, "build it\r");
	wait_for_question(&st);
	stage_type(&st, "/open hi\r");
	stage_wait_for(&st, "One.");
	stage_type(&st, "/regen\r");
	stage_wait_for(&st, "tools are at work in \"build it\"");
	assert_true(stage_shows(&st, "One."));
	stage_type(&st, "/open build\r");
	stage_wait_for(&st, "Run this command?");
	stage_type(&st, "y\r");
	stage_wait_for(&st, "Good.");
	stage_quit(&st);
}

static void who_quits_while_a_tool_runs_finds_it_lost(void **state)
{
	static const char engine[] = READ READ DONE;
	struct stage st;

	(void)state;
	begin(&st, engine, LONG_JOB, false);
	stage_wait_for(&st, "│ begun");
	stage_quit(&st);
	begin(&st, SAYS("not run: the program ended", "I look."), NULL, true);
	stage_wait_for(&st, "the program ended while this ran");
	stage_type(&st, "go on\r");
	stage_wait_for(&st, "I look.");
	stage_quit(&st);
}

static void kill_it(struct stage *st)
{
	kill(st->child, SIGKILL);
	stage_close(st);
}

/* Killed while a tool runs, and gone on with: user and model see that it is lost. */
static void lose_what_runs_and(const char *type)
{
	struct stage st;

	begin(&st, READ DONE, LONG_JOB, false);
	stage_wait_for(&st, "│ begun");
	kill_it(&st);
	begin(&st, SAYS("the program ended while this ran", "I look."), NULL, true);
	stage_type(&st, type);
	stage_wait_for(&st, "the program ended while this ran");
	stage_wait_for(&st, "I look.");
	stage_quit(&st);
}

static void after_a_kill_what_ran_is_told_as_lost(void **state)
{
	(void)state;
	lose_what_runs_and("go on\r");
}

/* The program is killed while it asks about a call, which is gone on with then. */
static void kill_and_go_on(struct stage *st)
{
	wait_for_question(st);
	kill_it(st);
	begin(st, SAYS("made", "Good."), "{\"output\": \"made\\n\"}\n", true);
	stage_wait_for(st, "have no result; /continue goes on");
	stage_type(st, "/continue\r");
	wait_for_question(st);
}

static void after_a_kill_a_call_that_had_not_begun_is_asked_about_again(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, READ MAKE DONE, "{\"output\": \"milk\\n\"}\n", false);
	kill_and_go_on(&st);
	stage_type(&st, "y\r");
	stage_wait_for(&st, "│ made");
	stage_wait_for(&st, "Good.");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/continue\r");
	stage_wait_for(&st, "nothing to go on with");
	stage_quit(&st);
}

/* They are at work in it, though the model was not asked anything since. */
static void calls_that_are_gone_on_with_keep_their_conversation(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, MAKE DONE, NULL, false);
	kill_and_go_on(&st);
	assert_false(stage_shows(&st, "have no result"));
	stage_type(&st, "/rm hi\r");
	stage_wait_for(&st, "an answer is being written there");
	stage_type(&st, "/regen\r");
	stage_wait_for(&st, "an answer is being written: Esc stops it");
	stage_type(&st, "y\r");
	stage_wait_for(&st, "Good.");
	stage_quit(&st);
}

static void after_a_kill_continue_tells_the_model_what_was_lost(void **state)
{
	(void)state;
	lose_what_runs_and("/continue\r");
}

static void a_turn_that_ends_by_a_limit_says_so(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, "{\"turn\": {\"again\": true}}\n" READ DONE, "{}\n{}\n{}\n", false);
	stage_wait_for(&st, "the model makes the same call again and again");
	stage_wait_for(&st, "ready");
	assert_false(stage_shows(&st, "it has no result here"));
	stage_quit(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, tmpdir_set_up, tmpdir_tear_down)
		T(a_word_from_the_input_decides_about_a_call),
		T(a_file_is_changed_after_what_would_change_was_seen),
		T(other_words_are_no_decision_and_join_behind_the_results),
		T(what_was_sent_before_the_calls_joins_behind_them),
		T(what_came_up_just_now_is_not_answered_by_chance),
		T(esc_at_the_question_is_no_and_stops),
		T(esc_stops_what_runs_and_keeps_what_it_printed),
		T(a_question_of_another_conversation_is_answered_there_alone),
		T(nothing_is_answered_elsewhere_while_tools_are_at_work),
		T(who_quits_while_a_tool_runs_finds_it_lost),
		T(after_a_kill_what_ran_is_told_as_lost),
		T(after_a_kill_a_call_that_had_not_begun_is_asked_about_again),
		T(after_a_kill_continue_tells_the_model_what_was_lost),
		T(a_turn_that_ends_by_a_limit_says_so),
		T(calls_that_are_gone_on_with_keep_their_conversation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
