/* An answer in progress: what was journalled outlives its process, exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "history/history.h"
#include "tests/support/store.h"

static char dir[64], path[96];
static struct err err;

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/history_test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/history.db", dir);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static struct history *open_store(void)
{
	struct history *h;

	if (history_open(&h, path, &err) != 0)
		fail_msg("%s", err.text);
	return h;
}

static void ask(struct history_tree *t, const char *text)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = str_of(text)};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};

	assert_int_equal(history_tree_say(t, &m, NULL, &err), 0);
}

static struct history_answer *begin(struct history_tree *t,
				    const struct history_message *resume)
{
	struct history_run settings = {.model = "m", .seed = 7};
	struct history_answer *a;

	if (history_answer_begin(&a, t, &settings, resume, &err) != 0)
		fail_msg("%s", err.text);
	return a;
}

static const struct history_message *finish(struct history_answer *a, const char *stop)
{
	struct history_run result = {.stop = stop, .output_tokens = 3};
	const struct history_message *m;

	if (history_answer_commit(a, &result, &m, &err) != 0)
		fail_msg("%s", err.text);
	return m;
}

static int64_t count(const char *sql)
{
	return store_number(path, sql);
}

static void an_answer_becomes_a_message_and_its_journal_goes(void **state)
{
	struct history *h = open_store();
	struct history_tree *t;
	struct history_answer *a;
	const struct history_message *m;
	int32_t ids[] = {1, 2, 3};

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	ask(t, "q");
	a = begin(t, NULL);
	history_answer_say(a, HISTORY_THINKING, STR_LIT("h"));
	history_answer_say(a, HISTORY_THINKING, STR_LIT("m"));
	history_answer_say(a, HISTORY_TEXT, STR_LIT("yes"));
	history_answer_call_begin(a, STR_LIT("shell"), STR_LIT("id"));
	history_answer_call_end(a, 0, STR_LIT("{\"command\": \"ls\"}"));
	history_answer_call_begin(a, STR_LIT("read"), STR_LIT(""));
	history_answer_call_bad(a, 1, STR_LIT("{}"), STR_LIT("no \"path\""));
	history_answer_tokens(a, ids, 3);
	assert_true(history_answer_due_ms(a) >= 0);
	assert_int_equal(history_answer_flush(a, &err), 0);
	assert_int_equal(history_answer_due_ms(a), -1);
	assert_int_equal(count("SELECT count(*) FROM journal"), 1);
	m = finish(a, "tool_calls");
	assert_int_equal(m->n_parts, 4);
	assert_true(str_is(m->parts[0].text, "hm"));
	assert_true(str_is(m->parts[2].name, "shell"));
	assert_true(str_is(m->parts[3].info, "{\"bad\": \"no \\\"path\\\"\"}"));
	assert_int_equal(m->run->seed, 7);
	assert_int_equal(m->run->output_tokens, 3);
	assert_false(history_message_unfinished(m));
	assert_ptr_equal(history_tree_leaf(t), m);
	assert_int_equal(count("SELECT count(*) FROM journal"), 0);
	assert_int_equal(count("SELECT count(*) FROM journal_piece"), 0);
	history_tree_free(t);
	history_close(h);
}

/* The end of every call comes when the answer is over, in their order. */
static void calls_that_end_late_keep_their_own_arguments(void **state)
{
	struct history *h = open_store();
	const struct history_message *m;
	struct history_tree *t;
	struct history_answer *a;

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	ask(t, "q");
	a = begin(t, NULL);
	history_answer_call_begin(a, STR_LIT("first"), STR_LIT("0"));
	history_answer_call_begin(a, STR_LIT("second"), STR_LIT("1"));
	assert_int_equal(history_answer_flush(a, &err), 0);
	history_answer_call_end(a, 0, STR_LIT("{\"n\": 1}"));
	history_answer_call_bad(a, 1, STR_LIT("{\"n\": 2}"), STR_LIT("cut"));
	/* One of which the beginning made no sense. */
	history_answer_call_bad(a, 2, (struct str){0}, STR_LIT("no name"));
	m = finish(a, "stop");
	assert_int_equal(m->n_parts, 3);
	assert_true(str_is(m->parts[0].name, "first"));
	assert_true(str_is(m->parts[0].text, "{\"n\": 1}"));
	assert_int_equal(m->parts[0].info.n, 0);
	assert_true(str_is(m->parts[1].name, "second"));
	assert_true(str_is(m->parts[1].text, "{\"n\": 2}"));
	assert_true(str_is(m->parts[1].info, "{\"bad\": \"cut\"}"));
	assert_int_equal(m->parts[2].name.n, 0);
	assert_true(str_is(m->parts[2].info, "{\"bad\": \"no name\"}"));
	history_tree_free(t);
	history_close(h);
}

