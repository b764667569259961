/* The screen when things go wrong: a store that is locked, a terminal that goes, text without
 * end. */
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/badvfs.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

static const char script[] =
	"{\"info\": {\"model_name\": \"scripted\", \"backend\": \"none\"}}\n"
	"{\"text\": \"answer one\"}\n{\"done\": {}}\n{\"text\": \"answer two\"}\n{\"done\": "
	"{}}\n"
	"{\"text\": \"answer three\"}\n{\"done\": {}}\n";

/* Another program that writes: from lock() on nobody else can. */
static sqlite3 *lock(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void unlock(sqlite3 *db)
{
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The last conversation's messages, their texts joined by "|". */
static void stored(const char *path, struct buf *out)
{
	struct history_list recovered;
	const struct history_message *const *m;
	struct history_tree *t;
	struct history *h;
	struct err err;
	int64_t id;
	size_t n;

	buf_reset(out);
	assert_int_equal(history_open(&h, path, &err), 0);
	assert_int_equal(history_recover(h, &recovered, &err), 0);
	assert_int_equal(history_last(h, &id, &err), 0);
	if (id != 0) {
		assert_int_equal(history_tree_open(&t, h, id, &err), 0);
		m = history_tree_path(t, &n);
		for (size_t i = 0; i < n; i++) {
			buf_addz(out, i > 0 ? "|" : "");
			history_message_add_text(m[i], HISTORY_TEXT, out);
		}
		history_tree_free(t);
	}
	history_list_release(&recovered);
	history_close(h);
}

static void a_locked_store_is_told_and_written_as_soon_as_it_can_be(void **state)
{
	struct stage_setup su = {.engine_script = script};
	struct buf all = {0};
	struct stage st;
	sqlite3 *db;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	stage_begin(&st, &su);
	stage_type(&st, "question one\r");
	stage_wait_for(&st, "answer one");
	stage_wait_for(&st, "ready");
	db = lock(su.history_path);
	stage_type(&st, "question two\r");
	stage_wait_for(&st, "answer two");
	stage_wait_for(&st, "not kept, tried again with the next message");
	assert_true(stage_shows(&st, "question two"));
	stage_type(&st, "still here");
	stage_wait_for(&st, "still here");
	unlock(db);
	stage_type(&st, "\x15question three\r");
	stage_wait_for(&st, "answer three");
	stage_quit(&st);
	stored(su.history_path, &all);
	assert_string_equal(buf_z(&all), "question one|answer one|question two|answer two|"
					 "question three|answer three");
	buf_release(&all);
}

static void what_a_lock_kept_from_the_store_is_told_at_the_end(void **state)
{
	struct stage_setup su = {.engine_script = script};
	struct buf all = {0};
	struct stage st;
	sqlite3 *db;
	int status;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	stage_begin(&st, &su);
	stage_type(&st, "question one\r");
	stage_wait_for(&st, "answer one");
	stage_wait_for(&st, "ready");
	db = lock(su.history_path);
	stage_type(&st, "question two\r");
	stage_wait_for(&st, "answer two");
	stage_type(&st, "\x11");
	stage_wait_for(&st, "2 messages could not be kept");
	status = stage_close(&st);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 0);
	unlock(db);
	stored(su.history_path, &all);
	assert_string_equal(buf_z(&all), "question one|answer one");
	buf_release(&all);
}

/* A conversation that a slow disk gives out in half a minute at best. */
static void keep_a_large_one(const char *path)
{
	struct history_part part = {.kind = HISTORY_TEXT};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};
	struct history_tree *t;
	struct history *h;
	struct buf text = {0};
	struct err err;

	buf_addz(&text, "large one ");
	while (text.len < 4000000)
		buf_addz(&text, "and so on ");
	part.text = buf_str(&text);
	assert_int_equal(history_open(&h, path, &err), 0);
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	assert_int_equal(history_tree_say(t, &m, NULL, &err), 0);
	assert_int_equal(history_set_title(h, history_tree_conversation(t), STR_LIT("large"),
					   HISTORY_TITLE_USER, &err),
			 0);
	history_tree_free(t);
	history_close(h);
	buf_release(&text);
}

