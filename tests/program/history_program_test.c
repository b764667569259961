/* The program and its history: kept, gone on with, killed, lost, removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

/* Sixty words, `ms` a character; and once more for every other question. */
static void write_script(const char *name, int ms)
{
	struct buf script = {0};

	buf_addf(&script,
		 "{\"turn\": {\"again\": true}}\n"
		 "{\"thinking\": \"Let me count.\", \"chunk\": 1, \"delay_ms\": %d}\n"
		 "{\"text\": \"",
		 ms);
	for (int i = 0; i < 60; i++)
		buf_addf(&script, "%sw%d", i ? " " : "", i);
	buf_addf(&script, "\", \"chunk\": 1, \"delay_ms\": %d}\n{\"done\": {}}\n", ms);
	tmpdir_write_text(&test_dir, name, buf_z(&script));
	buf_release(&script);
}

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&test_dir);
	setenv("XDG_DATA_HOME", tmpdir_file(&test_dir, "data"), 1);
	setenv("XDG_STATE_HOME", tmpdir_file(&test_dir, "state"), 1);
	write_script("script.jsonl", 3);
	write_script("quick.jsonl", 0);
	return 0;
}

static int run(struct program_run *r, const char *const *words)
{
	program_run(r, words, (struct str){0}, 20);
	return r->status;
}

