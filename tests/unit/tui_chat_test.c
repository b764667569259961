/*
 * The whole screen on the scripted engine, in a pseudo-terminal whose other end
 * is a libvterm: what a person would see and do.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>
#include <vterm.h>

#include "app/screen.h"
#include "engine/base/utf8.h"
#include "tests/support/tmpdir.h"

#define PATIENCE_MS 20000 /* a loaded machine is slow */

static const char script[] = "{\"info\": {\"model_name\": \"scripted\", \"backend\": \"none\", "
			     "\"ctx_tokens\": 4096}}\n"
			     "{\"load\": {\"bytes\": 1000, \"steps\": 2}}\n"
			     "{\"turn\": {\"expect\": \"hello\"}}\n"
			     "{\"prefill\": {\"tokens\": 100, \"cached\": 40}}\n"
			     "{\"thinking\": \"They greet me, so I greet them back.\"}\n"
			     "{\"text\": \"Hello **there**. A list:\\n\\n- one\\n- two\\n\"}\n"
			     "{\"done\": {}}\n"
			     "{\"turn\": {\"expect\": \"slowly\"}}\n"
			     "{\"text\": \"This takes for ever \", \"delay_ms\": 5}\n"
			     "{\"pause\": -1}\n"
			     "{\"done\": {}}\n"
			     "{\"turn\": {\"again\": true}}\n"
			     "{\"text\": \"Another answer.\"}\n"
			     "{\"done\": {}}\n";

/* A screen in a child process, and the terminal it runs on. */
struct stage {
	pid_t child;
	int fd;
	VTerm *vt;
	int w, h;
	struct termios before;
	size_t bytes; /* that the child wrote */
	struct buf raw;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct setup {
	const char *engine_script;
	const char *term;
	const char *inputs_path;
	const char *history_path; /* NULL = nothing is kept */
	bool last;                /* opens the last conversation */
	int w, h;
	rlim_t file_limit; /* no file grows beyond, so that the store is full; 0 = none */
	bool crash;        /* the child raises SIGSEGV when it hears SIGUSR1 */
	bool job; /* as a shell starts it: a group of its own, which alone can be stopped */
};

static void crash_now(int sig)
{
	(void)sig;
	raise(SIGSEGV);
}

static _Noreturn void child_main(const struct setup *su)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
	struct options opt;
	struct screen_config c = {.opt = &opt, .tty = 0, .inputs_path = su->inputs_path};
	struct history_list recovered = {0};
	struct err err = {0};
	int signo = 0, rc;

