/* write_file: a new file, or another content of one that the model has seen whole. */
#include "app/tools/change.h"
#include "app/tools/replace.h"

static int make_content(struct change *c)
{
	struct str content = file_arg(c->j, "content", (struct str){"", 0});
	int rc;

	if (content.n > FILE_WRITE_BYTES)
		return file_refuse(c->j, c->path,
				   ": the content is too long (more than 1 MiB)");
	if (c->t.fd < 0) {
		buf_adds(&c->after, content);
		return 0;
	}
	if (!c->shown.any)
		return file_refuse(c->j, c->path, " exists and was not read; read it first");
	if (!c->shown.last_is_same)
		return file_refuse(c->j, c->path, " changed since it was read; read it again");
	if (!c->shown.whole)
		return file_refuse(c->j, c->path, " exists and was not read; read it first");
	rc = change_needs_text(c);
	return rc ? rc
		  : replace_whole(c->path, buf_str(&c->before), content, &c->after,
				  &c->j->text);
}

int tool_write_file(struct file_job *j)
{
	struct change c;
	struct buf said = {0};
	int rc = change_begin(&c, j);

	if (!rc)
		rc = make_content(&c);
	buf_addf(&said, "wrote %zu bytes to ", c.after.len);
	if (!rc)
		rc = buf_failed(&said) ? ERR_NOMEM : change_end(&c, buf_z(&said));
	buf_release(&said);
	change_release(&c);
	return rc;
}
