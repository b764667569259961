/*
 * Real processes on real files, killed at random instants: nothing that was said to be kept
 * is lost, and of an answer in progress at most what the last two journal intervals brought.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/tmpdir.h"

/* What the child reports, in memory that outlives it. */
struct report {
	int64_t conversation;
	_Atomic int64_t kept;    /* the newest message that a call said is kept */
	_Atomic int64_t flushed; /* ids of the answer in progress that a flush said are kept */
	_Atomic bool answering;
	_Atomic int64_t removed; /* the newest conversation that a call said is gone */
	_Atomic bool unsaid; /* what is to be removed was begun, and no call said it is kept */
	_Atomic int failed;
};

static struct report *report;
static unsigned chance;

static unsigned pick(unsigned n)
{
	chance = chance * 1664525u + 1013904223u;
	return (chance >> 8) % n;
}

static void say(struct history_tree *t, const char *text)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = str_of(text)};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};
	const struct history_message *said;
	struct err err;

	if (history_tree_say(t, &m, &said, &err))
		report->failed = 1;
	else if (history_tree_conversation(t) == report->conversation)
		report->kept = said->id;
}

static void answer(struct history_tree *t)
{
	struct history_run run = {.model = "m", .stop = "stop"};
	const struct history_message *said;
	struct history_answer *a;
	struct err err;

	if (history_answer_begin(&a, t, &run, NULL, &err)) {
		report->failed = 2;
		return;
	}
	report->flushed = 0;
	report->answering = true;
	for (int32_t i = 0; i < 30; i++) {
		history_answer_tokens(a, &i, 1);
		history_answer_say(a, HISTORY_TEXT, STR_LIT("word "));
		if (i % 3 == 2) {
			if (history_answer_flush(a, &err))
				report->failed = 3;
			report->flushed = i + 1;
		}
	}
	if (history_answer_commit(a, &run, &said, &err)) {
		report->failed = 4;
		return;
	}
	report->answering = false;
	report->kept = said->id;
}

static void remove_something(struct history *h)
{
	struct history_tree *t;
	struct err err;
	int64_t id;

	if (history_tree_new(&t, h, &err))
		return;
	report->unsaid = true;
	say(t, "vanishingword");
	report->unsaid = false;
	id = history_tree_conversation(t);
	history_tree_free(t);
	if (history_remove(h, id, &err) == 0)
		report->removed = id;
	else
		report->failed = 5;
}

/* Opens (which migrates the first time), and then does what users do until it is killed. */
static void live(const char *path)
{
	struct history *h;
	struct history_tree *t;
	struct buf out = {0};
	struct err err;

	if (history_open(&h, path, &err) ||
	    history_tree_open(&t, h, report->conversation, &err)) {
		report->failed = 6;
		return;
	}
	for (;;) {
		say(t, "a question");
		switch (pick(6)) {
		case 0:
			history_set_title(h, report->conversation, STR_LIT("New title"),
					  HISTORY_TITLE_MODEL, &err);
			break;
		case 1:
			buf_reset(&out);
			history_export(h, report->conversation, HISTORY_JSONL, &out, &err);
			break;
		case 2:
			remove_something(h);
			break;
		default:
			answer(t);
		}
	}
}

/* A backup that the kill cut short is made anew or gone. */
static void check_no_half_backup(const char *path, const char *at)
{
	static const char *const ends[] = {".tmp", ".tmp-journal", ".tmp-wal", ".tmp-shm"};
	char name[400];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s.v1.bak%s", path, ends[i]);
		if (access(name, F_OK) == 0)
			fail_msg("%s: %s is there", at, name);
	}
}

static bool stands_in(const char *path, const char *bytes)
{
	struct buf all = {0};
	struct err err;
	bool found;

	if (access(path, F_OK) != 0)
		return false;
	assert_int_equal(file_read(&all, path, (size_t)1 << 30, &err), 0);
	found = all.len && memmem(all.data, all.len, bytes, strlen(bytes));
	buf_release(&all);
	return found;
}

/*
 * Once a removal has happened, told or not, not a byte stays beyond the next start.  What a
 * kill kept from being said was not removed: the log may have it, in a transaction without an
 * end, until a removal empties it.
 */
static void check_nothing_stays(struct history *h, const char *path, const char *at)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".v1.bak"};
	struct history_query q = {.text = STR_LIT("vanishingword")};
	struct history_hits hits;
	struct err err;
	char name[400];
	bool there;

	assert_int_equal(history_search(h, &q, &hits, &err), 0);
	there = hits.n > 0 || report->unsaid;
	history_hits_release(&hits);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && !there; i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		if (stands_in(name, "anishingword"))
			fail_msg("%s: removed, but it stands in %s", at, name);
	}
}

