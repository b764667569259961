/*
 * The help box (F1): every action with its keys, made from the key table, and the
 * slash commands.
 */
#ifndef TUI_HELP_H
#define TUI_HELP_H

#include <stdbool.h>

#include "tui/keymap.h"
#include "tui/lines.h"
#include "tui/surface.h"

struct help_command {
	const char *name, *arg, *help; /* borrowed */
};

struct help {
	bool open;
	struct lines lines;
	int width; /* `lines` were made for; 0 = not made */
	size_t top;
	int rows; /* of the last drawing */
	struct help_command *commands;
	size_t n_commands;
	bool vi; /* its keys hold, too */
};

void help_release(struct help *h);
/* Without memory it is left out. */
void help_add_command(struct help *h, const char *name, const char *arg, const char *help);
void help_set_vi(struct help *h, bool on);
void help_open(struct help *h);
/* True where the key closed it. */
bool help_key(struct help *h, const struct key_event *ev);
void help_draw(struct help *h, const struct keymap *km, struct view screen);

#endif
