/*
 * Copying through the terminal (OSC 52), which reaches over ssh.  Not every terminal does it,
 * and none says whether it did.
 */
#ifndef TUI_OSC52_H
#define TUI_OSC52_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * Appends the sequence, or what of it stands for the text: letters, digits, "+/=" alone.
 * ERR_LIMIT above what terminals take (74,994 bytes).
 */
int osc52_add(struct buf *out, struct str text, struct err *err);
int osc52_add_base64(struct buf *out, struct str text, struct err *err);

#endif
