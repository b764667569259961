/* A person reads while the model goes on: what is before their eyes stays there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

/* Thinks until it is told to stop (Alt-T), then answers. */
static const char thinker[] =
	"{\"info\": {\"model_name\": \"scripted\", \"backend\": \"none\"}}\n"
	"{\"turn\": {\"expect\": \"ponder\"}}\n"
	"{\"thinking\": \"A first thought.\\n\", \"chunk\": 100}\n"
	"{\"thinking\": \"One more thought.\\n\", \"repeat\": 40, \"chunk\": 100}\n"
	"{\"thinking\": \"The last thought.\", \"chunk\": 100}\n"
	"{\"pause\": -1}\n"
	"{\"text\": \"The answer is here.\"}\n"
	"{\"done\": {}}\n"
	"{\"turn\": {\"again\": true}}\n"
	"{\"text\": \"Another answer.\"}\n"
	"{\"done\": {}}\n";

/* The same, but its answer has no end. */
static const char endless[] = "{\"info\": {\"model_name\": \"scripted\"}}\n"
			      "{\"turn\": {\"again\": true}}\n"
			      "{\"thinking\": \"The last thought.\", \"chunk\": 100}\n"
			      "{\"pause\": -1}\n"
			      "{\"text\": \"The answer is here.\"}\n"
			      "{\"pause\": -1}\n"
			      "{\"done\": {}}\n";

static const struct stage_setup setup = {.engine_script = thinker};

static const char again[] = "{\"info\": {\"model_name\": \"scripted\"}}\n"
			    "{\"turn\": {\"again\": true}}\n"
			    "{\"text\": \"Said again.\"}\n"
			    "{\"done\": {}}\n";

/* The row that shows `text`; -1: none does. */
static int row_of(struct stage *st, const char *text)
{
	struct buf all = {0};
	const char *hit;
	int row = -1;

	stage_text(st, &all);
	hit = strstr(buf_z(&all), text);
	if (hit) {
		row = 0;
		for (const char *p = buf_z(&all); p < hit; p++)
			row += *p == '\n';
	}
	buf_release(&all);
	return row;
}

static void what_waits_stands_below_the_answer_that_it_waits_for(void **state)
{
	struct stage_setup su = setup;
	struct stage st;

	(void)state;
	su.engine_script = endless;
	stage_begin(&st, &su);
	stage_type(&st, "ponder\r");
	stage_wait_for(&st, "The last thought.");
	stage_type(&st, "first\r");
	stage_wait_for(&st, "waits for its turn");
	stage_type(&st, "second\r");
	stage_wait_for(&st, "second");
	assert_true(row_of(&st, "first") < row_of(&st, "second"));
	stage_type(&st, "\x1Bt"); /* Alt-T */
	stage_wait_for(&st, "The answer is here.");
	assert_true(row_of(&st, "The answer is here.") < row_of(&st, "first"));
	assert_true(row_of(&st, "first") < row_of(&st, "second"));
	stage_assert_clean(&st);
	stage_quit(&st);
}

static void thinking_that_is_read_does_not_fold_when_the_answer_comes(void **state)
{
	struct stage st;
	int row;

	(void)state;
	stage_begin(&st, &setup);
	stage_type(&st, "ponder\r");
	stage_wait_for(&st, "The last thought.");
	stage_type(&st, "\x1B[5~\x1B[5~\x1B[5~"); /* up, to the beginning */
	stage_wait_for(&st, "A first thought.");
	row = row_of(&st, "A first thought.");
	stage_type(&st, "\x1Bt");
	stage_wait_for(&st, "thought ");
	stage_wait_for(&st, "ready");
	stage_settle(&st);
	assert_int_equal(row_of(&st, "A first thought."), row);
	assert_false(stage_shows(&st, "The answer is here."));
	/* Nor is it lost with the next question. */
	stage_type(&st, "and now\r");
	stage_wait_for(&st, "Another answer.");
	assert_true(stage_shows(&st, "The last thought."));
	stage_quit(&st);
}

