/* A copy of the whole store as one file, while others go on using it. */
#ifndef HISTORY_BACKUP_H
#define HISTORY_BACKUP_H

#include "history/store.h"

/*
 * Writes PATH (0600) by way of a temporary file beside it, so that PATH is whole or not
 * there; nothing else stays, but for PATH.tmp after a crash with `replace`, which is for one
 * process at a time: the caller has the write lock.  ERR_USAGE where PATH exists and `replace`
 * is false.
 */
int backup_file(struct history *h, const char *path, bool replace, struct err *err);

#endif
