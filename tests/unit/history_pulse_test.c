/*
 * A slow disk, under every call of history.h: whoever waits for the call is asked all the time,
 * and is obeyed, however far it has come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "engine/base/file.h"
#include "tests/support/badvfs.h"
#include "tests/support/store.h"

/* Each disk call takes so long, and that many are made between two questions at most: 50 ms. */
#define SLOW_MS 12
#define BETWEEN 4
/* What was begun is undone, and no more, before a call that was given up returns. */
#define UNDOING 24
/* Of what takes long, so many are tried but one. */
#define PLACES 4

static struct store s;
static struct err err;
static struct history_tree *tree;
static struct history_answer *answer;
static int64_t conversation, other, another;
static struct buf exported;
static const struct history_message *called; /* an answer with calls */
static int64_t call_id, edit_id;
static char call_ref[16]; /* of call_id */

struct watch {
	bool give_up;
	long after;                             /* … at the question behind so many */
	long n_asked, at, longest, given_up_at; /* in disk calls */
};

static struct watch *watch; /* of the present call */

static bool ask(void *ctx)
{
	struct watch *w = ctx;
	long since = badvfs->n_calls - w->at;

	w->n_asked++;
	w->longest = since > w->longest ? since : w->longest;
	w->at = badvfs->n_calls;
	if (!w->give_up || w->n_asked <= w->after)
		return false;
	if (!w->given_up_at)
		w->given_up_at = badvfs->n_calls;
	return true;
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

static int begin(struct history_answer **out)
{
	struct history_run run = {.model = "m"};

	return history_answer_begin(out, tree, &run, NULL, &err);
}

static int call_behind(void)
{
	bool behind;

	return history_tree_behind(tree, &behind, &err);
}

static int call_begin(void)
{
	return begin(&answer);
}

static int call_flush(void)
{
	history_answer_say(answer, HISTORY_TEXT, STR_LIT("another answer"));
	usleep((HISTORY_JOURNAL_MS + 10) * 1000);
	return history_answer_flush(answer, &err);
}

static int call_commit(void)
{
	struct history_run run = {.stop = "stop"};
	int rc = history_answer_commit(answer, &run, NULL, &err);

	if (!rc)
		answer = NULL;
	return rc;
}

static int call_drop(void)
{
	int rc = answer ? 0 : begin(&answer);

	if (!rc)
		rc = history_answer_drop(answer, &err);
	if (!rc)
		answer = NULL;
	return rc;
}

/* A large one is one step. */
static int call_say_much(void)
{
	static char text[1 << 16];
	struct history_part part = {.kind = HISTORY_RESULT, .text = {text, sizeof(text)}};
	struct history_message m = {.role = HISTORY_TOOL, .parts = &part, .n_parts = 1};

	memset(text, 'x', sizeof(text));
	return history_tree_say(tree, &m, NULL, &err);
}

/* Another call of the answer each time. */
static struct history_call next_call(void)
{
	static char ref[16];
	static int n;

	snprintf(ref, sizeof(ref), "%d", n++);
	return (struct history_call){
		.answer = called->id,
		.ref = str_of(ref),
		.state = HISTORY_CALL_OK,
		.exit = -1,
	};
}

static int call_call_begin(void)
{
	struct history_call c = next_call();

	int rc = history_call_begin(tree, &c, &call_id, &err);

	if (!rc)
		snprintf(call_ref, sizeof(call_ref), "%.*s", (int)c.ref.n, c.ref.p);
	return rc;
}

static int call_call_say(void)
{
	struct history_call c = next_call();
	struct history_part part = {.kind = HISTORY_RESULT, .text = STR_LIT("result")};
	struct history_message m = {.role = HISTORY_TOOL, .parts = &part, .n_parts = 1};

	return history_call_say(tree, &m, &c, NULL, &err);
}

static int call_call_find(void)
{
	enum history_call_begun b;

	return history_call_find(s.h, called->id, STR_LIT("0"), &b, &err);
}

static int call_edit_plan(void)
{
	struct history_edit e = {.call = call_id, .existed = true, .before = STR_LIT("held")};
	int64_t id = 0;
	size_t n;
	int rc = history_edit_plan(s.h, &e, &id, &n, &err);

	edit_id = rc ? edit_id : id;
	return rc;
}

static int call_edit_settle(void)
{
	return history_edit_settle(s.h, edit_id, HISTORY_EDIT_APPLIED, &err);
}

static int call_edits(void)
{
	struct history_edits edits;
	int rc = history_edits(s.h, conversation, &edits, &err);

	history_edits_release(&edits);
	return rc;
}

static int call_edit_before(void)
{
	struct buf bytes = {0};
	int rc = history_edit_before(s.h, edit_id, &bytes, &err);

	buf_release(&bytes);
	return rc;
}

static int call_edit_sides(void)
{
	struct history_edit_sides sides;
	int rc = history_edit_sides(s.h, called->id, str_of(call_ref), 1 << 20, &sides, &err);

	history_edit_sides_release(&sides);
	return rc;
}

static int call_edits_step(void)
{
	const struct history_edit_step back = {edit_id, HISTORY_EDIT_UNDONE, STR_LIT("then"),
					       true};

	return history_edits_step(s.h, &back, 1, &err);
}

static int call_edit_after(void)
{
	struct buf bytes = {0};
	int rc = history_edit_after(s.h, edit_id, &bytes, &err);

	buf_release(&bytes);
	return rc;
}

static int call_edits_told(void)
{
	return history_edits_told(s.h, conversation, &err);
}

static int call_fork(void)
{
	struct history_tree *t = NULL;
	struct history_part part = {.kind = HISTORY_TEXT, .text = STR_LIT("elsewhere")};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};
	int rc = history_tree_fork(&t, tree, NULL, &err);

	if (!rc)
		rc = history_tree_say(t, &m, NULL, &err);
	history_tree_free(t);
	return rc;
}

