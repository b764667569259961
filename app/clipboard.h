/*
 * The clipboard, by a program that has it: Wayland's, X11's, macOS's, or the multiplexer's.
 * Where there is none, the terminal may take the text (tui/terminal.h), which nobody can know.
 */
#ifndef APP_CLIPBOARD_H
#define APP_CLIPBOARD_H

#include "engine/base/buf.h"

/*
 * Gives the text to the first of the programs that is there and takes it within a moment.
 * Returns its name, or NULL: none did.
 */
const char *clipboard_give(struct str text);

#endif
