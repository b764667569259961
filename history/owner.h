/*
 * Who writes a journal: a name for a process that no other process, before or after, on
 * this machine or another, has.
 */
#ifndef HISTORY_OWNER_H
#define HISTORY_OWNER_H

#include <stdbool.h>
#include <stddef.h>

void owner_self(char *out, size_t cap);

/*
 * Whether that process is certainly gone.  Of another machine or another process
 * namespace nothing is known, so the answer is no while the last sign of life (`age_ms`
 * ago) is younger than a day.
 */
bool owner_gone(const char *owner, long long age_ms);

#endif