static void expect(const char *const *words, int status, const char *out)
{
	struct program_run r = {0};

	if (run(&r, words) != status)
		fail_msg("%s %s: status %d: %s", words[0], words[1], r.status, buf_z(&r.err));
	if (!strstr(buf_z(&r.out), out))
		fail_msg("%s %s: \"%s\", expected \"%s\"", words[0], words[1], buf_z(&r.out),
			 out);
	program_run_release(&r);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_WORDS   ((const char *const[]){NULL})

struct step {
	const char *shown; /* what it waits for */
	const char *typed; /* … and types once it asks; NULL: the signal */
};

/* Line mode on a terminal, ended by the signal after the last step. */
static void chat(const char *const *options, const struct step *steps, int signo)
{
	const char *args[12] = {program_path(), "--plain", "--engine-script",
				tmpdir_file(&test_dir, "script.jsonl")};
	time_t end = time(NULL) + 30;
	struct buf seen = {0};
	size_t at = 0;
	int fd, status;
	pid_t pid;

	for (size_t n = 4; *options; options++)
		args[n++] = *options;
	pid = forkpty(&fd, NULL, NULL, NULL);
	assert_true(pid >= 0);
	if (pid == 0) {
		execv(args[0], (char *const *)(uintptr_t)args);
		_exit(127);
	}
	for (bool more = true; more;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		const char *shown = strstr(buf_z(&seen) + at, steps->shown);
		char bytes[4096];
		ssize_t n;

		if (shown && !steps->typed)
			break;
		if (shown && (shown = strstr(shown, "> "))) {
			at = (size_t)(shown - buf_z(&seen)) + 2;
			n = (ssize_t)strlen(steps->typed);
			assert_int_equal(write(fd, steps->typed, (size_t)n), n);
			steps++;
			continue;
		}
		n = poll(&p, 1, 100) > 0 ? read(fd, bytes, sizeof(bytes)) : 0;
		if (n > 0)
			buf_add(&seen, bytes, (size_t)n);
		more = n >= 0 && time(NULL) < end;
		if (!more)
			fail_msg("no \"%s\" in: %s", steps->shown, buf_z(&seen));
	}
	kill(pid, signo);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	buf_release(&seen);
}

#define STEPS(...) ((const struct step[]){__VA_ARGS__})

static void a_question_is_kept_and_gone_on_with(void **state)
{
	const char *script = tmpdir_file(&test_dir, "quick.jsonl");

	(void)state;
	expect(WORDS("--engine-script", script, "-p", "count"), 0, "w0 w1 w2");
	expect(WORDS("history", "list"), 0, "count");
	expect(WORDS("-c", "--engine-script", script, "-p", "more"), 0, "w59");
	expect(WORDS("--fork", "--engine-script", script, "-p", "aside"), 0, "w59");
	expect(WORDS("--ephemeral", "--engine-script", script, "-p", "hush"), 0, "w59");
	expect(WORDS("history", "list", "--json"), 0,
	       "\"title\": \"count\", \"pinned\": false,"
	       " \"archived\": false, \"messages\": 4");
	expect(WORDS("history", "list", "--json"), 0,
	       "\"title\": \"Fork of count\", \"pinned\": false,"
	       " \"archived\": false, \"messages\": 6");
	expect(WORDS("history", "list", "--json"), 0, "\"title_from\": \"prompt\"}");
	expect(WORDS("history", "rename", "Fork of count", "By", "hand"), 0, "");
	expect(WORDS("history", "list", "--json"), 0, "\"title\": \"By hand\"");
	expect(WORDS("history", "list", "--json"), 0, "\"title_from\": \"user\"}");
	expect(WORDS("history", "search", "--json", "more"), 0, "\"snippet\": \"more\"");
	expect(WORDS("history", "search", "hush"), 1, "");
	expect(WORDS("history", "verify"), 0, "ok");
	expect(WORDS("history", "rm", "count"), 2, "");
	expect(WORDS("history", "rm", "--yes", "count"), 0, "");
	expect(WORDS("history", "show", "count"), 2, "");
	expect(WORDS("-r", "nothing like it", "-p", "x", "--engine-script", script), 2, "");
}

static void an_answer_that_a_kill_cut_goes_on_to_the_very_same_text(void **state)
{
	const char *script = tmpdir_file(&test_dir, "script.jsonl");
	struct program_run whole = {0};

	(void)state;
	chat(NO_WORDS, STEPS({"/help", "count\n"}, {"w25", NULL}), SIGKILL);
	chat(NO_WORDS,
	     STEPS({"was stopped during an answer in \"count\"", "/continue\n"}, {"w59", NULL}),
	     SIGTERM);
	program_run(&whole, WORDS("--ephemeral", "--engine-script", script, "-p", "count"),
		    (struct str){0}, 20);
	assert_int_equal(whole.status, 0);
	expect(WORDS("history", "show", "count"), 0, buf_z(&whole.out));
	expect(WORDS("history", "list", "--json"), 0, "\"messages\": 2");
	expect(WORDS("history", "export"), 0, "\"stop\": \"crashed\"");
	program_run_release(&whole);
}

/* The start after a crash says so, shows what was said, and goes on; later starts do as well.
 */
static void the_next_start_shows_what_a_crash_has_cut(void **state)
{
	(void)state;
	chat(NO_WORDS, STEPS({"/help", "count\n"}, {"w30", NULL}), SIGKILL);
	chat(NO_WORDS,
	     STEPS({"was stopped during an answer in \"count\"", "/open count\n"},
		   {"w9 ", "/list\n"}, {"count", NULL}),
	     SIGKILL);
	chat(WORDS("-c"),
	     STEPS({"/help", "/open count\n"},
		   {"/continue goes on with it", "/continue\n"}, {"w59", NULL}),
	     SIGTERM);
	expect(WORDS("history", "verify"), 0, "ok");
}

static unsigned chance;

static unsigned pick(unsigned n)
{
	chance = chance * 1664525u + 1013904223u;
	return (chance >> 8) % n;
}

/* One question, killed after some `ms`; what it has shown until then. */
static void ask_and_kill(int ms, struct buf *shown)
{
	const char *script = tmpdir_file(&test_dir, "script.jsonl");
	struct timespec rest = {ms / 1000, ms % 1000 * 1000000L};
	char bytes[4096];
	int out[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execl(program_path(), "dsv4chat", "--hide-thinking", "--engine-script", script,
		      "-p", "count", NULL);
		_exit(127);
	}
	close(out[1]);
	nanosleep(&rest, NULL);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while ((n = read(out[0], bytes, sizeof(bytes))) > 0)
		buf_add(shown, bytes, (size_t)n);
	close(out[0]);
}

/* The last answer that is kept, after what a start does first. */
static void last_answer(struct buf *kept)
{
	const char *path = tmpdir_file(&test_dir, "data/dsv4chat/history.db");
	struct history_list recovered = {0};
	const struct history_message *leaf;
	struct buf problems = {0};
	struct history_tree *t;
	struct history *h;
	struct err err;
	int64_t id = 0;
	size_t n = 0;

	if (history_open(&h, path, &err) || history_recover(h, &recovered, &err) ||
	    history_verify(h, &problems, &n, &err) || n)
		fail_msg("%s%s", buf_z(&problems), err.text);
	assert_int_equal(history_last(h, &id, &err), 0);
	if (id) {
		assert_int_equal(history_tree_open(&t, h, id, &err), 0);
		leaf = history_tree_leaf(t);
		if (leaf->role == HISTORY_ASSISTANT)
			history_message_add_text(leaf, HISTORY_TEXT, kept);
		history_tree_free(t);
		assert_int_equal(history_remove(h, id, &err), 0);
	}
	history_list_release(&recovered);
	history_close(h);
	buf_release(&problems);
}

/* The script says a character every three milliseconds. */
#define CHARS_OF_TWO_INTERVALS (2 * HISTORY_JOURNAL_MS / 3)

static void a_kill_loses_two_journal_intervals_of_what_was_shown_at_most(void **state)
{
	int n = getenv("DSV4CHAT_SLOW") ? 100 : 6;

	(void)state;
	chance = (unsigned)time(NULL);
	for (int i = 0; i < n; i++) {
		struct buf shown = {0}, kept = {0};
		int ms = 100 + (int)pick(700);

		ask_and_kill(ms, &shown);
		last_answer(&kept);
		if (kept.len + CHARS_OF_TWO_INTERVALS < shown.len ||
		    memcmp(buf_z(&kept), buf_z(&shown),
			   kept.len < shown.len ? kept.len : shown.len) != 0)
			fail_msg("killed after %d ms: shown: %s\nkept: %s", ms, buf_z(&shown),
				 buf_z(&kept));
		buf_release(&shown);
		buf_release(&kept);
	}
}

static const char *sought; /* by look_into() */
static int n_looked_into;

static int look_into(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct buf all = {0};
	struct err err;

	(void)st;
	if (type != FTW_F || strstr(path + ftw->base, ".jsonl"))
		return 0;
	assert_int_equal(file_read(&all, path, 1 << 24, &err), 0);
	if (all.len && memmem(all.data, all.len, sought, strlen(sought)))
		fail_msg("%s stands in %s", sought, path);
	buf_release(&all);
	n_looked_into++;
	return 0;
}

static void nothing_of_it_stays_in_any_file_of_the_program(void **state)
{
	static const char *const words[] = {"uixotic", "uestion", "yvern",
					    "w57 w58", "ephyr",   "ryphon"};
	const char *script = tmpdir_file(&test_dir, "script.jsonl");
	char reads[400];

	(void)state;
	setenv("DSV4CHAT_LOG_LEVEL", "debug", 1);
	/* Typed and answered in the chat, then asked again by a script, and killed once. */
	chat(NO_WORDS, STEPS({"/help", "quixotic question\n"}, {"w59", NULL}), SIGTERM);
	expect(WORDS("-c", "--engine-script", script, "-p", "a quixotic one"), 0, "w59");
	chat(WORDS("-c"), STEPS({"/help", "quixotic again\n"}, {"w30", NULL}), SIGKILL);
	/* What is kept of it is not what was typed: a file's text, a system prompt. */
	tmpdir_write_text(&test_dir, "zephyr.txt", "some wind");
	snprintf(reads, sizeof(reads), "read @%s\n", tmpdir_file(&test_dir, "zephyr.txt"));
	chat(WORDS("-c"),
	     STEPS({"/help", "/system be a gryphon\n"}, {"system", reads}, {"w59", NULL}),
	     SIGTERM);
	expect(WORDS("history", "rename", "quixotic", "Wyvern", "title"), 0, "");
	expect(WORDS("history", "rm", "--yes", "Wyvern"), 0, "");
	unsetenv("DSV4CHAT_LOG_LEVEL");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		sought = words[i];
		n_looked_into = 0;
		assert_int_equal(nftw(test_dir.path, look_into, 16, FTW_PHYS), 0);
		/* The history, what was typed, the log. */
		assert_true(n_looked_into >= 3);
	}
	expect(WORDS("history", "verify"), 0, "ok");
}

