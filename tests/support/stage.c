/* The child with its pseudo-terminal, and the terminal that is drawn from its bytes. */
#include "tests/support/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

#include "app/screen/screen.h"
#include "app/talk/store.h"
#include "engine/base/clock.h"
#include "engine/base/utf8.h"
#include "tests/support/program.h"

#define BETWEEN_KEYS_US  50000
#define READ_PATIENCE_MS 1000

const char stage_talk[] = "{\"info\": {\"model_name\": \"scripted\", \"backend\": \"none\", "
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

static void crash_now(int sig)
{
	(void)sig;
	raise(SIGSEGV);
}

/* The program as its user starts it. */
static _Noreturn void program_main(const struct stage_setup *su)
{
	const char *argv[32] = {program_path()};
	char script[512];
	size_t n = 1;
	FILE *f;

	setenv("LC_ALL", "C.UTF-8", 1);
	program_live_in(su->home);
	for (size_t i = 0; su->env && su->env[i]; i++)
		putenv((char *)(uintptr_t)su->env[i]);
	while (su->args[n - 1] && n < 29) {
		argv[n] = su->args[n - 1];
		n++;
	}
	if (su->engine_script) {
		snprintf(script, sizeof(script), "%s/engine-script", su->home);
		f = fopen(script, "w");
		if (!f || fputs(su->engine_script, f) < 0 || fclose(f) != 0)
			_exit(90);
		argv[n++] = "--engine-script";
		argv[n++] = script;
	}
	argv[0] = realpath(argv[0], NULL);
	if (su->folder && chdir(su->folder) != 0)
		_exit(91);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(92);
}

