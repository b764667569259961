/*
 * The locale that the user asked for, as far as it serves: everything here is UTF-8, so that
 * where the asked one is another, or isn't installed, C.UTF-8 says what characters are.
 */
#ifndef APP_LOCALE_H
#define APP_LOCALE_H

#include <stdbool.h>

#include "engine/base/buf.h"

/* Once, before anything asks what a character is. */
void locale_open(void);

enum locale_state {
	LOCALE_ASKED,   /* as it was asked for                                          */
	LOCALE_OWN,     /* C.UTF-8 in its place, which shows the same                   */
	LOCALE_OTHER,   /* … though the terminal may speak what was asked for           */
	LOCALE_NO_UTF8, /* there is none: other than ASCII can be kept, but not be shown */
};

/* And, appended to `why` (NULL: not asked for), what was asked for and found. */
enum locale_state locale_state(struct buf *why);

/* What the user of a chat should know before it begins, appended; false, and nothing: all is
 * well. */
bool locale_warning(struct buf *out);

#endif
