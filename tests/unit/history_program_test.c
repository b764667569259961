/* The program and its history: kept, gone on with, killed, lost, removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

static struct tmpdir dir;

/* Sixty words, three milliseconds a character. */
static int set_up(void **state)
{
	struct buf script = {0};

	(void)state;
	tmpdir_init(&dir);
	setenv("XDG_DATA_HOME", tmpdir_file(&dir, "data"), 1);
	setenv("XDG_STATE_HOME", tmpdir_file(&dir, "state"), 1);
	buf_addz(&script, "{\"thinking\": \"Let me count.\", \"chunk\": 1, \"delay_ms\": 3}\n"
			  "{\"text\": \"");
	for (int i = 0; i < 60; i++)
		buf_addf(&script, "%sw%d", i ? " " : "", i);
	buf_addz(&script,
		 "\", \"chunk\": 1, \"delay_ms\": 3}\n{\"done\": {}}\n"
		 "{\"turn\": {\"again\": true}}\n{\"text\": \"second\"}\n{\"done\": {}}\n");
	tmpdir_write_text(&dir, "script.jsonl", buf_z(&script));
	buf_release(&script);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tmpdir_release(&dir);
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

/* Line mode on a terminal: types `keys` once it asks, waits for `wanted`, then the signal. */
static void chat(const char *keys, const char *wanted, int signo)
{
	const char *script = tmpdir_file(&dir, "script.jsonl");
	struct buf seen = {0};
	bool typed = false, found = false;
	time_t end = time(NULL) + 20;
	int fd, status;
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (pid == 0) {
		execl(program_path(), "dsv4chat", "--plain", "--engine-script", script, NULL);
		_exit(127);
	}
	while (!found && time(NULL) < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char bytes[4096];
		ssize_t n = poll(&p, 1, 100) > 0 ? read(fd, bytes, sizeof(bytes)) : 0;

		if (n < 0)
			break;
		buf_add(&seen, bytes, (size_t)n);
		if (!typed && strstr(buf_z(&seen), "> ")) {
			assert_int_equal(write(fd, keys, strlen(keys)), strlen(keys));
			buf_reset(&seen);
			typed = true;
		}
		found = typed && strstr(buf_z(&seen), wanted);
	}
	if (!found)
		fail_msg("no \"%s\" in: %s", wanted, buf_z(&seen));
	kill(pid, signo);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	buf_release(&seen);
}

static void a_question_is_kept_and_gone_on_with(void **state)
{
	const char *script = tmpdir_file(&dir, "script.jsonl");

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
	       "\"title\": \"aside\", \"pinned\": false,"
	       " \"archived\": false, \"messages\": 6");
	expect(WORDS("history", "list", "--json"), 0, "\"title_from\": \"prompt\"}");
	expect(WORDS("history", "rename", "aside", "By", "hand"), 0, "");
	expect(WORDS("history", "list", "--json"), 0, "\"title\": \"By hand\"");
	expect(WORDS("history", "list", "--json"), 0, "\"title_from\": \"user\"}");
	expect(WORDS("history", "search", "--json", "more"), 0, "\"snippet\": \"more\"");
	expect(WORDS("history", "search", "hush"), 0, "");
	expect(WORDS("history", "verify"), 0, "ok");
	expect(WORDS("history", "rm", "count"), 2, "");
	expect(WORDS("history", "rm", "--yes", "count"), 0, "");
	expect(WORDS("history", "show", "count"), 2, "");
	expect(WORDS("-r", "nothing like it", "-p", "x", "--engine-script", script), 2, "");
}

static void an_answer_that_a_kill_cut_goes_on_to_the_very_same_text(void **state)
{
	const char *script = tmpdir_file(&dir, "script.jsonl");
	struct program_run whole = {0};

	(void)state;
	chat("count\n", "w25", SIGKILL);
	chat("/continue\n", "w59", SIGTERM);
	program_run(&whole, WORDS("--ephemeral", "--engine-script", script, "-p", "count"),
		    (struct str){0}, 20);
	assert_int_equal(whole.status, 0);
	expect(WORDS("history", "show", "count"), 0, buf_z(&whole.out));
	expect(WORDS("history", "list", "--json"), 0, "\"messages\": 2");
	expect(WORDS("history", "export"), 0, "\"stop\": \"crashed\"");
	program_run_release(&whole);
}

static void what_cannot_be_kept_is_told_and_is_no_success(void **state)
{
	const char *script = tmpdir_file(&dir, "script.jsonl");

	(void)state;
	tmpdir_write_text(&dir, "data", "a file where a folder should be");
	expect(WORDS("--engine-script", script, "-p", "count"), 6, "");
	expect(WORDS("history", "list"), 6, "");
	expect(WORDS("--ephemeral", "--engine-script", script, "-p", "count"), 0, "w59");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_question_is_kept_and_gone_on_with),
		T(an_answer_that_a_kill_cut_goes_on_to_the_very_same_text),
		T(what_cannot_be_kept_is_told_and_is_no_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
