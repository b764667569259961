/*
 * A box over the screen: rows to choose from, found by typing.  Palette, earlier
 * inputs, completions and options are all this.
 */
#ifndef TUI_PICKER_H
#define TUI_PICKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tui/editbuf.h"
#include "tui/key.h"
#include "tui/surface.h"

/* So much is not pasted into the filter. */
#define PICKER_FILTER_MAX 200

struct picker_row {
	struct buf label;  /* what is found and chosen   */
	struct buf detail; /* dim, behind it             */
	struct buf right;  /* at the right border        */
	int64_t value;     /* the caller's               */
};

struct picker {
	bool open;
	char title[64];
	struct picker_row *rows;
	size_t n, cap;
	struct editbuf filter;
	size_t *shown; /* rows that match, in order */
	size_t n_shown;
	size_t chosen; /* of `shown` */
	size_t top;
};

enum picker_result { PICKER_STAYS, PICKER_CHOSEN, PICKER_CLOSED };

void picker_release(struct picker *p);
/* Opens it empty. */
void picker_open(struct picker *p, const char *title);
void picker_add(struct picker *p, struct str label, struct str detail, struct str right,
		int64_t value);
/* After the last row, and after every change of the filter: finds what matches. */
void picker_refresh(struct picker *p);
void picker_close(struct picker *p);
/* Arrows, PgUp, PgDn, Enter or Tab, Esc; the rest edits the filter. */
enum picker_result picker_key(struct picker *p, const struct key_event *ev);
/* The chosen row; NULL where nothing matches. */
const struct picker_row *picker_chosen(const struct picker *p);
void picker_draw(struct picker *p, struct view screen);

#endif
