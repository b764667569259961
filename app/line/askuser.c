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
#include "app/tools/rules.h"
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

/* What stands behind the first word, else the next line, after `ask`. */
static bool read_rest(const struct askuser *q, const char *ask, struct buf *line,
		      struct buf *rest)
{
	const char *z = buf_z(line);
	size_t n = 0;

	while (z[n] && z[n] != ' ')
		n++;
	while (z[n] == ' ')
		n++;
	if (!z[n]) {
		output_safe(STDERR_FILENO, str_of(ask));
		n = 0;
		if (!read_line(q->fd, q->deadline_ms, line))
			return false;
	}
	utf8_add_clean(rest, (struct str){buf_z(line) + n, line->len - n});
	return true;
}

/* The rules may be changed before they are kept.  False: what was typed is none. */
static bool read_rules(const struct askuser *q, struct buf *line, struct buf *rules,
		       enum decision *d)
{
	struct buf ask = {0};
	struct err err;
	bool fine = true;

	buf_addz(&ask, "allow here from now on, or type another [");
	buf_adds(&ask, q->suggest);
	buf_addz(&ask, "]: ");
	if (!read_rest(q, buf_z(&ask), line, rules))
		*d = DECIDE_STOP;
	else if (rules->len && rules_check(buf_str(rules), &err)) {
		output_format(STDERR_FILENO, "%s\n", err.text);
		buf_reset(rules);
		fine = false;
	}
	buf_release(&ask);
	return fine;
}

/* The same call, with more than the sandbox gives it.  False: what was typed is none. */
static bool read_grade(const struct askuser *q, struct buf *line, enum decision *d,
		       unsigned *grade)
{
	struct buf word = {0};

	*d = DECIDE_STOP;
	if (read_rest(q, "with network, git or outside of the sandbox? ", line, &word)) {
		*grade = agent_grade(buf_str(&word));
		*d = DECIDE_YES;
	}
	buf_release(&word);
	return *d == DECIDE_STOP || *grade;
}

/* One more time; `view`: what it is about, too. */
static void ask(const struct askuser *q, bool view)
{
	tcflush(q->fd, TCIFLUSH);
	if (view)
		output_safe(STDERR_FILENO, q->text);
	if (q->call)
		output_format(STDERR_FILENO, "[y]es %s%s[n]o [r]eason [v]iew (Ctrl-C stops): ",
			      q->suggest.n ? "[s]ession [a]lways here " : "",
			      q->widens ? "[w]ider " : "");
	else
		output_safe(STDERR_FILENO, q->no ? STR_LIT("[y]es, [N]o (Ctrl-C stops): ")
						 : STR_LIT("[y]es, [n]o (Ctrl-C stops): "));
}

/* What is more than yes and no, about a call. */
static bool answered_more(const struct askuser *q, struct buf *line, struct buf *text,
			  enum decision *d, unsigned *grade)
{
	if (q->suggest.n && begins(line, "session")) {
		*d = DECIDE_SESSION;
		return true;
	}
	if (q->suggest.n && begins(line, "always")) {
		*d = DECIDE_ALWAYS;
		return read_rules(q, line, text, d);
	}
	if (q->widens && begins(line, "wider"))
		return read_grade(q, line, d, grade);
	if (!begins(line, "reason"))
		return false;
	if (!read_rest(q, "why not? ", line, text))
		*d = DECIDE_STOP;
	return true;
}

static bool answered(const struct askuser *q, struct buf *line, struct buf *text,
		     enum decision *d, unsigned *grade, bool *view)
{
	*d = DECIDE_STOP;
	if (!read_line(q->fd, q->deadline_ms, line)) {
		output_own(STDERR_FILENO, "\n");
		return true;
	}
	*view = q->call && begins(line, "view");
	*d = begins(line, "yes") ? DECIDE_YES : DECIDE_NO;
	if (begins(line, "yes") || begins(line, "no") || (q->no && !line->len))
		return true;
	return q->call && answered_more(q, line, text, d, grade);
}

enum decision askuser(const struct askuser *q, struct buf *text, unsigned *grade)
{
	struct buf line = {0};
	bool view = true;
	enum decision d;

	*grade = 0;
	do {
		ask(q, view);
	} while (!answered(q, &line, text, &d, grade, &view));
	buf_release(&line);
	return d;
}

enum decision askuser_plainly(int fd, struct str text)
{
	const struct askuser q = {.fd = fd, .text = text};
	struct buf none = {0};
	unsigned grade;
	enum decision d = DECIDE_NO;

	if (fd >= 0)
		d = askuser(&q, &none, &grade);
	buf_release(&none);
	return d;
}
