/*
 * From whatever schema a file has to this program's: numbered steps, all in one
 * transaction.  A step is one of the schema_N.sql files; a new file takes them all, so
 * that an old file and a new one end up the same.
 */
#ifndef HISTORY_MIGRATE_H
#define HISTORY_MIGRATE_H

#include "history/store.h"

#define HISTORY_SCHEMA 8 /* the newest step */

/* Refuses a file that is no history, or one of a newer schema.  Reads only. */
int migrate_check(struct history *h, struct err *err);

/* Backs an older file up as PATH.v<N>.bak, then takes the missing steps. */
int migrate_run(struct history *h, struct err *err);

/* Removes every backup that migrations left beside the file. */
int migrate_drop_backups(struct history *h, struct err *err);

#endif
