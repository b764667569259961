/* Opening a test's history and saying things in it. */
#include "tests/support/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

void store_init(struct store *s)
{
	tmpdir_init(&s->dir);
	snprintf(s->path, sizeof(s->path), "%s", tmpdir_file(&s->dir, "history.db"));
	s->h = NULL;
	store_reopen(s);
}

void store_release(struct store *s)
{
	history_close(s->h);
	tmpdir_release(&s->dir);
}

struct store test_store;

int store_set_up(void **state)
{
	(void)state;
	store_init(&test_store);
	return 0;
}

int store_tear_down(void **state)
{
	(void)state;
	store_release(&test_store);
	return 0;
}

void store_reopen(struct store *s)
{
	struct err err;

	history_close(s->h);
	if (history_open(&s->h, s->path, &err) != 0)
		fail_msg("%s", err.text);
}

const struct history_message *store_say(struct history_tree *t, enum history_role role,
					enum history_kind kind, const char *text)
{
	struct history_part part = {.kind = kind, .text = str_of(text)};
	struct history_message m = {.role = role, .parts = &part, .n_parts = 1};
	const struct history_message *out = NULL;
	struct err err;

	if (history_tree_say(t, &m, &out, &err) != 0)
		fail_msg("%s", err.text);
	return out;
}

int64_t store_talk(struct history *h, const char *question, const char *thought,
		   const char *answer)
{
	struct history_tree *t;
	struct err err;
	int64_t id;

	assert_int_equal(history_tree_new(&t, h, &err), 0);
	store_say(t, HISTORY_USER, HISTORY_TEXT, question);
	store_say(t, HISTORY_ASSISTANT, HISTORY_THINKING, thought);
	store_say(t, HISTORY_ASSISTANT, HISTORY_TEXT, answer);
	id = history_tree_conversation(t);
	history_tree_free(t);
	return id;
}

size_t store_hits(struct history *h, const char *query)
{
	struct history_query q = {.text = str_of(query), .limit = 100000};
	struct history_hits hits;
	struct err err;
	size_t n;

	if (history_search(h, &q, &hits, &err) != 0)
		fail_msg("%s: %s", query, err.text);
	n = hits.n;
	history_hits_release(&hits);
	return n;
}

void store_sql(const struct store *s, const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(s->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static sqlite3_stmt *first_row(const char *path, const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	return st;
}

static void row_done(sqlite3_stmt *st)
{
	sqlite3 *db = sqlite3_db_handle(st);

	sqlite3_finalize(st);
	sqlite3_close(db);
}

int64_t store_number(const char *path, const char *sql)
{
	sqlite3_stmt *st = first_row(path, sql);
	int64_t n = sqlite3_column_int64(st, 0);

	row_done(st);
	return n;
}

void store_value_is(const char *path, const char *sql, const char *expected)
{
	sqlite3_stmt *st = first_row(path, sql);

	assert_string_equal((const char *)sqlite3_column_text(st, 0), expected);
	row_done(st);
}

size_t store_problems(struct history *h, struct buf *problems)
{
	struct err err;
	size_t n = 0;

	if (history_verify(h, problems, &n, &err) != 0)
		fail_msg("%s", err.text);
	return n;
}

void store_assert_sound(struct history *h)
{
	struct buf problems = {0};

	if (store_problems(h, &problems) != 0)
		fail_msg("%s", buf_z(&problems));
	buf_release(&problems);
}

int store_import(struct history *h, struct str text, struct history_imported *n,
		 struct err *err)
{
	struct history_import *in;
	struct str line;
	int rc = history_import_begin(&in, h, err);

	while (!rc && str_line(&text, &line))
		rc = history_import_line(in, line, err);
	if (rc) {
		history_import_end(in, n, NULL);
		return rc;
	}
	return history_import_end(in, n, err);
}

void store_drop_foreign(struct buf *lines)
{
	static const char said[] = ", \"foreign\": true";
	struct buf kept = {0};
	const char *at = buf_z(lines), *next;

	for (; (next = strstr(at, said)); at = next + sizeof(said) - 1)
		buf_add(&kept, at, (size_t)(next - at));
	buf_addz(&kept, at);
	buf_release(lines);
	*lines = kept;
}
