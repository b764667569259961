#include "app/verb/io.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "engine/base/utf8.h"

int verb_file_line(struct buf *line, FILE *from, const char *name, size_t max, struct err *err)
{
	char part[4096];
	size_t n = 0;
	int c;

	buf_reset(line);
	do {
		c = getc_unlocked(from);
		if (c != EOF && c != '\n')
			part[n++] = (char)c;
		else if (n == 0)
			break;
		if (n < sizeof(part) && c != EOF && c != '\n')
			continue;
		buf_add(line, part, n);
		n = 0;
		if (buf_failed(line))
			return err_nomem(err, name, line->len);
		if (line->len > max)
			return err_set(err, ERR_LIMIT, "%s: a line of more than %zu bytes", name, max);
	} while (c != EOF && c != '\n');
	if (ferror(from))
		return err_errno(err, name, "read");
	return c != EOF || line->len;
}

int verb_line(struct verb_input *in, struct str *line, struct err *err)
{
	int rc = verb_file_line(&in->line, stdin, "stdin", VERB_MAX_BYTES, err);

	if (rc <= 0)
		return rc;
	in->n_lines++;
	*line = buf_str(&in->line);
	if (utf8_valid(*line))
		return 1;
	buf_reset(&in->clean);
	in->n_replaced += utf8_add_clean(&in->clean, *line);
	*line = buf_str(&in->clean);
	return buf_failed(&in->clean) ? err_nomem(err, "a line", line->n) : 1;
}

void verb_input_release(struct verb_input *in)
{
	buf_release(&in->line);
	buf_release(&in->clean);
	*in = (struct verb_input){0};
}

int verb_rest(struct buf *out, struct err *err)
{
	char part[65536];
	size_t n;

	while ((n = fread(part, 1, sizeof(part), stdin)) > 0) {
		buf_add(out, part, n);
		if (out->len > VERB_MAX_BYTES)
			return err_set(err, ERR_LIMIT, "stdin: a text of more than %u bytes",
				       VERB_MAX_BYTES);
	}
	if (ferror(stdin))
		return err_errno(err, "stdin", "read");
	return buf_failed(out) ? err_nomem(err, "stdin", out->len) : 0;
}

int verb_write(const struct buf *text, struct err *err)
{
	if (buf_failed(text))
		return err_nomem(err, "a line", text->len);
	if (fwrite(buf_z(text), 1, text->len, stdout) != text->len || fflush(stdout) != 0)
		return err_errno(err, "stdout", "write");
	return 0;
}

void verb_say_replaced(const char *name, size_t n_replaced)
{
	if (n_replaced)
		fprintf(stderr,
			"dsv4chat: %s: invalid UTF-8 was replaced by U+FFFD, %zu times\n", name,
			n_replaced);
}

int verb_model_dir(const char *given, struct buf *out, struct err *err)
{
	struct options o;
	int rc = 0;

	if (given) {
		buf_addz(out, given);
		return buf_failed(out) ? err_nomem(err, "path", strlen(given)) : 0;
	}
	rc = app_read_settings(&o, err);
	if (!rc)
		rc = app_model_dir(&o, out, err);
	options_release(&o);
	return rc;
}