static void a_message_that_goes_off_by_itself_leaves_its_writer_where_they_read(void **state)
{
	struct stage st;
	int row;

	(void)state;
	stage_begin(&st, &setup);
	stage_type(&st, "ponder\r");
	stage_wait_for(&st, "The last thought.");
	stage_type(&st, "another\r");
	stage_wait_for(&st, "waits for its turn");
	stage_type(&st, "\x1B[5~\x1B[5~\x1B[5~");
	stage_wait_for(&st, "A first thought.");
	row = row_of(&st, "A first thought.");
	stage_type(&st, "\x1Bt");
	stage_wait_for(&st, " new ");
	stage_wait_for(&st, "ready");
	stage_settle(&st);
	assert_int_equal(row_of(&st, "A first thought."), row);
	/* Both answers are below. */
	stage_type(&st, "\x1B[1;5F"); /* Ctrl-End */
	stage_wait_for(&st, "Another answer.");
	assert_true(row_of(&st, "The answer is here.") < row_of(&st, "another"));
	stage_quit(&st);
}

static void the_count_of_thinking_stays_when_a_cut_answer_is_gone_on_with(void **state)
{
	static const char cut[] = "{\"info\": {\"model_name\": \"scripted\"}}\n"
				  "{\"turn\": {\"again\": true}}\n"
				  "{\"thinking\": \"Seven thoughts\", \"chunk\": 2}\n"
				  "{\"text\": \"The answer is here. \", \"chunk\": 100}\n"
				  "{\"pause\": 1000}\n"
				  "{\"text\": \"All of it.\"}\n"
				  "{\"done\": {}}\n";
	struct stage_setup su = setup;
	struct tmpdir dir;
	struct stage st;

	(void)state;
	tmpdir_init(&dir);
	su.engine_script = cut;
	su.history_path = tmpdir_file(&dir, "history.db");
	stage_begin(&st, &su);
	stage_type(&st, "ponder\r");
	stage_wait_for(&st, "The answer is here.");
	stage_type(&st, "\x1B");
	stage_wait_for(&st, "interrupted;");
	stage_wait_for(&st, ", 8 tokens");
	stage_type(&st, "/continue\r");
	stage_wait_for(&st, "All of it.");
	stage_wait_for(&st, "ready");
	assert_true(stage_shows(&st, ", 8 tokens"));
	stage_quit(&st);
	/* It is what it was, too, when it is read again. */
	su.last = true;
	stage_open(&st, &su);
	stage_wait_for(&st, "All of it.");
	assert_true(stage_shows(&st, ", 8 tokens"));
	stage_quit(&st);
	tmpdir_release(&dir);
}

