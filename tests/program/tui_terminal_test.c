/* The screen and its terminal: sizes, kinds, every way to end. */
#include <limits.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "tests/support/program.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

static void resizing_at_any_time_leaves_nothing_behind(void **state)
{
	static const int sizes[][2] = {{80, 24}, {40, 12},  {200, 60}, {20, 5},
				       {7, 3},   {120, 40}, {1, 1},    {80, 24}};
	static const struct stage_setup su = {.engine_script = stage_talk};
	struct stage st;

	(void)state;
	stage_begin(&st, &su);
	stage_type(&st, "hello 日本語 👩‍💻 e\xCC\x81\r");
	stage_wait_for(&st, "two");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct winsize ws = {.ws_col = (unsigned short)sizes[i][0],
				     .ws_row = (unsigned short)sizes[i][1]};

		st.w = sizes[i][0];
		st.h = sizes[i][1];
		vterm_set_size(st.vt, st.h, st.w);
		assert_int_equal(ioctl(st.fd, TIOCSWINSZ, &ws), 0);
		stage_settle(&st);
		stage_type(&st, "x");
		stage_assert_clean(&st);
	}
	assert_true(stage_shows(&st, "xxxxxxxx"));
	stage_quit(&st);
}

/* How the screen may end, and that the terminal is as before each time. */
static const struct {
	const char *name;
	int signal; /* sent, 0 = keys */
	const char *keys;
	int code; /* exit status, -1 = killed by that signal */
	bool crash;
} ends[] = {
	{"Ctrl-Q", 0, "\x11", 0, false},
	{"Ctrl-D on empty input", 0, "\x04", 0, false},
	{"/quit", 0, "/quit\r", 0, false},
	{"SIGTERM", SIGTERM, "", 128 + SIGTERM, false},
	{"SIGHUP", SIGHUP, "", 128 + SIGHUP, false},
	{"SIGINT", SIGINT, "", 128 + SIGINT, false},
	{"SIGSEGV", SIGUSR1, "", -1, true},
	{"SIGABRT", SIGABRT, "", -1, false},
	{"SIGQUIT", SIGQUIT, "", -1, false},
	{"SIGUSR2", SIGUSR2, "", -1, false},
	{"SIGALRM", SIGALRM, "", -1, false},
	{"SIGTRAP", SIGTRAP, "", -1, false},
	{"SIGXCPU", SIGXCPU, "", -1, false},
	{"SIGPWR", SIGPWR, "", -1, false},
	{"SIGSTKFLT", SIGSTKFLT, "", -1, false},
};

static void the_terminal_is_as_before_after_every_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct stage_setup su = {.engine_script = stage_talk, .crash = ends[i].crash};
		struct rlimit no_core = {0}, old_core;
		struct termios after;
		struct stage st;
		int64_t start;
		int status;

		getrlimit(RLIMIT_CORE, &old_core);
		no_core.rlim_max = old_core.rlim_max;
		setrlimit(RLIMIT_CORE, &no_core);
		stage_open(&st, &su);
		setrlimit(RLIMIT_CORE, &old_core);
		vterm_input_write(st.vt, "$ shell line\r\n", 14);
		stage_wait_for(&st, "ready");
		assert_int_equal(tcgetattr(st.fd, &after), 0);
		assert_int_not_equal(after.c_lflag, st.before.c_lflag);
		assert_false(stage_shows(&st, "shell line"));
		stage_type(&st, ends[i].keys);
		if (ends[i].signal != 0)
			kill(st.child, ends[i].signal);
		start = clock_ms();
		while (waitpid(st.child, &status, WNOHANG) == 0) {
			assert_true(clock_ms() - start < STAGE_PATIENCE_MS);
			stage_read(&st, 20);
		}
		stage_settle(&st);
		if (ends[i].code >= 0)
			assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -2,
					 ends[i].code);
		else
			assert_true(WIFSIGNALED(status));
		/* The master end tells the modes that the slave was left in. */
		assert_int_equal(tcgetattr(st.fd, &after), 0);
		assert_int_equal(after.c_lflag, st.before.c_lflag);
		assert_int_equal(after.c_iflag, st.before.c_iflag);
		assert_int_equal(after.c_oflag, st.before.c_oflag);
		assert_int_equal(after.c_cflag, st.before.c_cflag);
		assert_true(stage_shows(&st, "$ shell line"));
		assert_false(stage_shows(&st, "ready"));
		assert_non_null(strstr(buf_z(&st.raw), "\x1B[?2004l"));
		vterm_free(st.vt);
		buf_release(&st.raw);
		close(st.fd);
	}
}