	setlocale(LC_ALL, "C.UTF-8");
	unsetenv("COLORTERM");
	unsetenv("NO_COLOR");
	/* cmocka's own handlers came along with the fork. */
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		signal(faults[i], SIG_DFL);
	if (su->crash)
		signal(SIGUSR1, crash_now);
	setenv("TERM", su->term, 1);
	options_default(&opt);
	if (engine_open_scripted(&c.engine, str_of(su->engine_script), &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(90);
	}
	if (su->history_path != NULL &&
	    (history_open(&c.history, su->history_path, &err) < 0 ||
	     history_recover(c.history, &recovered, &err) < 0 ||
	     (su->last && history_last(c.history, &c.conversation, &err) < 0))) {
		fprintf(stderr, "%s\n", err.text);
		_exit(91);
	}
	if (su->file_limit > 0) {
		struct rlimit limit = {su->file_limit, su->file_limit};

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	rc = screen_run(&c, &signo, &err);
	history_close(c.history);
	c.engine->ops->close(c.engine);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	_exit(signo != 0 ? 128 + signo : rc < 0 ? 1 : 0);
}

/* Plays the shell: the screen is a job in a group of its own, in the foreground. */
static _Noreturn void shell_main(const struct setup *su)
{
	int status;
	pid_t job;

	signal(SIGTTOU, SIG_IGN);
	job = fork();
	if (job == 0) {
		setpgid(0, 0);
		tcsetpgrp(0, getpid());
		signal(SIGTTOU, SIG_DFL);
		child_main(su);
	}
	waitpid(job, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

static void stage_open(struct stage *st, const struct setup *su)
{
	struct winsize ws = {.ws_col = (unsigned short)su->w, .ws_row = (unsigned short)su->h};
	int slave;

	*st = (struct stage){.w = su->w, .h = su->h};
	assert_int_equal(openpty(&st->fd, &slave, NULL, NULL, &ws), 0);
	assert_int_equal(tcgetattr(slave, &st->before), 0);
	st->child = fork();
	assert_true(st->child >= 0);
	if (st->child == 0) {
		close(st->fd);
		login_tty(slave);
		if (su->job)
			shell_main(su);
		child_main(su);
	}
	/* The slave stays open here, so that its modes can be read after the child. */
	close(slave);
	fcntl(st->fd, F_SETFL, O_NONBLOCK);
	st->vt = vterm_new(su->h, su->w);
	vterm_set_utf8(st->vt, 1);
	vterm_screen_enable_altscreen(vterm_obtain_screen(st->vt), 1);
	vterm_screen_reset(vterm_obtain_screen(st->vt), 1);
}

/* Reads what comes within `ms`; false at the end of the child. */
static bool stage_read(struct stage *st, int ms)
{
	struct pollfd p = {.fd = st->fd, .events = POLLIN};
	char bytes[65536];
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return true;
	n = read(st->fd, bytes, sizeof(bytes));
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	st->bytes += (size_t)n;
	buf_add(&st->raw, bytes, (size_t)n);
	vterm_input_write(st->vt, bytes, (size_t)n);
	return true;
}

static void add_row(const struct stage *st, int y, struct buf *out)
{
	VTermScreen *screen = vterm_obtain_screen(st->vt);

	for (int x = 0; x < st->w; x++) {
		VTermScreenCell cell;
		char bytes[4];

		vterm_screen_get_cell(screen, (VTermPos){y, x}, &cell);
		if (cell.chars[0] == (uint32_t)-1)
			continue;
		if (cell.chars[0] == 0)
			buf_addc(out, ' ');
		for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i] != 0; i++)
			buf_add(out, bytes, utf8_encode(cell.chars[i], bytes));
		if (cell.width == 2)
			x++;
	}
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		buf_truncate(out, out->len - 1);
	buf_addc(out, '\n');
}

static void stage_text(const struct stage *st, struct buf *out)
{
	buf_reset(out);
	for (int y = 0; y < st->h; y++)
		add_row(st, y, out);
}

static bool shows(struct stage *st, const char *text)
{
	struct buf all = {0};
	bool found;

	stage_text(st, &all);
	found = strstr(buf_z(&all), text) != NULL;
	buf_release(&all);
	return found;
}

static void wait_for(struct stage *st, const char *text)
{
	int64_t start = now_ms();
	struct buf all = {0};

	while (!shows(st, text)) {
		if (now_ms() - start > PATIENCE_MS || !stage_read(st, 50)) {
			stage_text(st, &all);
			fail_msg("\"%s\" did not come; there is:\n%s", text, buf_z(&all));
		}
	}
}

static void wait_gone(struct stage *st, const char *text)
{
	int64_t start = now_ms();

	while (shows(st, text)) {
		if (now_ms() - start > PATIENCE_MS || !stage_read(st, 50))
			fail_msg("\"%s\" did not go", text);
	}
}

static void type(struct stage *st, const char *bytes)
{
	size_t n = strlen(bytes), at = 0;

	while (at < n) {
		ssize_t k = write(st->fd, bytes + at, n - at);

		if (k > 0)
			at += (size_t)k;
		else
			stage_read(st, 20);
	}
}

static void settle(struct stage *st)
{
	size_t before;

	do {
		before = st->bytes;
		stage_read(st, 150);
	} while (st->bytes != before);
}

/* Everything on the terminal is as a complete repaint would have it. */
static void assert_no_remains(struct stage *st)
{
	struct buf was = {0}, is = {0};

	settle(st);
	stage_text(st, &was);
	type(st, "\x0C");
	settle(st);
	stage_text(st, &is);
	assert_string_equal(buf_z(&was), buf_z(&is));
	buf_release(&was);
	buf_release(&is);
}

/* Waits for the end; returns the wait status. */
static int stage_close(struct stage *st)
{
	int status;
	int64_t start = now_ms();

	while (waitpid(st->child, &status, WNOHANG) == 0) {
		stage_read(st, 20);
		if (now_ms() - start > PATIENCE_MS) {
			kill(st->child, SIGKILL);
			waitpid(st->child, &status, 0);
			fail_msg("the screen did not end");
		}
	}
	while (stage_read(st, 0) && st->fd >= 0) {
		struct pollfd p = {.fd = st->fd, .events = POLLIN};

		if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
			break;
	}
	vterm_free(st->vt);
	buf_release(&st->raw);
	close(st->fd);
	return status;
}

static void a_person_asks_reads_folds_searches_edits_forks_and_quits(void **state)
{
	static const struct setup su = {
		.engine_script = script, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "hello world\r");
	wait_for(&st, "• two");
	wait_for(&st, "thought");
	assert_true(shows(&st, "cached 40"));
	assert_false(shows(&st, "They greet me"));
	type(&st, "\x14"); /* Ctrl-T */
	wait_for(&st, "They greet me");
	type(&st, "\x14");
	wait_gone(&st, "They greet me");
	assert_no_remains(&st);

	type(&st, "do it slowly\r");
	wait_for(&st, "This takes for ever");
	type(&st, "later please");
	wait_for(&st, "later please");
	type(&st, "\r");
	wait_for(&st, "waits for its turn");
	type(&st, "\x1B");
	wait_for(&st, "interrupted; c in the transcript goes on");
	wait_for(&st, "ready");
	/* What waited is back in the input. */
	assert_false(shows(&st, "waits for its turn"));
	assert_true(shows(&st, "later please"));
	type(&st, "\x03");
	wait_for(&st, "cleared");

	type(&st, "\x13"); /* Ctrl-S */
	type(&st, "WORLD\r");
	wait_for(&st, "/ finds");
	type(&st, "e");
	wait_for(&st, "Editing what you said");
	type(&st, "\x15hello again\r");
	wait_for(&st, "Another answer.");
	wait_for(&st, "‹2/2›");
	assert_false(shows(&st, "hello world"));
	type(&st, "\x1B[1;3A"); /* Alt-Up */
	wait_for(&st, "/ finds");
	type(&st, "{[");
	wait_for(&st, "hello world");
	assert_no_remains(&st);
	type(&st, "f");
	wait_for(&st, "a conversation of its own");
	type(&st, "\x1B[1;3D"); /* Alt-Left */
	wait_for(&st, "type to find");
	assert_no_remains(&st);
	type(&st, "\x1B");
	wait_gone(&st, "type to find");
	type(&st, "\x1BOP");
	wait_for(&st, "Help: arrows scroll");
	type(&st, "\x1B");
	wait_gone(&st, "Help: arrows scroll");
	type(&st, "\x03");
	wait_for(&st, "Ctrl-C again quits");
	type(&st, "\x03");
	assert_int_equal(stage_close(&st), 0);
}

static void resizing_at_any_time_leaves_nothing_behind(void **state)
{
	static const int sizes[][2] = {{80, 24}, {40, 12},  {200, 60}, {20, 5},
				       {7, 3},   {120, 40}, {1, 1},    {80, 24}};
	static const struct setup su = {
		.engine_script = script, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "hello 日本語 👩‍💻 e\xCC\x81\r");
	wait_for(&st, "two");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct winsize ws = {.ws_col = (unsigned short)sizes[i][0],
				     .ws_row = (unsigned short)sizes[i][1]};

		st.w = sizes[i][0];
		st.h = sizes[i][1];
		vterm_set_size(st.vt, st.h, st.w);
		assert_int_equal(ioctl(st.fd, TIOCSWINSZ, &ws), 0);
		settle(&st);
		type(&st, "x");
		assert_no_remains(&st);
	}
	assert_true(shows(&st, "xxxxxxxx"));
	type(&st, "\x11"); /* Ctrl-Q */
	assert_int_equal(stage_close(&st), 0);
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
};

static void the_terminal_is_as_before_after_every_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct setup su = {.engine_script = script,
				   .term = "xterm-256color",
				   .w = 80,
				   .h = 24,
				   .crash = ends[i].crash};
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
		wait_for(&st, "ready");
		assert_int_equal(tcgetattr(st.fd, &after), 0);
		assert_int_not_equal(after.c_lflag, st.before.c_lflag);
		assert_false(shows(&st, "shell line"));
		type(&st, ends[i].keys);
		if (ends[i].signal != 0)
			kill(st.child, ends[i].signal);
		start = now_ms();
		while (waitpid(st.child, &status, WNOHANG) == 0) {
			assert_true(now_ms() - start < PATIENCE_MS);
			stage_read(&st, 20);
		}
		settle(&st);
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
		assert_true(shows(&st, "$ shell line"));
		assert_false(shows(&st, "ready"));
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
	static const struct setup su = {.engine_script = script,
					.term = "xterm-256color",
					.w = 80,
					.h = 24,
					.job = true};
	struct termios modes;
	struct stage st;
	pid_t job;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	job = only_child(st.child);
	type(&st, "half a thought");
	wait_for(&st, "half a thought");
	for (int round = 0; round < 2; round++) {
		int64_t start = now_ms();

		if (round == 0)
			type(&st, "\x1A");
		else
			kill(job, SIGTSTP);
		while (process_state(job) != 'T') {
			assert_true(now_ms() - start < PATIENCE_MS);
			stage_read(&st, 20);
		}
		settle(&st);
		assert_int_equal(tcgetattr(st.fd, &modes), 0);
		assert_int_equal(modes.c_lflag, st.before.c_lflag);
		assert_false(shows(&st, "half a thought"));
		kill(job, SIGCONT);
		wait_for(&st, "half a thought");
		assert_int_equal(tcgetattr(st.fd, &modes), 0);
		assert_int_not_equal(modes.c_lflag, st.before.c_lflag);
	}
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
}

