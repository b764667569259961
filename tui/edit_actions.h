/*
 * Which actions of the key table edit a text, and how: one table for the
 * composer and for lines asked for.
 */
#ifndef TUI_EDIT_ACTIONS_H
#define TUI_EDIT_ACTIONS_H

#include <stdbool.h>

#include "tui/editbuf.h"
#include "tui/keymap.h"

/* Does what `a` says; false where `a` is no edit, and nothing was done. */
bool edit_action(struct editbuf *e, enum action a);

#endif