static void what_a_slow_disk_keeps_from_coming_is_given_up_by_a_key_or_a_signal(void **state)
{
	struct stage_setup su = {.engine_script = script};
	struct stage st;
	int64_t began;
	int status;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	keep_a_large_one(su.history_path);
	badvfs_install();
	stage_begin(&st, &su);
	badvfs->slow_ms = 30;
	stage_type(&st, "/open large\r");
	stage_pause(&st, 300);
	stage_type(&st, "typed meanwhile");
	stage_pause(&st, 300);
	assert_false(stage_shows(&st, "typed meanwhile"));
	stage_type(&st, "\x1b");
	stage_wait_for(&st, "typed meanwhile");
	assert_false(stage_shows(&st, "and so on"));
	stage_type(&st, "\x15/open large\r");
	stage_pause(&st, 300);
	began = clock_ms();
	assert_int_equal(kill(st.child, SIGTERM), 0);
	status = stage_close(&st);
	assert_true(clock_ms() - began < 5000);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
	badvfs_uninstall();
}

static bool stands_in(const char *path, const char *end, const char *what)
{
	struct buf name = {0}, bytes = {0};
	struct err err;
	bool stands;

	buf_addf(&name, "%s%s", path, end);
	if (access(buf_z(&name), F_OK) == 0)
		assert_int_equal(file_read(&bytes, buf_z(&name), 64 << 20, &err), 0);
	stands = bytes.len && memmem(bytes.data, bytes.len, what, strlen(what));
	buf_release(&name);
	buf_release(&bytes);
	return stands;
}

/* Not at once, but while the chat goes on. */
static void what_is_removed_leaves_the_file_when_nobody_types(void **state)
{
	struct stage_setup su = {.engine_script = script};
	struct stage st;
	int64_t end;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	stage_begin(&st, &su);
	stage_type(&st, "kingfisher\r");
	stage_wait_for(&st, "answer one");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/rm kingfisher\r");
	stage_wait_for(&st, "deleted");
	stage_type(&st, "plover\r");
	stage_wait_for(&st, "answer two");
	stage_wait_for(&st, "ready");
	assert_true(stands_in(su.history_path, "", "kingfisher") ||
		    stands_in(su.history_path, "-wal", "kingfisher"));
	/* Only the last one can come back. */
	stage_type(&st, "/rm plover\r");
	stage_wait_gone(&st, "answer two");
	end = clock_ms() + STAGE_PATIENCE_MS;
	while (stands_in(su.history_path, "", "kingfisher") ||
	       stands_in(su.history_path, "-wal", "kingfisher")) {
		assert_true(clock_ms() < end);
		stage_read(&st, 50);
	}
	stage_quit(&st);
}

static void what_a_slow_disk_keeps_from_being_exported_is_no_file(void **state)
{
	/* So wide that what is told with a file's name stands in one line. */
	struct stage_setup su = {
		.engine_script = script, .term = "xterm-256color", .w = 240, .h = 24};
	char path[300], command[400];
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	keep_a_large_one(su.history_path);
	snprintf(path, sizeof(path), "%s", tmpdir_file(&test_dir, "x"));
	snprintf(command, sizeof(command), "/export %s\r", path);
	badvfs_install();
	stage_begin(&st, &su);
	stage_type(&st, "/open large\r");
	stage_wait_for(&st, "and so on");
	badvfs->slow_ms = 100;
	stage_type(&st, command);
	stage_pause(&st, 900);
	stage_type(&st, "\x1b");
	stage_wait_for(&st, "given up");
	assert_int_equal(access(path, F_OK), -1);
	badvfs->slow_ms = 0;
	stage_settle(&st); /* Esc alone is a key */
	stage_type(&st, command);
	stage_wait_for(&st, "written: ");
	assert_int_equal(access(path, F_OK), 0);
	stage_quit(&st);
	badvfs_uninstall();
}

static void what_is_typed_while_a_slow_disk_keeps_something_is_not_lost(void **state)
{
	struct stage_setup su = {.engine_script = script};
	struct buf all = {0};
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	badvfs_install();
	stage_begin(&st, &su);
	badvfs->slow_ms = 20;
	stage_type(&st, "question one\r");
	stage_read(&st, 100);
	stage_type(&st, "question two");
	stage_wait_for(&st, "answer one");
	stage_wait_for(&st, "question two");
	stage_type(&st, "\r");
	stage_wait_for(&st, "answer two");
	stage_quit(&st);
	badvfs->slow_ms = 0;
	badvfs_uninstall();
	stored(su.history_path, &all);
	assert_string_equal(buf_z(&all), "question one|answer one|question two|answer two");
	buf_release(&all);
}

