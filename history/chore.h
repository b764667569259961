/* Work that a crash must not make forgotten: rows that stay until it is done. */
#ifndef HISTORY_CHORE_H
#define HISTORY_CHORE_H

#include "history/store.h"

#define CHORE_SCRUB  "scrub"  /* removed text may still stand in the log or in free pages */
#define CHORE_INDEX  "index"  /* the search does not know of everything said */
#define CHORE_VACUUM "vacuum" /* pages of the file belong to nothing */

int chore_note(struct history *h, const char *name, struct err *err);
/* *pending is set where it is, else left as it was. */
int chore_pending(struct history *h, const char *name, bool *pending, struct err *err);
int chore_done(struct history *h, const char *name, struct err *err);

#endif
