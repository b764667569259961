/* Writes that wait for room, a signal or the end of the time. */
#include "app/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "app/app.h"
#include "app/signals.h"
#include "engine/base/clock.h"

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

bool output_write(int fd, struct str text)
{
	if (fd == STDOUT_FILENO && fflush(stdout) != 0)
		return false;
	while (text.n) {
		ssize_t n;

		if (!await_room(fd))
			return false;
		n = write(fd, text.p, text.n < PIECE_BYTES ? text.n : PIECE_BYTES);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (n > 0) {
			text.p += n;
			text.n -= (size_t)n;
		}
	}
	return true;
}
