/* Which programs there are, and handing a text to one of them. */
#include "app/clipboard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"

#define TAKES_MS 1500 /* who takes longer is ended; the screen stands still meanwhile */
#define LOOK_MS  5

extern char **environ;

static const struct way {
	const char *needs; /* a variable that says there is something to copy to; NULL: none */
	const char *argv[5];
} ways[] = {
	{"WAYLAND_DISPLAY", {"wl-copy", NULL}},
	{"DISPLAY", {"xclip", "-selection", "clipboard", NULL}},
	{"DISPLAY", {"xsel", "--clipboard", "--input", NULL}},
	{NULL, {"pbcopy", NULL}},
	/* -w hands it on to the terminal outside; early ones don't know it. */
	{"TMUX", {"tmux", "load-buffer", "-w", "-", NULL}},
	{"TMUX", {"tmux", "load-buffer", "-", NULL}},
};

/* Where PATH has the program. */
static bool find(const char *name, struct buf *path)
{
	const char *dir = getenv("PATH");

	while (dir && *dir) {
		size_t n = strcspn(dir, ":");

		buf_reset(path);
		buf_add(path, dir, n);
		buf_addf(path, "/%s", name);
		/* A relative one is anybody's. */
		if (dir[0] == '/' && !buf_failed(path) && access(buf_z(path), X_OK) == 0)
			return true;
		dir += n + (dir[n] == ':');
	}
	return false;
}

/* Begins it with a pipe to its stdin, which is *to; its own words go nowhere. */
static pid_t begin(const char *path, const char *const *argv, int *to)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	if (posix_spawn(&pid, path, &files, &attr, (char *const *)(uintptr_t)argv, environ) !=
	    0)
		pid = -1;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	close(ends[0]);
	*to = ends[1];
	if (pid < 0)
		close(ends[1]);
	return pid;
}

static bool write_all(int fd, struct str text, int64_t until)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (text.n > 0) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		int64_t left = until - clock_ms();
		ssize_t n;

		if (left <= 0)
			return false;
		poll(&p, 1, (int)left);
		n = write(fd, text.p, text.n);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0)
			text = (struct str){text.p + n, text.n - (size_t)n};
	}
	return true;
}

/* It ended by itself, and well. */
static bool await(pid_t pid, int64_t until)
{
	const struct timespec pause = {0, LOOK_MS * 1000000L};
	int status = -1;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && clock_ms() < until)
		nanosleep(&pause, NULL);
	if (got == 0) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool give(const struct way *way, const char *path, struct str text)
{
	int64_t until = clock_ms() + TAKES_MS;
	bool written;
	pid_t pid;
	int to;

	pid = begin(path, way->argv, &to);
	if (pid < 0)
		return false;
	written = write_all(to, text, until);
	close(to);
	return await(pid, until) && written;
}

const char *clipboard_give(struct str text)
{
	struct buf path = {0};
	const char *name = NULL;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && !name; i++) {
		const struct way *way = &ways[i];
		const char *needed = way->needs ? getenv(way->needs) : "";

		if (!needed || (way->needs && !*needed) || !find(way->argv[0], &path))
			continue;
		if (give(way, buf_z(&path), text))
			name = way->argv[0];
	}
	buf_release(&path);
	return name;
}
