/*
 * The terminal of the full screen: the only file that talks to ncursesw.
 *
 * Of ncursesw it uses the terminal database.  Its screen optimiser is not used:
 * that trusts the cursor to move by the sum of widths, which terminals that
 * join emoji do not do, and it can't be restored from a signal handler.
 * paint.c decides what to write; this file knows how that terminal is told.
 *
 * From terminal_open() to terminal_close() the tty is in raw mode on its alternate
 * screen.  It is put back by terminal_close(), terminal_suspend() and terminal_release(), and
 * on every signal that would end the process by a handler that writes bytes prepared in advance
 * and lets the signal go on; signals that are ignored, or have a handler by then, are the
 * caller's, but for faults (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP).  One terminal a
 * process; UI thread only.
 */
#ifndef TUI_TERMINAL_H
#define TUI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"
#include "tui/paint.h"
#include "tui/surface.h"

enum terminal_colors {
	TERMINAL_COLORS_AUTO,
	TERMINAL_COLORS_NONE,
	TERMINAL_COLORS_16,
	TERMINAL_COLORS_256,
	TERMINAL_COLORS_RGB,
};

struct terminal_config {
	int fd;                      /* the tty, read and write                              */
	const char *name;            /* NULL: $TERM                                          */
	enum terminal_colors colors; /* AUTO: by NO_COLOR, terminal, COLORTERM               */
	bool mouse;
	bool ascii; /* lines and marks in ASCII, also where UTF-8 would do  */
};

struct terminal;

/* ERR_FAILED where a terminal of that name can't move its cursor, or none is known. */
int terminal_check(const char *name, struct err *err);

/* ERR_FAILED where the terminal can't move its cursor or its name is unknown. */
int terminal_open(struct terminal **out, const struct terminal_config *config, struct err *err);
/* Restores and frees; NULL is fine.  Safe on a terminal that vanished. */
void terminal_close(struct terminal *t);

void terminal_size(const struct terminal *t, int *w, int *h);
int terminal_fd(const struct terminal *t);
/*
 * Shows `next`: what changed, or all of it after terminal_repaint(), a resize or a return from
 * suspension.  Never waits: while terminal_waits(), what was to be shown before is not yet
 * written, and nothing new is begun.  ERR_IO when the terminal vanished.
 */
int terminal_show(struct terminal *t, const struct surface *next, struct err *err);
/* Bytes wait for the terminal to take them: terminal_flush() once its fd may be written. */
bool terminal_waits(const struct terminal *t);
int terminal_flush(struct terminal *t, struct err *err);
void terminal_repaint(struct terminal *t);
/* Reads what is there, at most n bytes.  0: nothing now; ERR_IO: it vanished. */
int terminal_read(struct terminal *t, void *bytes, size_t n, struct err *err);
/* Gives the terminal back and stops the process as Ctrl-Z does; returns when it goes on. */
int terminal_suspend(struct terminal *t, struct err *err);
/* Gives the terminal to another program (an editor) until terminal_resume(). */
void terminal_release(struct terminal *t);
int terminal_resume(struct terminal *t, struct err *err);
void terminal_set_mouse(struct terminal *t, bool on);
/* Puts text on the clipboard by OSC 52; ERR_LIMIT above what terminals take (74,994 bytes). */
int terminal_copy(struct terminal *t, struct str text, struct err *err);

#endif
