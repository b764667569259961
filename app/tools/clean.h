/*
 * What a program printed for a terminal, as plain text: what the model may read.
 *
 * The text is valid UTF-8 (bad bytes are U+FFFD) whose only controls are \t and \n.  Sequences
 * for a terminal are gone; of a line that was written over (\r) the last state is left.  A
 * sequence that is never closed ends with its line.  Cleaning twice changes nothing.
 *
 * It is fed pieces of any size and gives the same text however they were cut.  No memory but
 * its own, no failure.  One thread at a time.
 */
#ifndef APP_TOOLS_CLEAN_H
#define APP_TOOLS_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"

/* The end of a line that is longer can be written over, its beginning no more. */
#define CLEAN_LINE_BYTES (16u << 10)

enum clean_state {
	CLEAN_TEXT,
	CLEAN_ESCAPE,      /* behind ESC                              */
	CLEAN_ESCAPE_REST, /* and bytes of the kind that go before a last one */
	CLEAN_CONTROL,     /* behind ESC [                            */
	CLEAN_STRING,      /* a title, a picture: up to BEL or ESC \  */
	CLEAN_STRING_END,  /* and its ESC was read                    */
};

struct clean {
	void (*put)(void *ctx, struct str text); /* whole characters; not empty */
	void *ctx;
	enum clean_state state;
	bool keeps;       /* set after clean_init(): \r writes nothing over, it is left out */
	bool returned;    /* the next character begins the line anew */
	size_t n_bad;     /* U+FFFDs that stand for bytes */
	size_t n_part;    /* of a character that is not whole yet    */
	size_t n_line, n; /* where the last line begins in `text`; its bytes */
	char part[4];
	char text[CLEAN_LINE_BYTES];
};

void clean_init(struct clean *c, void (*put)(void *ctx, struct str text), void *ctx);
/* What is whole lines by then has been put when this returns. */
void clean_feed(struct clean *c, struct str raw);
/* There is no more: puts the rest. */
void clean_end(struct clean *c);

/* A whole text at once. */
void clean_add(struct buf *out, struct str raw);

#endif
