/*
 * The help box (F1): every action with its keys, made from the key table.
 */
#ifndef TUI_HELP_H
#define TUI_HELP_H

#include <stdbool.h>

#include "tui/keymap.h"
#include "tui/lines.h"
#include "tui/surface.h"

struct help {
	bool open;
	struct lines lines;
	int width; /* `lines` were made for; 0 = not made */
	size_t top;
	int rows; /* of the last drawing */
};

void help_release(struct help *h);
void help_open(struct help *h);
/* True where the key closed it. */
bool help_key(struct help *h, const struct key_event *ev);
void help_draw(struct help *h, const struct keymap *km, struct view screen);

#endif
