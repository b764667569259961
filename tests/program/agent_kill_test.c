/*
 * An agent session that is killed at any moment, and gone on with: the store is valid, and
 * every call of an answer that was whole has one result.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "engine/base/clock.h"
#include "history/history.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define ROUNDS 12
#define DONE   "{\"done\": {}}\n"

static struct err err;

/* Of all kills: calls told as lost, and as not run. */
static size_t n_lost, n_not_run;

/* Rounds of two calls, each of which takes a few milliseconds. */
static void write_scripts(void)
{
	struct buf engine = {0}, runner = {0};

	for (int i = 0; i < ROUNDS; i++) {
		buf_addf(&engine,
			 "{\"thinking\": \"hm\", \"delay_ms\": 1}\n{\"text\": \"I look.\", "
			 "\"delay_ms\": 1}\n"
			 "{\"call\": {\"name\": \"read_file\", \"arguments\": {\"path\": "
			 "\"%d\"}}}\n"
			 "{\"call\": {\"name\": \"list_files\", \"arguments\": {\"path\": "
			 "\"%d\"}}}\n" DONE,
			 i, i);
		buf_addf(&runner,
			 "{\"output\": \"file %d\\n\", \"delay_ms\": 2}\n"
			 "{\"output\": \"folder %d\\n\", \"delay_ms\": 2}\n",
			 i, i);
	}
	buf_addz(&engine, "{\"text\": \"There.\"}\n" DONE);
	tmpdir_write_text(&test_dir, "engine", buf_z(&engine));
	tmpdir_write_text(&test_dir, "runner", buf_z(&runner));
	tmpdir_write_text(&test_dir, "again", "{\"text\": \"And more.\"}\n" DONE);
	buf_release(&engine);
	buf_release(&runner);
}

/* Exit code; `before`: how it is run. */
static int run(const char *before, const char *engine, const char *args)
{
	struct buf line = {0}, out = {0};
	int status;

	buf_addf(&line,
		 "%s %s --tools --titles off --engine-script %s --runner-script %s %s "
		 ">%s 2>&1 </dev/null",
		 before, program_path(), tmpdir_file(&test_dir, engine),
		 tmpdir_file(&test_dir, "runner"), args, tmpdir_file(&test_dir, "out"));
	status = program_shell(buf_z(&line), &out);
	buf_release(&line);
	buf_release(&out);
	return status;
}

static int count_results(const struct history_message *const *path, size_t from, size_t n,
			 struct str ref)
{
	int found = 0;

	for (size_t i = from; i < n && path[i]->role == HISTORY_TOOL; i++)
		for (size_t k = 0; k < path[i]->n_parts; k++)
			found += str_eq(path[i]->parts[k].ref, ref);
	return found;
}

/* Of the answers that were whole; returns how many calls there are. */
static size_t check_calls(const struct history_message *const *path, size_t n)
{
	size_t n_calls = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < path[i]->n_parts; k++) {
			const struct history_part *p = &path[i]->parts[k];

			/* One that was cut says so. */
			if (p->kind != HISTORY_CALL || p->info.n)
				continue;
			n_calls++;
			if (count_results(path, i + 1, n, p->ref) != 1)
				fail_msg("message %zu, call %.*s: %d results", i, (int)p->ref.n,
					 p->ref.p, count_results(path, i + 1, n, p->ref));
		}
	}
	return n_calls;
}

/*
 * What is kept of the calls agrees with what the model is told: lost is what had begun, and the
 * rest, which never did, is told as that.
 */
static void check_told(void)
{
	size_t n_wrong, lost, not_run;
	static const char sql[] =
		"SELECT count(*) FILTER (WHERE (r.state = 'lost') <> (p.text LIKE '%ended while "
		"this ran%') OR (r.state = 'skipped') <> (p.text LIKE '%the user went on%')"
		" OR (r.state = 'lost') <> (r.state <> 'ok' AND r.class = 'read') OR r.id IS NULL),"
		" count(*) FILTER (WHERE r.state = 'lost'),"
		" count(*) FILTER (WHERE r.state = 'skipped')"
		" FROM part p LEFT JOIN tool_run r ON r.result_id = p.message_id"
		" WHERE p.kind = 'result' AND r.state IS NOT 'error'";
	sqlite3_stmt *st;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(tmpdir_file(&test_dir, "dsv4chat/history.db"), &db),
			 SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n_wrong = (size_t)sqlite3_column_int64(st, 0);
	lost = (size_t)sqlite3_column_int64(st, 1);
	not_run = (size_t)sqlite3_column_int64(st, 2);
	sqlite3_finalize(st);
	sqlite3_close(db);
	assert_int_equal(n_wrong, 0);
	/* One at a time. */
	assert_true(lost <= 1);
	n_lost += lost;
	n_not_run += not_run;
}

static size_t check_store(void)
{
	const struct history_message *const *path;
	struct history_list recovered = {0};
	struct history_tree *t = NULL;
	struct history *h = NULL;
	struct buf wrong = {0};
	size_t n, n_wrong = 0;
	int64_t id = 0;

	if (history_open(&h, tmpdir_file(&test_dir, "dsv4chat/history.db"), &err) ||
	    history_recover(h, &recovered, &err) || history_verify(h, &wrong, &n_wrong, &err) ||
	    history_last(h, &id, &err) || history_tree_open(&t, h, id, &err))
		fail_msg("%s", err.text);
	if (n_wrong)
		fail_msg("%s", buf_z(&wrong));
	path = history_tree_path(t, &n);
	n = check_calls(path, n);
	history_tree_free(t);
	history_list_release(&recovered);
	history_close(h);
	buf_release(&wrong);
	check_told();
	return n;
}

static void a_session_that_was_killed_goes_on_with_one_result_for_each_call(void **state)
{
	int n_kills = getenv("DSV4CHAT_SLOW") ? 200 : 15, n_killed = 0;
	size_t n_calls = 0;
	int64_t whole_ms;

	(void)state;
	write_scripts();
	whole_ms = -clock_ms();
	assert_int_equal(run("", "engine", "-p hi"), 0);
	whole_ms += clock_ms();
	assert_int_equal(check_store(), 2 * ROUNDS);
	for (int i = 0; i < n_kills; i++) {
		char how[64];

		tmpdir_clear(&test_dir, "dsv4chat");
		snprintf(how, sizeof(how), "timeout -s KILL %.3f",
			 (double)whole_ms * (i + 1) / (n_kills + 1) / 1000);
		n_killed += run(how, "engine", "-p hi") == 137;
		/* It may not have come as far as to keep anything. */
		if (run("", "again", "-c -p more") == 0)
			n_calls += check_store();
	}
	print_message("%d of %d were killed, with %zu calls before, of which %zu were lost and %zu "
		      "never begun\n",
		      n_killed, n_kills, n_calls, n_lost, n_not_run);
	assert_true(n_killed > n_kills / 4);
	assert_true(n_calls > (size_t)n_kills);
	assert_true(n_lost > 0);
	assert_true(n_not_run > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_session_that_was_killed_goes_on_with_one_result_for_each_call,
			program_set_up, tmpdir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
