/* edit_file: one piece of a text file becomes another; that the model knows its exact text is
 * proof enough of having read it. */
#include "app/tools/change.h"
#include "app/tools/replace.h"

static int make_content(struct change *c)
{
	struct str none = {"", 0};
	struct str old = file_arg(c->j, "old", none), new = file_arg(c->j, "new", none);
	int rc = change_needs_text(c);

	if (!rc)
		rc = replace_once(c->path, buf_str(&c->before), old, new, &c->after,
				  &c->j->text);
	if (!rc && c->after.len > FILE_CHANGE_BYTES)
		rc = file_refuse(c->j, c->path, " would be too large (more than 8 MiB)");
	return rc;
}

int tool_edit_file(struct file_job *j)
{
	struct change c;
	int rc = change_begin(&c, j);

	if (!rc)
		rc = make_content(&c);
	if (!rc)
		rc = change_end(&c, "replaced 1 occurrence in ");
	change_release(&c);
	return rc;
}