static void a_dropped_answer_leaves_nothing(void **state)
{
	struct history *h = open_store();
	struct history_tree *t;
	struct history_answer *a;
	int32_t ids[] = {1};

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	ask(t, "q");
	a = begin(t, NULL);
	history_answer_tokens(a, ids, 1);
	assert_int_equal(history_answer_flush(a, &err), 0);
	assert_int_equal(count("SELECT count(*) FROM journal"), 1);
	assert_int_equal(history_answer_drop(a, &err), 0);
	assert_int_equal(count("SELECT count(*) FROM journal"), 0);
	assert_int_equal(count("SELECT count(*) FROM run"), 0);
	assert_int_equal(count("SELECT count(*) FROM message"), 1);
	history_tree_free(t);
	history_close(h);
}

static void what_is_known_of_a_part_is_kept_with_it(void **state)
{
	struct history *h = open_store();
	const struct history_message *m, *again;
	struct history_tree *t;
	struct history_answer *a;
	int32_t ids[] = {1};

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	ask(t, "q");
	a = begin(t, NULL);
	history_answer_say(a, HISTORY_THINKING, STR_LIT("h"));
	history_answer_info(a, STR_LIT("{\"ms\": 12}"));
	history_answer_say(a, HISTORY_NOTICE, STR_LIT("the GPU is gone"));
	history_answer_info(a, STR_LIT("{\"error\": true}"));
	history_answer_tokens(a, ids, 1);
	m = finish(a, "failed");
	assert_int_equal(m->n_parts, 2);
	assert_true(str_is(m->parts[0].info, "{\"ms\": 12}"));
	assert_true(str_is(m->parts[1].info, "{\"error\": true}"));
	/* Going on with it leaves the error behind. */
	again = finish(begin(t, m), "stop");
	assert_int_equal(again->n_parts, 1);
	assert_true(str_is(again->parts[0].info, "{\"ms\": 12}"));
	history_tree_free(t);
	history_close(h);
}

static void an_answer_without_a_word_leaves_nothing(void **state)
{
	struct history *h = open_store();
	struct history_tree *t;

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	ask(t, "q");
	assert_null(finish(begin(t, NULL), "interrupted"));
	assert_int_equal(count("SELECT count(*) FROM run"), 0);
	assert_int_equal(count("SELECT count(*) FROM message"), 1);
	history_tree_free(t);
	history_close(h);
}

