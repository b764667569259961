/*
 * Files that go with a message: what they hold as text, how the model is shown it, and which of
 * them a typed message names.
 */
#ifndef APP_ATTACH_H
#define APP_ATTACH_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

#define ATTACH_MAX_BYTES ((size_t)16 << 20) /* of a file that a message names */

/*
 * Appends what a file holds as clean UTF-8: without a mark before it, UTF-16 with a mark
 * converted; *n_replaced grows by the invalid sequences, now U+FFFD.  ERR_IO, and nothing is
 * appended, where it is no text: it holds a NUL, or much of it is no UTF-8.
 */
int attach_decode(struct buf *out, struct str bytes, const char *name, size_t *n_replaced,
		  struct err *err);

/* Appends a file's name as it is shown: on one line, without what acts on a terminal. */
void attach_add_name(struct buf *out, struct str name);

/* Appends the text, clean, between <TAG name="NAME"> and its end (name "": without). */
void attach_block(struct buf *out, const char *tag, struct str name, struct str text);

/* Is that file's block in the text already? */
bool attach_has_block(struct str text, struct str name);

/*
 * The next file that a message names from *at on, as @PATH: `path` is set to it, ~ made the home
 * directory, and *at moves behind it; false: there is none.  A name with blanks stands in
 * quotes, has backslashes before them, or just stands there, if such a file is there.  Signs
 * behind the name that are no part of it count as the sentence's.  What names no file is text.
 */
bool attach_next(struct str text, size_t *at, struct buf *path);

/*
 * What begins with @ and looks like a file's path, but is none: appended to `word` as it stands
 * in the text, so that whoever mistyped it may be told.  False: there is none.
 */
bool attach_mistyped(struct str text, struct buf *word);

/* Appends "@PATH" as it is to be typed, so that attach_next() finds it again. */
void attach_quote(struct buf *out, struct str path);
/* The other way, of a word that may be half typed: without @, quotes and backslashes. */
void attach_unquote(struct buf *out, struct str word);

#endif
