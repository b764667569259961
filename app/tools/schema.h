/*
 * What a tool takes: a subset of JSON Schema, and whether arguments fit it.
 *
 * Known are type (one or a list), properties, required, enum, const, items, minimum, maximum,
 * minLength, maxLength, additionalProperties, anyOf, oneOf, allOf and $ref within the schema;
 * other keywords are left to the tool.  At the top a parameter that the schema does not name is
 * wrong unless additionalProperties says otherwise.  A number or a truth value written as text
 * is taken for what it says, but inside anyOf, oneOf and allOf.
 *
 * Schema and arguments are hostile.  Any thread.
 */
#ifndef APP_TOOLS_SCHEMA_H
#define APP_TOOLS_SCHEMA_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/jsonr.h"

/* A schema is read with json_doc_parse(); `root` is within the document. */
struct schema {
	const struct json_doc *doc;
	const json_t *root;
};

/*
 * Arguments, JSON text, against the schema.  0: *fit has them as JSON as the schema has their
 * types.  ERR_USAGE: *why has what is wrong, a sentence for the model.  ERR_NOMEM.
 * `tool` is named in it.
 */
int schema_check(const struct schema *s, struct str tool, struct str args, struct buf *fit,
		 struct buf *why);

#endif
