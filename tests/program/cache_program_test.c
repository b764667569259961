/*
 * What was read once is not read again: after a restart, in a branch, beside other work; and it
 * goes with its conversation.  The program on the small model, a process for each turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

#include "engine/store/kvdir.h"
#include "tests/support/program.h"
#include "tests/support/shared_files.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define MODEL "share/nano"
#define LONG                                                                                   \
	"Tell me about the river, the boats on it, the bridge, the town behind the bridge, "   \
	"and "                                                                                 \
	"whatever else comes to your mind while you look at them."

/* Files in a folder of that name from here on. */
static void live_in(const char *name)
{
	program_live_in(tmpdir_file(&test_dir, name));
}

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&test_dir);
	unsetenv("DSV4CHAT_MODEL");
	return 0;
}

struct usage {
	long prompt, cached, disk, output;
};

static long number(const json_t *usage, const char *key)
{
	return (long)json_integer_value(json_object_get(usage, key));
}

/* Of the answers in a program's output, in order; returns how many. */
static int usages_of(struct buf *out, struct usage *u, int most)
{
	long told = -1;
	int n = 0;

	for (char *line = strtok(buf_z(out) ? out->data : NULL, "\n"); line;
	     line = strtok(NULL, "\n")) {
		json_t *ev = json_loads(line, 0, NULL);
		const char *type = json_string_value(json_object_get(ev, "type"));
		const json_t *usage = json_object_get(ev, "usage");

		if (type && strcmp(type, "prefill") == 0)
			told = number(ev, "disk");
		if (type && strcmp(type, "done") == 0 && n < most) {
			u[n++] = (struct usage){
				number(usage, "prompt_tokens"), number(usage, "cached_tokens"),
				number(usage, "disk_tokens"), number(usage, "output_tokens")};
			assert_int_equal(told, u[n - 1].disk);
		}
		json_decref(ev);
	}
	return n;
}

/* One turn of a process of its own; `more`: an option and its value, or NULL. */
static struct usage ask(const char *text, const char *more, const char *value)
{
	const char *argv[] = {"--model",   MODEL,    "--threads", "1",   "--json",
			      "--nothink", "--seed", "1",         "-n",  "12",
			      "-p",        text,     more,        value, NULL};
	struct program_run run;
	struct usage u = {0};

	program_run(&run, argv, (struct str){0}, 120);
	if (usages_of(&run.out, &u, 1) != 1)
		fail_msg("no answer: %s", buf_z(&run.err));
	program_run_release(&run);
	return u;
}

/* A verb's exit status and output; released by the caller. */
static struct program_run verb(const char *a, const char *b, const char *c, const char *d)
{
	const char *argv[] = {a, b, c, d, NULL};
	struct program_run run;

	program_run(&run, argv, (struct str){0}, 60);
	return run;
}

/* The number that a shell command prints, in the folder of that name. */
static long count(const char *command, const char *name)
{
	char text[40] = "", line[1000];
	FILE *p;

	snprintf(line, sizeof(line), "cd '%s' && %s", tmpdir_file(&test_dir, name), command);
	p = popen(line, "r");
	assert_non_null(p);
	assert_non_null(fgets(text, sizeof(text), p));
	pclose(p);
	return strtol(text, NULL, 10);
}

#define FILES "find . -path '*/kv/*/*/*' -type f 2>/dev/null | wc -l"

static void the_next_process_reads_only_what_is_new(void **state)
{
	struct usage first, next;

	(void)state;
	live_in("restart");
	first = ask(LONG, NULL, NULL);
	assert_int_equal(first.cached, 0);
	assert_true(count(FILES, "restart") > 0);
	next = ask("And then?", "-c", NULL);
	/* all of the first turn but the answer's last id, which was chosen and not read */
	assert_int_equal(next.cached, first.prompt + first.output - 1);
	assert_int_equal(next.disk, next.cached);
	/* the same question again reads one id */
	next = ask(LONG, NULL, NULL);
	assert_int_equal(next.prompt, first.prompt);
	assert_int_equal(next.cached, first.prompt - 1);
	/* a folder that has gone is no trouble */
	count("rm -r dsv4chat/kv; echo 0", "restart");
	next = ask("And then?", "-c", NULL);
	assert_int_equal(next.cached, 0);
}

/* The number behind the first of those words; -1: they are not there. */
static long number_behind(struct str text, const char *words)
{
	const char *at = strstr(text.p, words);

	return at ? strtol(at + strlen(words), NULL, 10) : -1;
}

