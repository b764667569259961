/* Forgetting, for good. */
#ifndef HISTORY_REMOVE_H
#define HISTORY_REMOVE_H

#include "history/store.h"

/* Finishes a removal that a crash or another process kept from its end. */
int remove_finish_pending(struct history *h, struct err *err);

#endif
