/*
 * Is a repository's own folder one that git made and nobody else added to: nothing in it runs a
 * program, or leads git elsewhere?
 */
#ifndef APP_TOOLS_PLAIN_H
#define APP_TOOLS_PLAIN_H

#include <stdbool.h>

#include "engine/base/buf.h"

/* Of an open folder.  What cannot be read, or is not understood, is not plain. */
bool plain_repository(int folder);

/* Its settings, the text of "config": only those that git sets itself.  Pure. */
bool plain_settings(struct str text);

#endif
