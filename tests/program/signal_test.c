/*
 * What ends the program from outside: signals at its start, those that its starter had ignored,
 * a terminal that vanishes, one that takes nothing. In every mode, as a user has it.
 */
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "engine/base/clock.h"
#include "history/history.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define ENDS_MS 2000 /* well below what a locked store or a full terminal is waited for */

static const char endless[] = "{\"turn\": {\"again\": true}}\n"
			      "{\"text\": \"word \", \"repeat\": 1000000, \"delay_ms\": 1}\n"
			      "{\"done\": {}}\n";

static const char *const screen[] = {NULL}, *const line[] = {"--plain", NULL},
			*const one[] = {"-p", "hello", NULL},
			*const json[] = {"--json", "-p", "hello", NULL};
static const struct {
	const char *name;
	const char *const *args;
} modes[] = {{"screen", screen}, {"line", line}, {"one question", one}, {"JSON", json}};
#define N_MODES (sizeof(modes) / sizeof(modes[0]))

/* Does the process hear the signal, or not (yet)? */
static bool catches(pid_t pid, int signo)
{
	unsigned long long mask = 0;
	char path[64], text[200];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(text, sizeof(text), f)) {
		if (strncmp(text, "SigCgt:", 7) == 0)
			mask = strtoull(text + 7, NULL, 16);
	}
	if (f)
		fclose(f);
	return mask >> (signo - 1) & 1;
}

static void wait_until_it_catches(struct stage *st, int signo)
{
	int64_t end = clock_ms() + STAGE_PATIENCE_MS;

	while (!catches(st->child, signo)) {
		assert_true(clock_ms() < end);
		stage_read(st, 5);
	}
}

/* Its exit code, where it ends in time; its terminal is read meanwhile, if `reads`. */
static int code_within(struct stage *st, int ms, bool reads)
{
	int64_t end = clock_ms() + ms;
	int status;

	while (waitpid(st->child, &status, WNOHANG) == 0) {
		if (clock_ms() > end) {
			kill(st->child, SIGKILL);
			waitpid(st->child, &status, 0);
			return -1;
		}
		if (reads)
			stage_read(st, 5);
		else
			usleep(5000);
	}
	if (st->fd >= 0)
		close(st->fd);
	vterm_free(st->vt);
	buf_release(&st->raw);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Nobody else can read it, either. */
static sqlite3 *lock(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;"
				      "PRAGMA user_version",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	return db;
}

static void a_signal_ends_the_wait_for_a_store_that_is_locked_at_the_start(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	const char *path = tmpdir_file(&test_dir, "dsv4chat/history.db");
	struct history *h;
	struct err err;
	sqlite3 *db;

	(void)state;
	assert_int_equal(history_open(&h, path, &err), 0);
	history_close(h);
	db = lock(path);
	for (size_t i = 0; i < N_MODES; i++) {
		int signo = signals[i % 3], expected = signo == SIGINT ? 130 : 143, code;
		struct stage_setup su = {.engine_script = stage_talk,
					 .term = "xterm",
					 .w = 80,
					 .h = 24,
					 .args = modes[i].args,
					 .home = test_dir.path};
		struct stage st;

		stage_open(&st, &su);
		wait_until_it_catches(&st, signo == SIGHUP ? SIGHUP : SIGTERM);
		for (int k = 0; k < 40; k++) /* it gets as far as the store */
			stage_read(&st, 5);
		usleep(200000);
		kill(st.child, signo);
		code = code_within(&st, ENDS_MS, true);
		if (code != expected)
			fail_msg("%s, signal %d: %d, expected %d", modes[i].name, signo, code,
				 expected);
	}
	sqlite3_close(db);
}

static void a_terminal_that_vanishes_ends_every_mode_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * N_MODES; i++) {
		bool answering = i >= N_MODES || i % N_MODES > 1;
		struct stage_setup su = {.engine_script = endless,
					 .term = "xterm",
					 .w = 80,
					 .h = 24,
					 .args = modes[i % N_MODES].args};
		struct tmpdir dir;
		struct stage st;
		int code;

		tmpdir_init(&dir);
		su.home = dir.path;
		stage_open(&st, &su);
		if (i % N_MODES < 2)
			stage_wait_for(&st, i % N_MODES ? "/help lists" : "ready");
		if (i == N_MODES || i == N_MODES + 1)
			stage_type(&st, "hello\r");
		if (answering)
			stage_wait_for(&st, "word");
		close(st.fd);
		st.fd = -1;
		code = code_within(&st, STAGE_PATIENCE_MS, false);
		if (code != 143)
			fail_msg("%s, %s: %d, expected 143", modes[i % N_MODES].name,
				 answering ? "answering" : "waiting", code);
		tmpdir_release(&dir);
	}
}

static void line_mode_ends_by_a_signal_as_the_others_do(void **state)
{
	static const int signals[] = {SIGHUP, SIGTERM};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct stage_setup su = {.engine_script = endless,
					 .term = "xterm",
					 .w = 80,
					 .h = 24,
					 .args = line};
		struct tmpdir dir;
		struct stage st;

		tmpdir_init(&dir);
		su.home = dir.path;
		stage_open(&st, &su);
		stage_wait_for(&st, "/help lists");
		if (i >= 2) {
			stage_type(&st, "hello\r");
			stage_wait_for(&st, "word");
		}
		kill(st.child, signals[i % 2]);
		assert_int_equal(code_within(&st, STAGE_PATIENCE_MS, true), 143);
		tmpdir_release(&dir);
	}
}

