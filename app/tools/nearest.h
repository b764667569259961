/*
 * Where a text that a file does not have nearly is: what the model is shown, so that it can
 * write the text again as it is there.
 */
#ifndef APP_TOOLS_NEAREST_H
#define APP_TOOLS_NEAREST_H

#include "engine/base/buf.h"

#define NEAREST_PLACES 3
#define NEAREST_LINES  12  /* of a place that are shown */
#define NEAREST_CLIP   400 /* bytes of a line           */

/*
 * Appends, each on lines of its own that begin with \n, up to NEAREST_PLACES places whose lines
 * have many of the text's words, the nearest first, and says of one that has all of the text
 * but for blanks where the first of these is.  Clean text.  0, or ERR_NOMEM.  Any thread.
 */
int nearest_add(struct buf *out, struct str file, struct str text);

#endif
