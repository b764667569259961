/*
 * Characters as a terminal shows them: how many columns one takes, and which of
 * them a person takes for one.
 *
 * Width is what ncurses counts: the sum of wcwidth() over the characters.  A
 * cluster is an extended grapheme cluster (UAX 29), so that cursor and line
 * breaks never split what is read as one sign.  Pure functions.
 */
#ifndef TUI_GLYPH_H
#define TUI_GLYPH_H

#include <stddef.h>
#include <stdint.h>

/* 0, 1 or 2 columns.  Never negative: what cannot be shown is 1, as its replacement is. */
int glyph_width(uint32_t cp);

/*
 * The cluster at p[0..n), n > 0: its bytes (at least 1), and its columns in *width.
 * Invalid bytes are clusters of one column each.
 */
size_t glyph_next(const char *p, size_t n, int *width);

/* The start of the cluster that ends at p + at (0 where at == 0). */
size_t glyph_prev(const char *p, size_t at);

/* Columns of p[0..n). */
int glyph_columns(const char *p, size_t n);

#endif
