/*
 * The program's modes on a disk that fails: one turn, in a child process for each call of the
 * disk, in which that call fails.  Whatever happens the answer is shown whole once the question
 * was taken, a loss is told and never exits 0, and the store is sound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/line/line.h"
#include "app/line/oneshot.h"
#include "app/signals.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/badvfs.h"
#include "tests/support/tmpdir.h"

/* A sanitizer makes each fork() cost as much as a turn: then not all calls are tried. */
#if defined(__SANITIZE_ADDRESS__)
#define SLOW_PROGRAM true
#else
#define SLOW_PROGRAM false
#endif

#define AT_ONCE     128 /* children at most; so many where all they do is wait for a lock */
#define AT_A_TIME   32  /* else; most of the time they wait for their engines */
#define PATIENCE_MS 60000

/* The pause is longer than a journal interval, so that the journal is written too. */
#define ANSWER "alpha omega"
static const char script[] = "{\"text\": \"alpha\"}\n{\"pause\": 300}\n{\"text\": \" omega\"}\n"
			     "{\"done\": {}}\n";
static const char session[] = "{\"text\": \"the question\"}\n";

enum mode { MODE_ONESHOT, MODE_SESSION, MODE_LINE };

struct fault {
	const char *what;
	unsigned kinds;
	int code;
	bool lasting;
	bool slow; /* only where time is given: the store waits for the lock */
};

static const struct fault faults[] = {
	{"full", BAD_BIT(BAD_WRITE), SQLITE_FULL, true, false},
	{"write", BAD_BIT(BAD_WRITE), SQLITE_IOERR_WRITE, false, false},
	{"read", BAD_BIT(BAD_READ), SQLITE_IOERR_READ, true, false},
	{"sync", BAD_BIT(BAD_SYNC) | BAD_BIT(BAD_TRUNCATE), SQLITE_IOERR_FSYNC, true, false},
	{"index", BAD_BIT(BAD_SHM) | BAD_BIT(BAD_SIZE), SQLITE_IOERR_SHMSIZE, true, false},
	{"read-only", BAD_BIT(BAD_WRITE) | BAD_BIT(BAD_OPEN), SQLITE_READONLY, true, false},
	{"busy for a moment", BAD_BIT(BAD_LOCK), SQLITE_BUSY, false, false},
	{"busy for good", BAD_BIT(BAD_LOCK), SQLITE_BUSY, true, true},
};

/* One run: a child, its folder, and what its disk does. */
struct play {
	enum mode mode;
	const struct fault *fault;
	long at;
	struct tmpdir dir;
	struct badvfs *vfs;
	pid_t child;
	int status;
	int tty; /* of line mode, until it ends; else -1 */
	struct buf shown;
	size_t seen, n_typed; /* of it, prompts were seen up to here; inputs */
};

static struct badvfs *slots;

/* -- the child ------------------------------------------------------------------- */

static void redirect(const struct tmpdir *dir, const char *name, int flags, int fd)
{
	int file = open(tmpdir_file(dir, name), flags | O_CLOEXEC, 0600);

	if (file < 0 || dup2(file, fd) < 0)
		_exit(99);
}

static _Noreturn void live(struct play *p)
{
	struct app app = {.start_ms = clock_ms()};
	struct err err = {0};
	int rc;

	badvfs = p->vfs;
	setenv("XDG_DATA_HOME", p->dir.path, 1);
	setenv("XDG_STATE_HOME", p->dir.path, 1);
	if (p->mode != MODE_LINE) {
		redirect(&p->dir, "in", O_RDONLY, 0);
		redirect(&p->dir, "out", O_WRONLY | O_CREAT, 1);
	}
	redirect(&p->dir, "err", O_WRONLY | O_CREAT, 2);
	options_default(&app.opt);
	app.opt.engine_script = strdup(tmpdir_file(&p->dir, "script"));
	app.opt.seed_given = true;
	if (p->mode == MODE_ONESHOT)
		app.opt.prompt = strdup("the question");
	if (signals_open(&err))
		_exit(99);
	if (p->mode == MODE_SESSION) {
		app.opt.input_format = INPUT_JSONL;
		rc = oneshot_session(&app);
	} else {
		rc = p->mode == MODE_LINE ? line_run(&app) : oneshot_run(&app, false);
	}
	app_close_engine(&app);
	options_release(&app.opt);
	fflush(stdout);
	_exit(rc);
}

