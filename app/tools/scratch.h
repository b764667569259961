/*
 * The session's folder for what is temporary, with "tmp" and "var", which are /tmp and /var/tmp
 * to the commands that run; gone after it.
 * Functions of whichever process made it; what lies in it is hostile.
 */
#ifndef APP_TOOLS_SCRATCH_H
#define APP_TOOLS_SCRATCH_H

#include "engine/base/err.h"

/*
 * Makes one, 0700, where temporary files lie; returns its true path, for free(); NULL: err.
 * *hold: keeps it from being taken for one that somebody left behind, until it is closed. Those
 * are removed.
 */
char *scratch_make(int *hold, struct err *err);
/* Another process holds it, too; the descriptor, or -1. */
int scratch_hold(const char *path);
/* With all that is in it, through no link.  NULL is fine. */
void scratch_remove(const char *path);

#endif
