/*
 * After a command: what it made that only the user makes, a repository say, is put out of the
 * way where it is more than git itself would have made.  Nothing is taken away.
 */
#ifndef APP_TOOLS_AUDIT_H
#define APP_TOOLS_AUDIT_H

#include "app/tools/cover.h"
#include "app/tools/workspace.h"

/*
 * `before`: what cover_find() found then; `before_git`: the same where git could write, NULL:
 * it could not.  Appends what it did, in a few lines for the model and the user.  False: it
 * could not look, or not put all out of the way; the lines say so.
 */
bool audit_command(const struct workspace *w, const struct cover *before,
		   const struct cover *before_git, struct buf *lines);

#endif
