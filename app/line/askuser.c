/* Yes, no, or no with a reason. */
#include "app/line/askuser.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "app/output.h"
#include "app/signals.h"
#include "engine/base/clock.h"
#include "engine/base/utf8.h"

#define LINE_MAX_BYTES 4096

int askuser_open(void)
{
	return open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* More of the terminal's line; false: there will be none. */
static bool read_more(int fd, int64_t deadline_ms, struct buf *line)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
				{.fd = signals_fd(), .events = POLLIN}};
	char bytes[256];
	ssize_t n;

	do {
		if (poll(fds, 2, clock_left_ms(deadline_ms)) < 0 && errno != EINTR)
			return false;
		if (signals_seen() || !clock_left_ms(deadline_ms))
			return false;
	} while (!fds[0].revents);
	n = read(fd, bytes, sizeof(bytes));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n > 0)
		buf_add(line, bytes, (size_t)n);
	return n > 0 && line->len <= LINE_MAX_BYTES && !buf_failed(line);
}

/* A whole line without its end. */
static bool read_line(int fd, int64_t deadline_ms, struct buf *line)
{
	buf_reset(line);
	while (!line->len || line->data[line->len - 1] != '\n') {
		if (!read_more(fd, deadline_ms, line))
			return false;
	}
	while (line->len &&
	       (line->data[line->len - 1] == '\n' || line->data[line->len - 1] == ' '))
		buf_truncate(line, line->len - 1);
	return true;
}

static bool begins(const struct buf *line, const char *word)
{
	const char *z = buf_z(line);
	size_t n = 0;

	while (z[n] && z[n] != ' ')
		n++;
	return n && strncasecmp(z, word, n) == 0;
}

/* "r", and the reason behind it, or in the next line. */
static bool read_reason(int fd, int64_t deadline_ms, struct buf *line, struct buf *reason)
{
	const char *z = buf_z(line);
	size_t n = 0;

	while (z[n] && z[n] != ' ')
		n++;
	while (z[n] == ' ')
		n++;
	if (!z[n]) {
		output_own(STDERR_FILENO, "why not? ");
		n = 0;
		if (!read_line(fd, deadline_ms, line))
			return false;
	}
	utf8_add_clean(reason, (struct str){buf_z(line) + n, line->len - n});
	return true;
}

static bool answered(int fd, bool reasons, int64_t deadline_ms, struct buf *line,
		     struct buf *reason, enum decision *d)
{
	*d = DECIDE_STOP;
	if (!read_line(fd, deadline_ms, line)) {
		output_own(STDERR_FILENO, "\n");
		return true;
	}
	*d = begins(line, "yes") ? DECIDE_YES : DECIDE_NO;
	if (begins(line, "yes") || begins(line, "no"))
		return true;
	if (!reasons || !begins(line, "reason"))
		return false;
	if (!read_reason(fd, deadline_ms, line, reason))
		*d = DECIDE_STOP;
	return true;
}

enum decision askuser(int fd, bool reasons, int64_t deadline_ms, struct buf *reason)
{
	const char *choices = reasons ? "[y]es, [n]o, no with a [r]eason (Ctrl-C stops): "
				      : "[y]es, [n]o (Ctrl-C stops): ";
	struct buf line = {0};
	enum decision d;

	do {
		tcflush(fd, TCIFLUSH);
		output_safe(STDERR_FILENO, str_of(choices));
	} while (!answered(fd, reasons, deadline_ms, &line, reason, &d));
	buf_release(&line);
	return d;
}