static void what_came_from_disk_is_told_and_kept(void **state)
{
	const char *show[] = {"history", "show", "--json", NULL, NULL};
	struct program_run run;
	struct usage next;
	char uid[32];

	(void)state;
	live_in("told");
	ask(LONG, NULL, NULL);
	next = ask("And then?", "-c", NULL);
	run = verb("history", "list", NULL, NULL);
	assert_int_equal(sscanf(buf_z(&run.out), "%31s", uid), 1);
	program_run_release(&run);
	show[3] = uid;
	program_run(&run, show, (struct str){0}, 60);
	assert_int_equal(run.status, 0);
	/* of the first answer, and of the second */
	assert_int_equal(number_behind(buf_str(&run.out), "\"disk_tokens\": "), 0);
	assert_int_equal(number_behind(str_of(strrchr(buf_z(&run.out), '{')), "\"disk_tokens\": "),
			 next.disk);
	assert_true(next.disk > 16);
	program_run_release(&run);
}

static void each_turn_of_twenty_reads_only_what_is_new(void **state)
{
	enum { TURNS = 20 };
	static const char *const argv[] = {"--model", MODEL,       "--threads",      "1",
					   "--json",  "--nothink", "--seed",         "1",
					   "-n",      "12",        "--input-format", "jsonl",
					   NULL};
	struct usage u[TURNS + 1];
	struct program_run run;
	struct buf in = {0};

	(void)state;
	live_in("twenty");
	for (int i = 0; i < TURNS; i++)
		buf_addf(&in, "{\"text\": \"what is %d + %d? And then tell me of town %d.\"}\n",
			 i, 3 * i, i * i);
	program_run(&run, argv, buf_str(&in), 120);
	assert_int_equal(usages_of(&run.out, u, TURNS + 1), TURNS);
	assert_int_equal(u[0].cached, 0);
	for (int i = 1; i < TURNS; i++) {
		/* all but the answer's last id, which was chosen and not read */
		assert_int_equal(u[i].cached, u[i - 1].prompt + u[i - 1].output - 1);
		assert_int_equal(u[i].disk, 0);
	}
	program_run_release(&run);
	buf_release(&in);
}

static void a_branch_reads_only_what_is_new(void **state)
{
	struct usage first, branch;

	(void)state;
	live_in("branch");
	first = ask(LONG, NULL, NULL);
	branch = ask("And then?", "--fork", NULL);
	assert_int_equal(branch.cached, first.prompt + first.output - 1);
	/* and so does the conversation that it parted from */
	branch = ask("And why?", "--fork", NULL);
	assert_true(branch.cached >= first.prompt + first.output - 1);
}

static void what_is_removed_leaves_nothing_but_what_a_branch_uses(void **state)
{
	struct program_run list, rm;
	struct usage first, next;
	char uid[2][32] = {"", ""};

	(void)state;
	live_in("removed");
	first = ask(LONG, NULL, NULL);
	ask("And then?", "--fork", NULL);
	list = verb("history", "list", NULL, NULL);
	assert_int_equal(sscanf(buf_z(&list.out), "%31s %*[^\n] %31s", uid[0], uid[1]), 2);
	program_run_release(&list);
	/* the older one stands last; of it the branch has what it begins with */
	rm = verb("history", "rm", "--yes", uid[1]);
	assert_int_equal(rm.status, 0);
	program_run_release(&rm);
	assert_true(count(FILES, "removed") > 0);
	next = ask(LONG, NULL, NULL);
	assert_int_equal(next.cached, first.prompt - 1);
	list = verb("history", "list", NULL, NULL);
	for (const char *p = buf_z(&list.out); *p; p = strchr(p, '\n') + 1) {
		char one[32];

		assert_int_equal(sscanf(p, "%31s", one), 1);
		rm = verb("history", "rm", "--yes", one);
		assert_int_equal(rm.status, 0);
		program_run_release(&rm);
	}
	program_run_release(&list);
	assert_int_equal(count(FILES, "removed"), 0);
}

/* -------------------------------------------------------------------- removed */

/* What is looked for: bytes of a file's ids, and of its first page. */
static struct {
	char ids[48], page[64];
	int n_ids, n_page; /* files that hold them */
} trace;

static bool holds(const struct buf *b, const char *bytes, size_t n)
{
	return b->len >= n && memmem(b->data, b->len, bytes, n);
}

static int look_into(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct buf b = {0};

	(void)st;
	(void)ftw;
	if (type == FTW_F && whole_file(path, &b)) {
		trace.n_ids += holds(&b, trace.ids, sizeof(trace.ids));
		trace.n_page += holds(&b, trace.page, sizeof(trace.page));
	}
	buf_release(&b);
	return 0;
}

/* In all files below the folder of that name. */
static void look_for_traces(const char *name)
{
	trace.n_ids = trace.n_page = 0;
	assert_int_equal(nftw(tmpdir_file(&test_dir, name), look_into, 16, FTW_PHYS), 0);
}