/* A process that says things, journals, says more, and is killed. */
static void die_answering(bool resume)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct history *h = open_store();
		struct history_tree *t;
		struct history_answer *a;
		int32_t ids[] = {10, 11, 12, 13};
		int64_t id = 0;

		if (history_last(h, &id, &err) || !id) {
			if (history_tree_new(&t, h, &err))
				_exit(1);
			ask(t, "q");
		} else if (history_tree_open(&t, h, id, &err)) {
			_exit(1);
		}
		a = begin(t, resume ? history_tree_leaf(t) : NULL);
		history_answer_say(a, HISTORY_THINKING, STR_LIT("abc"));
		history_answer_tokens(a, ids, 2);
		history_answer_say(a, HISTORY_TEXT, STR_LIT("said"));
		history_answer_tokens(a, ids + 2, 1);
		if (history_answer_flush(a, &err))
			_exit(1);
		history_answer_say(a, HISTORY_TEXT, STR_LIT(" and"));
		history_answer_call_begin(a, STR_LIT("shell"), STR_LIT(""));
		history_answer_tokens(a, ids + 3, 1);
		if (history_answer_flush(a, &err))
			_exit(1);
		history_answer_say(a, HISTORY_TEXT, STR_LIT("lost"));
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void what_a_kill_left_is_a_message_at_the_next_start(void **state)
{
	struct history *h;
	struct history_list list;
	struct history_tree *t;
	const struct history_message *m;
	static const int32_t want[] = {10, 11, 12, 13};

	(void)state;
	die_answering(false);
	h = open_store();
	assert_int_equal(history_recover(h, &list, &err), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(history_tree_open(&t, h, list.items[0].id, &err), 0);
	m = history_tree_leaf(t);
	assert_int_equal(m->n_parts, 3);
	assert_true(str_is(m->parts[0].text, "abc"));
	assert_true(str_is(m->parts[1].text, "said and"));
	assert_true(str_is(m->parts[2].name, "shell"));
	assert_true(str_is(m->parts[2].info, "{\"cut\": true}"));
	assert_int_equal(m->n_ids, 4);
	assert_memory_equal(m->ids, want, sizeof(want));
	assert_string_equal(m->run->stop, "crashed");
	assert_true(history_message_unfinished(m));
	history_list_release(&list);
	assert_int_equal(history_recover(h, &list, &err), 0);
	assert_int_equal(list.n, 0);
	history_tree_free(t);
	history_close(h);
}

static void going_on_takes_the_ids_and_the_text_that_they_say(void **state)
{
	struct history *h;
	struct history_list list;
	struct history_tree *t;
	struct history_answer *a;
	const struct history_message *cut, *m;
	int32_t more[] = {14};

	(void)state;
	die_answering(false);
	h = open_store();
	assert_int_equal(history_recover(h, &list, &err), 0);
	assert_int_equal(history_tree_open(&t, h, list.items[0].id, &err), 0);
	history_list_release(&list);
	cut = history_tree_leaf(t);
	a = begin(t, cut);
	/* A resumed turn tells its calls again. */
	history_answer_call_begin(a, STR_LIT("shell"), STR_LIT(""));
	history_answer_call_end(a, 0, STR_LIT("{}"));
	history_answer_say(a, HISTORY_TEXT, STR_LIT("!"));
	history_answer_tokens(a, more, 1);
	m = finish(a, "stop");
	assert_int_equal(m->n_ids, 5);
	assert_int_equal(m->n_parts, 4);
	assert_true(str_is(m->parts[2].text, "{}"));
	assert_int_equal(m->parts[2].info.n, 0);
	assert_true(str_is(m->parts[3].text, "!"));
	assert_ptr_equal(m->parent, cut->parent);
	assert_ptr_equal(history_tree_sibling(t, m, -1), cut);
	history_tree_free(t);
	history_close(h);
}

static void a_kill_while_going_on_keeps_both(void **state)
{
	struct history *h;
	struct history_list list;
	struct history_tree *t;
	const struct history_message *m;

	(void)state;
	die_answering(false);
	h = open_store();
	assert_int_equal(history_recover(h, &list, &err), 0);
	history_list_release(&list);
	history_close(h);
	die_answering(true);
	h = open_store();
	assert_int_equal(history_recover(h, &list, &err), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(history_tree_open(&t, h, list.items[0].id, &err), 0);
	m = history_tree_leaf(t);
	assert_int_equal(m->n_ids, 8);
	assert_non_null(history_tree_sibling(t, m, -1));
	history_list_release(&list);
	history_tree_free(t);
	history_close(h);
}

static void a_living_answer_is_left_to_its_process(void **state)
{
	struct history *h = open_store(), *other;
	struct history_tree *t;
	struct history_answer *a;
	struct history_list list;
	int32_t id = 5;

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	ask(t, "q");
	a = begin(t, NULL);
	history_answer_say(a, HISTORY_TEXT, STR_LIT("x"));
	history_answer_tokens(a, &id, 1);
	assert_int_equal(history_answer_flush(a, &err), 0);
	other = open_store();
	assert_int_equal(history_recover(other, &list, &err), 0);
	assert_int_equal(list.n, 0);
	history_close(other);
	assert_int_equal(count("SELECT count(*) FROM journal"), 1);
	finish(a, "stop");
	history_tree_free(t);
	history_close(h);
}

static void a_flush_never_waits_for_another_writer(void **state)
{
	struct history *h = open_store();
	struct history_tree *t;
	struct history_answer *a;
	sqlite3 *db;
	int32_t id = 5;

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	ask(t, "q");
	a = begin(t, NULL);
	history_answer_say(a, HISTORY_TEXT, STR_LIT("x"));
	history_answer_tokens(a, &id, 1);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(history_answer_flush(a, &err), 0);
	assert_true(history_answer_due_ms(a) > 0);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(history_answer_flush(a, &err), 0);
	assert_int_equal(history_answer_due_ms(a), -1);
	/* The commit does wait, and then says what is the matter; nothing is lost. */
	history_set_wait_ms(h, 30);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	{
		struct history_run result = {.stop = "stop"};

		assert_int_equal(history_answer_commit(a, &result, NULL, &err), ERR_STORE);
		assert_non_null(strstr(err.text, "another process"));
	}
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_true(str_is(finish(a, "stop")->parts[0].text, "x"));
	history_tree_free(t);
	history_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(an_answer_becomes_a_message_and_its_journal_goes),
		T(calls_that_end_late_keep_their_own_arguments),
		T(a_dropped_answer_leaves_nothing),
		T(what_is_known_of_a_part_is_kept_with_it),
		T(an_answer_without_a_word_leaves_nothing),
		T(what_a_kill_left_is_a_message_at_the_next_start),
		T(going_on_takes_the_ids_and_the_text_that_they_say),
		T(a_kill_while_going_on_keeps_both),
		T(a_living_answer_is_left_to_its_process),
		T(a_flush_never_waits_for_another_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
