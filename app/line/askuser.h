/* A question to the user at a terminal that is read line by line. */
#ifndef APP_LINE_ASKUSER_H
#define APP_LINE_ASKUSER_H

#include "app/agent/agent.h"

/* The terminal of whoever started the program, for reading; the caller closes it.  -1: there is none. */
int askuser_open(void);

/*
 * Asks on stderr until the answer on `fd` is one; what was typed before is dropped, an empty
 * line asks again.  `reasons`: no may be said with a reason, which is appended, clean.  The end
 * of the input, a signal and the deadline (CLOCK_MONOTONIC, ms; 0: none) are DECIDE_STOP.
 */
enum decision askuser(int fd, bool reasons, int64_t deadline_ms, struct buf *reason);

#endif
