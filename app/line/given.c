/* Files, stdin and words put together. */
#include "app/line/given.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "app/attach.h"
#include "app/output.h"
#include "app/paths.h"
#include "app/signals.h"
#include "engine/base/clock.h"

/* After so long without a byte the user is told what the program waits for. */
#define QUIET_MS 1000

/* What is read to its end. */
struct source {
	int fd;
	const char *name;
};

static int await(const struct app *app, const struct source *from, int ms, struct err *err)
{
	struct pollfd fds[2] = {{.fd = from->fd, .events = POLLIN},
				{.fd = signals_fd(), .events = POLLIN}};
	int64_t deadline = app_deadline_ms(app);
	int left = clock_left_ms(deadline);

	if (left >= 0 && left < ms)
		ms = left;
	if (poll(fds, 2, ms) < 0 && errno != EINTR)
		return err_errno(err, from->name, "wait");
	if (signals_seen())
		return err_set(err, ERR_CANCELLED, "interrupted");
	if (fds[0].revents)
		return 1;
	if (!clock_left_ms(deadline))
		return err_set(err, ERR_TIMEOUT, "%s: the time is up", from->name);
	return 0;
}

int given_await_stdin(const struct app *app, int ms, struct err *err)
{
	return await(app, &(struct source){STDIN_FILENO, "stdin"}, ms, err);
}

static void tell_waiting(const struct source *from)
{
	struct buf text = {0};

	buf_addf(&text, "reading %s…\n", from->name);
	output_safe(STDERR_FILENO, buf_str(&text));
	buf_release(&text);
}

static int read_all(const struct app *app, const struct source *from, struct buf *out,
		    struct err *err)
{
	char part[65536];
	bool told = false;

	for (;;) {
		int ready = await(app, from, QUIET_MS, err);
		ssize_t n;

		if (ready < 0)
			return ready;
		if (!ready) {
			if (!told && !out->len)
				tell_waiting(from);
			told = true;
			continue;
		}
		n = read(from->fd, part, sizeof(part));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_errno(err, from->name, "cannot read");
		if (n == 0)
			return 0;
		if (out->len + (size_t)n > GIVEN_MAX_BYTES)
			return err_set(err, ERR_USAGE, "%s: more than %zu bytes", from->name,
				       GIVEN_MAX_BYTES);
		buf_add(out, part, (size_t)n);
		if (buf_failed(out))
			return err_nomem(err, from->name, out->len);
	}
}

static bool is_stdin(const char *name)
{
	return strcmp(name, "-") == 0 || strcmp(name, "/dev/stdin") == 0;
}

/* A stdin that was closed when the program began holds nothing. */
static bool stdin_is_open(void)
{
	int flags = fcntl(STDIN_FILENO, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
}

static int read_stdin(const struct app *app, struct buf *out, struct err *err)
{
	return stdin_is_open()
		       ? read_all(app, &(struct source){STDIN_FILENO, "stdin"}, out, err)
		       : 0;
}

/* O_NONBLOCK: a FIFO that nobody writes yet is waited for where a signal is heard, too. */
static int read_file(const struct app *app, const char *name, struct buf *out, struct err *err)
{
	struct buf path = {0};
	struct source from = {.fd = -1, .name = name};
	int rc;

	path_expand(&path, str_of(name));
	if (buf_failed(&path)) {
		rc = err_nomem(err, name, path.len);
	} else {
		from.fd = open(buf_z(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		rc = from.fd < 0 ? err_errno(err, name, "cannot open")
				 : read_all(app, &from, out, err);
	}
	if (from.fd >= 0)
		close(from.fd);
	buf_release(&path);
	return rc;
}

/* *stdin_too is false once stdin was one of them. */
static int add_files(const struct app *app, struct talk_message *m, bool *stdin_too,
		     size_t *n_replaced, struct err *err)
{
	bool stdin_read = false;
	int rc = 0;

	for (size_t i = 0; !rc && i < app->opt.n_files; i++) {
		const char *name = app->opt.files[i];
		bool piped = is_stdin(name);
		struct buf bytes = {0};

		if (piped && stdin_read)
			rc = err_set(err, ERR_USAGE, "--file: '%s', but stdin was read already",
				     name);
		else if (piped)
			rc = read_stdin(app, &bytes, err);
		else
			rc = read_file(app, name, &bytes, err);
		if (!rc)
			rc = question_add_file(m, piped ? NULL : name, buf_str(&bytes),
					       n_replaced, err);
		stdin_read |= piped;
		buf_release(&bytes);
	}
	*stdin_too &= !stdin_read;
	return rc;
}

/* What is piped alone is the question itself. */
static int add_piped(struct talk_message *m, struct str piped, bool beside, size_t *n_replaced,
		     struct err *err)
{
	struct buf text = {0};
	int rc;

	if (!piped.n)
		return 0;
	if (beside)
		return question_add_file(m, NULL, piped, n_replaced, err);
	rc = attach_decode(&text, piped, "stdin", n_replaced, err);
	while (text.len && text.data[text.len - 1] == '\n')
		buf_truncate(&text, text.len - 1);
	if (!rc)
		rc = question_add_words(m, buf_str(&text), n_replaced, err);
	buf_release(&text);
	return rc;
}

static int fill(const struct app *app, bool stdin_too, struct talk_message *m,
		size_t *n_replaced, struct err *err)
{
	const char *words = app->opt.prompt;
	struct buf piped = {0};
	int rc = add_files(app, m, &stdin_too, n_replaced, err);

	if (!rc && stdin_too)
		rc = read_stdin(app, &piped, err);
	if (!rc)
		rc = add_piped(m, buf_str(&piped), words && *words, n_replaced, err);
	if (!rc && words && *words)
		rc = question_add_words(m, str_of(words), n_replaced, err);
	if (!rc && !m->n_parts)
		rc = err_set(err, ERR_USAGE,
			     "nothing is asked: give a question, or text on stdin");
	buf_release(&piped);
	return rc;
}

int given_read(const struct app *app, bool stdin_too, struct talk_message **out,
	       size_t *n_replaced, struct err *err)
{
	struct talk_message *m = talk_message_new(CHAT_USER, err);
	int rc = m ? fill(app, stdin_too, m, n_replaced, err) : ERR_NOMEM;

	if (rc) {
		talk_message_free(m);
		return rc;
	}
	*out = m;
	return 0;
}
