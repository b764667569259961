/* What the check of arguments and the writing of them both ask. */
#ifndef APP_TOOLS_SCHEMA_INSIDE_H
#define APP_TOOLS_SCHEMA_INSIDE_H

#include "app/tools/schema.h"

#define SCHEMA_REFS 16 /* of which one leads to the next */

/* ---- schema_type.c: a `type` is a name of a kind, or a list of such ---- */

/* Does it have this kind? */
bool schema_type_has(const json_t *type, const char *name);
/* Is the value of it?  So is every value where one of its names is none of a kind. */
bool schema_type_fits(const struct json_doc *args, const json_t *type, const json_t *v,
		      bool loose);
/* Appends "integer or null, got list". */
void schema_type_add_wrong(struct buf *out, const json_t *type, const json_t *v);
/*
 * The number that a value is to a schema of that type: its own, or, where `loose`, one that a text
 * says where the type has no texts; "" for none.
 */
struct str schema_number_of(const struct json_doc *args, const json_t *type, const json_t *v,
			    bool loose);
/* The same of a truth value: 1, 0; -1 for none. */
int schema_truth_of(const json_t *type, const json_t *v, bool loose);
/* The number's value; what the text is longer than no number needs. */
double schema_value_of(struct str number);

/* ---- schema_ref.c ---- */

/* What a $ref stands for; NULL where it is nothing within the schema. */
const json_t *schema_resolve(const struct schema *s, struct str ref);

/* ---- schema_write.c ---- */

/* Appends arguments that were found to fit, with the types that this gave them. */
void schema_write(const struct schema *s, const struct json_doc *args, struct buf *out);

#endif