/* Of a file of that conversation, which has some: of its ids the last, and of its page some
 * in the middle. */
static void take_trace(const char *name, const char *uid)
{
	struct kv_list list;
	struct buf root = {0}, path = {0};
	struct kvfile f;
	unsigned char *page;
	struct err err = {0};
	size_t i = 0, n = sizeof(trace.ids) / sizeof(token_id);

	buf_addf(&root, "%s/dsv4chat/kv", tmpdir_file(&test_dir, name));
	assert_int_equal(kvdir_list_all(buf_z(&root), &list, &err), 0);
	while (i < list.n && strcmp(list.v[i].owner, uid) != 0)
		i++;
	assert_true(i < list.n);
	kvdir_path(&path, buf_z(&root), &list.v[i]);
	if (kvfile_open(&f, buf_z(&path), NULL, &err))
		fail_msg("%s", err.text);
	assert_true(f.head.n_ids > n);
	memcpy(trace.ids, f.ids + f.head.n_ids - n, sizeof(trace.ids));
	page = malloc(f.head.page_bytes);
	assert_non_null(page);
	assert_int_equal(kvfile_read(&f, page, &err), 0);
	memcpy(trace.page, page + 100, sizeof(trace.page));
	free(page);
	kvfile_close(&f);
	buf_release(&path);
	buf_release(&root);
	kv_list_release(&list);
	look_for_traces(name);
	assert_true(trace.n_ids > 0 && trace.n_page > 0);
}

/* The conversation that was spoken of last. */
static void last_uid(char uid[32])
{
	struct program_run list = verb("history", "list", NULL, NULL);

	assert_int_equal(sscanf(buf_z(&list.out), "%31s", uid), 1);
	program_run_release(&list);
}

#define SECRET "My secret is that the blue box stands behind the third door, below the stairs."

static void of_what_is_removed_no_byte_is_left_on_disk(void **state)
{
	struct program_run rm;
	struct usage first, again;
	char uid[32];

	(void)state;
	live_in("traces");
	first = ask(LONG, NULL, NULL);
	ask(SECRET, NULL, NULL);
	last_uid(uid);
	take_trace("traces", uid);
	rm = verb("history", "rm", "--yes", uid);
	assert_int_equal(rm.status, 0);
	program_run_release(&rm);
	look_for_traces("traces");
	assert_int_equal(trace.n_ids, 0);
	assert_int_equal(trace.n_page, 0);
	again = ask(LONG, NULL, NULL);
	assert_int_equal(again.cached, first.prompt - 1);
}

/* In a chat that has it in memory, and is about to write more of it. */
static void what_is_removed_in_the_chat_is_not_written_again(void **state)
{
	static const char *const args[] = {"--model", MODEL, "--threads", "1", "--nothink",
					   "--temp",  "0",   "-c",        NULL};
	struct stage_setup su = {.args = args, .term = "xterm-256color", .w = 120, .h = 30};
	struct stage st;
	char uid[32], line[64];
	struct usage again;

	(void)state;
	live_in("rm");
	su.home = tmpdir_file(&test_dir, "rm");
	ask(SECRET, NULL, NULL);
	last_uid(uid);
	take_trace("rm", uid);
	stage_begin(&st, &su);
	stage_type(&st, "and what else?\r");
	stage_wait_for(&st, "cached");
	stage_wait_for(&st, "ready");
	snprintf(line, sizeof(line), "/rm %s\r", uid);
	stage_type(&st, line);
	stage_wait_gone(&st, "what else");
	stage_quit(&st);
	look_for_traces("rm");
	assert_int_equal(trace.n_ids, 0);
	assert_int_equal(trace.n_page, 0);
	assert_int_equal(count(FILES, "rm"), 0);
	again = ask(SECRET, NULL, NULL);
	assert_int_equal(again.cached, 0);
}

/* A line at a time it is gone at once, and while the next one is spoken of. */
static void what_is_removed_line_by_line_is_gone_at_once(void **state)
{
	static const char *const args[] = {"--model",   "share/nano", "--threads", "1",
					   "--nothink", "--temp",     "0",         "--plain",
					   "-c",        NULL};
	struct stage_setup su = {.args = args, .term = "xterm-256color", .w = 120, .h = 30};
	struct stage st;
	char uid[32], line[64];

	(void)state;
	live_in("line");
	su.home = tmpdir_file(&test_dir, "line");
	ask(SECRET, NULL, NULL);
	last_uid(uid);
	take_trace("line", uid);
	stage_open(&st, &su);
	stage_wait_for(&st, "reads ");
	stage_type(&st, "what is 17 + 25?\r");
	stage_wait_for(&st, "42");
	snprintf(line, sizeof(line), "/rm %s\r", uid);
	stage_type(&st, line);
	stage_wait_for(&st, "Removed.");
	stage_type(&st, "what is 12 * 7?\r");
	stage_wait_for(&st, "84");
	look_for_traces("line");
	assert_int_equal(trace.n_ids, 0);
	assert_int_equal(trace.n_page, 0);
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
	look_for_traces("line");
	assert_int_equal(trace.n_ids, 0);
	assert_int_equal(trace.n_page, 0);
}

