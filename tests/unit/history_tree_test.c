/* Conversations as trees: what is said is found again, after closing, after failing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "history/history.h"

struct place {
	char dir[64], path[128];
	struct history *h;
	struct err err;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	snprintf(p->dir, sizeof(p->dir), "/tmp/history_test.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/deep/er/history.db", p->dir);
	assert_int_equal(history_open(&p->h, p->path, &p->err), 0);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char command[128];

	history_close(p->h);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static void reopen(struct place *p)
{
	history_close(p->h);
	assert_int_equal(history_open(&p->h, p->path, &p->err), 0);
}

static const struct history_message *say(struct history_tree *t, enum history_role role,
					 struct str text)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = text};
	struct history_message m = {.role = role, .parts = &part, .n_parts = 1};
	const struct history_message *out = NULL;
	struct err err = {0};

	if (history_tree_say(t, &m, &out, &err) != 0)
		fail_msg("%s", err.text);
	return out;
}

static struct history_tree *new_tree(struct place *p)
{
	struct history_tree *t;

	assert_int_equal(history_tree_new(&t, p->h, &p->err), 0);
	return t;
}

static struct history_tree *open_tree(struct place *p, int64_t id)
{
	struct history_tree *t;

	if (history_tree_open(&t, p->h, id, &p->err) != 0)
		fail_msg("%s", p->err.text);
	return t;
}

static void every_field_of_a_message_comes_back(void **state)
{
	struct place *p = *state;
	static const char odd[] = "a\0b\xff\xc3(\n\x1b[31m\xed\xa0\x80";
	int32_t ids[] = {0, 1, -1, 129279, INT32_MAX, INT32_MIN};
	struct history_part parts[] = {
		{HISTORY_THINKING, {0}, {0}, STR_LIT("hm"), {0}},
		{HISTORY_TEXT, {0}, {0}, {odd, sizeof(odd) - 1}, {0}},
		{HISTORY_CALL, STR_LIT("shell"), STR_LIT("c1"), STR_LIT("{}"), {0}},
		{HISTORY_NOTICE, {0}, {0}, {0}, STR_LIT("{\"x\": 1}")},
	};
	char prefill[] = "Well, ", drafts[] = "5/6 2/5";
	struct history_run run = {.model = "nano",
				  .identity = "abc",
				  .build = "1",
				  .device = "cpu",
				  .effort = "low",
				  .temperature = 0.7,
				  .top_p = 0.9,
				  .min_p = 0.05,
				  .top_k = 40,
				  .seed = UINT64_MAX - 3,
				  .max_tokens = 100,
				  .ctx_tokens = 4096,
				  .resumed_tokens = 2,
				  .prefill = prefill,
				  .thinking_ended = 1,
				  .disk_tokens = 3,
				  .disk_ms = 12,
				  .steps = 6,
				  .drafts = drafts,
				  .started_ms = 5,
				  .finished_ms = 9,
				  .stop = "length",
				  .prompt_tokens = 11,
				  .cached_tokens = 4,
				  .thinking_tokens = 3,
				  .output_tokens = 6,
				  .drafted = 8,
				  .accepted = 7,
				  .prefill_ms = 1,
				  .decode_ms = 2,
				  .total_ms = 4};
	struct history_message m = {.role = HISTORY_ASSISTANT,
				    .created_ms = 1234,
				    .parts = parts,
				    .n_parts = 4,
				    .ids = ids,
				    .n_ids = 6,
				    .run = &run};
	struct history_tree *t = new_tree(p);
	const struct history_message *back;
	int64_t id;

	say(t, HISTORY_USER, STR_LIT("q"));
	assert_int_equal(history_tree_say(t, &m, NULL, &p->err), 0);
	/* What is in memory is its own. */
	prefill[0] = drafts[0] = 0;
	assert_string_equal(history_tree_leaf(t)->run->prefill, "Well, ");
	assert_string_equal(history_tree_leaf(t)->run->drafts, "5/6 2/5");
	id = history_tree_conversation(t);
	history_tree_free(t);
	reopen(p);
	t = open_tree(p, id);
	back = history_tree_leaf(t);
	assert_int_equal(back->role, HISTORY_ASSISTANT);
	assert_int_equal(back->created_ms, 1234);
	assert_int_equal(back->n_parts, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(back->parts[i].kind, parts[i].kind);
		assert_true(str_eq(back->parts[i].name, parts[i].name));
		assert_true(str_eq(back->parts[i].ref, parts[i].ref));
		assert_true(str_eq(back->parts[i].text, parts[i].text));
		assert_true(str_eq(back->parts[i].info, parts[i].info));
	}
	assert_int_equal(back->n_ids, 6);
	assert_memory_equal(back->ids, ids, sizeof(ids));
	assert_string_equal(back->run->model, "nano");
	assert_string_equal(back->run->stop, "length");
	assert_true(back->run->seed == UINT64_MAX - 3);
	assert_true(back->run->temperature == 0.7);
	assert_int_equal(back->run->finished_ms, 9);
	assert_int_equal(back->run->accepted, 7);
	assert_int_equal(back->run->total_ms, 4);
	assert_int_equal(back->run->resumed_tokens, 2);
	assert_string_equal(back->run->prefill, "Well, ");
	assert_int_equal(back->run->thinking_ended, 1);
	assert_int_equal(back->run->disk_tokens, 3);
	assert_int_equal(back->run->disk_ms, 12);
	assert_int_equal(back->run->steps, 6);
	assert_string_equal(back->run->drafts, "5/6 2/5");
	assert_true(history_message_unfinished(back));
	history_tree_free(t);
}

