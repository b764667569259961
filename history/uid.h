/* The short names of conversations. */
#ifndef HISTORY_UID_H
#define HISTORY_UID_H

#include <stdbool.h>

#include "history/history.h"

/* 50 random bits as digits and letters that are not taken for one another. */
void uid_make(char out[HISTORY_UID_LEN + 1]);
bool uid_valid(struct str s);

#endif