static void when_the_terminal_vanishes_the_text_is_kept(void **state)
{
	struct setup su = {.engine_script = script, .term = "xterm-256color", .w = 80, .h = 24};
	struct tmpdir dir;
	struct stage st;
	char kept[256] = "";
	FILE *f;
	int status;
	int64_t start;

	(void)state;
	tmpdir_init(&dir);
	su.inputs_path = tmpdir_file(&dir, "inputs");
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "precious words");
	wait_for(&st, "precious words");
	close(st.fd);
	st.fd = -1;
	start = now_ms();
	while (waitpid(st.child, &status, WNOHANG) == 0) {
		assert_true(now_ms() - start < PATIENCE_MS);
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

static void what_was_said_is_there_the_next_time(void **state)
{
	struct setup su = {.engine_script = script, .term = "xterm-256color", .w = 80, .h = 24};
	struct tmpdir dir;
	struct stage st;

	(void)state;
	tmpdir_init(&dir);
	su.history_path = tmpdir_file(&dir, "history.db");
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "hello world\r");
	wait_for(&st, "• two");
	wait_for(&st, "ready");
	type(&st, "\x1B[1;3Ae"); /* Alt-Up, edit */
	wait_for(&st, "Editing what you said");
	type(&st, "\x15slowly now\r");
	wait_for(&st, "This takes for ever");
	/* Quitting in the middle of an answer keeps what was said of it. */
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);

	su.last = true;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	wait_for(&st, "This takes for ever");
	assert_true(shows(&st, "interrupted; c in the transcript goes on"));
	assert_true(shows(&st, "‹2/2›"));
	type(&st, "\x1B[1;3A{["); /* to the question, the branch before */
	wait_for(&st, "• two");
	assert_true(shows(&st, "hello world"));
	type(&st, "\x1B\x1B[1;3D"); /* Esc; Alt-Left */
	wait_for(&st, "type to find");
	type(&st, "\x1Br"); /* Alt-R */
	wait_for(&st, "title: hello world");
	type(&st, "\x15greetings\r");
	wait_for(&st, "greetings");
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);

	su.last = false;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "\x1B[1;3Dgreet\r");
	/* The branch that was shown last. */
	wait_for(&st, "hello world");
	type(&st, "\x1B[1;3D");
	wait_for(&st, "type to find");
	type(&st, "\x15");
	type(&st, "\x1B[3~"); /* Delete */
	wait_for(&st, "deleted");
	type(&st, "\x1Bu");
	wait_for(&st, "it is back");
	assert_true(shows(&st, "greetings"));
	type(&st, "\x1B[3~");
	wait_for(&st, "deleted");
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);

	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "\x1B[1;3D");
	wait_for(&st, "type to find");
	assert_false(shows(&st, "greetings"));
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
	tmpdir_release(&dir);
}