static void begin(struct play *p)
{
	tmpdir_init(&p->dir);
	tmpdir_write_text(&p->dir, "script", script);
	tmpdir_write_text(&p->dir, "in", session);
	badvfs = p->vfs;
	badvfs_set(p->fault->kinds, p->fault->code, p->fault->lasting, p->at);
	p->tty = -1;
	fflush(NULL);
	p->child = p->mode == MODE_LINE ? forkpty(&p->tty, NULL, NULL, NULL) : fork();
	assert_true(p->child >= 0);
	if (p->child == 0)
		live(p);
}

/* -- what must hold afterwards ----------------------------------------------------- */

static void read_of(const struct play *p, const char *name, struct buf *out)
{
	struct err err;

	if (access(tmpdir_file(&p->dir, name), F_OK) == 0 &&
	    file_read(out, tmpdir_file(&p->dir, name), 1 << 20, &err))
		fail_msg("%s", err.text);
}

static const char *name_of(const struct play *p)
{
	static const char *const modes[] = {"one-shot", "session", "line"};
	static char text[120];

	snprintf(text, sizeof(text), "%s, %s, call %ld", modes[p->mode], p->fault->what, p->at);
	return text;
}

/* The branch of the one conversation: how many messages, and the last one's text. */
static size_t n_kept(const struct play *p, struct buf *last)
{
	struct history_list list = {0}, recovered = {0};
	struct buf problems = {0};
	struct history_tree *t = NULL;
	struct history *h = NULL;
	struct err err = {0};
	size_t n = 0, n_problems = 0;

	if (history_open(&h, tmpdir_file(&p->dir, "dsv4chat/history.db"), &err))
		fail_msg("%s: cannot be opened afterwards: %s", name_of(p), err.text);
	assert_int_equal(history_recover(h, &recovered, &err), 0);
	if (history_verify(h, &problems, &n_problems, &err) || n_problems)
		fail_msg("%s: %s%s", name_of(p), buf_z(&problems), err.text);
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	assert_in_range(list.n, 0, 1);
	if (list.n) {
		assert_int_equal(history_tree_open(&t, h, list.items[0].id, &err), 0);
		history_tree_path(t, &n);
		history_message_add_text(history_tree_leaf(t), HISTORY_TEXT, last);
	}
	history_tree_free(t);
	history_list_release(&list);
	history_list_release(&recovered);
	history_close(h);
	buf_release(&problems);
	return n;
}

/* The answer as it was shown; a session tells it in events. */
static void answer_of(const struct play *p, struct buf *out)
{
	static const char event[] = "{\"type\": \"text\", \"text\": \"";
	const char *at = buf_z(&p->shown);

	if (p->mode != MODE_SESSION && strstr(at, "alpha"))
		buf_add(out, strstr(at, "alpha"), strcspn(strstr(at, "alpha"), "\r\n"));
	while (p->mode == MODE_SESSION && (at = strstr(at, event))) {
		at += strlen(event);
		buf_add(out, at, strcspn(at, "\""));
	}
}

static void check(const struct play *p)
{
	struct buf said = {0}, last = {0}, answer = {0};
	bool whole;
	size_t n;

	read_of(p, "err", &said);
	answer_of(p, &answer);
	whole = strcmp(buf_z(&answer), ANSWER) == 0;
	badvfs->countdown = -1;
	n = n_kept(p, &last);
	if (p->status != EXIT_DONE && p->status != EXIT_STORE && p->status != EXIT_FAILED)
		fail_msg("%s: status %d: %s", name_of(p), p->status, buf_z(&said));
	if (p->status != EXIT_DONE && (!p->vfs->struck || !strstr(buf_z(&said), "dsv4chat: ")))
		fail_msg("%s: status %d, struck %d, said: %s", name_of(p), p->status,
			 p->vfs->struck, buf_z(&said));
	if (answer.len && (!whole || n < 1))
		fail_msg("%s: of an answer came: %s; kept: %zu messages", name_of(p),
			 buf_z(&answer), n);
	/* 0: all of it was shown and is kept. */
	if (p->status == EXIT_DONE && (!whole || n != 2 || strcmp(buf_z(&last), ANSWER) != 0))
		fail_msg("%s: status 0, %zu messages, the last \"%s\", shown: %s", name_of(p),
			 n, buf_z(&last), buf_z(&p->shown));
	buf_release(&said);
	buf_release(&last);
	buf_release(&answer);
}

