/* What was read and not handed out yet, and how it is cut into lines. */
#include "app/linereader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/utf8.h"

struct linereader linereader_stdin(void)
{
	return (struct linereader){.fd = STDIN_FILENO, .name = "stdin", .max = LINEREADER_MAX_BYTES};
}

void linereader_release(struct linereader *l)
{
	buf_release(&l->held);
	buf_release(&l->clean);
}

static int read_more(struct linereader *l, struct err *err)
{
	char part[65536];
	ssize_t n;
	int rc = l->wait ? l->wait(l->ctx, err) : 0;

	if (rc)
		return rc;
	n = read(l->fd, part, sizeof(part));
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		return err_errno(err, l->name, "read");
	l->ended = n == 0;
	/* What was handed out goes once for each read, not for each line. */
	buf_remove(&l->held, 0, l->at);
	l->at = 0;
	if (n > 0)
		buf_add(&l->held, part, (size_t)n);
	return buf_failed(&l->held) ? err_nomem(err, l->name, l->held.len) : 0;
}

static struct str of_json(struct str line, bool first)
{
	if (first && line.n >= 3 && memcmp(line.p, UTF8_BOM, 3) == 0)
		line = (struct str){line.p + 3, line.n - 3};
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* The line at `at`, of n bytes; `end`: with its newline. */
static int hand_out(struct linereader *l, size_t n, bool end, struct str *line, struct err *err)
{
	*line = (struct str){buf_z(&l->held) + l->at, n};
	l->at += n + end;
	l->n++;
	if (l->json)
		*line = of_json(*line, l->n == 1);
	if (l->as_is || utf8_valid(*line))
		return 1;
	buf_reset(&l->clean);
	l->n_replaced += utf8_add_clean(&l->clean, *line);
	*line = buf_str(&l->clean);
	return buf_failed(&l->clean) ? err_nomem(err, "a line", line->n) : 1;
}

int linereader_next(struct linereader *l, struct str *line, struct err *err)
{
	size_t looked = 0;

	for (;;) {
		const char *from = buf_z(&l->held) + l->at;
		size_t left = l->held.len - l->at;
		const char *end = memchr(from + looked, '\n', left - looked);
		int rc;

		if (end || (l->ended && left)) {
			rc = hand_out(l, end ? (size_t)(end - from) : left, end != NULL, line,
				      err);
			looked = 0;
			if (rc > 0 && l->json && !line->n)
				continue;
			return rc;
		}
		if (l->ended)
			return 0;
		looked = left;
		if (looked > l->max)
			return err_set(err, ERR_LIMIT, "%s: a line of more than %zu bytes",
				       l->name, l->max);
		rc = read_more(l, err);
		if (rc)
			return rc;
	}
}

int linereader_rest(struct linereader *l, struct buf *out, struct err *err)
{
	for (;;) {
		int rc;

		buf_add(out, buf_z(&l->held) + l->at, l->held.len - l->at);
		l->at = l->held.len;
		if (buf_failed(out))
			return err_nomem(err, l->name, out->len);
		if (l->ended)
			return 0;
		if (out->len > LINEREADER_MAX_BYTES)
			return err_set(err, ERR_LIMIT, "%s: a text of more than %zu bytes",
				       l->name, LINEREADER_MAX_BYTES);
		rc = read_more(l, err);
		if (rc)
			return rc;
	}
}