static void a_killed_answer_is_there_and_goes_on_where_it_was(void **state)
{
	static const char engine_script[] =
		"{\"turn\": {\"again\": true}}\n"
		"{\"text\": \"one two three four five six \", \"chunk\": 4, \"delay_ms\": 60}\n"
		"{\"text\": \"seven eight nine ten eleven twelve \", \"chunk\": 4, "
		"\"delay_ms\": 60}\n"
		"{\"text\": \"the end\"}\n{\"done\": {}}\n";
	struct setup su = {
		.engine_script = engine_script, .term = "xterm-256color", .w = 80, .h = 24};
	struct tmpdir dir;
	struct stage st;
	int status;

	(void)state;
	tmpdir_init(&dir);
	su.history_path = tmpdir_file(&dir, "history.db");
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "count\r");
	wait_for(&st, "seven eight");
	kill(st.child, SIGKILL);
	status = stage_close(&st);
	assert_true(WIFSIGNALED(status));

	su.last = true;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	wait_for(&st, "one two three four five");
	assert_false(shows(&st, "the end"));
	wait_for(&st, "interrupted; c in the transcript goes on");
	type(&st, "/continue\r");
	wait_for(&st, "one two three four five six seven eight nine ten eleven twelve the end");
	wait_for(&st, "ready");
	assert_true(shows(&st, "‹2/2›"));
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
	tmpdir_release(&dir);
}

