/*
 * What a command line could do at most, as far as that is certain from its words: a line of
 * commands that only look (readonly.h) at what may be looked at is no more than reading.
 *
 * Such a line runs where nothing can be written and nobody be reached: being wrong here costs
 * the user a look, no more.  Looks at the file system; one thread at a time.
 */
#ifndef APP_TOOLS_READS_H
#define APP_TOOLS_READS_H

#include "app/tools/tools.h"

struct reads;

/* ERR_USAGE: the folder cannot be a workspace.  ERR_NOMEM, ERR_IO.  reads_free(NULL) is fine.
 */
int reads_new(struct reads **out, const struct workspace_config *c, struct err *err);
void reads_free(struct reads *r);

/* READ: within the workspace, or the system's own files.  READ_OUTSIDE: elsewhere, too.  RUN:
 * whatever else.  Without memory it is RUN. */
enum tool_class reads_judge(const struct reads *r, struct str command);

#endif