/* The one child of a process. */
static pid_t only_child(pid_t pid)
{
	char path[64];
	int child = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &child), 1);
	fclose(f);
	return child;
}

static char process_state(pid_t pid)
{
	char path[64], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	return strrchr(line, ')')[2];
}

static void suspended_and_continued_it_paints_anew(void **state)
{
	static const struct stage_setup su = {.engine_script = stage_talk, .job = true};
	struct termios modes;
	struct stage st;
	pid_t job;

	(void)state;
	stage_begin(&st, &su);
	job = only_child(st.child);
	stage_type(&st, "half a thought");
	stage_wait_for(&st, "half a thought");
	for (int round = 0; round < 2; round++) {
		int64_t start = clock_ms();

		if (round == 0)
			stage_type(&st, "\x1A");
		else
			kill(job, SIGTSTP);
		while (process_state(job) != 'T') {
			assert_true(clock_ms() - start < STAGE_PATIENCE_MS);
			stage_read(&st, 20);
		}
		stage_settle(&st);
		assert_int_equal(tcgetattr(st.fd, &modes), 0);
		assert_int_equal(modes.c_lflag, st.before.c_lflag);
		assert_false(stage_shows(&st, "half a thought"));
		kill(job, SIGCONT);
		stage_wait_for(&st, "half a thought");
		assert_int_equal(tcgetattr(st.fd, &modes), 0);
		assert_int_not_equal(modes.c_lflag, st.before.c_lflag);
	}
	stage_quit(&st);
}

static void when_the_terminal_vanishes_the_text_is_kept(void **state)
{
	struct stage_setup su = {.engine_script = stage_talk};
	struct tmpdir dir;
	struct stage st;
	char kept[256] = "";
	FILE *f;
	int status;
	int64_t start;

	(void)state;
	tmpdir_init(&dir);
	su.inputs_path = tmpdir_file(&dir, "inputs");
	stage_begin(&st, &su);
	stage_type(&st, "precious words");
	stage_wait_for(&st, "precious words");
	close(st.fd);
	st.fd = -1;
	start = clock_ms();
	while (waitpid(st.child, &status, WNOHANG) == 0) {
		assert_true(clock_ms() - start < STAGE_PATIENCE_MS);
		usleep(20000);
	}
	assert_true(WIFEXITED(status));
	f = fopen(su.inputs_path, "r");
	assert_non_null(f);
	assert_non_null(fgets(kept, sizeof(kept), f));
	assert_string_equal(kept, "_HiStOrY_V2_\n");
	assert_non_null(fgets(kept, sizeof(kept), f));
	fclose(f);
	assert_string_equal(kept, "precious\\040words\n");
	vterm_free(st.vt);
	buf_release(&st.raw);
	tmpdir_release(&dir);
}

static void every_terminal_gets_what_it_can_show(void **state)
{
	static const char *const terms[] = {"xterm-256color", "xterm", "screen",
					    "tmux-256color",  "linux", "vt100",
					    "vt220",          "rxvt"};

	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		struct stage_setup su = {
			.engine_script = stage_talk, .term = terms[i], .w = 80, .h = 24};
		struct stage st;

		stage_begin(&st, &su);
		stage_type(&st, "hello\r");
		stage_wait_for(&st, "Hello there. A list:");
		stage_settle(&st);
		if (strcmp(terms[i], "vt100") == 0)
			assert_null(strstr(buf_z(&st.raw), "\x1B[38"));
		stage_quit(&st);
	}
}

/* The highest colour that a sequence asked for: 0 none, 1 of the first sixteen, 2 of 256, 3
 * any. */
static int colours_used(const char *raw)
{
	int most = 0;

	for (const char *p = raw; (p = strstr(p, "\x1B[")) != NULL;) {
		size_t n = strspn(p + 2, "0123456789;");
		const char *at = p + 2, *end = at + n;

		p = end;
		while (*end == 'm' && at < end) {
			long v = strtol(at, NULL, 10), kind = 0;

			at += strcspn(at, ";m") + 1;
			if (v == 38 || v == 48) {
				kind = strtol(at, NULL, 10) == 2 ? 3 : 2;
				at = end;
			} else if ((v >= 30 && v <= 47) || (v >= 90 && v <= 107)) {
				kind = 1;
			}
			most = kind > most ? (int)kind : most;
		}
	}
	return most;
}