static void edits_and_other_answers_are_siblings(void **state)
{
	struct place *p = *state;
	struct history_tree *t = new_tree(p);
	const struct history_message *q1 = say(t, HISTORY_USER, STR_LIT("one"));
	const struct history_message *a1 = say(t, HISTORY_ASSISTANT, STR_LIT("1"));
	const struct history_message *a2, *q2;
	const struct history_message *const *path;
	size_t n, pos;
	int64_t id = history_tree_conversation(t);

	history_tree_rewind(t, q1);
	a2 = say(t, HISTORY_ASSISTANT, STR_LIT("2"));
	history_tree_rewind(t, NULL);
	q2 = say(t, HISTORY_USER, STR_LIT("two"));
	history_tree_siblings(t, a2, &pos, &n);
	assert_int_equal(pos, 1);
	assert_int_equal(n, 2);
	assert_ptr_equal(history_tree_sibling(t, a2, -1), a1);
	assert_null(history_tree_sibling(t, a2, 1));
	assert_null(history_tree_sibling(t, a2, -2));
	assert_ptr_equal(history_tree_sibling(t, q2, -1), q1);
	assert_int_equal(history_tree_go(t, q1, &p->err), 0);
	assert_ptr_equal(history_tree_leaf(t), a2);
	history_tree_free(t);

	t = open_tree(p, id);
	path = history_tree_path(t, &n);
	assert_int_equal(n, 2);
	assert_true(str_is(path[0]->parts[0].text, "one"));
	assert_true(str_is(path[1]->parts[0].text, "2"));
	history_tree_siblings(t, path[0], &pos, &n);
	assert_int_equal(pos, 0);
	assert_int_equal(n, 2);
	history_tree_free(t);
}

static void a_fork_shares_what_was_said_before_and_nothing_after(void **state)
{
	struct place *p = *state;
	struct history_tree *t = new_tree(p), *fork, *again;
	const struct history_message *a1;
	struct history_list list;
	size_t n;

	say(t, HISTORY_USER, STR_LIT("q1"));
	a1 = say(t, HISTORY_ASSISTANT, STR_LIT("a1"));
	say(t, HISTORY_USER, STR_LIT("q2"));
	assert_int_equal(history_tree_fork(&fork, t, a1, &p->err), 0);
	assert_int_equal(history_tree_conversation(fork), 0);
	say(fork, HISTORY_USER, STR_LIT("other"));
	history_tree_path(fork, &n);
	assert_int_equal(n, 3);
	again = open_tree(p, history_tree_conversation(t));
	assert_true(str_is(history_tree_leaf(again)->parts[0].text, "q2"));
	assert_int_equal(history_list(p->h, HISTORY_ALL, 0, &list, &p->err), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.items[0].title, "other");
	assert_int_equal(list.items[0].forked_from, history_tree_conversation(t));
	assert_int_equal(list.items[0].forked_at, a1->id);
	assert_int_equal(list.items[0].n_messages, 3);
	history_list_release(&list);
	history_tree_free(again);
	history_tree_free(fork);
	history_tree_free(t);
}

