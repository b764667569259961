/*
 * Where messages are written: many lines, as high as they need up to a third of
 * the screen, with earlier inputs behind Up.
 *
 * Only rows near the cursor are laid out, so 10 MB of pasted text cost no more
 * than a line.
 */
#ifndef TUI_COMPOSER_H
#define TUI_COMPOSER_H

#include <stdbool.h>
#include <stddef.h>

#include "tui/editbuf.h"
#include "tui/surface.h"

#define COMPOSER_INPUTS 1000 /* earlier inputs kept */

struct composer {
	struct editbuf edit;
	size_t top;         /* byte where the first row shown begins */
	int goal;           /* column Up and Down keep; -1 = the cursor's */
	int width;          /* of the text, since the last draw */
	struct buf *inputs; /* earlier ones, oldest first */
	size_t n_inputs;
	size_t walking;   /* inputs[walking] is shown; n_inputs = none */
	struct buf draft; /* what was being written before walking */
	bool focused;
	const char *banner; /* a line above, e.g. "editing an earlier message"; NULL = none */
};

void composer_release(struct composer *c);
/* An earlier input, newest last; one equal to the last is not kept twice. */
void composer_add_input(struct composer *c, struct str text);
/* Rows it wants at this width, banner included, at most `max`. */
int composer_height(struct composer *c, int width, int max);
void composer_draw(struct composer *c, struct view v);
/* A row up or down; on the border an earlier or later input. */
void composer_up(struct composer *c);
void composer_down(struct composer *c);
/* Sets the cursor to the cluster at column x of row y, as drawn last. */
void composer_click(struct composer *c, int x, int y);
/* Forgets the column that Up and Down keep: after every other action. */
void composer_changed(struct composer *c);

#endif