static void a_terminal_that_goes_in_the_middle_of_an_answer_loses_nothing(void **state)
{
	static const char slow[] = "{\"text\": \"said so far \", \"delay_ms\": 2}\n"
				   "{\"pause\": -1}\n{\"done\": {}}\n";
	struct stage_setup su = {.engine_script = slow};
	struct buf all = {0};
	struct stage st;
	int64_t start;
	int status;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	su.inputs_path = tmpdir_file(&test_dir, "inputs");
	stage_begin(&st, &su);
	stage_type(&st, "a question\r");
	stage_wait_for(&st, "said so far");
	stage_type(&st, "half a thought");
	stage_wait_for(&st, "half a thought");
	close(st.fd);
	st.fd = -1;
	start = clock_ms();
	while (waitpid(st.child, &status, WNOHANG) == 0) {
		assert_true(clock_ms() - start < STAGE_PATIENCE_MS);
		usleep(20000);
	}
	assert_true(WIFEXITED(status));
	stored(su.history_path, &all);
	assert_string_equal(buf_z(&all), "a question|said so far ");
	vterm_free(st.vt);
	buf_release(&st.raw);
	buf_release(&all);
}

static void a_line_of_a_hundred_thousand_characters_is_typed_sent_and_answered(void **state)
{
	static const char engine_script[] =
		"{\"text\": \"x\", \"repeat\": 100000, \"chunk\": 1000}\n{\"text\": \"日本\", "
		"\"repeat\": 50000, \"chunk\": 1000}\n{\"text\": \" and the end\"}\n"
		"{\"done\": {}}\n";
	static const struct stage_setup su = {.engine_script = engine_script};
	struct buf paste = {0};
	struct stage st;

	(void)state;
	stage_begin(&st, &su);
	buf_addz(&paste, "\x1B[200~begin");
	while (paste.len < 100000)
		buf_addc(&paste, 'y');
	buf_addz(&paste, "\x1B[201~END");
	stage_type(&st, buf_z(&paste));
	stage_wait_for(&st, "yEND");
	stage_assert_clean(&st);
	stage_type(&st, "\x01"); /* to its start and back */
	stage_wait_for(&st, "beginyyy");
	stage_type(&st, "\x05\r");
	stage_wait_for(&st, "and the end");
	stage_wait_for(&st, "ready");
	stage_assert_clean(&st);
	stage_type(&st, "\x1B[1;3Ag"); /* Alt-Up, g: to the beginning */
	stage_wait_for(&st, "beginyyy");
	stage_assert_clean(&st);
	stage_quit(&st);
	buf_release(&paste);
}

static void a_paste_that_never_ends_makes_nobody_deaf(void **state)
{
	static const struct stage_setup su = {.engine_script = script};
	struct stage st;

	(void)state;
	stage_begin(&st, &su);
	stage_type(&st, "\x1B[200~pasted");
	stage_wait_for(&st, "pasted");
	stage_type(&st, " and typed");
	stage_wait_for(&st, "pasted and typed");
	stage_type(&st, "\x15\x1B[200~more\x03\x03");
	stage_settle(&st);
	stage_type(&st, "\x15");
	stage_quit(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, tmpdir_set_up, tmpdir_tear_down)
		T(a_locked_store_is_told_and_written_as_soon_as_it_can_be),
		T(what_a_lock_kept_from_the_store_is_told_at_the_end),
		cmocka_unit_test(
			what_a_slow_disk_keeps_from_coming_is_given_up_by_a_key_or_a_signal),
		T(what_is_removed_leaves_the_file_when_nobody_types),
		T(what_a_slow_disk_keeps_from_being_exported_is_no_file),
		T(what_is_typed_while_a_slow_disk_keeps_something_is_not_lost),
		T(a_terminal_that_goes_in_the_middle_of_an_answer_loses_nothing),
		cmocka_unit_test(
			a_line_of_a_hundred_thousand_characters_is_typed_sent_and_answered),
		cmocka_unit_test(a_paste_that_never_ends_makes_nobody_deaf),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
