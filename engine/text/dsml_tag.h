/*
 * What both readers of DSML share: the words of the grammar and how a tag's
 * attributes and an argument are read.  Internal to dsml*.c.
 */
#ifndef ENGINE_TEXT_DSML_TAG_H
#define ENGINE_TEXT_DSML_TAG_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/text/prompt.h"

#define DSML_OPEN      "<" TOKEN_DSML
#define DSML_CLOSE     "</" TOKEN_DSML
#define DSML_WRAPPER   "tool_calls"
#define DSML_INVOKE    "invoke"
#define DSML_PARAMETER "parameter"

/* The place of the first `needle` at or after `from`; text.n if there is none. */
size_t str_find(struct str text, size_t from, struct str needle);
bool str_starts(struct str text, struct str with);
struct str str_from(struct str text, size_t at); /* the rest of text; at <= text.n */

/* Bytes of white space (Unicode's) at the beginning. */
size_t dsml_space(struct str text);

/*
 * What follows `<｜DSML｜invoke`, read up to `name="`.  Sets *at behind it; false if it reads
 * otherwise.
 */
bool dsml_invoke_head(struct str text, size_t *at);

/*
 * What follows `<｜DSML｜parameter`: ` name="NAME" string="true|false">`.  Sets the name, which
 * kind of value it is, and where the value begins; false if it reads otherwise.
 */
bool dsml_parameter_head(struct str text, struct str *name, bool *string, size_t *at);

/* Appends `"name": value`: the value as a JSON string, or as the JSON it is. */
void dsml_add_argument(struct buf *out, struct str name, bool string, struct str value);

#endif
