/*
 * The search's indexes are made from what was said.  Whatever happens to them, it can be said,
 * read and removed, the damage is told, and it is mended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/support/store.h"

static struct err err;

/* A structure record of `n` empty levels, as SQL. */
static void levels(struct buf *sql, const char *table, unsigned int n)
{
	buf_addf(sql, "UPDATE %s_data SET block = x'00000000%02x%02x0000", table, 0x80 | n >> 7,
		 n & 0x7f);
	for (unsigned int i = 0; i < n; i++)
		buf_addz(sql, "0000");
	buf_addz(sql, "' WHERE id = 10;");
}

static void every_removal_of_thousands_is_as_good_as_the_first(void **state)
{
	enum { N = 1100 };
	static int64_t ids[N];
	struct history *h;

	(void)state;
	assert_int_equal(history_open(&h, NULL, &err), 0);
	for (int i = 0; i < N; i++) {
		char question[64];

		snprintf(question, sizeof(question), "question number%d", i);
		ids[i] = store_talk(h, question, "a thought", "an answer");
	}
	for (int i = 0; i < N - 1; i++) {
		if (history_remove(h, ids[i], &err) != 0)
			fail_msg("removal %d: %s", i + 1, err.text);
	}
	assert_int_equal(store_hits(h, "question"), 1);
	assert_int_equal(store_hits(h, "number1099"), 1);
	assert_int_equal(store_hits(h, "number1098"), 0);
	store_talk(h, "one more", "a thought", "an answer");
	assert_int_equal(store_hits(h, "answer"), 2);
	store_assert_sound(h);
	history_close(h);
}

/* What may have happened to the file. */
static const struct damage {
	const char *sql; /* NULL: too many levels */
	bool silent;     /* only a check of everything can tell */
	bool harmless;   /* nor can that: what is open, or so small, is read without */
} damages[] = {
	{.sql = NULL},
	{.sql = "UPDATE said_data SET block = x'00' WHERE id = 10"},
	{.sql = "DELETE FROM said_data WHERE id = 10"},
	{.sql = "DELETE FROM said_data"},
	{.sql = "UPDATE said_data SET block = x'ffffffff' WHERE id > 10"},
	{.sql = "UPDATE said_data SET block = zeroblob(length(block))", .silent = true},
	{.sql = "DELETE FROM said_docsize", .silent = true},
	{.sql = "DELETE FROM said_idx", .harmless = true},
	{.sql = "DELETE FROM said_config", .harmless = true},
	{.sql = "DROP TABLE thinking_data"},
	{.sql = "DROP TABLE tools_config; DROP TABLE said_idx"},
	{.sql = "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'said'",
	 .harmless = true},
	{.sql = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage ="
		" (SELECT rootpage FROM sqlite_schema WHERE name = 'run')"
		" WHERE name = 'said_data'",
	 .harmless = true},
};
#define N_DAMAGES (sizeof(damages) / sizeof(damages[0]))

static void damage(size_t i)
{
	struct buf sql = {0};

	if (damages[i].sql)
		buf_addz(&sql, damages[i].sql);
	else
		levels(&sql, "said", 2001);
	assert_false(buf_failed(&sql));
	store_sql(&test_store, buf_z(&sql));
	buf_release(&sql);
}

static const char *damage_name(size_t i)
{
	return damages[i].sql ? damages[i].sql : "2001 levels";
}

static void assert_mended(size_t i)
{
	struct buf problems = {0};

	if (store_hits(test_store.h, "question") != 1 ||
	    store_hits(test_store.h, "removed") != 0 ||
	    store_hits(test_store.h, "later") != 2)
		fail_msg("%s: the search finds something else", damage_name(i));
	if (store_problems(test_store.h, &problems) != 0)
		fail_msg("%s: %s", damage_name(i), buf_z(&problems));
	buf_release(&problems);
}

