/*
 * A slow disk, under every call that a chat makes: whoever waits for the call is asked all the
 * time, and is obeyed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/support/badvfs.h"
#include "tests/support/store.h"

/* Each disk call takes so long, and that many are made between two questions at most: 50 ms. */
#define SLOW_MS  15
#define BETWEEN  3
/* What was begun is undone, and no more, before a call that was given up returns. */
#define UNDOING 60

static struct store s;
static struct err err;
static struct history_tree *tree;
static struct history_answer *answer;
static int64_t conversation, other;

struct watch {
	bool give_up;
	long n_asked, at, longest; /* in disk calls */
};

static struct watch *watch; /* of the present call */

static bool ask(void *ctx)
{
	struct watch *w = ctx;
	long since = badvfs->n_calls - w->at;

	w->n_asked++;
	w->longest = since > w->longest ? since : w->longest;
	w->at = badvfs->n_calls;
	return w->give_up;
}

static int call_open(void)
{
	struct history *h = NULL;
	int rc = history_open_watched(&h, s.path, ask, watch, &err);

	history_close(h);
	return rc;
}

static int call_recover(void)
{
	struct history_list list = {0};
	int rc = history_recover(s.h, &list, &err);

	history_list_release(&list);
	return rc;
}

static int call_list(void)
{
	struct history_list list = {0};
	int rc = history_list(s.h, HISTORY_ALL, 0, &list, &err);

	history_list_release(&list);
	return rc;
}

static int call_get(void)
{
	struct history_list list = {0};
	int rc = history_get(s.h, conversation, &list, &err);

	history_list_release(&list);
	return rc;
}

static int call_find(void)
{
	int64_t id;

	return history_find(s.h, "a name", &id, &err);
}

static int call_last(void)
{
	int64_t id;

	return history_last(s.h, &id, &err);
}

static int call_search(void)
{
	struct history_query q = {.text = STR_LIT("question")};
	struct history_hits hits = {0};
	int rc = history_search(s.h, &q, &hits, &err);

	history_hits_release(&hits);
	return rc;
}

static int call_load(void)
{
	struct history_tree *t = NULL;
	int rc = history_tree_open(&t, s.h, conversation, &err);

	history_tree_free(t);
	return rc;
}

static int call_say(void)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = STR_LIT("another question")};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};

	return history_tree_say(tree, &m, NULL, &err);
}

static int call_go(void)
{
	return history_tree_go(tree, history_tree_leaf(tree), &err);
}

static int call_begin(void)
{
	struct history_run run = {.model = "m"};

	return history_answer_begin(&answer, tree, &run, NULL, &err);
}

static int call_commit(void)
{
	struct history_run run = {.stop = "stop"};
	int rc;

	history_answer_say(answer, HISTORY_TEXT, STR_LIT("another answer"));
	rc = history_answer_commit(answer, &run, NULL, &err);
	if (!rc)
		answer = NULL;
	return rc;
}

static int call_title(void)
{
	return history_set_title(s.h, conversation, STR_LIT("a name"), HISTORY_TITLE_USER,
				 &err);
}

static int call_pin(void)
{
	return history_set_pinned(s.h, conversation, true, &err);
}

static int call_archive(void)
{
	return history_set_archived(s.h, conversation, true, &err);
}

static int call_forget(void)
{
	return history_forget(s.h, other, &err);
}

static int call_tidy(void)
{
	return history_tidy(s.h, &err);
}

/* In an order in which each finds what it needs. */
static const struct {
	const char *name;
	int (*call)(void);
} calls[] = {
	{"title", call_title},	   {"open", call_open},	    {"recover", call_recover},
	{"list", call_list},	   {"get", call_get},	    {"find", call_find},
	{"last", call_last},	   {"search", call_search}, {"load", call_load},
	{"say", call_say},	   {"go", call_go},	    {"begin", call_begin},
	{"commit", call_commit},   {"pin", call_pin},	    {"archive", call_archive},
	{"forget", call_forget},   {"tidy", call_tidy},
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

static int setup(void **state)
{
	char text[200];

	(void)state;
	badvfs_install();
	store_init(&s);
	conversation = store_talk(s.h, "question", "thought", "answer");
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "question %d of many words that fill a page", i);
		other = store_talk(s.h, text, "thought", "answer");
	}
	assert_int_equal(history_tree_open(&tree, s.h, conversation, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	badvfs->slow_ms = 0;
	history_answer_free(answer);
	answer = NULL;
	history_tree_free(tree);
	store_release(&s);
	badvfs_uninstall();
	return 0;
}

/* A call as on a bad day; what was in SQLite's memory is read again. */
static int run(size_t i, struct watch *w)
{
	long began;
	int rc;

	history_set_pulse(s.h, ask, w);
	watch = w;
	sqlite3_release_memory(1 << 30);
	badvfs->slow_ms = SLOW_MS;
	began = w->at = badvfs->n_calls;
	rc = calls[i].call();
	badvfs->slow_ms = 0;
	if (badvfs->n_calls - w->at > w->longest)
		w->longest = badvfs->n_calls - w->at;
	if (badvfs->n_calls - began > BETWEEN && !w->n_asked)
		fail_msg("%s: not asked in %ld disk calls", calls[i].name,
			 badvfs->n_calls - began);
	history_set_pulse(s.h, NULL, NULL);
	return rc;
}

static void on_a_slow_disk_every_call_asks_within_50_ms(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CALLS; i++) {
		struct watch w = {0};
		int rc = run(i, &w);

		if (rc)
			fail_msg("%s: %s", calls[i].name, err.text);
		if (w.longest > BETWEEN)
			fail_msg("%s: %ld disk calls without a question", calls[i].name,
				 w.longest);
	}
	store_assert_sound(s.h);
}

/* Given up at the first question, or done before it could be; then it works as ever. */
static void on_a_slow_disk_every_call_can_be_given_up(void **state)
{
	size_t n_given_up = 0;

	(void)state;
	for (size_t i = 0; i < N_CALLS; i++) {
		struct watch w = {.give_up = true};
		long before = badvfs->n_calls;
		int rc = run(i, &w);

		if (rc && rc != ERR_CANCELLED)
			fail_msg("%s: %s", calls[i].name, err.text);
		if (badvfs->n_calls - before > UNDOING)
			fail_msg("%s: %ld disk calls after it was given up", calls[i].name,
				 badvfs->n_calls - before);
		n_given_up += rc == ERR_CANCELLED;
		w.give_up = false;
		if (rc && calls[i].call())
			fail_msg("%s, again: %s", calls[i].name, err.text);
	}
	assert_true(n_given_up >= 5);
	store_assert_sound(s.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(on_a_slow_disk_every_call_asks_within_50_ms,
						setup, teardown),
		cmocka_unit_test_setup_teardown(on_a_slow_disk_every_call_can_be_given_up,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
