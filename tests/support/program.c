/* Starting the program, feeding it and gathering what it says, with a time limit. */
#include "tests/support/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "tests/support/tmpdir.h"

#define ARGS_MAX 32

const char *program_path(void)
{
	const char *path = getenv("DSV4CHAT_PROGRAM");

	return path && *path ? path : "build/release/dsv4chat";
}

/* Takes what there is; closes *fd at its end. */
static void drain(int *fd, struct buf *into)
{
	char block[4096];
	ssize_t n = read(*fd, block, sizeof(block));

	if (n > 0) {
		buf_add(into, block, (size_t)n);
	} else if (n == 0 || errno != EINTR) {
		close(*fd);
		*fd = -1;
	}
}

static void feed(int *fd, struct str *input)
{
	ssize_t n = input->n ? write(*fd, input->p, input->n) : 0;

	if (n > 0) {
		input->p += n;
		input->n -= (size_t)n;
	}
	if (!input->n || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		close(*fd);
		*fd = -1;
	}
}

static pid_t start(const char *const *argv, int in[2], int out[2], int err[2])
{
	const char *args[ARGS_MAX] = {program_path()};
	size_t n = 1;
	pid_t pid;

	for (; *argv; argv++) {
		assert_in_range(n, 1, ARGS_MAX - 2);
		args[n++] = *argv;
	}
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execv(args[0], (char *const *)(uintptr_t)args);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	return pid;
}

void program_run(struct program_run *run, const char *const *argv, struct str input, int seconds)
{
	int64_t end = clock_ms() + (int64_t)seconds * 1000;
	int in[2], out[2], err[2], status = 0;
	bool late = false;
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	pid_t pid = start(argv, in, out, err);

	*run = (struct program_run){0};
	assert_int_equal(fcntl(in[1], F_SETFL, O_NONBLOCK), 0);
	while (out[0] >= 0 || err[0] >= 0) {
		struct pollfd fds[3] = {
			{.fd = out[0], .events = POLLIN},
			{.fd = err[0], .events = POLLIN},
			{.fd = in[1], .events = POLLOUT},
		};
		int64_t left = end - clock_ms();

		if (left <= 0) {
			late = true;
			kill(pid, SIGKILL);
			break;
		}
		if (poll(fds, 3, (int)left) < 0)
			continue;
		if (fds[0].revents)
			drain(&out[0], &run->out);
		if (fds[1].revents)
			drain(&err[0], &run->err);
		if (fds[2].revents)
			feed(&in[1], &input);
	}
	for (int i = 0; i < 3; i++) {
		int fd = (const int[]){in[1], out[0], err[0]}[i];

		if (fd >= 0)
			close(fd);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	signal(SIGPIPE, old);
	run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (late)
		run->status = 124;
	assert_false(buf_failed(&run->out) || buf_failed(&run->err));
}

int program_shell(const char *line, struct buf *out)
{
	char part[4096];
	FILE *pipe;
	size_t n;
	int status;

	fflush(stdout);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	while ((n = fread(part, 1, sizeof(part), pipe)) > 0)
		buf_add(out, part, n);
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

const char *program_lacks(const char *text, const char *const *parts, size_t n)
{
	for (size_t i = 0; i < n && parts[i]; i++) {
		text = strstr(text, parts[i]);
		if (!text)
			return parts[i];
		text += strlen(parts[i]);
	}
	return NULL;
}

void program_live_in(const char *folder)
{
	static const char *const homes[] = {"XDG_CONFIG_HOME", "XDG_DATA_HOME",
					    "XDG_STATE_HOME", "XDG_CACHE_HOME"};

	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		setenv(homes[i], folder, 1);
}

int program_set_up(void **state)
{
	tmpdir_set_up(state);
	program_live_in(test_dir.path);
	return 0;
}

const char *program_beside(const char *name)
{
	static char path[4096];
	const char *slash = strrchr(program_path(), '/');

	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - program_path()) + 1 : 0,
		 program_path(), name);
	if (access(path, R_OK) != 0)
		fail_msg("%s is not there", path);
	return path;
}

void program_run_release(struct program_run *run)
{
	buf_release(&run->out);
	buf_release(&run->err);
}
