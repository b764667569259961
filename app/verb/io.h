/*
 * What verbs have in common: all of stdin in, text out, the model's directory.  Lines are read
 * by app/linereader.h.
 */
#ifndef APP_VERB_IO_H
#define APP_VERB_IO_H

#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* Appends stdin up to its end.  ERR_IO, ERR_NOMEM, ERR_LIMIT. */
int verb_rest(struct buf *out, struct err *err);

/* An option's number, 0 to max.  ERR_USAGE names the option. */
int verb_number(const char *option, const char *text, long max, long *out, struct err *err);

/* Writes all of it to stdout at once (app/output.h); ERR_IO if it was not taken. */
int verb_write(const struct buf *text, struct err *err);
int verb_write_json(const struct buf *json, struct err *err);

/* Says on stderr, if it is so, that invalid UTF-8 was replaced. */
void verb_say_replaced(const char *name, size_t n_replaced);

/*
 * Appends the checkpoint's directory: `given`, else what the environment or the configuration
 * file names, else the small model's.  ERR_USAGE, ERR_MODEL.
 */
int verb_model_dir(const char *given, struct buf *out, struct err *err);

#endif
