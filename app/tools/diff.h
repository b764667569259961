/*
 * What differs between two texts, line by line (Myers: the fewest lines taken out and put in),
 * as unified hunks for people to read.
 *
 * Texts are bytes; lines end with \n, the last one may have none.  No state.  Any thread.
 */
#ifndef APP_TOOLS_DIFF_H
#define APP_TOOLS_DIFF_H

#include <stddef.h>

#include "engine/base/buf.h"

#define DIFF_MOST    2000 /* lines taken out and put in, together; with more nothing is shown */
#define DIFF_CONTEXT 3    /* equal lines around a change */

/*
 * Appends "@@ -12,3 +12,4 @@" and the lines of each hunk, with ' ', '-' or '+' before each, and
 * "\ No newline at end of file" behind one that has none.  Nothing for equal texts; "too
 * different, N lines -> M lines" for ones that differ in more than DIFF_MOST lines.  0, or
 * ERR_NOMEM.
 */
int diff_add(struct buf *out, struct str before, struct str after);

#define DIFF_BYTES (64u << 10)

/*
 * The same for the user: clean, and no more of it than the lines that DIFF_BYTES hold, behind
 * which "[N more lines]" stands.
 */
int diff_add_shown(struct buf *out, struct str before, struct str after);

#endif
