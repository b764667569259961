/*
 * What tools cost: a file tool, a command without a sandbox and in each layer, what a command
 * prints, a workspace of many files, taking edits back, and judging by rules, each beside its
 * bound.  Exits 1 where a bound is missed by half.
 *
 *   build/release/tests/bench/tools_bench
 */
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xxhash.h>

#include "app/tools/output.h"
#include "app/tools/rules.h"
#include "app/tools/shellwords.h"
#include "app/tools/tools.h"
#include "app/tools/undo.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "tests/support/median.h"

#define ROUNDS 60

static bool missed;

static void show(const char *what, double got, double bound, const char *unit)
{
	missed = missed || got > 1.5 * bound;
	printf("%-44s %9.2f   bound %7.2f %s%s\n", what, got, bound, unit,
	       got > bound ? "   over" : "");
}

/* Of an undo: each file was as it had to be. */
static bool all_fit(const struct job_news *n)
{
	struct str files = buf_str(&n->files);
	struct undo_found f;

	while (undo_take_found(&files, &f))
		if (f.outcome != UNDO_FITS)
			return false;
	return true;
}

/* Seconds to the job's end. */
static double run(struct runner *r, const struct job *j)
{
	struct job_news n = {0};
	struct err err = {0};
	double began = clock_s();
	uint64_t id;
	int rc = runner_run(r, j, &id, &err);

	while (rc >= 0 && n.kind != JOB_DONE) {
		struct pollfd p = {.fd = runner_fd(r), .events = POLLIN};

		job_news_release(&n);
		n.kind = JOB_OUTPUT;
		poll(&p, 1, -1);
		rc = runner_next(r, &n);
	}
	if (rc < 0 || n.state != TOOL_OK || !all_fit(&n)) {
		printf("%s %s: %d %s %s\n", j->tool.p, j->arguments.p, rc, err.text,
		       buf_z(&n.text));
		exit(1);
	}
	job_news_release(&n);
	return clock_s() - began;
}

static double one(struct runner *r, const char *tool, const char *args)
{
	const struct job j = {.tool = str_of(tool), .arguments = str_of(args)};

	return run(r, &j);
}

static void measure(struct runner *r, const char *what, const char *tool, const char *args,
		    double median, double p95)
{
	double t[ROUNDS];
	char name[80];

	one(r, tool, args);
	for (int i = 0; i < ROUNDS; i++)
		t[i] = one(r, tool, args) * 1000;
	snprintf(name, sizeof(name), "%s, median", what);
	show(name, median_of(t, ROUNDS), median, "ms");
	snprintf(name, sizeof(name), "%s, p95", what);
	show(name, t[ROUNDS * 95 / 100], p95, "ms");
}

/* Beside what bash alone takes, each after the other, so that load falls on both. */
static void measure_command(struct runner *r)
{
	char *argv[] = {"bash", "--noprofile", "--norc", "-c", "true", NULL};
	double more[ROUNDS], alone[ROUNDS], bash;

	for (int i = 0; i < ROUNDS; i++) {
		double began = clock_s();
		pid_t pid;

		if (posix_spawn(&pid, "/bin/bash", NULL, NULL, argv, environ) != 0)
			exit(1);
		waitpid(pid, NULL, 0);
		alone[i] = (clock_s() - began) * 1000;
		more[i] = one(r, "shell", "{\"command\": \"true\"}") * 1000;
	}
	bash = median_of(alone, ROUNDS);
	printf("%-44s %9.2f ms\n", "bash alone, median", bash);
	show("a command without sandbox, beyond bash", median_of(more, ROUNDS) - bash, 5, "ms");
}

#define UNDO_FILES  100
#define UNDO_ROUNDS 9

static struct file_side side_of(struct str content)
{
	struct file_side s = {.exists = true, .mode = 0644};
	XXH128_canonical_t hash;

	XXH128_canonicalFromHash(&hash, XXH3_128bits(content.p, content.n));
	memcpy(s.hash, hash.digest, sizeof(s.hash));
	return s;
}

/* From each other's content, there and back: looked at, then changed. */
static double take_back(struct runner *r, const char *dir, struct str from, struct str to)
{
	struct buf plan = {0};
	struct job j = {.tool = STR_LIT(UNDO_TOOL), .arguments = STR_LIT("{}")};
	char path[32];
	double s;

	for (int i = 0; i < UNDO_FILES; i++) {
		snprintf(path, sizeof(path), "undo%d", i);
		undo_add_file(&plan, &(struct undo_file){.root = str_of(dir),
							 .path = str_of(path),
							 .now = side_of(from),
							 .then = side_of(to),
							 .content = to});
	}
	j.plan = buf_str(&plan);
	j.phase = JOB_PREPARE;
	s = run(r, &j);
	j.phase = JOB_APPLY;
	j.grade = GRADE_WRITE;
	s += run(r, &j);
	buf_release(&plan);
	return s;
}

/* What the disk alone takes for so many files, one by one; ms. */
static double write_files(const char *dir, struct str text)
{
	double began = clock_s();
	char path[300];

	for (int i = 0; i < UNDO_FILES; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/undo%d", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0 || file_write_all(fd, text) != 0 || fsync(fd) != 0)
			exit(1);
		close(fd);
	}
	return (clock_s() - began) * 1000;
}

