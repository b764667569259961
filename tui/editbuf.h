/*
 * Text being edited: bytes of valid UTF-8, a cursor between clusters, one kill
 * buffer, undo.  Moves and deletions go by clusters and words; what rows the
 * text makes on a screen is composer.c's business.  A zeroed struct is empty.
 */
#ifndef TUI_EDITBUF_H
#define TUI_EDITBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"

#define EDITBUF_UNDO 100 /* steps kept */
#define EDITBUF_MAX  ((size_t)256 << 20)

struct edit_step {
	size_t at;          /* where                          */
	struct buf removed; /* what was there                 */
	size_t inserted;    /* bytes that stand there instead */
	size_t cursor;      /* before                         */
};

struct editbuf {
	struct buf text;
	size_t at; /* the cursor */
	struct buf kill;
	bool killing; /* the last action killed: the next one adds to it */
	bool typing;  /* the last action typed: the next one is the same step */
	struct edit_step steps[EDITBUF_UNDO];
	size_t n_steps;
};

void editbuf_release(struct editbuf *e);
/* Replaces all text; the cursor goes to the end; undo forgets. */
void editbuf_set(struct editbuf *e, struct str text);
/* Invalid UTF-8 becomes U+FFFD.  False: no memory or too long; nothing changed. */
bool editbuf_insert(struct editbuf *e, struct str text);
/* Replaces bytes [from, to) as one step. */
bool editbuf_replace(struct editbuf *e, size_t from, size_t to, struct str text);
bool editbuf_undo(struct editbuf *e);

enum edit_move {
	EDIT_LEFT,
	EDIT_RIGHT,
	EDIT_WORD_LEFT,
	EDIT_WORD_RIGHT,
	EDIT_LINE_START,
	EDIT_LINE_END,
	EDIT_TEXT_START,
	EDIT_TEXT_END,
};

void editbuf_move(struct editbuf *e, enum edit_move move);
void editbuf_move_to(struct editbuf *e, size_t at);
/* Removes from the cursor to where the move would go; with `kill` it can be yanked. */
void editbuf_delete(struct editbuf *e, enum edit_move move, bool kill);
void editbuf_yank(struct editbuf *e);

#endif