static int call_title(void)
{
	return history_set_title(s.h, conversation, STR_LIT("a name"), HISTORY_TITLE_USER,
				 &err);
}

static int call_keep(void)
{
	struct history_tree *t = NULL;
	int rc = history_tree_fork(&t, tree, NULL, &err);

	if (!rc)
		rc = history_tree_keep(t, STR_LIT("fork"), HISTORY_TITLE_USER, &err);
	history_tree_free(t);
	return rc;
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

static int call_remove(void)
{
	int rc = history_remove(s.h, another, &err);

	/* It may be gone, and its bytes not yet. */
	return rc == ERR_USAGE ? history_gc(s.h, &err) : rc;
}

static int call_gc(void)
{
	return history_gc(s.h, &err);
}

static int call_verify(void)
{
	struct buf problems = {0};
	size_t n;
	int rc = history_verify(s.h, &problems, &n, &err);

	if (!rc && n)
		fail_msg("%s", buf_z(&problems));
	buf_release(&problems);
	return rc;
}

static int call_repair(void)
{
	return history_repair(s.h, &err);
}

static int call_backup(void)
{
	const char *path = tmpdir_file(&s.dir, "backup.db");
	int rc;

	unlink(path);
	rc = history_backup(s.h, path, &err);
	assert_int_equal(access(path, F_OK), rc ? -1 : 0);
	return rc;
}

static int call_export(void)
{
	int rc;

	buf_reset(&exported);
	rc = history_export(s.h, conversation, HISTORY_JSONL, &exported, &err);
	if (rc)
		assert_int_equal(exported.len, 0);
	return rc;
}

/* What was exported, as another conversation. */
static int call_import(void)
{
	struct history_import *in = NULL;
	const char *at = buf_z(&exported), *nl;
	struct buf line = {0};
	int rc = history_import_begin(&in, s.h, &err);

	for (; !rc && (nl = strchr(at, '\n')) != NULL; at = nl + 1) {
		char *name;

		buf_reset(&line);
		buf_add(&line, at, (size_t)(nl - at));
		name = strstr(buf_z(&line), "\"id\": \"");
		if (name)
			memcpy(name + 7, "another0nex", 10);
		rc = history_import_line(in, buf_str(&line), &err);
	}
	rc = rc ? (history_import_end(in, NULL, NULL), rc) : history_import_end(in, NULL, &err);
	buf_release(&line);
	return rc;
}

/* In an order in which each finds what it needs. */
static const struct {
	const char *name; /* of the functions of history.h that it calls */
	int (*call)(void);
} calls[] = {
	{"history_set_title", call_title},
	{"history_open_watched history_close", call_open},
	{"history_recover", call_recover},
	{"history_list", call_list},
	{"history_get", call_get},
	{"history_find", call_find},
	{"history_last", call_last},
	{"history_search", call_search},
	{"history_tree_open", call_load},
	{"history_tree_say", call_say},
	{"history_tree_say", call_say_much},
	{"history_tree_go", call_go},
	{"history_tree_behind", call_behind},
	{"history_answer_begin", call_begin},
	{"history_answer_flush", call_flush},
	{"history_answer_commit", call_commit},
	{"history_answer_drop", call_drop},
	{"history_call_begin", call_call_begin},
	{"history_call_say", call_call_say},
	{"history_call_find", call_call_find},
	{"history_edit_plan", call_edit_plan},
	{"history_edit_settle", call_edit_settle},
	{"history_edits", call_edits},
	{"history_edit_before", call_edit_before},
	{"history_edit_sides", call_edit_sides},
	{"history_edits_step", call_edits_step},
	{"history_edit_after", call_edit_after},
	{"history_edits_told", call_edits_told},
	{"history_tree_fork", call_fork},
	{"history_tree_keep", call_keep},
	{"history_set_pinned", call_pin},
	{"history_set_archived", call_archive},
	{"history_export", call_export},
	{"history_import_begin history_import_line history_import_end", call_import},
	{"history_verify", call_verify},
	{"history_backup", call_backup},
	{"history_forget", call_forget},
	{"history_tidy", call_tidy},
	{"history_remove", call_remove},
	{"history_repair", call_repair},
	{"history_gc", call_gc},
};

/*
 * These reach no file, but for the first two, which nobody can ask to give up: verbs open so,
 * and a signal ends them.
 */
static const char *const at_once[] = {
	"history_open",
	"history_open_to_read",
	"history_path",
	"history_set_wait_ms",
	"history_set_pulse",
	"history_pulse_fn",
	"history_list_release",
	"history_message_add_text",
	"history_message_unfinished",
	"history_tree_new",
	"history_tree_free",
	"history_tree_conversation",
	"history_tree_uid",
	"history_tree_leaf",
	"history_tree_find",
	"history_tree_each",
	"history_tree_path",
	"history_tree_siblings",
	"history_tree_sibling",
	"history_tree_rewind",
	"history_answer_say",
	"history_answer_info",
	"history_answer_call_begin",
	"history_answer_call_end",
	"history_answer_call_bad",
	"history_answer_call_ended",
	"history_answer_tokens",
	"history_answer_due_ms",
	"history_answer_free",
	"history_hits_release",
	"history_edits_release",
	"history_edit_sides_release",
	"history_call_state_name",
	"history_call_state_from_name",
	"history_clean_title",
	"history_may_write",
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

static int setup(void **state)
{
	char text[200];

	(void)state;
	badvfs_install();
	store_init(&s);
	conversation = store_talk(s.h, "question", "thought", "answer");
	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), "question %d of many words that fill a page", i);
		another = other;
		other = store_talk(s.h, text, "thought", "answer");
	}
	assert_int_equal(history_tree_open(&tree, s.h, conversation, &err), 0);
	called = history_tree_leaf(tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	badvfs->slow_ms = 0;
	history_answer_free(answer);
	answer = NULL;
	history_tree_free(tree);
	buf_release(&exported);
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

/* Given up at that question, or done before it could be; then it works as ever. */
static bool give_up(size_t i, long after)
{
	struct watch w = {.give_up = true, .after = after};
	int rc = run(i, &w);
	long undoing = w.given_up_at ? badvfs->n_calls - w.given_up_at : 0;

	if (rc && rc != ERR_CANCELLED)
		fail_msg("%s: %s", calls[i].name, err.text);
	if (undoing > UNDOING)
		fail_msg("%s: %ld disk calls after it was given up at the question behind %ld",
			 calls[i].name, undoing, after);
	return rc != 0;
}

static void on_a_slow_disk_every_call_can_be_given_up(void **state)
{
	struct watch patient = {0};
	size_t n_given_up = 0;

	(void)state;
	for (size_t i = 0; i < N_CALLS; i++) {
		if (!give_up(i, 0))
			continue;
		n_given_up++;
		watch = &patient;
		if (calls[i].call())
			fail_msg("%s, again: %s", calls[i].name, err.text);
	}
	assert_true(n_given_up >= 15);
	store_assert_sound(s.h);
}

/* However far it is: at every so many questions of those that it asks. */
static void what_takes_long_can_be_given_up_at_any_time(void **state)
{
	static int (*const long_ones[])(void) = {call_say_much, call_backup, call_repair,
						 call_gc};

	(void)state;
	for (size_t k = 0; k < sizeof(long_ones) / sizeof(long_ones[0]); k++) {
		struct watch whole = {0};
		long n_given_up = 0;
		size_t i = 0;

		while (calls[i].call != long_ones[k])
			i++;
		assert_int_equal(run(i, &whole), 0);
		for (int at = 1; at < PLACES; at++)
			n_given_up += give_up(i, whole.n_asked * at / PLACES);
		/* What was said is kept where only its search is left to do. */
		if (n_given_up < PLACES - 2)
			fail_msg("%s: given up at %ld of %d places", calls[i].name, n_given_up,
				 PLACES - 1);
		/* Half done is noted in the file, and finished. */
		assert_int_equal(calls[i].call(), 0);
		store_assert_sound(s.h);
	}
}

/* Whoever closes the file last copies its log, which stays for the next one who opens it. */
static void the_last_to_close_can_be_given_up(void **state)
{
	struct watch w = {.give_up = true, .after = 10};
	long undoing;

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(call_say_much(), 0);
	history_tree_free(tree);
	tree = NULL;
	history_set_pulse(s.h, ask, &w);
	badvfs->slow_ms = SLOW_MS;
	history_close(s.h);
	badvfs->slow_ms = 0;
	s.h = NULL;
	undoing = badvfs->n_calls - w.given_up_at;
	assert_true(w.given_up_at > 0);
	if (undoing > UNDOING)
		fail_msg("%ld disk calls after it was given up", undoing);
	assert_int_equal(history_open(&s.h, s.path, &err), 0);
	store_assert_sound(s.h);
}

static bool is_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < N_CALLS; i++)
		if (is_word(calls[i].name, name))
			return true;
	for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]); i++)
		if (strcmp(at_once[i], name) == 0)
			return true;
	return false;
}

/* Whoever adds a call says here whether it takes time. */
static void every_call_of_the_header_is_among_these(void **state)
{
	struct buf header = {0};
	size_t n_seen = 0;
	const char *at, *end;

	(void)state;
	assert_int_equal(file_read(&header, "history/history.h", 1 << 20, &err), 0);
	for (at = buf_z(&header); (at = strstr(at, "history_")) != NULL; at = end) {
		char name[64];

		for (end = at; isalnum((unsigned char)*end) || *end == '_'; end++)
			;
		if (*end != '(')
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(end - at), at);
		n_seen++;
		if (!is_known(name))
			fail_msg("%s is not tried on a slow disk", name);
	}
	assert_true(n_seen >= N_CALLS + sizeof(at_once) / sizeof(at_once[0]) - 3);
	buf_release(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(on_a_slow_disk_every_call_asks_within_50_ms,
						setup, teardown),
		cmocka_unit_test_setup_teardown(on_a_slow_disk_every_call_can_be_given_up,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_takes_long_can_be_given_up_at_any_time,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_to_close_can_be_given_up, setup,
						teardown),
		cmocka_unit_test(every_call_of_the_header_is_among_these),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
