/*
 * The program on the small model, killed in the middle of an answer: the next process goes on
 * with it to the very ids and text of a run that nobody cut, noise and all.
 */
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
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "history/history.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define MODEL       "share/nano"
#define QUESTION    "tell me about the river"
#define PATIENCE_MS 120000
/* Of the uncut answer: long enough for the journal to be written, and then for a kill. */
#define LEAST_MS      700
#define JOURNALLED_MS 350
#define SEEDS         40

/* Hot, so that it says much and each id hangs on the seed. */
static const char *const how[] = {"--plain", "--model", MODEL, "--temp", "6", "--threads", "1"};
#define N_HOW (sizeof(how) / sizeof(how[0]))

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&test_dir);
	setenv("TERM", "dumb", 1);
	unsetenv("DSV4CHAT_MODEL");
	return 0;
}

/* From here on the program's files lie in a folder of that name. */
static void live_in(const char *name)
{
	program_live_in(tmpdir_file(&test_dir, name));
}

/* The answer that the only conversation ends with. */
struct kept {
	struct buf thinking, text, stop, title;
	int32_t *ids;
	size_t n_ids;
	int64_t ms;
};

static void kept_release(struct kept *k)
{
	buf_release(&k->thinking);
	buf_release(&k->text);
	buf_release(&k->stop);
	buf_release(&k->title);
	free(k->ids);
	*k = (struct kept){0};
}

static struct history *open_history(void)
{
	char path[600];
	struct history *h;
	struct err err = {0};

	snprintf(path, sizeof(path), "%s/dsv4chat/history.db", getenv("XDG_DATA_HOME"));
	if (history_open(&h, path, &err))
		fail_msg("%s", err.text);
	return h;
}

static void history_is_well(void)
{
	struct history *h = open_history();
	struct buf problems = {0};
	struct err err = {0};
	size_t n;

	if (history_verify(h, &problems, &n, &err))
		fail_msg("%s", err.text);
	if (n)
		fail_msg("%s", buf_z(&problems));
	buf_release(&problems);
	history_close(h);
}

/* False while there is none. */
static bool read_kept(struct kept *k)
{
	struct history *h = open_history();
	struct history_tree *t = NULL;
	struct history_list list = {0};
	const struct history_message *m = NULL;
	struct err err = {0};
	int64_t id = 0;

	if (history_last(h, &id, &err))
		fail_msg("%s", err.text);
	if (id && (history_tree_open(&t, h, id, &err) || history_get(h, id, &list, &err)))
		fail_msg("%s", err.text);
	if (t)
		m = history_tree_leaf(t);
	if (m && m->role == HISTORY_ASSISTANT) {
		history_message_add_text(m, HISTORY_THINKING, &k->thinking);
		history_message_add_text(m, HISTORY_TEXT, &k->text);
		buf_addz(&k->stop, m->run ? m->run->stop : "");
		buf_addz(&k->title, list.items[0].title);
		k->ms = m->run ? m->run->decode_ms : 0;
		k->ids = malloc((m->n_ids + 1) * sizeof(*k->ids));
		assert_non_null(k->ids);
		memcpy(k->ids, m->ids, m->n_ids * sizeof(*k->ids));
		k->n_ids = m->n_ids;
	} else {
		m = NULL;
	}
	history_list_release(&list);
	history_tree_free(t);
	history_close(h);
	return m != NULL;
}

/* A chat on a terminal. */
struct chat {
	pid_t pid;
	int fd;
	struct buf seen;
};

static void hear(struct chat *c, int ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char bytes[4096];
	ssize_t n = poll(&p, 1, ms) > 0 ? read(c->fd, bytes, sizeof(bytes)) : 0;

	if (n > 0)
		buf_add(&c->seen, bytes, (size_t)n);
}

/* Starts it and types `keys` once it asks. */
static void begin(struct chat *c, const char *keys, const char *more, const char *value)
{
	const char *argv[N_HOW + 4] = {program_path()};
	int64_t end = clock_ms() + PATIENCE_MS;
	struct termios modes;

	memcpy(argv + 1, how, sizeof(how));
	argv[N_HOW + 1] = more;
	argv[N_HOW + 2] = value;
	*c = (struct chat){0};
	c->pid = forkpty(&c->fd, NULL, NULL, NULL);
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	/* The prompt is shown shortly before the line editor takes keys. */
	for (bool asks = false; !asks;) {
		asks = strstr(buf_z(&c->seen), "> ") && tcgetattr(c->fd, &modes) == 0 &&
		       !(modes.c_lflag & (tcflag_t)ICANON);
		if (!asks && clock_ms() > end)
			fail_msg("no prompt in: %s", buf_z(&c->seen));
		hear(c, asks ? 0 : 5);
	}
	buf_reset(&c->seen);
	assert_int_equal(write(c->fd, keys, strlen(keys)), strlen(keys));
}

static void end_by(struct chat *c, int signo)
{
	int status;

	kill(c->pid, signo);
	/* What it still says must not hold it up. */
	while (waitpid(c->pid, &status, WNOHANG) == 0)
		hear(c, 20);
	close(c->fd);
	buf_release(&c->seen);
}

