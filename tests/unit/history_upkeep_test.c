/* Search, removal, migration, verification: over whole files, as users have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/store.h"

static char dir[64], path[96];
static struct err err;
static struct history *h;

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/history_test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/history.db", dir);
	return history_open(&h, path, &err);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	history_close(h);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static size_t n_hits(const char *query, unsigned scopes)
{
	struct history_query q = {.text = str_of(query), .scopes = scopes};
	struct history_hits hits;
	size_t n;

	if (history_search(h, &q, &hits, &err) != 0)
		fail_msg("%s: %s", query, err.text);
	n = hits.n;
	history_hits_release(&hits);
	return n;
}

static void searches_fold_case_accents_width_and_split_cjk(void **state)
{
	static const struct {
		const char *query;
		size_t n;
	} cases[] = {
		{"cafe", 1},
		{"CAFÉ", 1},
		{"cafe\xcc\x81", 1},
		{"creme", 1},
		{"caf", 0},
		{"caf*", 1},
		{"\"creme cafe\"", 0},
		{"\"cafe creme\"", 1},
		{"cafe -tea", 1},
		{"cafe -creme", 0},
		{"strasse", 1},
		{"STRASSE", 1},
		{"straße", 1},
		{"\xe5\xba\xa6\xe6\xa8\xa1", 1}, /* inside 深度模型 */
		{"\xe6\xa8\xa1\xe5\xba\xa6", 0}, /* its characters the other way round */
		{"\xe6\xa8\xa1 \xe5\xba\xa6", 1},
		{"\xe3\x82\xab", 1},
		{"\xef\xbd\xb6", 1}, /* カ, and half as wide */
		{"\xea\xb5\xad", 1},
		{"\xe1\x84\x80\xe1\x85\xae\xe1\x86\xa8", 1}, /* 국, in letters */
		{"\xf0\x9f\xa6\x8a", 1},
		{"snake case", 1},
		{"snake_case", 1},
		{"case_snake", 0},
		{"42", 1},
		{"ＡＢＣ", 1},
		{"' OR NEAR(", 0},
		{"said : creme", 0},
		{"unclosed \"cafe", 0},
		{"\"caf\"*", 1},
		{"^cafe", 1},
	};

	(void)state;
	store_talk(h, "Un Café crème, Straße 42, snake_case, abc", "hm", "tea");
	store_talk(h, "\xe6\xb7\xb1\xe5\xba\xa6\xe6\xa8\xa1\xe5\x9e\x8b \xe3\x82\xab\xe3\x83\xa1 "
	     "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 \xf0\x9f\xa6\x8a",
	     "hm", "ok");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (n_hits(cases[i].query, 0) != cases[i].n)
			fail_msg("%s: %zu hits, expected %zu", cases[i].query,
				 n_hits(cases[i].query, 0), cases[i].n);
	}
}

static void a_query_without_a_word_is_refused(void **state)
{
	static const char *const queries[] = {"",  "  ", "-tea", "\"\"",
					      "*", "--", "(",    "\"\"\""};

	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct history_query q = {.text = str_of(queries[i])};
		struct history_hits hits;

		assert_int_equal(history_search(h, &q, &hits, &err), ERR_USAGE);
	}
}

/* A megabyte of words, of words to leave out, of quotes and signs, and of one word. */
static void long_queries_are_answered_at_once(void **state)
{
	static const struct {
		const char *piece;
		int rc;
	} cases[] = {
		{"word ", ERR_USAGE}, {"x -word ", ERR_USAGE},     {"\"word\" ", ERR_USAGE},
		{"wo* ", ERR_USAGE},  {"\xe5\xba\xa6", ERR_USAGE}, {"\"\"*-;(,) ", ERR_USAGE},
		{"longword", 0},
	};

	(void)state;
	store_talk(h, "a word", "x", "y");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history_query q = {0};
		struct history_hits hits;
		struct buf text = {0};
		clock_t began = clock();

		while (text.len < 1 << 20)
			buf_addz(&text, cases[i].piece);
		q.text = buf_str(&text);
		assert_int_equal(history_search(h, &q, &hits, &err), cases[i].rc);
		history_hits_release(&hits);
		assert_in_range(clock() - began, 0, CLOCKS_PER_SEC);
		buf_release(&text);
	}
	/* What is still allowed is found. */
	{
		struct buf text = {0};

		for (int i = 0; i < 63; i++)
			buf_addz(&text, i % 2 ? "word " : "-other ");
		assert_int_equal(n_hits(buf_z(&text), 0), 1);
		buf_release(&text);
	}
}

