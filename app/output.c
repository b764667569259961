/* Writes that a terminal may see, and that wait for room, a signal or the end of the time. */
#include "app/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/signals.h"
#include "engine/base/clock.h"
#include "engine/base/termsafe.h"
#include "engine/base/tty.h"

/* poll() promises a pipe so much room at once. */
#define PIECE_BYTES 512
/* Not every terminal wakes who waits for room: it is tried so often. */
#define TRY_MS 50

static int64_t deadline;
static struct output_chore chore;

void output_until(int64_t deadline_ms)
{
	deadline = deadline_ms;
}

void output_meanwhile(const struct output_chore *c)
{
	chore = c ? *c : (struct output_chore){0};
}

/* How long to wait for room: -1 = for ever. */
static int patience_ms(void)
{
	return signals_seen() ? 0 : clock_left_ms(deadline);
}

/* What it tells on stderr may wait, too, but begins nothing of the kind. */
static void run_chore(void)
{
	struct output_chore now = chore;

	chore = (struct output_chore){0};
	now.run(now.ctx);
	chore = now;
}

/* For a terminal a descriptor that does not wait, opened when it is first written. */
static int to_write(int fd)
{
	static int again[] = {-2, -2, -2};

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	if (again[fd] == -2)
		again[fd] = tty_open_again(fd);
	return again[fd] >= 0 ? again[fd] : fd;
}

/* False with EINTR where it was given up; true: there may be room. */
static bool await_room(int fd, bool tries)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT},
				{.fd = signals_fd(), .events = POLLIN}};

	for (;;) {
		bool last = signals_seen() != 0;
		int due = chore.due_ms && !last ? chore.due_ms(chore.ctx) : -1;
		int ms = patience_ms();
		bool sooner = due >= 0 && (ms < 0 || due < ms);
		int wait = sooner ? due : ms;
		bool early = tries && (wait < 0 || wait > TRY_MS);
		int n = poll(fds, last ? 1 : 2, early ? TRY_MS : wait);

		if (n == 0 && early)
			return true;
		if (n == 0 && sooner) {
			run_chore();
			continue;
		}
		/* Where there is no poll(), it is written and perhaps waited for. */
		if (n < 0 && errno != EINTR)
			return true;
		/* Also where it is in error: write() knows which. */
		if (n > 0 && fds[0].revents)
			return true;
		if (last || (n == 0 && ms >= 0)) {
			errno = EINTR;
			return false;
		}
	}
}

static bool is_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

static bool write_all(int fd, struct str text)
{
	/* Where nothing would end the waiting, the kernel may as well do it. */
	bool bounded = signals_fd() >= 0 || deadline;
	size_t most = bounded ? PIECE_BYTES : SSIZE_MAX;
	int own = bounded ? to_write(fd) : fd;

	while (text.n) {
		ssize_t n;

		if (!await_room(own, own != fd))
			return false;
		n = write(own, text.p, text.n < most ? text.n : most);
		if (n < 0 && errno == EIO && bounded && is_device(own)) {
			signals_hang_up();
			errno = EINTR;
			return false;
		}
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (n > 0) {
			text.p += n;
			text.n -= (size_t)n;
		}
	}
	return true;
}

static bool after_stdio(int fd)
{
	return fd != STDOUT_FILENO || fflush(stdout) == 0;
}

/* Piece by piece, for there may be no memory. */
static bool write_filtered(int fd, struct str text,
			   size_t (*next)(struct str *s, char out[TERMSAFE_MAX]))
{
	char piece[PIECE_BYTES];

	while (text.n) {
		size_t n = 0;

		while (text.n && n + TERMSAFE_MAX <= sizeof(piece))
			n += next(&text, piece + n);
		if (!write_all(fd, (struct str){piece, n}))
			return false;
	}
	return true;
}

bool output_text(int fd, struct str text)
{
	return after_stdio(fd) &&
	       (isatty(fd) ? write_filtered(fd, text, termsafe_next) : write_all(fd, text));
}

bool output_json(int fd, struct str text)
{
	return after_stdio(fd) && (isatty(fd) ? write_filtered(fd, text, termsafe_next_json)
					      : write_all(fd, text));
}

bool output_safe(int fd, struct str text)
{
	return after_stdio(fd) && write_filtered(fd, text, termsafe_next);
}

bool output_own(int fd, const char *bytes)
{
	return after_stdio(fd) && write_all(fd, str_of(bytes));
}

bool output_format(int fd, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	bool done;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		errno = ENOMEM;
		return false;
	}
	done = output_text(fd, (struct str){text, (size_t)n});
	free(text);
	return done;
}
