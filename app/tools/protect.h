/*
 * What tools never write, whoever allows it: what a version control keeps, where a planted file
 * is run by the next command of the user.
 */
#ifndef APP_TOOLS_PROTECT_H
#define APP_TOOLS_PROTECT_H

#include <stdbool.h>

#include "engine/base/buf.h"

/*
 * Is a name of the path ".git", ".hg", ".svn" or ".jj", whatever the case of ASCII and the dots
 * and blanks behind it?  Pure.
 */
bool protect_by_name(struct str path);

/* Is it one of these, or of what other programs of the user's are told by (".vscode",
 * "AGENTS.md", …)?  A command changes neither, where it is there already.  Pure. */
bool protect_from_commands(struct str name);

/*
 * Is a folder on the way from `root` (a descriptor) to its folder `rel`, both included, what
 * git would take for a repository, whatever it is called?
 */
bool protect_by_content(int root, struct str rel);
/* The same of one open folder alone. */
bool protect_is_repository(int folder);

#endif