static void a_branch_key_takes_the_branches_that_stand_nearest_above(void **state)
{
	struct stage_setup su = setup;
	struct stage st;

	(void)state;
	su.engine_script = stage_talk;
	stage_begin(&st, &su);
	stage_type(&st, "hello world\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "ready");
	stage_type(&st, "\x1B[1;3A["); /* Alt-Up; nothing has branches yet */
	stage_wait_for(&st, "no branches here");
	stage_type(&st, "e");
	stage_wait_for(&st, "Editing what you said");
	stage_type(&st, "\x15slowly again\r");
	stage_wait_for(&st, "This takes for ever");
	stage_type(&st, "\x1B");
	stage_wait_for(&st, "interrupted;");
	/* The answer is chosen, which has none, and the question above it has two. */
	stage_type(&st, "\x1B[1;3A[");
	stage_wait_for(&st, "hello world");
	stage_wait_for(&st, "‹1/2›");
	/* Which is the chosen one now: the same key the other way goes back. */
	stage_type(&st, "]");
	stage_wait_for(&st, "slowly again");
	stage_wait_for(&st, "‹2/2›");
	stage_type(&st, "]");
	stage_wait_for(&st, "no branch further that way");
	stage_quit(&st);
}

static void a_fork_is_told_apart_and_is_there_though_nothing_was_said_in_it(void **state)
{
	struct stage_setup su = setup;
	struct tmpdir dir;
	struct stage st;

	(void)state;
	tmpdir_init(&dir);
	su.engine_script = stage_talk;
	su.history_path = tmpdir_file(&dir, "history.db");
	su.w = 120;
	stage_begin(&st, &su);
	stage_type(&st, "hello world\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/fork\r");
	stage_wait_for(&st, "● Fork of hello world");
	stage_quit(&st);

	su.last = true;
	stage_open(&st, &su);
	stage_wait_for(&st, "● Fork of hello world");
	assert_true(stage_shows(&st, "  hello world"));
	assert_true(stage_shows(&st, "• two"));
	stage_wait_for(&st, "ready");
	stage_type(&st, "/fork\r");
	stage_wait_for(&st, "● Fork 2 of hello world");
	/* What is said in it changes no name, nor does it reach the others. */
	stage_type(&st, "anything else\r");
	stage_wait_for(&st, "ready");
	assert_true(stage_shows(&st, "● Fork 2 of hello world"));
	stage_type(&st, "/open Fork of hello\r");
	stage_wait_for(&st, "● Fork of hello world");
	stage_wait_gone(&st, "anything else");
	stage_quit(&st);
	tmpdir_release(&dir);
}

static void what_another_window_said_in_the_conversation_is_told(void **state)
{
	struct stage_setup su = setup;
	struct tmpdir dir;
	struct stage one, two;

	(void)state;
	tmpdir_init(&dir);
	su.engine_script = stage_talk;
	su.history_path = tmpdir_file(&dir, "history.db");
	stage_begin(&one, &su);
	stage_type(&one, "hello world\r");
	stage_wait_for(&one, "• two");
	stage_wait_for(&one, "ready");
	su.last = true;
	su.engine_script = again;
	stage_open(&two, &su);
	stage_wait_for(&two, "• two");
	stage_wait_for(&two, "ready");
	stage_type(&two, "said elsewhere\r");
	stage_wait_for(&two, "Said again.");
	stage_wait_for(&two, "ready");
	assert_false(stage_shows(&two, "Another window"));

	/* The first goes on where it is, beside that. */
	stage_type(&one, "slowly here\r");
	stage_wait_for(&one, "This takes for ever");
	assert_true(stage_shows(&one, "Another window has gone on with this conversation"));
	assert_true(stage_shows(&one, "‹2/2›"));
	stage_type(&one, "\x1B");
	stage_wait_for(&one, "interrupted;");
	stage_type(&one, "\x1B[1;3A[");
	stage_wait_for(&one, "said elsewhere");
	assert_true(stage_shows(&one, "Said again."));
	stage_type(&one, "]");
	stage_wait_for(&one, "slowly here");

	/* And so it is in the other one, at its next question. */
	stage_type(&two, "once more\r");
	stage_wait_for(&two, "Another window has gone on with this conversation");
	stage_quit(&two);
	stage_quit(&one);
	tmpdir_release(&dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_stands_below_the_answer_that_it_waits_for),
		cmocka_unit_test(thinking_that_is_read_does_not_fold_when_the_answer_comes),
		cmocka_unit_test(
			a_message_that_goes_off_by_itself_leaves_its_writer_where_they_read),
		cmocka_unit_test(the_count_of_thinking_stays_when_a_cut_answer_is_gone_on_with),
		cmocka_unit_test(what_another_window_said_in_the_conversation_is_told),
		cmocka_unit_test(
			a_fork_is_told_apart_and_is_there_though_nothing_was_said_in_it),
		cmocka_unit_test(a_branch_key_takes_the_branches_that_stand_nearest_above),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
