/*
 * A file system layer of one handle, over the one that SQLite has: each read, write and the like
 * asks whether the present call is to go on.  SQLite's own questions come between the steps of
 * statements only, and a commit, or a copy of the log, is one step however slow the disk is.
 */
#ifndef HISTORY_DISK_H
#define HISTORY_DISK_H

#include "history/store.h"

/* The layer's name for sqlite3_open_v2(); NULL: no memory.  Made once for a handle. */
const char *disk_layer(struct history *h);
/* After the connection is closed; fine where there is no layer. */
void disk_release(struct history *h);

#endif
