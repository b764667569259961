/*
 * From what is shown to what should be: the fewest bytes a terminal needs.
 *
 * Only changed cells are written.  Pure: capabilities come in as text
 * (terminal.c fills them from the terminal's description), bytes go to a buffer.
 */
#ifndef TUI_PAINT_H
#define TUI_PAINT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "tui/style.h"
#include "tui/surface.h"

#define PAINT_SGR_MAX 64

struct paint_caps {
	char reset[PAINT_SGR_MAX];               /* all attributes and colours off     */
	char role[STYLE_N_ROLES][PAINT_SGR_MAX]; /* after reset                        */
	char attr[STYLE_N_ATTRS][PAINT_SGR_MAX]; /* bold, italic, underline, strike, reverse */
	char erase_line[PAINT_SGR_MAX];          /* to the row's end; "" = not there   */
	char cursor_on[PAINT_SGR_MAX], cursor_off[PAINT_SGR_MAX];
	char sync_on[PAINT_SGR_MAX], sync_off[PAINT_SGR_MAX]; /* "" = not there       */
	void (*move)(void *ctx, int x, int y, struct buf *out);
	void *move_ctx;
	bool ascii;        /* the locale has no UTF-8: lines and marks in ASCII  */
	bool no_last_cell; /* writing the last cell would scroll the screen      */
	bool wraps;        /* what is written past a row's end goes on in the next */
};

struct paint_stats {
	size_t cells; /* changed cells written */
	size_t bytes;
};

/*
 * Appends what turns `shown` into `next` (same size) and makes `shown` equal to it.  `all`:
 * nothing is known about the terminal; every cell is written.
 */
struct paint_stats paint(const struct paint_caps *caps, struct surface *shown,
			 const struct surface *next, bool all, struct buf *out);

/* Rows that the terminal took for one line no longer are: only after an erasure it forgets that. */
bool paint_parts(const struct surface *shown, const struct surface *next);

#endif
