/*
 * A conversation in memory: what was said, in order, with the exact ids of the
 * answers, as the next turn's prompt needs it.  One thread.
 */
#ifndef APP_TALK_DIALOG_H
#define APP_TALK_DIALOG_H

#include "app/talk/turn.h"
#include "engine/chat.h"

struct dialog {
	struct chat_message *messages; /* all memory owned by the dialog */
	size_t n;
};

void dialog_release(struct dialog *d); /* a zeroed struct is an empty dialog */

/* Copies.  A system text takes the place of an earlier one; "" removes it.  ERR_NOMEM. */
int dialog_set_system(struct dialog *d, struct str text, struct err *err);
int dialog_add(struct dialog *d, enum chat_role role, struct str text, struct err *err);
/* What the model said, also where it was interrupted.  An answer of nothing is left out. */
int dialog_add_answer(struct dialog *d, const struct turn_answer *a, struct err *err);
/* Takes the last n messages back. */
void dialog_drop(struct dialog *d, size_t n);

/* Borrows the dialog's memory. */
struct chat dialog_chat(const struct dialog *d, enum chat_effort effort);

#endif
