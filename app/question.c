/* Files, stdin and words put together. */
#include "app/question.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "app/attach.h"
#include "app/output.h"
#include "app/signals.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/utf8.h"

/* After so long without a byte the user is told what the program waits for. */
#define QUIET_MS 1000

int question_await_stdin(const struct app *app, int ms, struct err *err)
{
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.fd = signals_fd(), .events = POLLIN}};
	int64_t deadline = app_deadline_ms(app);

	if (deadline && deadline - clock_ms() < ms)
		ms = deadline > clock_ms() ? (int)(deadline - clock_ms()) : 0;
	if (poll(fds, 2, ms) < 0 && errno != EINTR)
		return err_errno(err, "stdin", "wait");
	if (signals_seen())
		return err_set(err, ERR_CANCELLED, "interrupted");
	if (fds[0].revents)
		return 1;
	if (deadline && clock_ms() >= deadline)
		return err_set(err, ERR_TIMEOUT, "stdin: the time is up");
	return 0;
}

static int read_stdin(const struct app *app, struct buf *out, struct err *err)
{
	char part[65536];
	bool told = false;

	for (;;) {
		int ready = question_await_stdin(app, QUIET_MS, err);
		ssize_t n;

		if (ready < 0)
			return ready;
		if (!ready) {
			if (!told && !out->len)
				output_own(STDERR_FILENO, "reading stdin…\n");
			told = true;
			continue;
		}
		n = read(STDIN_FILENO, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "stdin", "read");
		if (n == 0)
			return 0;
		if (out->len + (size_t)n > QUESTION_MAX_BYTES)
			return err_set(err, ERR_USAGE, "stdin: more than %zu bytes",
				       QUESTION_MAX_BYTES);
		buf_add(out, part, (size_t)n);
		if (buf_failed(out))
			return err_nomem(err, "stdin", out->len);
	}
}

static int add_files(const struct app *app, struct buf *out, size_t *n_replaced, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < app->opt.n_files; i++) {
		struct buf text = {0};

		rc = file_read(&text, app->opt.files[i], QUESTION_MAX_BYTES, err);
		if (!rc)
			attach_block(out, "file", app->opt.files[i], buf_str(&text), n_replaced);
		buf_release(&text);
	}
	return rc;
}

int question_read(const struct app *app, bool stdin_too, struct buf *out, size_t *n_replaced,
		  struct err *err)
{
	struct buf piped = {0};
	const char *words = app->opt.prompt;
	int rc = add_files(app, out, n_replaced, err);

	if (!rc && stdin_too)
		rc = read_stdin(app, &piped, err);
	if (rc)
		goto done;
	if (piped.len && words) {
		attach_block(out, "stdin", NULL, buf_str(&piped), n_replaced);
	} else if (piped.len) {
		while (piped.len && piped.data[piped.len - 1] == '\n')
			buf_truncate(&piped, piped.len - 1);
		*n_replaced += utf8_add_clean(out, buf_str(&piped));
	}
	if (words)
		*n_replaced += utf8_add_clean(out, str_of(words));
	if (!out->len)
		rc = err_set(err, ERR_USAGE, "nothing is asked: give a question, or text on stdin");
	if (buf_failed(out))
		rc = err_nomem(err, "question", out->len);
done:
	buf_release(&piped);
	return rc;
}
