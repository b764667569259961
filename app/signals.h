/*
 * Signals as something to poll, for the whole program: one pipe that becomes readable, and what
 * came.  UI thread only, but for the handler itself.
 */
#ifndef APP_SIGNALS_H
#define APP_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

/*
 * A file that may not grow further fails its write, and is told, instead of ending the program
 * (SIGXFSZ); for good.
 */
void signals_ignore_limits(void);

/*
 * SIGINT, SIGTERM and SIGHUP are caught from here on, but for those that were ignored, which
 * stay so; SIGPIPE is ignored.  May be called again; the last close puts everything back.
 */
int signals_open(struct err *err);
void signals_close(void);
/* The screen's too: SIGWINCH, SIGTSTP, SIGCONT and SIGCHLD, until it is switched off. */
void signals_catch_terminal(bool on);

int signals_fd(void);   /* readable after a signal, until it is taken or read */
int signals_take(void); /* the last of those that end something, 0 if none; drains the pipe */
int signals_seen(void); /* the same without taking it */
/* The terminal is gone: from here on as if SIGHUP had come, which it may or may not. */
void signals_hang_up(void);
/* Takes the numbers of all that came, in their order, as far as a pipe holds them. */
size_t signals_read(unsigned char *numbers, size_t max);

#endif