static void a_full_store_is_told_and_the_chat_goes_on(void **state)
{
	struct setup su = {.engine_script = script,
			   .term = "xterm-256color",
			   .w = 80,
			   .h = 24,
			   .file_limit = 1};
	struct tmpdir dir;
	struct stage st;
	int status;

	(void)state;
	tmpdir_init(&dir);
	su.history_path = tmpdir_file(&dir, "history.db");
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "hello world\r");
	wait_for(&st, "• two");
	wait_for(&st, "not kept, tried again");
	type(&st, "\x11");
	status = stage_close(&st);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	tmpdir_release(&dir);
}

static void ten_megabytes_may_be_pasted_and_sent(void **state)
{
	static const char engine_script[] =
		"{\"turn\": {\"again\": true}}\n{\"text\": \"read\"}\n{\"done\": {}}\n";
	static const struct setup su = {
		.engine_script = engine_script, .term = "xterm-256color", .w = 80, .h = 24};
	struct buf paste = {0};
	struct stage st;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	buf_addz(&paste, "\x1B[200~first");
	while (paste.len < 10000000)
		buf_addz(&paste, " words and words\rin lines");
	buf_addz(&paste, "\x1B[201~ END");
	type(&st, buf_z(&paste));
	wait_for(&st, "in lines END");
	type(&st, "\x1B<");
	wait_for(&st, "first words");
	type(&st, "\r");
	wait_for(&st, "more lines");
	wait_for(&st, "read");
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
	buf_release(&paste);
}

