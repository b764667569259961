/*
 * vi's way to edit a text: a mode in which keys type, and one in which they are
 * commands, with counts, operators and motions.
 *
 * Which key is which command is the key table's business (context KEYS_VI); this
 * acts on the text.  Motions up and down, which know rows and earlier inputs, are
 * left to the caller.  A zeroed struct is switched off.
 */
#ifndef TUI_VI_H
#define TUI_VI_H

#include <stdbool.h>
#include <stdint.h>

#include "tui/editbuf.h"
#include "tui/keymap.h"

struct vi {
	bool on;
	bool normal;        /* keys are commands */
	long count;         /* typed so far; 0 = none */
	enum action op;     /* delete, change or copy, which waits for a motion */
	long op_count;      /* before the operator */
	enum action waits;  /* a command that waits for a character, or for itself again */
	enum action sought; /* the last find or till, and its character */
	uint32_t sought_cp;
	bool lines; /* what was cut are whole lines */
};

void vi_switch(struct vi *v, bool on);
/* To the mode in which keys type: after sending, say. */
void vi_insert(struct vi *v);
/* Esc.  False where there was nothing left to leave: the key means something else then. */
bool vi_escape(struct vi *v, struct editbuf *e);
/* The next character is part of a command. */
bool vi_takes_char(const struct vi *v, uint32_t cp);
void vi_char(struct vi *v, struct editbuf *e, uint32_t cp);

enum vi_result { VI_DONE, VI_UP, VI_DOWN };

/* `a` of KEYS_VI.  VI_UP, VI_DOWN: the caller moves, *times rows. */
enum vi_result vi_action(struct vi *v, struct editbuf *e, enum action a, long *times);
/* After a motion that others made: the cursor stands on a character, not behind one. */
void vi_settle(const struct vi *v, struct editbuf *e);

#endif
