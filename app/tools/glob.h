/*
 * Patterns of paths: '*' and '?' and [a-z] within a name, "**" as a name for any number of
 * them,
 * '\' before what is meant itself.
 *
 * Pure functions over borrowed bytes; the time is bounded by the product of the lengths.
 */
#ifndef APP_TOOLS_GLOB_H
#define APP_TOOLS_GLOB_H

#include <stdbool.h>

#include "engine/base/buf.h"

/* The whole path, names between slashes, as it is or (fold) whatever the case of ASCII. */
bool glob_match(struct str pattern, struct str path, bool fold);
/* The same, or a folder above it. */
bool glob_covers(struct str pattern, struct str path, bool fold);

/* Takes the first name off a path; false where there is none left. */
bool path_next(struct str *path, struct str *name);
/* Is a name of it ".."? */
bool path_climbs(struct str path);

#endif
