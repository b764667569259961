/*
 * While a command runs: has it made a repository's folder at the top of the workspace?  What
 * the user's shell or editor does there with git runs what such a folder says, at once.
 */
#ifndef APP_TOOLS_TRIPWIRE_H
#define APP_TOOLS_TRIPWIRE_H

#include <stdbool.h>

#include "app/tools/workspace.h"

/* A descriptor that is readable when something was made there; -1: it cannot be watched. */
int tripwire_open(const struct workspace *w);
/* Takes what was heard; true: it was of that kind, and *name is its name. */
bool tripwire_hear(int fd, struct buf *name);

#endif
