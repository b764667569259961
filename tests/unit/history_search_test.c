/* What a search shows of what it found, and that none takes longer than it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "engine/base/clock.h"
#include "engine/base/utf8.h"
#include "tests/support/store.h"

static struct err err;

static void say_text(struct str text)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = text};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};
	struct history_tree *t;

	assert_int_equal(history_tree_new(&t, test_store.h, &err), 0);
	if (history_tree_say(t, &m, NULL, &err) != 0)
		fail_msg("%s", err.text);
	history_tree_free(t);
}

static void search(const char *query, struct history_hits *hits)
{
	struct history_query q = {.text = str_of(query)};

	if (history_search(test_store.h, &q, hits, &err) != 0)
		fail_msg("%s: %s", query, err.text);
}

static size_t n_found(const char *query, unsigned scopes, size_t limit)
{
	struct history_query q = {.text = str_of(query), .scopes = scopes, .limit = limit};
	struct history_hits hits;
	size_t n;

	if (history_search(test_store.h, &q, &hits, &err) != 0)
		fail_msg("%s: %s", query, err.text);
	n = hits.n;
	history_hits_release(&hits);
	return n;
}

static void what_came_along_with_a_question_was_said(void **state)
{
	struct history_part question[] = {
		{.kind = HISTORY_ATTACHMENT,
		 .name = STR_LIT("log"),
		 .text = STR_LIT("pear plum")},
		{.kind = HISTORY_TEXT, .text = STR_LIT("what is plum")}};
	struct history_part result = {.kind = HISTORY_RESULT, .text = STR_LIT("plum fig")};
	struct history_message asked = {.role = HISTORY_USER, .parts = question, .n_parts = 2};
	struct history_message held = {.role = HISTORY_TOOL, .parts = &result, .n_parts = 1};
	unsigned all = HISTORY_IN_SAID | HISTORY_IN_THINKING | HISTORY_IN_TOOLS;
	struct history_tree *t;

	(void)state;
	assert_int_equal(history_tree_new(&t, test_store.h, &err), 0);
	assert_int_equal(history_tree_say(t, &asked, NULL, &err), 0);
	assert_int_equal(history_tree_say(t, &held, NULL, &err), 0);
	history_tree_free(t);
	assert_int_equal(n_found("pear", 0, 0), 1);
	assert_int_equal(n_found("pear", HISTORY_IN_TOOLS, 0), 0);
	assert_int_equal(n_found("pear", all, 0), 1);
	assert_int_equal(n_found("plum", 0, 0), 2);
	/* What is none of its kind takes no place of those asked for. */
	assert_int_equal(n_found("plum", HISTORY_IN_TOOLS, 1), 1);
	assert_int_equal(n_found("pear plum", 0, 1), 1);
	assert_int_equal(n_found("fig", 0, 0), 0);
	assert_int_equal(n_found("plum", all, 0), 3);
}

#define W10 "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 "

static void a_snippet_shows_the_first_hit_and_marks_every_hit_in_it(void **state)
{
	/* [ and ] stand for the marks. */
	static const struct {
		const char *text, *query, *snippet;
	} cases[] = {
		{"apple", "apple", "[apple]"},
		{"one apple, two", "apple", "one [apple], two"},
		{"Apples and ÄPPLE", "äpple", "Apples and [ÄPPLE]"},
		{"Apples and ÄPPLE", "appl*", "[Apples] and [ÄPPLE]"},
		{"a b a b c", "\"a b\"", "[a b] [a b] c"},
		{"a a a", "\"a a\"", "[a a a]"},
		{"a b a b a", "\"a b a\"", "[a b a b a]"},
		{"x cafe creme y", "\"cafe cre\"*", "x [cafe creme] y"},
		{"x cafe y creme", "creme cafe", "x [cafe] y [creme]"},
		{"x cafe y", "cafe -tea", "x [cafe] y"},
		{"深度模型", "度模", "深[度模]型"},
		{"two\n\n  lines\tand \x02marks\x03 of its own", "lines",
		 "two [lines] and marks of its own"},
		{W10 "here " W10 W10, "here",
		 "…w6 w7 w8 w9 w10 [here] w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w1 w2…"},
		{W10 W10 "here", "here",
		 "…w4 w5 w6 w7 w8 w9 w10 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 [here]"},
		{"here " W10 W10, "here",
		 "[here] w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w1 w2 w3 w4 w5 w6 w7…"},
		{"(here)!", "here", "([here])!"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history_hits hits;

		say_text(str_of(cases[i].text));
		search(cases[i].query, &hits);
		assert_true(hits.n > 0);
		for (char *p = hits.items[0].snippet; *p; p++) {
			if (*p == HISTORY_MARK_ON)
				*p = '[';
			else if (*p == HISTORY_MARK_OFF)
				*p = ']';
		}
		if (strcmp(hits.items[0].snippet, cases[i].snippet) != 0)
			fail_msg("%s in %s: %s", cases[i].query, cases[i].text,
				 hits.items[0].snippet);
		history_hits_release(&hits);
		store_release(&test_store);
		store_init(&test_store);
	}
}

static void a_snippet_is_a_short_line_of_clean_text_whatever_was_said(void **state)
{
	static const char *const pieces[] = {"the ",     "\xff", "x",           "-",
					     "\n",       "é",    "\xe2\x80",    "\x02",
					     "\x1b[31m", "深",   "wordwordword"};
	unsigned x = 7;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct history_hits hits;
		struct buf text = {0};
		size_t n = round % 10 ? 50 : 50000;

		for (size_t i = 0; i < n; i++) {
			x = x * 1664525u + 1013904223u;
			buf_addz(&text, pieces[(x >> 16) % (sizeof(pieces) / sizeof(*pieces))]);
		}
		buf_addz(&text, " needle");
		say_text(buf_str(&text));
		search("needle", &hits);
		assert_true(hits.n > 0);
		assert_true(utf8_valid(str_of(hits.items[0].snippet)));
		assert_true(strlen(hits.items[0].snippet) < 3 * 2048);
		assert_null(strpbrk(hits.items[0].snippet, "\n\r\t\x1b"));
		assert_non_null(strstr(hits.items[0].snippet, "\002needle\003"));
		history_hits_release(&hits);
		buf_release(&text);
	}
}