static void any_bytes_may_be_searched_for_and_in(void **state)
{
	char bytes[64];
	unsigned x = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct history_query q = {.text = {bytes, sizeof(bytes)}};
		struct history_part part = {.text = {bytes, sizeof(bytes)}};
		struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};
		struct history_hits hits;
		struct history_tree *t;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			x = x * 1664525u + 1013904223u;
			bytes[i] = (char)(x >> 24);
		}
		assert_int_equal(history_tree_new(&t, h, &err), 0);
		assert_int_equal(history_tree_say(t, &m, NULL, &err), 0);
		history_tree_free(t);
		if (history_search(h, &q, &hits, &err) == 0)
			history_hits_release(&hits);
		else
			assert_int_equal(err.code, ERR_USAGE);
	}
}

static void scopes_and_order_are_as_asked(void **state)
{
	struct history_query q = {.text = STR_LIT("apple")};
	struct history_hits hits;

	(void)state;
	store_talk(h, "apple", "pear apple", "nothing");
	store_talk(h, "apple apple apple", "pear", "one apple among many other words of an answer");
	assert_int_equal(n_hits("apple", HISTORY_IN_SAID), 3);
	assert_int_equal(n_hits("apple", HISTORY_IN_THINKING), 1);
	assert_int_equal(n_hits("apple", HISTORY_IN_TOOLS), 0);
	assert_int_equal(n_hits("apple", HISTORY_IN_SAID | HISTORY_IN_THINKING), 4);
	assert_int_equal(history_search(h, &q, &hits, &err), 0);
	assert_string_equal(hits.items[0].snippet,
			    "one \002apple\003 among many other words of an answer");
	assert_string_equal(hits.items[2].snippet, "\002apple\003");
	assert_int_equal(hits.items[2].role, HISTORY_USER);
	history_hits_release(&hits);
	q.by_rank = true;
	q.limit = 1;
	assert_int_equal(history_search(h, &q, &hits, &err), 0);
	assert_int_equal(hits.n, 1);
	assert_string_equal(hits.items[0].snippet, "\002apple\003 \002apple\003 \002apple\003");
	history_hits_release(&hits);
}

/* Whether the bytes stand anywhere in the folder's files. */
static bool stands_in_files(const char *bytes)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool found = false;

	while ((e = readdir(d))) {
		struct buf all = {0};
		char name[400], chunk[4096];
		size_t n;
		FILE *f;

		snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		f = fopen(name, "r");
		if (e->d_name[0] == '.' || !f)
			continue;
		while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
			buf_add(&all, chunk, n);
		fclose(f);
		found |= all.len && memmem(all.data, all.len, bytes, strlen(bytes));
		buf_release(&all);
	}
	closedir(d);
	return found;
}

