/*
 * Whoever writes a session's JSON lines to stdin: what was said, in order, as far as it was not
 * taken up yet.  A line that says nothing is told, and left out.  UI thread only.
 */
#ifndef APP_LINE_PEER_H
#define APP_LINE_PEER_H

#include "app/app.h"
#include "app/line/said.h"
#include "app/line/show.h"
#include "app/linereader.h"

#define PEER_WAITING ((size_t)256)      /* lines that may wait; more are left in the pipe … */
#define PEER_BYTES   ((size_t)64 << 20) /* … and so are those behind so much text */

struct peer {
	struct show *show; /* borrowed: what is wrong with a line is told there */
	int worst;         /* that came of a line so far: an enum err_code; the owner's, too */
	struct linereader in; /* stdin; what it replaced is the owner's to tell */
	/* peer.c alone: */
	const struct app *app;
	bool waits; /* a read waits for stdin */
	bool ended;
	struct err failed; /* why it ended; code 0: by itself */
	struct said *first, **last;
	size_t n, bytes;
};

/* app and show are borrowed.  p stays where it is until peer_close(). */
void peer_open(struct peer *p, const struct app *app, struct show *show);
void peer_close(struct peer *p);

/* Waits for what is said next: 1, *m is the caller's; 0: nothing more; else why there is no more. */
int peer_next(struct peer *p, struct said **m, struct err *err);

/*
 * Takes in a line that is there, without waiting.  False: there is none.  Where it answers a call,
 * *answer is the caller's; else that is NULL, and the line waits.
 */
bool peer_hear(struct peer *p, struct said **answer);
bool peer_ended(const struct peer *p); /* nothing more will be heard */
int peer_fd(const struct peer *p);     /* to poll for reading; -1: not now */

/* The first of what waits that is for the model at once, the caller's; NULL: there is none. */
struct said *peer_take_joining(struct peer *p);

/* Tells what is wrong with the line of that number; then it is no error any more. */
void peer_complain(struct peer *p, size_t line, struct err *err);

#endif
