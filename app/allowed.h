/*
 * Rules that the user lets hold in one workspace from now on: $XDG_DATA_HOME/dsv4chat/rules, an
 * object a line with "workspace", "rule" and "when", the user's own and written by nobody else.
 *
 * The file is locked while it is changed, and there whole or as it was.  Any thread.
 */
#ifndef APP_ALLOWED_H
#define APP_ALLOWED_H

#include "app/tools/rules.h"
#include "engine/base/err.h"

/*
 * Those of that workspace are rules of r.  *warnings: lines on what of the file is not taken,
 * and why: it is another's, others can write to it, a line is no rule.  ERR_NOMEM.
 */
int allowed_load(struct rules *r, const char *workspace, struct buf *warnings, struct err *err);

/* `rules`: a list, as rules_learn() takes it.  ERR_USAGE: there is no home, or the workspace's
 * name is no UTF-8.  ERR_IO, ERR_NOMEM. */
int allowed_add(const char *workspace, struct str rules, struct err *err);

/* The rule, as it was added, is none any more; one that is not there is fine. */
int allowed_remove(const char *workspace, struct str rule, struct err *err);

#endif