static void check(const char *path, const char *at)
{
	struct history_list recovered = {0}, gone = {0};
	struct buf problems = {0};
	struct history_tree *t = NULL;
	struct history *h = NULL;
	struct err err = {0};
	const struct history_message *leaf;
	size_t n;

	if (history_open(&h, path, &err))
		fail_msg("%s: %s", at, err.text);
	check_no_half_backup(path, at);
	if (history_recover(h, &recovered, &err))
		fail_msg("%s: %s", at, err.text);
	if (history_verify(h, &problems, &n, &err) || n)
		fail_msg("%s: %s%s", at, buf_z(&problems), err.text);
	assert_int_equal(history_tree_open(&t, h, report->conversation, &err), 0);
	if (report->kept && !history_tree_find(t, report->kept))
		fail_msg("%s: message %lld was kept and is not there", at,
			 (long long)report->kept);
	leaf = history_tree_leaf(t);
	/* The commit may have been done and not yet reported: then the leaf has it all. */
	if (report->answering && report->flushed &&
	    (leaf->role != HISTORY_ASSISTANT || (int64_t)leaf->n_ids < report->flushed))
		fail_msg("%s: %lld ids were journalled, %zu are there", at,
			 (long long)report->flushed, leaf->n_ids);
	if (report->removed) {
		assert_int_equal(history_get(h, report->removed, &gone, &err), 0);
		assert_int_equal(gone.n, 0);
	}
	check_nothing_stays(h, path, at);
	history_list_release(&recovered);
	history_tree_free(t);
	history_close(h);
	buf_release(&problems);
}

static void begin_anew(const struct tmpdir *dir, char *path, size_t cap)
{
	snprintf(path, cap, "%s/history_v1.db", dir->path);
	for (size_t i = 0; i < 4; i++) {
		static const char *const ends[] = {"", "-wal", "-shm", ".v1.bak"};
		char name[400];

		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	tmpdir_copy(dir, "tests/fixtures/history_v1.db");
	*report = (struct report){.conversation = 1};
}

static void no_kill_loses_what_was_kept(void **state)
{
	const char *wanted = getenv("DSV4CHAT_KILLS");
	int n = wanted ? atoi(wanted) : getenv("DSV4CHAT_SLOW") ? 300 : 20;
	struct tmpdir dir;
	char path[300], at[64];

	(void)state;
	chance = (unsigned)time(NULL);
	tmpdir_init(&dir);
	begin_anew(&dir, path, sizeof(path));
	for (int i = 0; i < n; i++) {
		struct timespec rest = {0, (long)pick(90) * 1000000L};
		unsigned seed = chance;
		pid_t child;
		int status;

		/* Every few kills from an old file again, to meet migrations too. */
		if (i % 5 == 0) {
			begin_anew(&dir, path, sizeof(path));
			rest.tv_nsec /= 3;
		}
		report->answering = false;
		report->flushed = 0;
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			live(path);
			_exit(1);
		}
		nanosleep(&rest, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		snprintf(at, sizeof(at), "kill %d, chance %u", i, seed);
		if (report->failed)
			fail_msg("%s: call %d failed", at, report->failed);
		check(path, at);
	}
	tmpdir_release(&dir);
}

static void several_processes_make_or_migrate_the_same_file(void **state)
{
	int rounds = getenv("DSV4CHAT_SLOW") ? 200 : 30;

	(void)state;
	for (int i = 0; i < rounds; i++) {
		struct tmpdir dir;
		char path[300];
		pid_t children[3];
		int status, failed = 0;

		tmpdir_init(&dir);
		snprintf(path, sizeof(path), "%s/history_v1.db", dir.path);
		if (i % 2)
			tmpdir_copy(&dir, "tests/fixtures/history_v1.db");
		for (int k = 0; k < 3; k++) {
			children[k] = fork();
			assert_true(children[k] >= 0);
			if (children[k] == 0) {
				struct history *h;
				struct err err;

				if (history_open(&h, path, &err)) {
					fprintf(stderr, "%s\n", err.text);
					_exit(1);
				}
				history_close(h);
				_exit(0);
			}
		}
		for (int k = 0; k < 3; k++) {
			assert_int_equal(waitpid(children[k], &status, 0), children[k]);
			failed += status != 0;
		}
		assert_int_equal(failed, 0);
		tmpdir_release(&dir);
	}
}

static void two_processes_write_at_once(void **state)
{
	int seconds = getenv("DSV4CHAT_SLOW") ? 60 : 2;
	struct tmpdir dir;
	char path[300];
	pid_t children[2];
	struct history *h;
	struct history_list list;
	struct buf problems = {0};
	struct err err;
	size_t n;

	(void)state;
	*report = (struct report){0};
	tmpdir_init(&dir);
	snprintf(path, sizeof(path), "%s/history.db", dir.path);
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			struct history_tree *t;
			time_t end;
			int rounds = 0;

			if (history_open(&h, path, &err) || history_tree_new(&t, h, &err)) {
				fprintf(stderr, "%s\n", err.text);
				_exit(10);
			}
			end = time(NULL) + seconds;
			/* On a busy machine one may be through before the other begins. */
			while (rounds++ < 3 || time(NULL) < end) {
				say(t, "question");
				answer(t);
				if (report->failed)
					_exit(report->failed);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 2; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_int_equal(history_open(&h, path, &err), 0);
	assert_int_equal(history_verify(h, &problems, &n, &err), 0);
	if (n)
		fail_msg("%s", buf_z(&problems));
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 2);
	assert_true(list.items[0].n_messages > 2 && list.items[1].n_messages > 2);
	history_list_release(&list);
	history_close(h);
	buf_release(&problems);
	tmpdir_release(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_kill_loses_what_was_kept),
		cmocka_unit_test(several_processes_make_or_migrate_the_same_file),
		cmocka_unit_test(two_processes_write_at_once),
	};

	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (report == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