/* Says, reads and removes with the damage there; then it is gone or can be made to go. */
static void live_with(size_t i, int64_t first, int64_t removed)
{
	struct history_tree *t;
	struct buf out = {0};

	store_talk(test_store.h, "later question2", "later", "later");
	if (history_tree_open(&t, test_store.h, first, &err) != 0)
		fail_msg("%s: %s", damage_name(i), err.text);
	history_tree_free(t);
	if (history_export(test_store.h, first, HISTORY_JSONL, &out, &err) != 0)
		fail_msg("%s: %s", damage_name(i), err.text);
	buf_release(&out);
	if (history_remove(test_store.h, removed, &err) != 0)
		fail_msg("%s: %s", damage_name(i), err.text);
	if (history_repair(test_store.h, &err) != 0)
		fail_msg("%s: %s", damage_name(i), err.text);
	assert_mended(i);
}

static void a_damaged_index_hinders_nothing_and_is_mended(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_DAMAGES; i++) {
		for (int open = 0; open < 2; open++) {
			int64_t first = store_talk(test_store.h, "question", "t", "a");
			int64_t removed = store_talk(test_store.h, "removed", "t", "a");

			if (!open)
				history_close(test_store.h), test_store.h = NULL;
			damage(i);
			if (!open)
				store_reopen(&test_store);
			live_with(i, first, removed);
			store_release(&test_store);
			store_init(&test_store);
		}
	}
}

static void a_store_in_that_state_opens_and_finds(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_DAMAGES; i++) {
		store_talk(test_store.h, "question", "t", "a");
		history_close(test_store.h);
		test_store.h = NULL;
		damage(i);
		store_reopen(&test_store);
		/* What tells nothing of itself is what verify and repair are for. */
		if (damages[i].silent)
			assert_int_equal(history_repair(test_store.h, &err), 0);
		if (store_hits(test_store.h, "question") != 1)
			fail_msg("%s: not found", damage_name(i));
		store_release(&test_store);
		store_init(&test_store);
	}
}

static void verify_tells_of_a_damaged_index_and_repair_mends_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_DAMAGES; i++) {
		struct buf problems = {0};

		store_talk(test_store.h, "question", "t", "a");
		damage(i);
		if (!damages[i].harmless && (store_problems(test_store.h, &problems) == 0 ||
					     !strstr(buf_z(&problems), "search")))
			fail_msg("%s: %s", damage_name(i), buf_z(&problems));
		assert_int_equal(history_repair(test_store.h, &err), 0);
		store_assert_sound(test_store.h);
		buf_release(&problems);
		store_release(&test_store);
		store_init(&test_store);
	}
}

static void what_is_mended_has_the_schema_of_a_new_file(void **state)
{
	struct buf before = {0}, after = {0};
	struct buf *out[] = {&before, &after};

	(void)state;
	for (int i = 0; i < 2; i++) {
		sqlite3_stmt *st;
		sqlite3 *db;

		assert_int_equal(sqlite3_open(test_store.path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_prepare_v2(db,
						    "SELECT name, coalesce(sql, '') FROM"
						    " sqlite_schema ORDER BY name",
						    -1, &st, NULL),
				 SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW)
			buf_addf(out[i], "%s: %s\n", sqlite3_column_text(st, 0),
				 sqlite3_column_text(st, 1));
		sqlite3_finalize(st);
		sqlite3_close(db);
		assert_int_equal(history_repair(test_store.h, &err), 0);
	}
	assert_string_equal(buf_z(&before), buf_z(&after));
	buf_release(&before);
	buf_release(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, store_set_up, store_tear_down)
		T(every_removal_of_thousands_is_as_good_as_the_first),
		T(a_damaged_index_hinders_nothing_and_is_mended),
		T(a_store_in_that_state_opens_and_finds),
		T(verify_tells_of_a_damaged_index_and_repair_mends_it),
		T(what_is_mended_has_the_schema_of_a_new_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
