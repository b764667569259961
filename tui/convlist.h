/*
 * The conversations: newest first, pinned on top, found by typing.
 */
#ifndef TUI_CONVLIST_H
#define TUI_CONVLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tui/editbuf.h"
#include "tui/surface.h"

struct convlist_row {
	int64_t id;
	struct str title; /* "" = not said yet */
	struct str when;  /* "5 min", "Tue", "2025-11-03" */
	bool pinned, current;
	bool archived; /* only what is typed finds it */
};

struct convlist {
	struct convlist_row *rows; /* with text of its own */
	struct buf *text;          /* title and when of each */
	size_t n;
	struct editbuf filter;
	int64_t *found; /* conversations in which the filter's words were said */
	size_t n_found;
	size_t *shown;
	size_t n_shown, chosen, top;
};

void convlist_release(struct convlist *l);
/* Copies; keeps the chosen conversation chosen where it is still there. */
void convlist_set(struct convlist *l, const struct convlist_row *rows, size_t n);
/* Conversations that match the filter by what was said in them; copied. */
void convlist_set_found(struct convlist *l, const int64_t *ids, size_t n);
void convlist_step(struct convlist *l, int by);
const struct convlist_row *convlist_chosen(const struct convlist *l); /* NULL = none */
/* Chooses that conversation, where it is shown. */
void convlist_choose(struct convlist *l, int64_t id);
/* Chooses the one that is shown on the screen. */
void convlist_choose_current(struct convlist *l);
/* Chooses what is in row y of the last drawing. */
bool convlist_click(struct convlist *l, int y);
void convlist_draw(struct convlist *l, struct view v, bool focused);

#endif
