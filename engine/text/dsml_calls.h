/*
 * The calls of one answer while it is read: names, arguments, what is wrong with
 * them.  They end all together, when the answer has.  Internal to dsml.c.
 */
#ifndef ENGINE_TEXT_DSML_CALLS_H
#define ENGINE_TEXT_DSML_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/text/dsml.h"

struct dsml_open_call {
	struct buf name;
	struct buf arguments; /* `"name": value, …` so far */
	struct buf trouble;   /* "" = none; the first thing that was wrong */
	struct buf cut;       /* "" = it is as the model ended it; else why it is not */
	bool kept_string;     /* an argument that claims to be JSON is none */
};

struct dsml_calls {
	struct dsml_open_call *calls;
	size_t n, cap;
	size_t n_good; /* after dsml_calls_end() */
	bool failed;   /* no memory at some time */
};

void dsml_calls_release(struct dsml_calls *c);

/* A call begins; it is the last one from now on. */
void dsml_calls_begin(struct dsml_calls *c, struct str name);

/*
 * An argument of the last call.  Appends it to *shown as `"name": value`; a value that is not
 * the JSON it claims to be is kept as a string, and false returned.
 */
bool dsml_calls_argument(struct dsml_calls *c, struct str name, bool string, struct str value,
			 struct buf *shown);

/* Something is wrong with the last call, if there is one. */
void dsml_calls_trouble(struct dsml_calls *c, const char *what);

/*
 * Ends every call: well if the official grammar accepts `completion` (its end token included)
 * and reads the very same calls, else badly; those that were cut are told as such.  With `cut`
 * all end badly.
 */
void dsml_calls_end(struct dsml_calls *c, struct str completion, enum dsml_mode mode, bool cut,
		    dsml_event_fn fn, void *ctx);

#endif