static void write_beside(const char *name, const char *text)
{
	char file[160];
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_sound(void)
{
	struct buf problems = {0};
	size_t n;

	if (history_verify(h, &problems, &n, &err) != 0)
		fail_msg("%s", err.text);
	if (n)
		fail_msg("%s", buf_z(&problems));
	buf_release(&problems);
}

static void nothing_of_a_removed_conversation_stays(void **state)
{
	int64_t id;
	char word[64];

	(void)state;
	for (int i = 0; i < 40; i++)
		store_talk(h, "keeping this one", "and this", "this too");
	id = store_talk(h, "quixoticprompt is secret", "zephyrthought", "jabberanswer");
	for (int i = 0; i < 40; i++)
		store_talk(h, "keeping this one", "and this", "this too");
	assert_int_equal(
		history_set_title(h, id, STR_LIT("Wyverntitle"), HISTORY_TITLE_USER, &err), 0);
	assert_true(stands_in_files("quixoticprompt"));
	assert_true(stands_in_files("zephyrthought"));
	/* What a kill during a migration may leave. */
	write_beside("history.db.v1.bak.tmp", "half a backup with quixotic words");
	write_beside("history.db.v1.bak.tmp-journal", "and its zephyr journal");
	if (history_remove(h, id, &err) != 0)
		fail_msg("%s", err.text);
	assert_false(stands_in_files("quixotic"));
	assert_false(stands_in_files("zephyr"));
	assert_false(stands_in_files("jabber"));
	assert_false(stands_in_files("yvern"));
	/* An index keeps words without the beginning that the word before them shares. */
	snprintf(word, sizeof(word), "ixoticprompt");
	assert_false(stands_in_files(word));
	assert_int_equal(n_hits("quixoticprompt", 0), 0);
	assert_int_equal(n_hits("keeping", 0), 50);
	assert_sound();
	assert_int_equal(history_remove(h, id, &err), ERR_USAGE);
}

static void a_removal_leaves_what_another_conversation_stands_on(void **state)
{
	struct history_tree *t, *fork;
	const struct history_message *a;
	int64_t id, other;
	size_t n;

	(void)state;
	assert_int_equal(history_tree_new(&t, h, &err), 0);
	store_say(t, HISTORY_USER, HISTORY_TEXT, "shared question");
	a = store_say(t, HISTORY_ASSISTANT, HISTORY_TEXT, "shared answer");
	store_say(t, HISTORY_USER, HISTORY_TEXT, "onlyfirst");
	assert_int_equal(history_tree_fork(&fork, t, a, &err), 0);
	store_say(fork, HISTORY_USER, HISTORY_TEXT, "onlysecond");
	id = history_tree_conversation(t);
	other = history_tree_conversation(fork);
	history_tree_free(t);
	history_tree_free(fork);
	assert_int_equal(history_remove(h, id, &err), 0);
	assert_false(stands_in_files("onlyfirst"));
	assert_sound();
	assert_int_equal(history_tree_open(&fork, h, other, &err), 0);
	history_tree_path(fork, &n);
	assert_int_equal(n, 3);
	history_tree_free(fork);
	assert_int_equal(history_remove(h, other, &err), 0);
	assert_false(stands_in_files("shared"));
	assert_sound();
}

static void a_removal_that_a_reader_hinders_is_finished_later(void **state)
{
	int64_t id = store_talk(h, "hinderedword", "x", "y");
	sqlite3 *reader;

	(void)state;
	store_talk(h, "other", "x", "y");
	assert_int_equal(sqlite3_open(path, &reader), SQLITE_OK);
	assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT * FROM message", NULL, NULL, NULL),
			 SQLITE_OK);
	history_set_wait_ms(h, 50);
	assert_int_equal(history_remove(h, id, &err), ERR_STORE);
	assert_non_null(strstr(err.text, "removed, but"));
	sqlite3_close(reader);
	history_close(h);
	assert_int_equal(history_open(&h, path, &err), 0);
	assert_false(stands_in_files("hinderedword"));
	assert_sound();
}

static void copy_fixture(const char *name)
{
	char from[128];
	char bytes[4096];
	size_t n;
	FILE *in, *out;

	history_close(h);
	h = NULL;
	snprintf(from, sizeof(from), "tests/fixtures/%s", name);
	in = fopen(from, "r");
	assert_non_null(in);
	out = fopen(path, "w");
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		fwrite(bytes, 1, n, out);
	fclose(in);
	fclose(out);
}

