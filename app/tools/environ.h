/*
 * The environment of a command: made, not inherited, so that neither a token nor what would
 * change how a program runs comes in.
 */
#ifndef APP_TOOLS_ENVIRON_H
#define APP_TOOLS_ENVIRON_H

#include "app/tools/workspace.h"
#include "engine/base/err.h"

/*
 * `tmp`: the folder for what is temporary; `hooks`: hooks of git run.  A list of "NAME=value"
 * that ends with NULL, one block for free(); NULL: no memory.
 */
char **environ_make(const struct workspace *w, const char *tmp, bool hooks);

#endif
