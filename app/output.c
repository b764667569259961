/* Writes that a terminal may see, and that wait for room, a signal or the end of the time. */
#include "app/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/signals.h"
#include "engine/base/clock.h"
#include "engine/base/termsafe.h"

/* poll() promises a pipe so much room at once, and a terminal about as much. */
#define PIECE_BYTES 512

static int64_t deadline;

void output_until(int64_t deadline_ms)
{
	deadline = deadline_ms;
}

/* How long to wait for room: -1 = for ever. */
static int patience_ms(void)
{
	int64_t left = deadline - clock_ms();

	if (signals_seen())
		return 0;
	if (!deadline)
		return -1;
	if (left <= 0)
		return 0;
	return left < INT_MAX ? (int)left : INT_MAX;
}

/* False with EINTR where it was given up. */
static bool await_room(int fd)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT},
				{.fd = signals_fd(), .events = POLLIN}};

	for (;;) {
		bool last = signals_seen() != 0;
		int ms = patience_ms();
		int n = poll(fds, last ? 1 : 2, ms);

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

static bool write_all(int fd, struct str text)
{
	/* Where nothing would end the waiting, the kernel may as well do it. */
	size_t most = signals_fd() < 0 && !deadline ? SSIZE_MAX : PIECE_BYTES;

	while (text.n) {
		ssize_t n;

		if (!await_room(fd))
			return false;
		n = write(fd, text.p, text.n < most ? text.n : most);
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