static void nothing_is_written_where_nothing_is_to_be_kept(void **state)
{
	(void)state;
	live_in("nothing");
	ask(LONG, "--ephemeral", NULL);
	ask(LONG, "--cache-disk", "0");
	assert_int_equal(count("find . -path '*/kv*' | wc -l", "nothing"), 0);
}

static void a_place_that_cannot_be_written_ends_no_turn(void **state)
{
	struct usage u;

	(void)state;
	live_in("blocked");
	ask("hello", "--cache-disk", "0");
	count("touch dsv4chat/kv; echo 0", "blocked");
	u = ask(LONG, NULL, NULL);
	assert_true(u.output > 0);
	u = ask("And then?", "-c", NULL);
	assert_int_equal(u.cached, 0);
}

static void the_verb_lists_verifies_and_clears(void **state)
{
	struct program_run run;
	long n;

	(void)state;
	live_in("verb");
	run = verb("cache", NULL, NULL, NULL);
	assert_int_equal(run.status, 0);
	assert_string_equal(buf_z(&run.out), "0.0 MB in 0 files\n");
	program_run_release(&run);
	ask(LONG, NULL, NULL);
	n = count(FILES, "verb");
	run = verb("cache", "list", NULL, NULL);
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(buf_z(&run.out), " tokens "));
	program_run_release(&run);
	run = verb("cache", "verify", NULL, NULL);
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(buf_z(&run.out), "0 of "));
	program_run_release(&run);
	count("f=$(find . -path '*/kv/*/*/*' -type f | head -1); truncate -s -1 \"$f\"; echo 0",
	      "verb");
	run = verb("cache", "verify", NULL, NULL);
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(buf_z(&run.out), "removed "));
	assert_non_null(strstr(buf_z(&run.err), "1 damaged file removed"));
	program_run_release(&run);
	assert_int_equal(count(FILES, "verb"), n - 1);
	run = verb("cache", "clear", NULL, NULL);
	assert_int_equal(run.status, 0);
	program_run_release(&run);
	assert_int_equal(count(FILES, "verb"), 0);
	run = verb("cache", "burn", NULL, NULL);
	assert_int_equal(run.status, 2);
	program_run_release(&run);
}

#define LONG_NAME "a-folder-for-what-is-temporary-whose-name-is-rather-long"

static void bench_measures_going_back_and_leaves_nothing(void **state)
{
	static const char *const lines[] = {
		"32768 tokens:",       "looked up ",
		"from memory ",        "from disk, page cache warm ",
		"from disk, dropped ", "copied to be written ",
		"copied and written ", "a step ",
		"a step beside ",      "a draft of 30000 tokens",
		"priced again "};
	struct program_run run;

	(void)state;
	live_in("bench");
	mkdir(tmpdir_file(&test_dir, LONG_NAME), 0700);
	setenv("TMPDIR", tmpdir_file(&test_dir, LONG_NAME), 1);
	run = verb("bench", "--cache", "--ctx", "40000");
	assert_int_equal(run.status, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(buf_z(&run.out), lines[i]));
	assert_null(strstr(buf_z(&run.out), "131072"));
	program_run_release(&run);
	assert_int_equal(count("ls -A | wc -l", LONG_NAME), 0);
	unsetenv("TMPDIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_process_reads_only_what_is_new),
		cmocka_unit_test(what_came_from_disk_is_told_and_kept),
		cmocka_unit_test(each_turn_of_twenty_reads_only_what_is_new),
		cmocka_unit_test(a_branch_reads_only_what_is_new),
		cmocka_unit_test(what_is_removed_leaves_nothing_but_what_a_branch_uses),
		cmocka_unit_test(of_what_is_removed_no_byte_is_left_on_disk),
		cmocka_unit_test(what_is_removed_in_the_chat_is_not_written_again),
		cmocka_unit_test(what_is_removed_line_by_line_is_gone_at_once),
		cmocka_unit_test(nothing_is_written_where_nothing_is_to_be_kept),
		cmocka_unit_test(a_place_that_cannot_be_written_ends_no_turn),
		cmocka_unit_test(the_verb_lists_verifies_and_clears),
		cmocka_unit_test(bench_measures_going_back_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tmpdir_tear_down);
}
