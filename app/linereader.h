/*
 * Lines of an input, one after another, for whoever answers each: a pipe may stay open, so a
 * line is handed out as soon as it is there.
 */
#ifndef APP_LINEREADER_H
#define APP_LINEREADER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* Of a line, or of all of an input that is one text: more is refused, so that none is endless. */
#define LINEREADER_MAX_BYTES ((size_t)64 << 20)

struct linereader {
	int fd;           /* borrowed */
	const char *name; /* for messages */
	size_t max;       /* bytes of a line */
	bool as_is;       /* any bytes; else invalid UTF-8 becomes U+FFFD */
	bool json;        /* no mark before the first line, no '\r' at an end, no empty lines */
	/* Before each read, which then does not wait: 0 or what ends the reading; NULL: just read. */
	int (*wait)(void *ctx, struct err *err);
	void *ctx;

	size_t n;          /* lines so far */
	size_t n_replaced; /* U+FFFD in place of invalid UTF-8 so far */

	/* linereader.c alone: */
	struct buf held; /* read, and not yet returned from `at` on */
	struct buf clean;
	size_t at;
	bool ended;
};

struct linereader linereader_stdin(void);
void linereader_release(struct linereader *l);

/*
 * The next line without its newline, borrowed until the next call.  1, 0 at the end; ERR_IO,
 * ERR_NOMEM, ERR_LIMIT, or what `wait` said.
 */
int linereader_next(struct linereader *l, struct str *line, struct err *err);

/* Appends all that is left, bytes as they are: at most LINEREADER_MAX_BYTES. */
int linereader_rest(struct linereader *l, struct buf *out, struct err *err);

#endif
