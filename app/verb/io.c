/* In and out, for verbs. */
#include "app/verb/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/paths.h"
#include "app/linereader.h"
#include "app/output.h"

int verb_rest(struct buf *out, struct err *err)
{
	struct linereader in = linereader_stdin();
	int rc = linereader_rest(&in, out, err);

	linereader_release(&in);
	return rc;
}

int verb_number(const char *option, const char *text, long max, long *out, struct err *err)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	if (errno || *end || end == text || *out < 0 || *out > max)
		return err_set(err, ERR_USAGE, "%s: '%.40s', expected 0 to %ld", option, text,
			       max);
	return 0;
}

int verb_write(const struct buf *text, struct err *err)
{
	if (buf_failed(text))
		return err_nomem(err, "a line", text->len);
	if (!output_text(STDOUT_FILENO, buf_str(text)))
		return err_errno(err, "stdout", "write");
	return 0;
}

int verb_write_json(const struct buf *json, struct err *err)
{
	if (buf_failed(json))
		return err_nomem(err, "a line", json->len);
	if (!output_json(STDOUT_FILENO, buf_str(json)))
		return err_errno(err, "stdout", "write");
	return 0;
}

void verb_say_replaced(const char *name, size_t n_replaced)
{
	if (n_replaced)
		output_format(STDERR_FILENO,
			      "dsv4chat: %s: invalid UTF-8 was replaced by U+FFFD, %zu times\n",
			      name, n_replaced);
}

int verb_model_dir(const char *given, struct buf *out, struct err *err)
{
	struct options o;
	int rc = 0;

	if (given) {
		path_expand(out, str_of(given));
		return buf_failed(out) ? err_nomem(err, "path", strlen(given)) : 0;
	}
	rc = app_read_settings(&o, err);
	if (!rc)
		rc = app_model_dir(&o, out, err);
	options_release(&o);
	return rc;
}
