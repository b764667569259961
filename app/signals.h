/*
 * Signals as something to poll: a pipe that becomes readable, and what came.
 */
#ifndef APP_SIGNALS_H
#define APP_SIGNALS_H

#include <stdbool.h>

#include "engine/base/err.h"

/*
 * A file that may not grow further fails its write, and is told, instead of ending the program
 * (SIGXFSZ); for good.
 */
void signals_ignore_limits(void);

/* SIGINT, SIGTERM and SIGHUP are caught from here on; SIGPIPE is ignored. */
int signals_open(struct err *err);
void signals_close(void);  /* as they were */
int signals_fd(void);      /* readable after a signal, until signals_take() */
int signals_take(void);    /* the last signal since the last call, 0 if none; drains the pipe */
int signals_seen(void);    /* the same without taking it */

#endif
