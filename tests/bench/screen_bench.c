/*
 * What the screen costs as a person has it: the program in a pseudo-terminal, by the clock
 * on the wall, on the small model and on the scripted engine.
 *
 * Prints one line a figure; the goals stand beside it.  Exits 1 where one is missed.  Other
 * programs count: the machine should do nothing else.
 */
#include <dirent.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "history/history.h"
#include "tests/support/median.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define N_LONG  10000 /* messages of the long conversation */
#define N_PAGES 100
#define N_KEYS  100

static const char *const kept[] = {"--temp", "0", NULL};
static const char *const on_nano[] = {"--ephemeral", "--model", "share/nano",
				      "--temp",      "0",       NULL};

static struct tmpdir home;
static int missed;

static void figure(const char *what, double got, double goal, const char *unit)
{
	printf("%-62s %8.2f %s (goal: under %g)%s\n", what, got, unit, goal,
	       got < goal ? "" : "  MISSED");
	fflush(stdout);
	missed |= got >= goal;
}

static void figures(const char *what, double *got, size_t n, double goal)
{
	char text[80];

	snprintf(text, sizeof(text), "%s, median of %zu", what, n);
	figure(text, median_of(got, n), goal, "ms");
	snprintf(text, sizeof(text), "%s, slowest", what);
	figure(text, got[n - 1], goal, "ms");
}

static void die(const struct err *err)
{
	fprintf(stderr, "%s\n", err->text);
	exit(2);
}

/* A conversation named "long", of questions and answers of some sentences. */
static void fill(const char *path)
{
	struct history_import *in;
	struct buf line = {0};
	struct history *h;
	struct err err;

	if (history_open(&h, path, &err) || history_import_begin(&in, h, &err))
		die(&err);
	buf_addf(
		&line,
		"{\"type\": \"conversation\", \"format\": 1, \"title\": \"long\", "
		"\"title_from\": \"user\", \"created_ms\": 1, \"updated_ms\": 2, \"leaf\": %d}",
		N_LONG);
	if (history_import_line(in, buf_str(&line), &err))
		die(&err);
	for (int i = 1; i <= N_LONG; i++) {
		buf_reset(&line);
		buf_addf(&line,
			 "{\"type\": \"message\", \"n\": %d, \"parent\": %d, \"role\": \"%s\", "
			 "\"created_ms\": 3, \"parts\": [{\"kind\": \"text\", \"text\": \"%s",
			 i, i - 1, i % 2 ? "user" : "assistant",
			 i % 2 ? "And what about the next of these questions?"
			       : "An answer of *usual* length has a few sentences, some `code` "
				 "in them, and a list:\\n\\n- one thing that takes a line\\n- "
				 "another that takes a little more than one line "
				 "does\\n\\n```c\\n"
				 "int main(void)\\n{\\n\\treturn 0;\\n}\\n```\\n\\nAnd at its "
				 "end.");
		buf_addf(&line, " %s\"}]}", i == N_LONG ? "endmark" : "");
		if (history_import_line(in, buf_str(&line), &err))
			die(&err);
	}
	if (history_import_end(in, NULL, &err))
		die(&err);
	buf_release(&line);
	history_close(h);
}

static void bench_long(void)
{
	static const char script[] = "{\"text\": \"x\"}\n{\"done\": {}}\n";
	struct stage_setup su = {.engine_script = script, .args = kept, .home = home.path};
	double ms[N_PAGES];
	struct stage st;

	fill(tmpdir_file(&home, "dsv4chat/history.db"));
	stage_begin(&st, &su);
	stage_type(&st, "\x1B[1;3Dlong");
	stage_wait_for(&st, "Enter opens");
	stage_settle(&st);
	figure("open 10,000 messages from the list", stage_answer_ms(&st, "\r", "endmark"), 100,
	       "ms");
	stage_settle(&st);
	for (int i = 0; i < N_PAGES; i++) {
		/* Every page has some of the answers' code in other places. */
		ms[i] = stage_answer_ms(&st, "\x1B[5~", "main");
		stage_settle(&st);
	}
	figures("scroll a page", ms, N_PAGES, 5);
	stage_type(&st, "\x11");
	stage_close(&st);
}