/* Plain words, of which every tenth is "the". */
static void add_english(struct buf *text, size_t n_bytes)
{
	static const char *const words[] = {"the",  "of",    "cat",  "sat",   "on",
					    "mats", "while", "rain", "falls", "softly"};

	for (size_t i = 0; text->len < n_bytes; i++)
		buf_addf(text, "%s ", words[i % (sizeof(words) / sizeof(words[0]))]);
}

static void a_word_that_stands_in_a_text_ten_thousands_of_times_is_found_at_once(void **state)
{
	static const char *const queries[] = {"the", "the of cat", "\"the of\"",
					      "t*",  "the -dog",   "\"softly the\""};
	struct buf text = {0};

	(void)state;
	add_english(&text, 2000000);
	say_text(buf_str(&text));
	buf_release(&text);
	for (size_t i = 0; i < 2 * sizeof(queries) / sizeof(queries[0]); i++) {
		struct history_query q = {.text = str_of(queries[i / 2]), .by_rank = i % 2};
		struct history_hits hits;
		int64_t began = clock_ms();

		assert_int_equal(history_search(test_store.h, &q, &hits, &err), 0);
		assert_int_equal(hits.n, 1);
		/* It took minutes; a hundredth of this is usual. */
		if (clock_ms() - began > 5000)
			fail_msg("%s: %lld ms", queries[i / 2],
				 (long long)(clock_ms() - began));
		history_hits_release(&hits);
	}
}

static void a_bounded_search_gives_what_it_found_in_time(void **state)
{
	struct history_query q = {.text = STR_LIT("needle"), .limit = 5000, .within_ms = 20};
	struct history_hits hits;
	struct buf text = {0};
	int64_t began, took, shortest = INT64_MAX;
	bool was_cut = false;

	(void)state;
	add_english(&text, 300000);
	buf_addz(&text, "needle");
	for (int i = 0; i < 60; i++)
		say_text(buf_str(&text));
	buf_release(&text);
	for (int i = 0; i < 5; i++) {
		began = clock_ms();
		assert_int_equal(history_search(test_store.h, &q, &hits, &err), 0);
		took = clock_ms() - began;
		shortest = took < shortest ? took : shortest;
		was_cut |= hits.cut;
		assert_true(hits.cut || hits.n == 60);
		history_hits_release(&hits);
	}
	/* Way beyond the bound, for a machine that does other things as well. */
	assert_true(shortest < 1000);
	assert_true(was_cut);
	q.bare = true;
	q.within_ms = 0;
	assert_int_equal(history_search(test_store.h, &q, &hits, &err), 0);
	assert_int_equal(hits.n, 60);
	assert_false(hits.cut);
	assert_string_equal(hits.items[0].snippet, "");
	history_hits_release(&hits);
}

/* -- a slow store ---------------------------------------------------------------------- */

static int n_asked;
static bool give_up; /* outlives a test: the store may ask while it is closed */

static bool count(void *ctx)
{
	(void)ctx;
	n_asked++;
	return give_up;
}

