/* /export */
#include <stdio.h>
#include <string.h>

#include "app/cmd/cmd.h"
#include "app/newfile.h"
#include "app/paths.h"
#include "app/pulse.h"

/* The format is in the name; a name that says none means Markdown. */
static enum history_format format_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (dot && strcmp(dot, ".jsonl") == 0)
		return HISTORY_JSONL;
	return dot && strcmp(dot, ".json") == 0 ? HISTORY_JSON : HISTORY_MARKDOWN;
}

static int write_it(struct history *h, int64_t id, const char *path, struct err *err)
{
	struct newfile file;
	struct buf out = {0};
	bool before;
	int rc;

	if (!id || !*path)
		return err_set(err, ERR_USAGE,
			       !id ? "nothing was said yet"
				   : "/export FILE: no file was named");
	before = pulse_optional(true);
	rc = history_export(h, id, format_of(path), &out, err);
	pulse_optional(before);
	if (!rc)
		rc = newfile_open(&file, path, err);
	if (!rc && fwrite(buf_z(&out), 1, out.len, file.to) != out.len)
		rc = newfile_close(&file, err_errno(err, path, "cannot write it"), err);
	else if (!rc)
		rc = newfile_close(&file, 0, err);
	buf_release(&out);
	/* A file that can't be written ends no chat. */
	return rc == ERR_IO ? err_set(err, ERR_FAILED, "%s", err->text) : rc;
}

int cmd_export(struct cmd_host *h, const char *arg, struct err *err)
{
	struct buf path = {0}, text = {0};
	int rc = talks_need_store(h->talks, err);

	path_expand(&path, str_of(arg));
	if (!rc && buf_failed(&path))
		rc = err_nomem(err, "path", path.len);
	if (!rc)
		rc = write_it(h->talks->store, h->ops->talk(h)->stored, buf_z(&path), err);
	if (!rc) {
		buf_addf(&text, "written: %s", buf_z(&path));
		h->ops->say(h, buf_z(&text));
	}
	buf_release(&path);
	buf_release(&text);
	return rc;
}