/* Seconds of processor that all threads of the child took. */
static double cpu_seconds(pid_t pid)
{
	char path[64], line[1024];
	unsigned long u = 0, k = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL ||
	    sscanf(strrchr(line, ')') + 2,
		   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k) != 2)
		fail_msg("%s", path);
	fclose(f);
	return (double)(u + k) / (double)sysconf(_SC_CLK_TCK);
}

/* 200 tokens of four characters a second, for ten seconds; the scripted engine's own time too.
 */
static void bench_stream(void)
{
	static const char script[] =
		"{\"text\": \"word and \\n- *item* `x` \", \"repeat\": 364, \"chunk\": 4, "
		"\"delay_ms\": 5}\n{\"done\": {}}\n";
	static const char *const ephemeral[] = {"--ephemeral", NULL};
	struct stage_setup su = {.engine_script = script, .args = ephemeral, .home = home.path};
	double start, cpu;
	struct stage st;

	stage_begin(&st, &su);
	cpu = cpu_seconds(st.child);
	start = clock_s() * 1e3;
	stage_type(&st, "go\r");
	stage_wait_for(&st, "answering");
	stage_wait_for(&st, "ready");
	figure("stream of 200 tokens/s: share of a core",
	       (cpu_seconds(st.child) - cpu) * 1000 / (clock_s() * 1e3 - start) * 100, 5, "%");
	stage_type(&st, "\x11");
	stage_close(&st);
}

/* While the engine reads a long text with all cores: keys that nothing else on the screen has.
 */
static void bench_loaded(void)
{
	struct stage_setup su = {.args = on_nano, .home = home.path};
	struct buf text = {0};
	double ms[N_KEYS];
	struct stage st;
	size_t n = 0;

	stage_begin(&st, &su);
	buf_addz(&text, "\x1B[200~");
	for (int i = 0; text.len < 150000; i++)
		buf_addf(&text, "%d files need 17 more disks than the %d users of ls have. ", i,
			 i * 7);
	buf_addz(&text, "\x1B[201~");
	stage_type(&st, buf_z(&text));
	stage_settle(&st);
	stage_type(&st, "\r");
	stage_wait_for(&st, "reading");
	while (n < N_KEYS) {
		/* Cyrillic letters, one after another. */
		char key[3] = {(char)0xD0, (char)(0x90 + n % 0x30), '\0'};

		ms[n++] = stage_answer_ms(&st, key, key);
		usleep(20000 + (useconds_t)(n * 7919 % 23) * 1000);
		stage_read(&st, 0);
		if (!stage_shows(&st, "reading"))
			break;
	}
	if (n < 20)
		fail_msg("the model read too fast to measure: %zu keys", n);
	figures("a key to the screen while the engine loads all cores", ms, n, 20);
	stage_type(&st, "\x1B");
	stage_wait_for(&st, "ready");
	stage_type(&st, "\x03\x11");
	stage_close(&st);
	buf_release(&text);
}

/* How often the threads of a process were woken so far. */
static long wake_ups(pid_t pid)
{
	char path[320], line[256];
	struct dirent *de;
	long sum = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL) {
		long n = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, de->d_name);
		f = de->d_name[0] != '.' ? fopen(path, "r") : NULL;
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
				sum += n;
		if (f != NULL)
			fclose(f);
	}
	if (d != NULL)
		closedir(d);
	return sum;
}

static void bench_idle(void)
{
	struct stage_setup su = {.args = on_nano, .home = home.path};
	struct stage st;
	long before;

	stage_begin(&st, &su);
	stage_type(&st, "hello\r");
	stage_wait_for(&st, "thought");
	stage_wait_for(&st, "ready");
	sleep(3); /* what is done at rest, as finding a title, is done by then */
	stage_settle(&st);
	before = wake_ups(st.child);
	sleep(10);
	figure("wake-ups of all threads in 10 s of idling",
	       (double)(wake_ups(st.child) - before), 1, "");
	stage_type(&st, "\x11");
	stage_close(&st);
}

/* stage.h fails a cmocka test where anything goes wrong: so it is one. */
static void bench(void **state)
{
	(void)state;
	bench_long();
	bench_stream();
	bench_loaded();
	bench_idle();
	assert_int_equal(missed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bench)};
	int rc;

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	tmpdir_init(&home);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	tmpdir_release(&home);
	return rc;
}
