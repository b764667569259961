/*
 * The grid of cells that views draw on.
 *
 * It knows no terminal: the same drawing is painted (paint.h), compared and
 * dumped in tests.  A cell holds one spacing character and up to four that
 * combine with it, as a cell of ncurses does; a cluster of several spacing
 * characters takes several cells.  Whatever is put here passes the terminal
 * filter once more, so no view can let a control character through.
 */
#ifndef TUI_SURFACE_H
#define TUI_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "tui/style.h"

#define CELL_CPS 5

#define SURFACE_MAX_SIDE 2000 /* columns or rows; a terminal that claims more gets this */

struct cell {
	uint32_t cp[CELL_CPS];
	uint8_t n;     /* characters in cp; 0 in the right half of a wide one */
	uint8_t width; /* columns: 1 or 2; 0 in the right half                */
	uint16_t style;
};

/* How a row stands to the one below. */
enum row_join {
	ROW_ENDS,
	ROW_FULL,  /* the same line goes on there, where the terminal breaks it by itself */
	ROW_SHORT, /* likewise, but its last column was too little for what comes         */
};

struct surface {
	int w, h;
	struct cell *cells; /* [h][w] */
	uint8_t *joins;     /* [h], enum row_join */
	int cursor_x, cursor_y;
	bool cursor_on;
};

/* A rectangle of a surface; drawing is clipped to it.  Copied freely. */
struct view {
	struct surface *s;
	int x, y, w, h;
};

int surface_init(struct surface *s, int w, int h, struct err *err);
void surface_release(struct surface *s);
/* New size, all blank.  On ERR_NOMEM the surface is as it was. */
int surface_resize(struct surface *s, int w, int h, struct err *err);
void surface_clear(struct surface *s);
bool cell_equal(const struct cell *a, const struct cell *b);

struct view surface_view(struct surface *s);
/* The part of `v` at x, y (relative to v) of w × h, cut to what v has. */
struct view view_sub(struct view v, int x, int y, int w, int h);

/*
 * Writes text from column x of row y, both relative; tabs are one blank, and newlines
 * are shown as a control picture.  What is left of, or past, the view is clipped; a wide
 * character that straddles its border is blank.  Returns the column after the last one, also
 * where clipped.
 */
int view_put(struct view v, int x, int y, struct str text, uint16_t style);
int view_putz(struct view v, int x, int y, const char *z, uint16_t style);
int view_putf(struct view v, int x, int y, uint16_t style, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* As view_put, at most `columns` wide; text that is longer ends in "…". */
int view_put_cut(struct view v, int x, int y, int columns, struct str text, uint16_t style);
/* Fills w × h cells with a one-column character. */
void view_fill(struct view v, int x, int y, int w, int h, uint32_t cp, uint16_t style);
/* Gives n cells of a row another role or style, keeping their text. */
void view_restyle(struct view v, int x, int y, int n, uint16_t style);
/* Joins row y with the next one; nothing where the view has not the surface's whole width. */
void view_join(struct view v, int y, enum row_join join);
void view_cursor(struct view v, int x, int y);

/* A box's border, title in its top line; returns the inside. */
struct view view_box(struct view v, const char *title, uint16_t style);

/*
 * The surface as text: its rows, and below "--- styles" one letter a cell (theme.h), both
 * without what is blank at their ends.  The cursor is a line of its own.
 */
void surface_dump(const struct surface *s, struct buf *out);

#endif