/* Kills it once so many bytes were shown, and so many ms after the first of them. */
static void kill_after(struct chat *c, size_t bytes, int64_t ms)
{
	int64_t end = clock_ms() + PATIENCE_MS, first = 0;
	size_t echo = strlen(QUESTION) + 2;

	while (c->seen.len < echo + bytes || clock_ms() - first < ms) {
		if (clock_ms() > end)
			fail_msg("%zu bytes did not come: %s", bytes, buf_z(&c->seen));
		if (!first && c->seen.len > echo)
			first = clock_ms();
		hear(c, 5);
	}
	end_by(c, SIGKILL);
}

/* Waits until the conversation ends with a whole answer; takes what is shown meanwhile. */
static void await_whole(struct chat *c, struct kept *k)
{
	int64_t end = clock_ms() + PATIENCE_MS;

	for (;;) {
		if (read_kept(k) && strcmp(buf_z(&k->stop), "stop") == 0)
			return;
		if (clock_ms() > end)
			fail_msg("the answer does not end: %s: %s", buf_z(&k->stop),
				 buf_z(&c->seen));
		kept_release(k);
		for (int64_t next = clock_ms() + 100; clock_ms() < next;)
			hear(c, 10);
	}
}

/* A seed whose answer ends by itself and takes long enough. */
static int find_seed(struct kept *whole)
{
	for (int seed = 1; seed <= SEEDS; seed++) {
		char name[20], text[20];
		struct program_run run = {0};

		snprintf(name, sizeof(name), "whole%d", seed);
		snprintf(text, sizeof(text), "%d", seed);
		live_in(name);
		/* One-shot: --plain holds for chats alone. */
		program_run(&run,
			    (const char *const[]){"--model", MODEL, "--temp", "6", "--threads",
						  "1", "--seed", text, "-n", "8000", "-p",
						  QUESTION, NULL},
			    (struct str){0}, 60);
		program_run_release(&run);
		if (read_kept(whole) && strcmp(buf_z(&whole->stop), "stop") == 0 &&
		    whole->ms >= LEAST_MS)
			return seed;
		kept_release(whole);
	}
	fail_msg("no seed of %d gives a long answer", SEEDS);
	return 0;
}

static void a_killed_answer_goes_on_to_the_very_same_ids(void **state)
{
	/* Percent of what is shown; the second kill while going on. */
	static const int kills[][2] = {{10, 0}, {60, 0}, {30, 30}};
	struct kept whole = {0};
	size_t shown;
	char seed[20];

	(void)state;
	if (access(MODEL "/model.safetensors", R_OK) != 0) {
		print_message(MODEL ": no model, skipped\n");
		skip();
	}
	snprintf(seed, sizeof(seed), "%d", find_seed(&whole));
	shown = whole.thinking.len + whole.text.len;
	for (size_t i = 0; i < sizeof(kills) / sizeof(kills[0]); i++) {
		char name[20];
		struct kept now = {0};
		struct chat c;

		snprintf(name, sizeof(name), "killed%zu", i);
		live_in(name);
		begin(&c, QUESTION "\n", "--seed", seed);
		kill_after(&c, shown * (size_t)kills[i][0] / 100, JOURNALLED_MS);
		/* The seed is the answer's own: nobody gives it again. */
		begin(&c, "/continue\n", NULL, NULL);
		if (kills[i][1]) {
			/*
			 * What the first kill left is enough to go on from.  Whether the second
			 * one cut an answer, and a start thus takes it up by itself, is left to
			 * chance: what was shown before is shown again before anything is
			 * begun.
			 */
			kill_after(&c, shown * (size_t)kills[i][1] / 100, 0);
			begin(&c, "/continue\n", "-c", NULL);
		}
		await_whole(&c, &now);
		end_by(&c, SIGTERM);
		history_is_well();
		assert_string_equal(buf_z(&now.thinking), buf_z(&whole.thinking));
		assert_string_equal(buf_z(&now.text), buf_z(&whole.text));
		assert_int_equal(now.n_ids, whole.n_ids);
		assert_memory_equal(now.ids, whole.ids, now.n_ids * sizeof(*now.ids));
		kept_release(&now);
	}
	kept_release(&whole);
}

/* The title comes within milliseconds after the answer: killed around that. */
static void a_kill_while_a_title_is_made_loses_nothing(void **state)
{
	int n_named = 0;

	(void)state;
	if (access(MODEL "/model.safetensors", R_OK) != 0) {
		print_message(MODEL ": no model, skipped\n");
		skip();
	}
	for (int i = 0; i < 8; i++) {
		char name[20];
		struct kept k = {0};
		struct chat c;

		snprintf(name, sizeof(name), "titled%d", i);
		live_in(name);
		begin(&c, "what is 12 * 7?\n", "--temp", "0");
		await_whole(&c, &k);
		kept_release(&k);
		/* 0 … 12 ms, and once so late that it is there */
		poll(NULL, 0, i < 7 ? 2 * i : 1000);
		end_by(&c, SIGKILL);
		assert_true(read_kept(&k));
		history_is_well();
		assert_string_equal(buf_z(&k.stop), "stop");
		assert_true(k.title.len > 0);
		n_named += strcmp(buf_z(&k.title), "what is 12 * 7?") != 0;
		kept_release(&k);
	}
	assert_in_range(n_named, 1, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tmpdir_tear_down)
		T(a_killed_answer_goes_on_to_the_very_same_ids),
		T(a_kill_while_a_title_is_made_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