static void colours_are_those_the_terminal_and_its_user_have(void **state)
{
	static const char *const args[] = {"--ephemeral", NULL};
	static const char *const never[] = {"--ephemeral", "--color", "never", NULL};
	static const struct {
		const char *term, *env;
		const char *const *args;
		int colours;
	} cases[] = {
		{"xterm", "A=1", args, 1},
		{"xterm-256color", "A=1", args, 2},
		{"xterm-256color", "COLORTERM=truecolor", args, 3},
		{"xterm-256color", "NO_COLOR=1", args, 0},
		{"xterm-256color", "A=1", never, 0},
		{"vt100", "A=1", args, 0},
		{"vt220", "COLORTERM=truecolor", args, 0},
	};
	struct tmpdir home;

	(void)state;
	tmpdir_init(&home);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const env[] = {cases[i].env, NULL};
		struct stage_setup su = {.engine_script = stage_talk,
					 .term = cases[i].term,
					 .w = 80,
					 .h = 24,
					 .args = cases[i].args,
					 .home = home.path,
					 .env = env};
		struct stage st;

		stage_begin(&st, &su);
		stage_type(&st, "hello\r");
		stage_wait_for(&st, "• two");
		stage_settle(&st);
		if (colours_used(buf_z(&st.raw)) != cases[i].colours)
			fail_msg("case %zu: colours of kind %d", i,
				 colours_used(buf_z(&st.raw)));
		/* What stands out does so without colours, too. */
		assert_true(strstr(buf_z(&st.raw), "\x1B[1") != NULL ||
			    strstr(buf_z(&st.raw), "\x1B[7") != NULL || cases[i].colours > 0);
		stage_quit(&st);
	}
	tmpdir_release(&home);
}

static void where_the_locale_knows_ascii_alone_nothing_else_is_sent(void **state)
{
	static const char *const args[] = {"--ephemeral", NULL};
	char preload[PATH_MAX];
	const char *const env[] = {"LC_ALL=C", preload, "ASAN_OPTIONS=verify_asan_link_order=0",
				   NULL};
	struct tmpdir home;
	struct stage_setup su = {.engine_script = stage_talk,
				 .term = "xterm-256color",
				 .w = 120,
				 .h = 24,
				 .args = args,
				 .env = env};
	struct stage st;

	(void)state;
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s",
		 program_beside("tests/faults/nolocale.so"));
	tmpdir_init(&home);
	su.home = home.path;
	stage_begin(&st, &su);
	stage_type(&st, "hello\r");
	stage_wait_for(&st, "Hello there. A list:");
	stage_wait_for(&st, "two");
	stage_type(&st, "\x1BOP");
	stage_wait_for(&st, "Help: arrows scroll");
	/* Boxes and rules of signs that every terminal has. */
	assert_true(stage_shows(&st, "+- Help"));
	assert_true(stage_shows(&st, "--------"));
	assert_true(stage_shows(&st, "|"));
	for (size_t i = 0; i < st.raw.len; i++)
		if ((unsigned char)st.raw.data[i] >= 0x80)
			fail_msg("byte %02x at %zu", (unsigned char)st.raw.data[i], i);
	stage_type(&st, "q\x11");
	assert_int_equal(stage_close(&st), 0);
	tmpdir_release(&home);
}

static void a_terminal_that_cannot_is_refused(void **state)
{
	static const char *const terms[] = {"dumb", "no-such-terminal"};

	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		struct stage_setup su = {
			.engine_script = stage_talk, .term = terms[i], .w = 80, .h = 24};
		struct stage st;

		stage_open(&st, &su);
		stage_wait_for(&st, "--plain");
		assert_int_equal(WEXITSTATUS(stage_close(&st)), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resizing_at_any_time_leaves_nothing_behind),
		cmocka_unit_test(the_terminal_is_as_before_after_every_end),
		cmocka_unit_test(suspended_and_continued_it_paints_anew),
		cmocka_unit_test(when_the_terminal_vanishes_the_text_is_kept),
		cmocka_unit_test(every_terminal_gets_what_it_can_show),
		cmocka_unit_test(colours_are_those_the_terminal_and_its_user_have),
		cmocka_unit_test(where_the_locale_knows_ascii_alone_nothing_else_is_sent),
		cmocka_unit_test(a_terminal_that_cannot_is_refused),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