/* Another process writes, for longer than anyone waits. */
static sqlite3 *lock(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(test_store.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE; UPDATE part SET seq = seq", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	return db;
}

static struct history_tree *open_tree;
static int64_t conversation;

static int call_say(void)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = STR_LIT("x")};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};

	return history_tree_say(open_tree, &m, NULL, &err);
}

static int call_rename(void)
{
	return history_set_title(test_store.h, conversation, STR_LIT("t"), HISTORY_TITLE_USER,
				 &err);
}

static int call_pin(void)
{
	return history_set_pinned(test_store.h, conversation, true, &err);
}

static int call_archive(void)
{
	return history_set_archived(test_store.h, conversation, true, &err);
}

static int call_go(void)
{
	return history_tree_go(open_tree, history_tree_leaf(open_tree), &err);
}

static int call_begin(void)
{
	struct history_run run = {.model = "m"};
	struct history_answer *a;
	int rc = history_answer_begin(&a, open_tree, &run, NULL, &err);

	history_answer_free(a);
	return rc;
}

static int call_remove(void)
{
	return history_remove(test_store.h, conversation, &err);
}

static int call_gc(void)
{
	return history_gc(test_store.h, &err);
}

static int call_repair(void)
{
	return history_repair(test_store.h, &err);
}

static void whoever_waits_for_another_process_is_heard_meanwhile(void **state)
{
	static int (*const calls[])(void) = {call_say,     call_rename, call_pin,
					     call_archive, call_go,     call_begin,
					     call_remove,  call_gc,     call_repair};
	sqlite3 *db;

	(void)state;
	conversation = store_talk(test_store.h, "question", "t", "a");
	assert_int_equal(history_tree_open(&open_tree, test_store.h, conversation, &err), 0);
	history_set_pulse(test_store.h, count, NULL);
	db = lock();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int64_t began;

		give_up = false;
		n_asked = 0;
		history_set_wait_ms(test_store.h, 200);
		if (calls[i]() != ERR_STORE)
			fail_msg("call %zu: %s", i, err.text);
		if (n_asked < 2)
			fail_msg("call %zu: asked %d times", i, n_asked);
		give_up = true;
		history_set_wait_ms(test_store.h, 60000);
		began = clock_ms();
		if (calls[i]() != ERR_CANCELLED)
			fail_msg("call %zu: %s", i, err.text);
		assert_true(clock_ms() - began < 30000);
	}
	sqlite3_close(db);
	give_up = false;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i]() != 0)
			fail_msg("call %zu: %s", i, err.text);
	}
	history_tree_free(open_tree);
	history_set_pulse(test_store.h, NULL, NULL);
	store_assert_sound(test_store.h);
}

static void whoever_has_much_to_do_is_heard_meanwhile(void **state)
{
	struct history_query q = {.text = STR_LIT("needle"), .limit = 5000};
	struct history_hits hits;
	struct buf text = {0}, problems = {0};
	size_t n;

	(void)state;
	add_english(&text, 300000);
	buf_addz(&text, "needle");
	for (int i = 0; i < 60; i++)
		say_text(buf_str(&text));
	buf_release(&text);
	history_set_pulse(test_store.h, count, NULL);
	n_asked = 0;
	assert_int_equal(history_search(test_store.h, &q, &hits, &err), 0);
	assert_int_equal(hits.n, 60);
	history_hits_release(&hits);
	assert_true(n_asked > 3);
	n_asked = 0;
	assert_int_equal(history_gc(test_store.h, &err), 0);
	assert_true(n_asked > 0);
	give_up = true;
	assert_int_equal(history_search(test_store.h, &q, &hits, &err), ERR_CANCELLED);
	assert_int_equal(hits.n, 0);
	assert_int_equal(history_verify(test_store.h, &problems, &n, &err), ERR_CANCELLED);
	assert_int_equal(history_gc(test_store.h, &err), ERR_CANCELLED);
	give_up = false;
	assert_int_equal(history_search(test_store.h, &q, &hits, &err), 0);
	assert_int_equal(hits.n, 60);
	history_hits_release(&hits);
	store_assert_sound(test_store.h);
	buf_release(&problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, store_set_up, store_tear_down)
		T(a_snippet_shows_the_first_hit_and_marks_every_hit_in_it),
		T(a_snippet_is_a_short_line_of_clean_text_whatever_was_said),
		T(what_came_along_with_a_question_was_said),
		T(a_word_that_stands_in_a_text_ten_thousands_of_times_is_found_at_once),
		T(a_bounded_search_gives_what_it_found_in_time),
		T(whoever_waits_for_another_process_is_heard_meanwhile),
		T(whoever_has_much_to_do_is_heard_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