/* $XDG_… that is no absolute path does not count; HOME must be one. */
static void files_lie_below_absolute_paths_only(void **state)
{
	static const struct {
		const char *data, *home;
		int status;
		const char *out;
	} cases[] = {
		{"/elsewhere", "/home/me", 0, "history  /elsewhere/dsv4chat/history.db\n"},
		{"relative", "/home/me", 0,
		 "history  /home/me/.local/share/dsv4chat/history.db\n"},
		{"../up", "/home/me", 0,
		 "history  /home/me/.local/share/dsv4chat/history.db\n"},
		{"", "/home/me", 0, "history  /home/me/.local/share/dsv4chat/history.db\n"},
		{NULL, "/home/me", 0, "history  /home/me/.local/share/dsv4chat/history.db\n"},
		{NULL, "me", 2, ""},
		{NULL, "", 2, ""},
		{NULL, NULL, 2, ""},
	};
	const char *home = getenv("HOME");
	char kept[400];

	(void)state;
	snprintf(kept, sizeof(kept), "%s", home ? home : "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsetenv("XDG_DATA_HOME");
		unsetenv("HOME");
		if (cases[i].data)
			setenv("XDG_DATA_HOME", cases[i].data, 1);
		if (cases[i].home)
			setenv("HOME", cases[i].home, 1);
		expect(WORDS("paths"), cases[i].status, cases[i].out);
		if (cases[i].status)
			expect(WORDS("--engine-script", tmpdir_file(&test_dir, "quick.jsonl"), "-p",
				     "count"),
			       2, "");
	}
	/* Where nothing is kept no place is needed. */
	expect(WORDS("--ephemeral", "--engine-script", tmpdir_file(&test_dir, "quick.jsonl"), "-p",
		     "count"),
	       0, "w59");
	if (home)
		setenv("HOME", kept, 1);
}

static void what_cannot_be_kept_is_told_and_is_no_success(void **state)
{
	const char *script = tmpdir_file(&test_dir, "quick.jsonl");

	(void)state;
	tmpdir_write_text(&test_dir, "data", "a file where a folder should be");
	expect(WORDS("--engine-script", script, "-p", "count"), 6, "");
	expect(WORDS("history", "list"), 6, "");
	expect(WORDS("--ephemeral", "--engine-script", script, "-p", "count"), 0, "w59");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tmpdir_tear_down)
		T(a_question_is_kept_and_gone_on_with),
		T(an_answer_that_a_kill_cut_goes_on_to_the_very_same_text),
		T(the_next_start_shows_what_a_crash_has_cut),
		T(a_kill_loses_two_journal_intervals_of_what_was_shown_at_most),
		T(nothing_of_it_stays_in_any_file_of_the_program),
		T(files_lie_below_absolute_paths_only),
		T(what_cannot_be_kept_is_told_and_is_no_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