static void a_fork_may_be_kept_before_anything_is_said_in_it(void **state)
{
	struct place *p = *state;
	struct history_tree *t = new_tree(p), *fork;
	struct history_list list;

	say(t, HISTORY_USER, STR_LIT("q1"));
	say(t, HISTORY_ASSISTANT, STR_LIT("a1"));
	assert_int_equal(history_tree_fork(&fork, t, NULL, &p->err), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(history_tree_keep(fork, STR_LIT("Fork\nof q1"),
						   HISTORY_TITLE_MODEL, &p->err),
				 0);
	assert_int_equal(history_list(p->h, HISTORY_ALL, 0, &list, &p->err), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.items[0].id, history_tree_conversation(fork));
	assert_string_equal(list.items[0].title, "Fork of q1");
	assert_int_equal(list.items[0].title_from, HISTORY_TITLE_MODEL);
	assert_int_equal(list.items[0].n_messages, 2);
	history_list_release(&list);
	say(fork, HISTORY_USER, STR_LIT("other"));
	assert_int_equal(history_list(p->h, HISTORY_ALL, 0, &list, &p->err), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.items[0].title, "Fork of q1");
	assert_int_equal(list.items[0].n_messages, 3);
	history_list_release(&list);
	history_tree_free(fork);
	history_tree_free(t);
}

static void lists_are_newest_first_with_pins_on_top(void **state)
{
	struct place *p = *state;
	static const char *const titles[] = {"alpha one", "beta", "gamma ray"};
	int64_t ids[3];
	struct history_list list;
	int64_t found;

	for (int i = 0; i < 3; i++) {
		struct history_tree *t = new_tree(p);

		say(t, HISTORY_USER, str_of(titles[i]));
		ids[i] = history_tree_conversation(t);
		history_tree_free(t);
	}
	assert_int_equal(history_set_pinned(p->h, ids[0], true, &p->err), 0);
	assert_int_equal(history_list(p->h, HISTORY_ACTIVE, 0, &list, &p->err), 0);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.items[0].id, ids[0]);
	assert_int_equal(list.items[1].id, ids[2]);
	assert_int_equal(list.items[2].id, ids[1]);
	assert_int_equal(history_find(p->h, list.items[1].uid, &found, &p->err), 0);
	assert_int_equal(found, ids[2]);
	history_list_release(&list);
	assert_int_equal(history_set_archived(p->h, ids[2], true, &p->err), 0);
	assert_int_equal(history_last(p->h, &found, &p->err), 0);
	assert_int_equal(found, ids[1]);
	assert_int_equal(history_find(p->h, "BETA", &found, &p->err), 0);
	assert_int_equal(found, ids[1]);
	assert_int_equal(history_find(p->h, "pha o", &found, &p->err), 0);
	assert_int_equal(found, ids[0]);
	/* With a blank, which no unique id has: they are drawn at random. */
	assert_int_equal(history_find(p->h, "a r", &found, &p->err), 0);
	assert_int_equal(found, ids[2]);
	assert_int_equal(history_find(p->h, "a ", &found, &p->err), ERR_USAGE);
	assert_int_equal(history_find(p->h, "", &found, &p->err), ERR_USAGE);
	assert_int_equal(history_find(p->h, "nothing like it", &found, &p->err), ERR_USAGE);
}

static void a_title_of_the_user_stays(void **state)
{
	struct place *p = *state;
	struct history_tree *t = new_tree(p);
	struct history_list list;
	int64_t id;

	say(t, HISTORY_USER, STR_LIT("  what\n\n is\x1b[1m this \xff?  "));
	id = history_tree_conversation(t);
	assert_int_equal(history_get(p->h, id, &list, &p->err), 0);
	assert_string_equal(list.items[0].title, "what is [1m this \xef\xbf\xbd?");
	history_list_release(&list);
	assert_int_equal(
		history_set_title(p->h, id, STR_LIT("Model"), HISTORY_TITLE_MODEL, &p->err), 0);
	assert_int_equal(
		history_set_title(p->h, id, STR_LIT("Mine"), HISTORY_TITLE_USER, &p->err), 0);
	assert_int_equal(
		history_set_title(p->h, id, STR_LIT("Again"), HISTORY_TITLE_MODEL, &p->err), 0);
	assert_int_equal(
		history_set_title(p->h, id, STR_LIT(" \n"), HISTORY_TITLE_USER, &p->err),
		ERR_USAGE);
	assert_int_equal(history_get(p->h, id, &list, &p->err), 0);
	assert_string_equal(list.items[0].title, "Mine");
	assert_int_equal(list.items[0].title_from, HISTORY_TITLE_USER);
	history_list_release(&list);
	history_tree_free(t);
}

