/* Whether the file that is open is still the one that the next program will open. */
#ifndef HISTORY_PLACE_H
#define HISTORY_PLACE_H

#include "history/store.h"

/*
 * Before a commit: ERR_STORE where the file, or its log, was moved, replaced, removed, cut or
 * written over since it was opened, so that what is written now would be found by nobody.
 * Back in its place it is good again.
 */
int place_check(struct history *h, struct err *err);
/* After a commit: what the file is now. */
void place_note(struct history *h);

#endif