/* -- running them ------------------------------------------------------------------- */

/* Line mode is typed to: the question once it asks, the end once it asks again. */
static void type_more(struct play *p)
{
	static const char *const typed[] = {"the question\n", "\004"};
	const char *prompt = strstr(buf_z(&p->shown) + p->seen, "> ");
	const char *next = typed[p->n_typed < 2 ? p->n_typed : 1];

	/* Ctrl-D is lost before keys are taken one by one: again. */
	if (!prompt && p->n_typed < 2)
		return;
	if (prompt) {
		p->seen = (size_t)(prompt - buf_z(&p->shown)) + 2;
		p->n_typed++;
	}
	if (write(p->tty, next, strlen(next)) < 0)
		p->n_typed = 2;
}

/* What it shows within 2 ms; it has ended where nothing can be read any more. */
static void hear(struct play *p)
{
	struct pollfd fd = {.fd = p->tty, .events = POLLIN};
	char bytes[4096];
	ssize_t n;

	if (poll(&fd, 1, 2) <= 0) {
		type_more(p);
		return;
	}
	n = read(p->tty, bytes, sizeof(bytes));
	if (n > 0) {
		buf_add(&p->shown, bytes, (size_t)n);
		return;
	}
	close(p->tty);
	p->tty = -1;
}

static void converse(struct play *plays, int n_plays)
{
	int64_t end = clock_ms() + PATIENCE_MS;
	int n_open = n_plays;

	while (n_open) {
		n_open = 0;
		for (int i = 0; i < n_plays; i++) {
			if (plays[i].tty < 0)
				continue;
			hear(&plays[i]);
			n_open++;
			if (clock_ms() > end) {
				kill(plays[i].child, SIGKILL);
				fail_msg("%s: does not end: %s", name_of(&plays[i]),
					 buf_z(&plays[i].shown));
			}
		}
	}
}

static void finish(struct play *p)
{
	int status;

	badvfs = p->vfs;
	assert_int_equal(waitpid(p->child, &status, 0), p->child);
	p->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (p->mode != MODE_LINE)
		read_of(p, "out", &p->shown);
	check(p);
	tmpdir_release(&p->dir);
	buf_release(&p->shown);
}

static void every_call_fails(enum mode mode, const struct fault *fault, int step)
{
	const int n_plays = fault->slow ? AT_ONCE : AT_A_TIME;
	struct play plays[AT_ONCE];
	long at = 0, n_struck = 0, n_failed = 0;
	bool more = true;
	bool all = getenv("DSV4CHAT_SLOW") != NULL && !SLOW_PROGRAM;

	while (more) {
		for (int i = 0; i < n_plays; i++) {
			plays[i] = (struct play){
				.mode = mode, .fault = fault, .at = at, .vfs = &slots[i]};
			begin(&plays[i]);
			at += all ? 1 : step;
		}
		converse(plays, n_plays);
		for (int i = 0; i < n_plays; i++) {
			finish(&plays[i]);
			more &= plays[i].vfs->struck;
			n_struck += plays[i].vfs->struck;
			n_failed += plays[i].status != EXIT_DONE;
		}
	}
	assert_true(n_struck > 0);
	if (fault->lasting && n_failed == 0)
		fail_msg("%s: none of %ld failed", fault->what, at);
}

static void try_all(enum mode mode, int step)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (!faults[i].slow || getenv("DSV4CHAT_SLOW"))
			every_call_fails(mode, &faults[i], step);
	}
}

static void one_question_survives_every_failure(void **state)
{
	(void)state;
	try_all(MODE_ONESHOT, 3);
}

static void a_scripted_session_survives_every_failure(void **state)
{
	(void)state;
	try_all(MODE_SESSION, 13);
}

static void the_chat_line_by_line_survives_every_failure(void **state)
{
	(void)state;
	try_all(MODE_LINE, 13);
}

static int install(void **state)
{
	(void)state;
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	setenv("TERM", "dumb", 1);
	badvfs_install();
	slots = mmap(NULL, AT_ONCE * sizeof(*slots), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return slots == MAP_FAILED;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_question_survives_every_failure),
		cmocka_unit_test(a_scripted_session_survives_every_failure),
		cmocka_unit_test(the_chat_line_by_line_survives_every_failure),
	};

	return cmocka_run_group_tests(tests, install, NULL);
}