static void measure_undo(struct runner *r, const char *dir)
{
	char text[2][8192], path[300];
	double t[UNDO_ROUNDS], disk;

	memset(text[0], 'a', sizeof(text[0]));
	memset(text[1], 'b', sizeof(text[1]));
	disk = write_files(dir, (struct str){text[0], sizeof(text[0])});
	printf("%-44s %9.2f ms\n", "100 files written and synced", disk);
	for (int i = 0; i < UNDO_ROUNDS; i++) {
		/* What the round before has freed is discarded in its own time. */
		sync();
		t[i] = 1000 * take_back(r, dir, (struct str){text[i % 2], sizeof(text[0])},
					(struct str){text[(i + 1) % 2], sizeof(text[0])});
	}
	/* No quicker than a disk that is slower than that. */
	show("undo of 100 files of 8 KiB, median", median_of(t, UNDO_ROUNDS),
	     disk > 200 ? disk : 200, "ms");
	for (int i = 0; i < UNDO_FILES; i++) {
		snprintf(path, sizeof(path), "%s/undo%d", dir, i);
		unlink(path);
	}
}

/* A line of four commands, by fifty rules of each kind; and the longest line that is split. */
static void measure_rules(void)
{
	static const char line[] =
		"cd src && make -j2 CFLAGS='-O2 -g' 2>&1 | tail -n 20 > out/log; "
		"git -C .. status *.c";
	static char longest[32u << 10];
	struct rules_verdict v;
	struct rules *r;
	struct err err;
	double began;

	if (rules_new(&r, STR_LIT("/home/user/work"), &err) != 0)
		exit(1);
	for (int i = 0; i < 150; i++) {
		char text[64];

		snprintf(text, sizeof(text), "shell program%d --option x*y", i);
		if (rules_add(r, (enum rule_says)(i % 3), str_of(text), &err) != 0)
			exit(1);
	}
	began = clock_s();
	for (int i = 0; i < 1000; i++)
		rules_judge_command(r, (struct str){line, sizeof(line) - 1}, &v);
	show("judging a command by 150 rules", clock_s() - began, 0.2, "ms");
	rules_free(r);
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = "ab 'c d' x*"[i % 11];
	began = clock_s();
	for (int i = 0; i < 100; i++) {
		struct shell_line l;

		shellwords_parse((struct str){longest, sizeof(longest) - 3}, &l);
		shellwords_release(&l);
	}
	show("splitting 32 KiB", (clock_s() - began) * 10, 1, "ms");
}

static void measure_cleaning(void)
{
	static char block[1u << 20];
	struct output *o = malloc(sizeof(*o));
	struct err err;
	double began;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 26);
	if (!o || output_init(o, OUTPUT_BYTES, -1, &err) != 0)
		exit(1);
	began = clock_s();
	for (int i = 0; i < 256; i++)
		output_feed(o, (struct str){block, sizeof(block)});
	show("cleaning and cutting 256 MiB", clock_s() - began, 2.0, "s");
	output_release(o);
	free(o);
}

static int begin(struct runner **r, const char *dir, enum sandbox_layer layer)
{
	struct runner_config c = {
		.workspace = {.dir = str_of(dir), .home = str_of(getenv("HOME"))},
		.sandbox = layer};
	struct err err = {0};
	double began = clock_s();
	int rc = runner_start(r, &c, &err);
	char name[80];

	if (rc) {
		printf("%s\n", err.text);
		return rc;
	}
	snprintf(name, sizeof(name), "starting the runner, %s", sandbox_layer_name(layer));
	show(name, (clock_s() - began) * 1000, layer == SANDBOX_OFF ? 40 : 120, "ms");
	return 0;
}

/* So many files, 100 in a folder. */
static void make_files(const char *dir, int n)
{
	char command[200];

	snprintf(command, sizeof(command),
		 "cd '%s' && mkdir many && cd many && for i in $(seq %d); do mkdir $i && "
		 "(cd $i && touch $(seq 100)); done",
		 dir, n / 100);
	if (system(command) != 0)
		exit(1);
}

static void measure_layer(const char *dir, enum sandbox_layer layer, double median, double p95)
{
	struct runner *r;
	struct str why;
	char name[80];

	if (begin(&r, dir, layer) != 0)
		exit(1);
	if (runner_sandbox(r, &why) == layer) {
		snprintf(name, sizeof(name), "a command in %s", sandbox_layer_name(layer));
		measure(r, name, "shell", "{\"command\": \"true\"}", median, p95);
	} else {
		printf("%s: does not work here\n", sandbox_layer_name(layer));
	}
	runner_close(r);
}

static void measure_layers(const char *dir)
{
	measure_layer(dir, SANDBOX_BWRAP, 30, 45);
	measure_layer(dir, SANDBOX_BWRAP_PROC, 30, 45);
	measure_layer(dir, SANDBOX_LANDLOCK, 12, 20);
	/* Looked through before, and after where it can be written. */
	make_files(dir, 50000);
	printf("with 50,000 files:\n");
	measure_layer(dir, SANDBOX_BWRAP, 30 + 60, 45 + 60);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/tools_bench.XXXXXX", path[64];
	struct runner *r;
	FILE *f;

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(argv);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/a", dir);
	f = fopen(path, "w");
	for (int i = 0; f && i < 500; i++)
		fprintf(f, "line %d of a file\n", i);
	if (!f || fclose(f) != 0 || begin(&r, dir, SANDBOX_OFF) != 0)
		return 1;
	measure(r, "read_file", "read_file", "{\"path\": \"a\"}", 8, 12);
	measure(r, "search_files", "search_files", "{\"pattern\": \"499\"}", 8, 12);
	measure_command(r);
	measure_undo(r, dir);
	show("a command that prints 200 MB",
	     one(r, "shell", "{\"command\": \"head -c 200000000 /dev/zero | tr '\\\\0' 'x'\"}"),
	     2, "s");
	runner_close(r);
	measure_rules();
	measure_cleaning();
	measure_layers(dir);
	snprintf(path, sizeof(path), "rm -rf '%s'", dir);
	return system(path) != 0 || missed;
}