static void files_are_private(void **state)
{
	struct place *p = *state;
	struct history_tree *t = new_tree(p);
	char path[160];
	struct stat st;

	say(t, HISTORY_USER, STR_LIT("q"));
	history_tree_free(t);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", p->path,
			 ((const char *[]){"", "-wal", "-shm"})[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	snprintf(path, sizeof(path), "%s/deep", p->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void write_pragma(struct place *p, const char *sql)
{
	sqlite3 *db;

	history_close(p->h);
	p->h = NULL;
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void other_files_are_refused_and_left_alone(void **state)
{
	static const struct {
		const char *sql, *word;
	} cases[] = {
		{"PRAGMA user_version = 1000", "newer dsv4chat"},
		{"PRAGMA user_version = -1", "schema -1"},
		{"PRAGMA application_id = 77", "another program"},
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_pragma(p, cases[i].sql);
		assert_int_equal(history_open(&p->h, p->path, &p->err), ERR_STORE);
		assert_non_null(strstr(p->err.text, cases[i].word));
		assert_null(p->h);
	}
	{
		FILE *f = fopen(p->path, "w");

		fputs("certainly not a database, but long enough to have a header of one: "
		      "one hundred bytes are looked at before anything is said about it",
		      f);
		fclose(f);
		assert_int_equal(history_open(&p->h, p->path, &p->err), ERR_STORE);
	}
	assert_int_equal(history_open(&p->h, "/proc/version/x/history.db", &p->err), ERR_STORE);
}

static void a_store_in_memory_leaves_no_file(void **state)
{
	struct place *p = *state;
	struct history_tree *t;
	struct history *h;
	struct history_list list;

	assert_int_equal(history_open(&h, NULL, &p->err), 0);
	assert_int_equal(history_tree_new(&t, h, &p->err), 0);
	say(t, HISTORY_USER, STR_LIT("secret"));
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &p->err), 0);
	assert_int_equal(list.n, 1);
	history_list_release(&list);
	history_tree_free(t);
	history_close(h);
}

static void a_removed_conversation_takes_no_more_messages(void **state)
{
	struct place *p = *state;
	struct history_tree *t = new_tree(p);
	struct history_part part = {.kind = HISTORY_TEXT, .text = STR_LIT("late")};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};

	say(t, HISTORY_USER, STR_LIT("q"));
	write_pragma(p, "UPDATE conversation SET leaf_id = NULL; DELETE FROM part;"
			"DELETE FROM message; DELETE FROM conversation");
	history_tree_free(t);
	assert_int_equal(history_open(&p->h, p->path, &p->err), 0);
	t = new_tree(p);
	say(t, HISTORY_USER, STR_LIT("q"));
	{
		sqlite3 *db;

		assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db,
					      "UPDATE conversation SET leaf_id = NULL;"
					      "DELETE FROM part; DELETE FROM message;"
					      "DELETE FROM conversation",
					      NULL, NULL, NULL),
				 SQLITE_OK);
		sqlite3_close(db);
	}
	assert_int_equal(history_tree_say(t, &m, NULL, &p->err), ERR_STORE);
	assert_non_null(strstr(p->err.text, "removed"));
	history_tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(every_field_of_a_message_comes_back),
		T(edits_and_other_answers_are_siblings),
		T(a_fork_shares_what_was_said_before_and_nothing_after),
		T(a_fork_may_be_kept_before_anything_is_said_in_it),
		T(lists_are_newest_first_with_pins_on_top),
		T(a_title_of_the_user_stays),
		T(files_are_private),
		T(other_files_are_refused_and_left_alone),
		T(a_store_in_memory_leaves_no_file),
		T(a_removed_conversation_takes_no_more_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
