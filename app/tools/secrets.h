/*
 * Which files may hold secrets: nobody's tools read them.  The model is told that one is
 * hidden, not what is in it.
 *
 * Paths are true ones, without links; ASCII case is no difference.  Pure functions.
 */
#ifndef APP_TOOLS_SECRETS_H
#define APP_TOOLS_SECRETS_H

#include <stdbool.h>

#include "engine/base/buf.h"

/* A path below HOME, without it: ".ssh/config". */
bool secret_in_home(struct str rel);
/* A whole path; `root`: whether the user is. */
bool secret_of_system(struct str path, bool root);
/* A path below a workspace, by its names alone: "conf/.env". */
bool secret_by_name(struct str rel);

/* The patterns behind the first two, to look for what there is: below HOME, and whole paths.  A
 * name has wildcards only where it is the last one; NULL ends each list. */
extern const char *const secret_home_paths[], *const secret_system_paths[];

/* The same path or one below it; "/" is above all.  As bytes. */
bool path_is_within(struct str path, struct str folder);
/* The rest of a path that is within the folder; "" for the folder itself. */
struct str path_below(struct str path, struct str folder);

/*
 * Is the path, or a folder above it, what the pattern means?  One that begins with '/' is a
 * whole path, with "~/" one below HOME; others are paths below the workspace, and names at any
 * depth where they have no '/'.  `rel` is the path below the workspace, "" outside of it.
 */
bool path_is_meant(struct str pattern, struct str path, struct str rel, struct str home);

#endif