static void errors_of_the_engine_are_shown_and_nothing_is_lost(void **state)
{
	static const char engine_script[] =
		"{\"text\": \"half an ans\"}\n{\"error\": {\"code\": \"model\", \"text\": "
		"\"the device "
		"is lost\"}}\n{\"turn\": {\"again\": true}}\n{\"text\": \"well "
		"again\"}\n{\"done\": {}}\n";
	static const struct setup su = {
		.engine_script = engine_script, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "first\r");
	wait_for(&st, "the device is lost");
	assert_true(shows(&st, "half an ans"));
	type(&st, "second\r");
	wait_for(&st, "well again");
	assert_true(shows(&st, "half an ans"));
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
}

static void a_load_that_fails_leaves_the_text_to_copy(void **state)
{
	static const char engine_script[] = "{\"load\": {\"bytes\": 100, \"steps\": 1, "
					    "\"error\": \"model-00001: cut short\"}}\n"
					    "{\"text\": \"x\"}\n{\"done\": {}}\n";
	static const struct setup su = {
		.engine_script = engine_script, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "cut short");
	wait_for(&st, "no model");
	type(&st, "a question\r");
	wait_for(&st, "there is no model");
	assert_true(shows(&st, "❯ a question"));
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
}

/* User and system time of the child so far, from /proc. */
static long child_ticks(pid_t pid)
{
	char path[64], line[1024];
	unsigned long u = 0, k = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(sscanf(strrchr(line, ')') + 2,
				"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k),
			 2);
	return (long)(u + k);
}

static void a_flood_is_swallowed_and_keys_still_work(void **state)
{
	static const char engine_script[] = "{\"text\": \"flood of *words* and `code` \", "
					    "\"repeat\": 100000, \"chunk\": 30}\n"
					    "{\"done\": {}}\n{\"turn\": {\"again\": "
					    "true}}\n{\"text\": \"calm\"}\n{\"done\": {}}\n";
	static const struct setup su = {
		.engine_script = engine_script, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;
	int64_t start;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "go\r");
	wait_for(&st, "flood of");
	start = now_ms();
	type(&st, "still here");
	wait_for(&st, "still here");
	assert_true(now_ms() - start < 2000);
	wait_for(&st, "ready");
	type(&st, "\r");
	wait_for(&st, "calm");
	assert_no_remains(&st);
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
}

static void idle_it_sleeps(void **state)
{
	static const struct setup su = {
		.engine_script = script, .term = "xterm-256color", .w = 80, .h = 24};
	bool slow = getenv("DSV4CHAT_SLOW") != NULL;
	char path[64], line[256];
	long before = -1, after = -1;
	struct stage st;
	FILE *f;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	settle(&st);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)st.child);
	for (int round = 0; round < 2; round++) {
		long n = -1;

		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "voluntary_ctxt_switches: %ld", &n);
		fclose(f);
		assert_true(n >= 0);
		if (round == 0) {
			before = n;
			usleep(slow ? 10000000 : 1500000);
		} else {
			after = n;
		}
	}
	assert_int_equal(before, after);
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
}