static void a_file_of_the_first_version_opens_with_a_backup_beside_it(void **state)
{
	struct history_list list;
	struct history_tree *t;
	char backup[128];
	struct stat st;
	int64_t id;
	size_t n;

	(void)state;
	copy_fixture("history_v1.db");
	if (history_open(&h, path, &err) != 0)
		fail_msg("%s", err.text);
	assert_sound();
	snprintf(backup, sizeof(backup), "%s.v1.bak", path);
	assert_int_equal(stat(backup, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 4);
	assert_string_equal(list.items[0].title, "Bread and coffee");
	assert_true(list.items[0].pinned);
	history_list_release(&list);
	assert_int_equal(n_hits("cafe", 0), 1);
	assert_int_equal(n_hits("baker", 0), 1);
	assert_int_equal(history_find(h, "Bread and coffee", &id, &err), 0);
	assert_int_equal(history_tree_open(&t, h, id, &err), 0);
	history_tree_path(t, &n);
	assert_int_equal(n, 4);
	assert_string_equal(history_tree_leaf(t)->run->stop, "interrupted");
	assert_int_equal(history_tree_leaf(t)->n_ids, 4);
	history_tree_free(t);
	/* Its journal of a process long gone. */
	assert_int_equal(history_recover(h, &list, &err), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(history_tree_open(&t, h, list.items[0].id, &err), 0);
	assert_string_equal(history_tree_leaf(t)->run->stop, "crashed");
	history_tree_free(t);
	history_list_release(&list);
	assert_int_equal(n_hits("\xe7\xa5\x9e\xe7\xbb\x8f", 0), 1);
	assert_sound();
	/* A removal takes the backup too: it holds the same words. */
	assert_int_equal(history_remove(h, id, &err), 0);
	assert_int_equal(stat(backup, &st), -1);
	assert_false(stands_in_files("Bread and coffee"));
	assert_true(stands_in_files("How do I bake bread?")); /* the fork's */
}

static void schema_of(const char *file, struct buf *out)
{
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT type, name, sql FROM sqlite_schema"
					    " ORDER BY type, name",
					    -1, &st, NULL),
			 SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW)
		buf_addf(out, "%s %s %s\n", sqlite3_column_text(st, 0),
			 sqlite3_column_text(st, 1), sqlite3_column_text(st, 2));
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void a_migrated_file_has_the_schema_of_a_new_one(void **state)
{
	struct buf fresh = {0}, migrated = {0};

	(void)state;
	schema_of(path, &fresh);
	copy_fixture("history_v1.db");
	assert_int_equal(history_open(&h, path, &err), 0);
	schema_of(path, &migrated);
	assert_true(fresh.len > 3000);
	assert_string_equal(buf_z(&fresh), buf_z(&migrated));
	buf_release(&fresh);
	buf_release(&migrated);
}

static void a_step_that_fails_leaves_the_old_file(void **state)
{
	sqlite3 *db;

	(void)state;
	copy_fixture("history_v1.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE tools (x)", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(history_open(&h, path, &err), ERR_STORE);
	assert_non_null(strstr(err.text, "schema step 2"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE tools", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(history_open(&h, path, &err), 0);
	assert_sound();
}

/* What stands between \n.Bd and \n.Ed, one after another; false at the end. */
static bool next_example(const char **at, struct buf *sql)
{
	const char *from = strstr(*at, "\n.Bd -literal"), *to;

	if (!from)
		return false;
	from = strchr(from + 1, '\n') + 1;
	to = strstr(from, "\n.Ed");
	assert_non_null(to);
	buf_reset(sql);
	buf_add(sql, from, (size_t)(to - from));
	*at = to;
	return true;
}

static void the_manual_tells_of_every_column_and_its_examples_run(void **state)
{
	struct buf man = {0}, sql = {0};
	const char *section = "", *at;
	sqlite3_stmt *st;
	sqlite3 *db;
	int n_columns = 0, n_examples = 0;

	(void)state;
	if (file_read(&man, "man/dsv4chat-history.5", 1 << 20, &err))
		fail_msg("%s", err.text);
	store_talk(h, "q", "t", "a");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
				   "SELECT s.name, c.name FROM sqlite_schema s,"
				   " pragma_table_info(s.name) c WHERE s.type = 'table'"
				   " AND s.sql LIKE '%STRICT%' ORDER BY s.rowid, c.cid",
				   -1, &st, NULL),
		SQLITE_OK);
	for (; sqlite3_step(st) == SQLITE_ROW; n_columns++) {
		char text[100];
		const char *end;

		snprintf(text, sizeof(text), ".Ss %s\n", sqlite3_column_text(st, 0));
		section = strstr(buf_z(&man), text);
		if (!section)
			fail_msg("no %s", text);
		end = strstr(section, "\n.El");
		snprintf(text, sizeof(text), ".It Va %s\n", sqlite3_column_text(st, 1));
		at = strstr(section, text);
		if (!at || at > end)
			fail_msg("%s: no %s", sqlite3_column_text(st, 0), text);
	}
	assert_int_equal(n_columns, 113);
	sqlite3_finalize(st);
	for (at = buf_z(&man); next_example(&at, &sql); n_examples++) {
		if (sqlite3_exec(db, buf_z(&sql), NULL, NULL, NULL) != SQLITE_OK)
			fail_msg("%s: %s", buf_z(&sql), sqlite3_errmsg(db));
	}
	assert_int_equal(n_examples, 3);
	sqlite3_close(db);
	buf_release(&man);
	buf_release(&sql);
}

/* A call that is cut, and a system prompt that is taken back, have none. */
static void parts_without_text_are_no_fault_of_the_search(void **state)
{
	static const enum history_kind kinds[] = {HISTORY_TEXT, HISTORY_THINKING, HISTORY_CALL,
						  HISTORY_RESULT, HISTORY_ATTACHMENT};
	struct history_tree *t;
	int64_t id;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_int_equal(history_tree_new(&t, h, &err), 0);
		store_say(t, HISTORY_USER, HISTORY_TEXT, "a question");
		store_say(t, HISTORY_ASSISTANT, kinds[i], "");
		assert_sound();
		id = history_tree_conversation(t);
		history_tree_free(t);
		if (i % 2) {
			assert_int_equal(history_remove(h, id, &err), 0);
			assert_sound();
		}
	}
	store_talk(h, "q", "t", "a");
	assert_sound();
}

static void verify_names_what_is_wrong(void **state)
{
	static const struct {
		const char *sql, *word;
	} cases[] = {
		{"UPDATE message SET depth = 9 WHERE parent_id IS NULL", "not at the top"},
		{"UPDATE message SET token_ids = x'010203'", "token ids are cut"},
		{"UPDATE part SET seq = seq + 5", "numbered"},
		{"UPDATE conversation SET tree_id = 77", "another tree"},
		{"UPDATE message SET parent_id = 99 WHERE depth = 1", "not there"},
		{"UPDATE part SET text = 'else' WHERE id = 1", "search"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf problems = {0};
		sqlite3 *db;
		size_t n;

		store_talk(h, "q", "t", "a");
		assert_sound();
		history_close(h);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, cases[i].sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		assert_int_equal(history_open(&h, path, &err), 0);
		assert_int_equal(history_verify(h, &problems, &n, &err), 0);
		if (!n || !strstr(buf_z(&problems), cases[i].word))
			fail_msg("%s: %s", cases[i].sql, buf_z(&problems));
		buf_release(&problems);
		history_close(h);
		unlink(path);
		assert_int_equal(history_open(&h, path, &err), 0);
	}
}

static void a_backup_is_a_whole_history_and_replaces_nothing(void **state)
{
	char to[128];
	struct history *copy;
	struct history_list list;
	struct stat st;

	(void)state;
	store_talk(h, "q", "t", "a");
	snprintf(to, sizeof(to), "%s/copy.db", dir);
	assert_int_equal(history_backup(h, to, &err), 0);
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(history_backup(h, to, &err), ERR_USAGE);
	assert_int_equal(history_open(&copy, to, &err), 0);
	assert_int_equal(history_list(copy, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 1);
	history_list_release(&list);
	history_close(copy);
	snprintf(to, sizeof(to), "%s/no/such/folder", dir);
	assert_int_equal(history_backup(h, to, &err), ERR_STORE);
}

static void an_export_comes_in_again_as_an_equal_tree(void **state)
{
	struct buf first = {0}, second = {0};
	struct history_list list;
	struct history *other;
	struct history_imported n = {0};

	(void)state;
	copy_fixture("history_v1.db");
	assert_int_equal(history_open(&h, path, &err), 0);
	{
		struct history_tree *t;
		static const char odd[] = "nul \0, half \xc3, controls \x01\x1b, \"quotes\"";
		struct history_part parts[] = {
			{HISTORY_TEXT, {0}, {0}, {odd, sizeof(odd) - 1}, {0}},
			{HISTORY_ATTACHMENT, STR_LIT("a\xff.bin"), {0}, STR_LIT("\xfe"), {0}}};
		struct history_message m = {.role = HISTORY_USER, .parts = parts, .n_parts = 2};

		assert_int_equal(history_tree_new(&t, h, &err), 0);
		assert_int_equal(history_tree_say(t, &m, NULL, &err), 0);
		history_tree_free(t);
	}
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	for (size_t i = 0; i < list.n; i++)
		assert_int_equal(
			history_export(h, list.items[i].id, HISTORY_JSONL, &first, &err), 0);
	assert_int_equal(history_open(&other, NULL, &err), 0);
	if (store_import(other, buf_str(&first), &n, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(n.n_new, 5);
	assert_int_equal(list.n, 5);
	for (size_t i = 0; i < list.n; i++) {
		int64_t id = 0;

		assert_int_equal(history_find(other, list.items[i].uid, &id, &err), 0);
		assert_int_equal(history_export(other, id, HISTORY_JSONL, &second, &err), 0);
	}
	store_drop_foreign(&second);
	assert_string_equal(buf_z(&first), buf_z(&second));
	history_list_release(&list);
	/* A second time all of it is known. */
	assert_int_equal(store_import(other, buf_str(&first), &n, &err), 0);
	assert_int_equal(n.n_known, 5);
	assert_int_equal(history_list(other, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 5);
	history_list_release(&list);
	history_close(other);
	buf_release(&first);
	buf_release(&second);
}

static void a_broken_import_names_the_line_and_leaves_no_half(void **state)
{
#define HEAD                                                                                   \
	"{\"type\": \"conversation\", \"format\": 1, \"id\": \"0123456789\", \"title\": "      \
	"\"t\","                                                                               \
	" \"title_from\": \"user\", \"created_ms\": 1, \"updated_ms\": 2, \"leaf\": 1}\n"
#define MESSAGE(n, p)                                                                          \
	"{\"type\": \"message\", \"n\": " n ", \"parent\": " p ", \"role\": \"user\","         \
	" \"created_ms\": 3, \"parts\": [{\"kind\": \"text\", \"text\": \"hi\"}]}\n"
	static const struct {
		const char *text, *word;
	} cases[] = {
		{"nonsense\n", "line 1"},
		{"[1]\n", "line 1"},
		{"{\"type\": \"conversation\", \"format\": 9}\n", "format 9"},
		{MESSAGE("1", "0"), "before any conversation"},
		{HEAD MESSAGE("2", "0"), "line 2: messages are numbered"},
		{HEAD MESSAGE("1", "1"), "line 2: a message's parent"},
		{HEAD MESSAGE("1", "-1"), "line 2: a message's parent"},
		{HEAD MESSAGE("1", "0") "{\"type\": \"else\"}\n", "line 3"},
		{HEAD, "does not have"},
		{HEAD "{\"type\": \"message\", \"n\": 1, \"parent\": 0, \"role\": \"user\","
		      " \"created_ms\": 3, \"parts\": [], \"ids\": [4294967296]}\n",
		 "32-bit"},
		{HEAD "{\"type\": \"message\", \"n\": 1, \"parent\": 0, \"role\": \"user\","
		      " \"created_ms\": 3, \"parts\": [{\"kind\": \"text\", \"text_base64\": "
		      "\"a\"}]}\n",
		 "base64"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history_list list;

		assert_int_equal(store_import(h, str_of(cases[i].text), NULL, &err), ERR_USAGE);
		if (!strstr(err.text, cases[i].word))
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
		assert_int_equal(list.n, 0);
		history_list_release(&list);
	}
	assert_int_equal(store_import(h, STR_LIT(HEAD MESSAGE("1", "0")), NULL, &err), 0);
	assert_sound();
}

static void markdown_shows_the_branch_for_reading(void **state)
{
	struct buf out = {0};
	int64_t id = store_talk(h, "why?", "let me\nsee", "```c\nx\n```");

	(void)state;
	assert_int_equal(history_export(h, id, HISTORY_MARKDOWN, &out, &err), 0);
	assert_non_null(strstr(buf_z(&out), "# why?\n\n"));
	assert_non_null(strstr(buf_z(&out), "## You\n\nwhy?\n\n"));
	assert_non_null(strstr(buf_z(&out), "## Assistant\n\n> let me\n> see\n\n"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(searches_fold_case_accents_width_and_split_cjk),
		T(a_query_without_a_word_is_refused),
		T(long_queries_are_answered_at_once),
		T(any_bytes_may_be_searched_for_and_in),
		T(scopes_and_order_are_as_asked),
		T(nothing_of_a_removed_conversation_stays),
		T(a_removal_leaves_what_another_conversation_stands_on),
		T(a_removal_that_a_reader_hinders_is_finished_later),
		T(a_file_of_the_first_version_opens_with_a_backup_beside_it),
		T(a_migrated_file_has_the_schema_of_a_new_one),
		T(a_step_that_fails_leaves_the_old_file),
		T(the_manual_tells_of_every_column_and_its_examples_run),
		T(parts_without_text_are_no_fault_of_the_search),
		T(verify_names_what_is_wrong),
		T(an_export_comes_in_again_as_an_equal_tree),
		T(a_broken_import_names_the_line_and_leaves_no_half),
		T(markdown_shows_the_branch_for_reading),
		T(a_backup_is_a_whole_history_and_replaces_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