static _Noreturn void child_main(const struct stage_setup *su)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
	struct options opt;
	struct talks talks = {0};
	struct screen_config c = {
		.opt = &opt, .tty = 0, .inputs_path = su->inputs_path, .talks = &talks};
	struct err err = {0};
	int signo = 0, rc;

	setlocale(LC_ALL, "C.UTF-8");
	/* Nothing is copied to where the tests run. */
	unsetenv("WAYLAND_DISPLAY");
	unsetenv("DISPLAY");
	unsetenv("TMUX");
	unsetenv("COLORTERM");
	unsetenv("NO_COLOR");
	/* cmocka's own handlers came along with the fork. */
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		signal(faults[i], SIG_DFL);
	if (su->crash)
		signal(SIGUSR1, crash_now);
	setenv("TERM", su->term ? su->term : "xterm-256color", 1);
	if (su->args)
		program_main(su);
	options_default(&opt);
	if (engine_open_scripted(&c.engine, str_of(su->engine_script), &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(90);
	}
	opt.go_on = su->last;
	if ((su->history_path && talks_open(&talks, su->history_path, &err) < 0) ||
	    talks_choose(&talks, &opt, &c.talk, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(91);
	}
	if (su->file_limit > 0) {
		struct rlimit limit = {su->file_limit, su->file_limit};

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	rc = screen_run(&c, &signo, &err);
	talks_release(&talks);
	c.engine->ops->close(c.engine);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	_exit(signo != 0 ? 128 + signo : rc < 0 ? 1 : 0);
}

/* Plays the shell: the screen is a job in a group of its own, in the foreground. */
static _Noreturn void shell_main(const struct stage_setup *su)
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

void stage_open(struct stage *st, const struct stage_setup *su)
{
	int w = su->w ? su->w : 80, h = su->h ? su->h : 24;
	struct winsize ws = {.ws_col = (unsigned short)w, .ws_row = (unsigned short)h};
	int slave;

	*st = (struct stage){.w = w, .h = h};
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
	close(slave);
	fcntl(st->fd, F_SETFL, O_NONBLOCK);
	st->vt = vterm_new(h, w);
	vterm_set_utf8(st->vt, 1);
	vterm_screen_enable_altscreen(vterm_obtain_screen(st->vt), 1);
	vterm_screen_reset(vterm_obtain_screen(st->vt), 1);
}

void stage_begin(struct stage *st, const struct stage_setup *su)
{
	stage_open(st, su);
	stage_wait_for(st, "ready");
}

void stage_begin_lines(struct stage *st, const struct stage_setup *su)
{
	stage_open(st, su);
	stage_wait_for(st, "/help lists the commands");
	stage_pause(st, 100);
}

void stage_quit(struct stage *st)
{
	stage_type(st, "\x11");
	assert_int_equal(stage_close(st), 0);
}

void stage_quit_lines(struct stage *st)
{
	stage_settle(st);
	stage_type(st, "\004");
	assert_int_equal(stage_close(st), 0);
}

bool stage_read(struct stage *st, int ms)
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

void stage_text(const struct stage *st, struct buf *out)
{
	buf_reset(out);
	for (int y = 0; y < st->h; y++)
		add_row(st, y, out);
}

bool stage_shows(struct stage *st, const char *text)
{
	struct buf all = {0};
	bool found;

	stage_text(st, &all);
	found = strstr(buf_z(&all), text);
	buf_release(&all);
	return found;
}

void stage_wait_for(struct stage *st, const char *text)
{
	int64_t start = clock_ms();
	struct buf all = {0};

	while (!stage_shows(st, text)) {
		if (clock_ms() - start > STAGE_PATIENCE_MS || !stage_read(st, 50)) {
			stage_text(st, &all);
			fail_msg("\"%s\" did not come; there is:\n%s", text, buf_z(&all));
		}
	}
}

void stage_wait_gone(struct stage *st, const char *text)
{
	int64_t start = clock_ms();

	while (stage_shows(st, text)) {
		if (clock_ms() - start > STAGE_PATIENCE_MS || !stage_read(st, 50))
			fail_msg("\"%s\" did not go", text);
	}
}

/* A loaded machine may take its time to read; one that does not is stopped, or waits for
 * something. */
static void let_it_read(struct stage *st)
{
	int64_t end = clock_ms() + READ_PATIENCE_MS;
	int fd, left = 1;

	while (left > 0 && clock_ms() < end) {
		fd = open(ptsname(st->fd), O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, FIONREAD, &left) != 0)
			left = 0;
		if (fd >= 0)
			close(fd);
		if (left > 0)
			stage_read(st, 5);
	}
}

void stage_type(struct stage *st, const char *bytes)
{
	size_t n = strlen(bytes), at = 0;

	while (at < n) {
		ssize_t k = write(st->fd, bytes + at, n - at);

		if (k > 0)
			at += (size_t)k;
		else
			stage_read(st, 20);
	}
	/* Whoever types lets go of the key: what comes at once is a paste. */
	let_it_read(st);
	usleep(BETWEEN_KEYS_US);
}

void stage_pause(struct stage *st, int ms)
{
	int64_t end = clock_ms() + ms;

	for (int64_t left = ms; left > 0; left = end - clock_ms())
		stage_read(st, (int)left);
}

void stage_settle(struct stage *st)
{
	size_t before;

	do {
		before = st->bytes;
		stage_read(st, 150);
	} while (st->bytes != before);
}

void stage_assert_clean(struct stage *st)
{
	struct buf was = {0}, is = {0};

	stage_settle(st);
	stage_text(st, &was);
	stage_type(st, "\x0C");
	stage_settle(st);
	stage_text(st, &is);
	assert_string_equal(buf_z(&was), buf_z(&is));
	buf_release(&was);
	buf_release(&is);
}

int stage_close(struct stage *st)
{
	int status;
	int64_t start = clock_ms();

	while (waitpid(st->child, &status, WNOHANG) == 0) {
		stage_read(st, 20);
		if (clock_ms() - start > STAGE_PATIENCE_MS) {
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

/* Until the child has written it, behind its first `from` bytes. */
static void wait_behind(struct stage *st, size_t from, const char *text)
{
	int64_t start = clock_ms();

	while (strstr(buf_z(&st->raw) + from, text) == NULL) {
		if (!stage_read(st, STAGE_PATIENCE_MS) ||
		    clock_ms() - start > STAGE_PATIENCE_MS)
			fail_msg("\"%s\" did not come:\n%s", text, buf_z(&st->raw) + from);
	}
}

void stage_answer(struct stage *st, const char *prompt, const char *bytes)
{
	wait_behind(st, st->answered, prompt);
	stage_settle(st);
	st->answered = st->raw.len;
	stage_type(st, bytes);
}

double stage_answer_ms(struct stage *st, const char *keys, const char *shown)
{
	double start = clock_s() * 1e3, ms;
	size_t from = st->raw.len;

	assert_int_equal(write(st->fd, keys, strlen(keys)), strlen(keys));
	wait_behind(st, from, shown);
	ms = clock_s() * 1e3 - start;
	usleep(BETWEEN_KEYS_US);
	return ms;
}
