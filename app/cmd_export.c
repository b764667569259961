#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/line.h"

/* The format is in the name; a name that says none means Markdown. */
static enum history_format format_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (dot && strcmp(dot, ".jsonl") == 0)
		return HISTORY_JSONL;
	return dot && strcmp(dot, ".json") == 0 ? HISTORY_JSON : HISTORY_MARKDOWN;
}

int cmd_export(struct line *l, const char *arg, struct err *err)
{
	int64_t id = history_tree_conversation(l->record.t);
	struct buf out = {0};
	FILE *to;
	int rc;

	if (!id || !*arg)
		return err_set(err, ERR_USAGE,
			       !id ? "nothing was said yet"
				   : "/export FILE: no file was named");
	rc = history_export(l->record.h, id, format_of(arg), &out, err);
	if (rc)
		goto done;
	/* x: what stands there is never replaced. */
	to = fopen(arg, "wxe");
	if (!to) {
		rc = err_errno(err, arg, "cannot write it");
		goto done;
	}
	if (fwrite(buf_z(&out), 1, out.len, to) != out.len)
		rc = err_errno(err, arg, "cannot write it");
	if (fclose(to) != 0 && !rc)
		rc = err_errno(err, arg, "cannot write it");
	if (rc)
		unlink(arg);
	else
		line_say("written: %s", arg);
done:
	buf_release(&out);
	/* A file that can't be written ends no chat. */
	return rc == ERR_IO ? err_set(err, ERR_FAILED, "%s", err->text) : rc;
}
