/*
 * Where a row of text ends.  Pure, linear in the row's bytes.
 */
#ifndef TUI_WRAP_H
#define TUI_WRAP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How many of the n bytes at p (without '\n') make the next row of `width` columns (at least
 * 2).  Returns the bytes used, 0 only for n == 0; *shown is how many of them are drawn:
 * blanks at a break between words are used but not shown.  With `words` false every cluster
 * may begin a row.
 */
size_t wrap_row(const char *p, size_t n, int width, bool words, size_t *shown);

#endif
