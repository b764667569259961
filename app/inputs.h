/*
 * What was typed, in the input line's memory ($XDG_STATE_HOME/dsv4chat/input_history):
 * forgotten together with its conversation.
 */
#ifndef APP_INPUTS_H
#define APP_INPUTS_H

#include "engine/base/buf.h"
#include "history/history.h"

struct inputs {
	struct buf *texts;
	size_t n;
};

void inputs_release(struct inputs *in); /* a zeroed struct is empty */

/* The user's texts of a conversation, all branches, and its title. */
int inputs_gather(struct inputs *in, struct history *h, int64_t conversation, struct err *err);

/* Takes them out of the file, if there is one.  ERR_IO, ERR_NOMEM. */
int inputs_forget(const struct inputs *in, struct err *err);

#endif
