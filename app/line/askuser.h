/* A question to the user at a terminal that is read line by line. */
#ifndef APP_LINE_ASKUSER_H
#define APP_LINE_ASKUSER_H

#include "app/agent/agent.h"

/* The terminal of whoever started the program, for reading; the caller closes it.  -1: there is
 * none. */
int askuser_open(void);

struct askuser {
	int fd;      /* the terminal */
	bool call;   /* about one: a no may have a reason */
	bool widens; /* … and a yes a grade */
	bool no;     /* an empty line is one */
	struct str text;
	/* Rules that session and always would make; "": neither is offered. */
	struct str suggest;
	int64_t deadline_ms; /* CLOCK_MONOTONIC; 0: none */
};

/*
 * Asks on stderr, `text` first, until the answer is one; what was typed before is dropped, an
 * empty line asks again.  *text: of a no the reason, of ALWAYS the rules as the user would have
 * them, clean.  *grade: what a yes gives besides (enum tool_grade).  The end of the input, a
 * signal and the deadline are DECIDE_STOP.
 */
enum decision askuser(const struct askuser *q, struct buf *text, unsigned *grade);
/* Just yes, no or stop.  fd -1: nobody can be asked, which is a no. */
enum decision askuser_plainly(int fd, struct str text);

#endif
