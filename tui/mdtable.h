/*
 * A Markdown table: cells are collected, then laid out in columns that fit.
 */
#ifndef TUI_MDTABLE_H
#define TUI_MDTABLE_H

#include "tui/lines.h"

#define MDTABLE_MAX_COLUMNS 64 /* what is more is dropped */

enum mdalign { MDALIGN_LEFT, MDALIGN_CENTER, MDALIGN_RIGHT };

struct mdtable {
	struct rich *cells; /* [n_rows][n_columns] */
	size_t n, cap;
	int n_columns;
	size_t n_head; /* rows of the head */
	enum mdalign align[MDTABLE_MAX_COLUMNS];
	bool failed;
};

void mdtable_release(struct mdtable *t);
/* A new cell, owned by the table, until the next call; NULL when memory ran out. */
struct rich *mdtable_add_cell(struct mdtable *t);
/* Lays the table out for `width` columns; every line begins with `lead`. */
void mdtable_render(const struct mdtable *t, struct lines *out, int width,
		    const struct rich *lead);

#endif
