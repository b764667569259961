/*
 * The input line's memory ($XDG_STATE_HOME/dsv4chat/input_history), which line mode and
 * the full screen share.
 *
 * The format is libedit's: a first line that names it, then one input a line, oldest first,
 * with blanks, controls and backslashes as \ooo.  Behind a \000, where libedit's own reader
 * takes a text to end, stands the conversation that it was typed in.  Each input is appended as
 * it is sent, under a lock, so that several programs may write at once.
 */
#ifndef APP_INPUTS_H
#define APP_INPUTS_H

#include "engine/base/buf.h"
#include "history/history.h"

#define INPUT_MAX_BYTES 65536 /* longer ones are not kept */

/* Hands over each input of the file, oldest first; none where there is no file. */
int inputs_read(const char *path, void (*each)(void *ctx, struct str text), void *ctx,
		struct err *err);

/*
 * Appends one (0600), typed in the conversation of that uid (NULL: in none that is kept).  A
 * file that has grown long is cut to its newer half.  "" and what is longer than
 * INPUT_MAX_BYTES is not written, and no error.
 */
int inputs_append(const char *path, struct str text, const char *uid, struct err *err);

/* ---- what is forgotten together with its conversation ---- */

struct inputs {
	char uid[HISTORY_UID_LEN + 1];
	struct buf *texts;
	size_t n;
};

void inputs_release(struct inputs *in); /* a zeroed struct is empty */

/* The conversation's name, the user's texts in it, all branches, and its title. */
int inputs_gather(struct inputs *in, struct history *h, int64_t conversation, struct err *err);

/*
 * Takes out of the file, if there is one, what was typed in the conversation, commands that
 * name it or quote it, and of what older programs wrote without a conversation all that holds
 * one of the texts.  path NULL: the program's own.
 */
int inputs_forget(const struct inputs *in, const char *path, struct err *err);

#endif
