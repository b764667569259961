/*
 * Who writes a journal or runs a call: a name for a process that no other process, before or
 * after, on this machine or another, has.
 */
#ifndef HISTORY_OWNER_H
#define HISTORY_OWNER_H

#include <stdbool.h>
#include <stddef.h>

#include <sqlite3.h>

void owner_self(char *out, size_t cap);

/* A name for this machine that stays over boots and tells nothing of it; 32 digits. */
#define OWNER_MACHINE 33
void owner_machine(char out[OWNER_MACHINE]);

/*
 * Whether the process in that column of a row is certainly gone; the next column has the time
 * of its last sign of life.  Of another machine or another process namespace nothing is known,
 * so the answer is no while that is younger than a day.
 */
bool owner_gone(sqlite3_stmt *st, int column);

#endif
