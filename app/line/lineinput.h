/*
 * One message from the terminal: libedit's line editing, and what makes several
 * lines one message.
 *
 * Lines belong together when they were pasted, when they were waiting already when Enter was
 * read or came right behind it, as a terminal pastes that doesn't tell, or when one ends with a
 * backslash.  A pasted tab is text.  What is typed is UTF-8, whatever the locale.
 */
#ifndef APP_LINE_LINEINPUT_H
#define APP_LINE_LINEINPUT_H

#include <stdbool.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct lineinput;

/* What goes on while a message is awaited.  The calls print nothing. */
struct lineinput_idle {
	int fd;                   /* listened to beside the terminal */
	void (*ready)(void *ctx); /* it is readable */
	void (*acts)(void *ctx);  /* the user types, or a signal came */
	void *ctx;
};

/*
 * `inputs` names the file of earlier inputs (NULL: none are kept), which grows by each.
 * Completes the slash commands with Tab.  SIGINT must be caught by signals_open().
 * *idle is copied.
 */
int lineinput_open(struct lineinput **out, const char *inputs,
		   const struct lineinput_idle *idle, struct err *err);
void lineinput_close(struct lineinput *in); /* the terminal is as it was */

/* The editor's keys are vi's, else emacs'; ~/.editrc is read anew. */
void lineinput_set_vi(struct lineinput *in, bool on);

/* The conversation that is typed in (NULL: none that is kept), for the file of inputs. */
void lineinput_set_origin(struct lineinput *in, const char *uid);

/* Anything at all was typed since the last lineinput_read() began. */
bool lineinput_typed(const struct lineinput *in);

/* Something was typed already that is not read yet. */
bool lineinput_waiting(const struct lineinput *in);

/*
 * Reads one message, without its last newline, into `out`.  1; 0 at the end of input;
 * ERR_CANCELLED after Ctrl-C (what was typed is gone), ERR_IO.
 */
int lineinput_read(struct lineinput *in, struct buf *out, struct err *err);

#endif
