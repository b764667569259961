/*
 * Help as it stands on a terminal of 80 columns.
 */
#ifndef APP_HELP_H
#define APP_HELP_H

#include "engine/base/buf.h"

#define HELP_COLUMNS 80

/*
 * Appends `left` and, from column `at` on, the text, whose lines break between words where they
 * would be longer than HELP_COLUMNS; where `left` reaches into them, they begin below it.
 */
void help_add(struct buf *out, const char *left, int at, const char *text);

/* How many letters must be changed, put in or left out; 64 where a word is long. */
int help_distance(const char *a, const char *b);

#endif