static void a_stream_costs_little(void **state)
{
	/* 200 tokens a second for three seconds. */
	static const char engine_script[] = "{\"text\": \"word and \", \"repeat\": 300, "
					    "\"chunk\": 5, \"delay_ms\": 5}\n{\"done\": {}}\n";
	static const struct setup su = {
		.engine_script = engine_script, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;
	long ticks;
	int64_t start;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	ticks = child_ticks(st.child);
	start = now_ms();
	type(&st, "go\r");
	wait_for(&st, "word");
	wait_for(&st, "ready");
	/* Far above the goal of 5 %, so that a loaded machine does not matter. */
	assert_true((child_ticks(st.child) - ticks) * 1000 / sysconf(_SC_CLK_TCK) <
		    (now_ms() - start) / 3);
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
}

static void what_a_model_says_never_reaches_the_terminal_as_control(void **state)
{
	static const char engine_script[] =
		"{\"thinking\": \"\\u001b[2J\"}\n"
		"{\"text\": \"\\u001b]0;owned\\u0007 \\u001b[31mred \\u009b5m \\u202egnp "
		"\\udb40\\udc41\"}\n"
		"{\"notice\": \"\\u001b[?1049l\"}\n"
		"{\"call\": {\"name\": \"\\u001bc\", \"arguments\": {\"a\": \"\\u001b[H\"}}}\n"
		"{\"done\": {}}\n";
	static const struct setup su = {
		.engine_script = engine_script, .term = "xterm-256color", .w = 80, .h = 24};
	struct stage st;

	(void)state;
	stage_open(&st, &su);
	wait_for(&st, "ready");
	type(&st, "\x14go\r");
	wait_for(&st, "owned");
	wait_for(&st, "ready");
	assert_null(strstr(buf_z(&st.raw), "]0;owned\a"));
	assert_null(strstr(buf_z(&st.raw), "\x1B[31mred"));
	assert_null(strstr(buf_z(&st.raw), "\xC2\x9B"));
	assert_null(strstr(buf_z(&st.raw), "\xE2\x80\xAE"));
	assert_null(strstr(buf_z(&st.raw), "\x1B[?1049l"));
	assert_null(strstr(buf_z(&st.raw), "\x1B"
					   "c"));
	type(&st, "\x11");
	assert_int_equal(stage_close(&st), 0);
}

static void every_terminal_gets_what_it_can_show(void **state)
{
	static const char *const terms[] = {"xterm-256color", "xterm", "screen",
					    "tmux-256color",  "linux", "vt100",
					    "vt220",          "rxvt"};

	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		struct setup su = {.engine_script = script, .term = terms[i], .w = 80, .h = 24};
		struct stage st;

		stage_open(&st, &su);
		wait_for(&st, "ready");
		type(&st, "hello\r");
		wait_for(&st, "Hello there. A list:");
		settle(&st);
		if (strcmp(terms[i], "vt100") == 0)
			assert_null(strstr(buf_z(&st.raw), "\x1B[38"));
		type(&st, "\x11");
		assert_int_equal(stage_close(&st), 0);
	}
}

static void a_terminal_that_cannot_is_refused(void **state)
{
	static const char *const terms[] = {"dumb", "no-such-terminal"};

	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		struct setup su = {.engine_script = script, .term = terms[i], .w = 80, .h = 24};
		struct stage st;

		stage_open(&st, &su);
		wait_for(&st, "--plain");
		assert_int_equal(WEXITSTATUS(stage_close(&st)), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_asks_reads_folds_searches_edits_forks_and_quits),
		cmocka_unit_test(resizing_at_any_time_leaves_nothing_behind),
		cmocka_unit_test(the_terminal_is_as_before_after_every_end),
		cmocka_unit_test(suspended_and_continued_it_paints_anew),
		cmocka_unit_test(when_the_terminal_vanishes_the_text_is_kept),
		cmocka_unit_test(what_was_said_is_there_the_next_time),
		cmocka_unit_test(a_killed_answer_is_there_and_goes_on_where_it_was),
		cmocka_unit_test(a_full_store_is_told_and_the_chat_goes_on),
		cmocka_unit_test(ten_megabytes_may_be_pasted_and_sent),
		cmocka_unit_test(errors_of_the_engine_are_shown_and_nothing_is_lost),
		cmocka_unit_test(a_load_that_fails_leaves_the_text_to_copy),
		cmocka_unit_test(a_flood_is_swallowed_and_keys_still_work),
		cmocka_unit_test(idle_it_sleeps),
		cmocka_unit_test(a_stream_costs_little),
		cmocka_unit_test(what_a_model_says_never_reaches_the_terminal_as_control),
		cmocka_unit_test(every_terminal_gets_what_it_can_show),
		cmocka_unit_test(a_terminal_that_cannot_is_refused),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