/* In line mode an answer is waited for without end, so the terminal is, too. */
static void the_time_for_scripts_is_none_for_a_terminal_that_pauses(void **state)
{
	static const char *const args[] = {"--plain", "--ephemeral", "--timeout", "1", NULL};
	static const char long_answer[] =
		"{\"text\": \"0123456789\\n\", \"repeat\": 20000}\n{\"text\": \"and the end\"}\n"
		"{\"done\": {}}\n";
	struct stage_setup su = {.engine_script = long_answer,
				 .term = "xterm",
				 .w = 80,
				 .h = 24,
				 .args = args};
	struct stage st;

	(void)state;
	su.home = test_dir.path;
	stage_open(&st, &su);
	stage_wait_for(&st, "/help lists");
	stage_type(&st, "hello\r");
	usleep(1500000);
	/* Slowly, so that it has to wait again and again. */
	for (int i = 0; i < 200 && !stage_shows(&st, "and the end"); i++) {
		stage_read(&st, 100);
		usleep(10000);
	}
	stage_wait_for(&st, "and the end");
	stage_type(&st, "/quit\r");
	assert_int_equal(code_within(&st, STAGE_PATIENCE_MS, true), 0);
}

/* Whole repaints until the pseudo-terminal is full, or a stream that fills it by itself. */
static void fill(struct stage *st, size_t mode)
{
	char repaint[200];

	memset(repaint, mode ? ' ' : '\x0C', sizeof(repaint));
	if (mode < 2)
		assert_int_equal(write(st->fd, "hello\r", 6), 6);
	for (int i = 0; i < 4 && mode == 0; i++) {
		assert_int_equal(write(st->fd, repaint, sizeof(repaint)), sizeof(repaint));
		usleep(100000);
	}
	usleep(1000000);
}

static void start_flood(struct stage *st, size_t mode, const char *home)
{
	static const char flood[] =
		"{\"text\": \"0123456789 word\\n\", \"repeat\": 100000}\n{\"pause\": -1}\n"
		"{\"done\": {}}\n";
	static const char page[] = "{\"text\": \"0123456789 word\\n\", \"repeat\": "
				   "1000}\n{\"pause\": -1}\n{\"done\": {}}\n";
	struct stage_setup su = {.engine_script = mode ? flood : page,
				 .term = "xterm",
				 .w = 200,
				 .h = 60,
				 .args = modes[mode].args,
				 .home = home};

	stage_open(st, &su);
	if (mode < 2)
		stage_wait_for(st, mode ? "/help lists" : "ready");
	fill(st, mode);
}

static void a_terminal_that_takes_nothing_keeps_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MODES; i++) {
		struct tmpdir dir;
		struct stage st;
		int code;

		tmpdir_init(&dir);
		start_flood(&st, i, dir.path);
		kill(st.child, SIGTERM);
		code = code_within(&st, ENDS_MS, false);
		if (code != 143)
			fail_msg("%s: %d, expected 143", modes[i].name, code);
		tmpdir_release(&dir);
	}
}

static void a_terminal_that_pauses_is_drawn_on_as_if_it_had_not(void **state)
{
	struct stage st;

	(void)state;
	start_flood(&st, 0, test_dir.path);
	usleep(1500000);
	stage_type(&st, "still here");
	stage_wait_for(&st, "still here");
	stage_assert_clean(&st);
	stage_type(&st, "\x11");
	assert_int_equal(code_within(&st, STAGE_PATIENCE_MS, true), 0);
}

/* What is journalled while nobody reads is there after a kill. */
static void an_answer_that_nobody_reads_is_journalled(void **state)
{
	struct history_list cut = {0};
	struct buf text = {0};
	struct history *h;
	struct stage st;
	struct err err;

	(void)state;
	start_flood(&st, 2, test_dir.path);
	kill(st.child, SIGKILL);
	assert_int_equal(code_within(&st, ENDS_MS, false), 1000 + SIGKILL);
	assert_int_equal(
		history_open(&h, tmpdir_file(&test_dir, "dsv4chat/history.db"), &err), 0);
	assert_int_equal(history_recover(h, &cut, &err), 0);
	assert_int_equal(cut.n, 1);
	history_list_release(&cut);
	history_close(h);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, tmpdir_set_up, tmpdir_tear_down)
		T(a_signal_ends_the_wait_for_a_store_that_is_locked_at_the_start),
		cmocka_unit_test(a_terminal_that_vanishes_ends_every_mode_alike),
		cmocka_unit_test(line_mode_ends_by_a_signal_as_the_others_do),
		cmocka_unit_test(a_terminal_that_takes_nothing_keeps_nobody),
		T(a_terminal_that_pauses_is_drawn_on_as_if_it_had_not),
		T(an_answer_that_nobody_reads_is_journalled),
		T(the_time_for_scripts_is_none_for_a_terminal_that_pauses),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
