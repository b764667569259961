/*
 * What a command line could do at most, as far as that is certain from its words: a line of
 * commands that only look (readonly.h) at what may be looked at is no more than reading.
 *
 * Such a line runs where nothing can be written and nobody be reached: being wrong here costs
 * the user a look, no more.  Looks at the file system; one thread at a time.
 */
#ifndef APP_TOOLS_READS_H
#define APP_TOOLS_READS_H

#include <limits.h>

#include "app/tools/shellwords.h"
#include "app/tools/tools.h"

struct reads;

/* ERR_USAGE: the folder cannot be a workspace.  ERR_NOMEM, ERR_IO.  reads_free(NULL) is fine.
 */
int reads_new(struct reads **out, const struct workspace_config *c, struct err *err);
void reads_free(struct reads *r);

/*
 * Of a whole line.  READ: within the workspace, or the system's own files.  READ_OUTSIDE:
 * elsewhere, too.  RUN: whatever else; without memory, and where r is NULL, that is all there
 * is.  `let` says of true paths elsewhere whether they are as good as the workspace; NULL: none is.
 * looks[i]: its command i is for certain no more than READ, or a cd on the way.
 */
enum tool_class reads_look(const struct reads *r, const struct shell_line *line,
			   bool (*let)(const void *ctx, struct str path), const void *ctx,
			   bool looks[SHELLWORDS_COMMANDS]);

/* Of one path that a tool is to look at: READ or READ_OUTSIDE.  What is hidden is told by the tool
 * itself. */
enum tool_class reads_judge_path(const struct reads *r, struct str path);
/* Where it leads, absolute and without links.  False: nowhere that is there. */
bool reads_true_path(const struct reads *r, struct str path, char led[PATH_MAX]);

#endif
