/*
 * What verbs for programs have in common: lines in, JSON lines out, errors that
 * name the line.  Stdin is read as it comes, so that a pipe may stay open.
 */
#ifndef APP_VERB_IO_H
#define APP_VERB_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* A line, or all of stdin where it is one text: more is refused, so that no input is endless.
 */
#define VERB_MAX_BYTES (64u << 20)

struct verb_input {
	struct buf line;
	size_t n_lines;    /* so far */
	struct buf clean;  /* a line without its invalid UTF-8 */
	size_t n_replaced; /* U+FFFD in place of invalid UTF-8 so far */
};

/*
 * The next line of stdin without its newline, as valid UTF-8, borrowed until the next call.
 * 1, 0 at the end, ERR_IO, ERR_NOMEM, ERR_LIMIT.
 */
int verb_line(struct verb_input *in, struct str *line, struct err *err);
void verb_input_release(struct verb_input *in);

/*
 * As verb_line(), of any file, whose name is for messages, and with the bytes as they are; `line`
 * is the caller's.  A line of more than `max` bytes is ERR_LIMIT.
 */
int verb_file_line(struct buf *line, FILE *from, const char *name, size_t max, struct err *err);

/* Appends stdin up to its end.  ERR_IO, ERR_NOMEM, ERR_LIMIT. */
int verb_rest(struct buf *out, struct err *err);

/* Writes all of `text` to stdout at once; ERR_IO if it was not taken. */
int verb_write(const struct buf *text, struct err *err);

/* Says on stderr, if it is so, that invalid UTF-8 was replaced. */
void verb_say_replaced(const char *name, size_t n_replaced);

/*
 * Appends the checkpoint's directory: `given`, else what the environment or the configuration
 * file names, else the small model's.  ERR_USAGE, ERR_MODEL.
 */
int verb_model_dir(const char *given, struct buf *out, struct err *err);

#endif
