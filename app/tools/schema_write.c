/* Arguments as JSON with the types that their schema has. */
#include "app/tools/schema_inside.h"

#include <stdio.h>
#include <string.h>

struct write {
	const struct schema *schema;
	const struct json_doc *args;
	struct jsonw w;
};

static void write_value(struct write *o, const json_t *schema, const json_t *v, int refs);

static void write_number(struct write *o, const json_t *type, struct str number)
{
	char whole[32];

	if (!schema_type_has(type, "integer") || schema_type_has(type, "number") ||
	    (!memchr(number.p, '.', number.n) && !memchr(number.p, 'e', number.n) &&
	     !memchr(number.p, 'E', number.n))) {
		jsonw_raw(&o->w, number);
		return;
	}
	snprintf(whole, sizeof(whole), "%.0f", schema_value_of(number));
	jsonw_raw(&o->w, str_of(whole));
}

static void write_object(struct write *o, const json_t *schema, const json_t *v, int refs)
{
	const json_t *properties = json_object_get(schema, "properties");
	const json_t *others = json_object_get(schema, "additionalProperties");
	const char *key;
	json_t *item;

	jsonw_begin_object(&o->w);
	json_object_foreach ((json_t *)(uintptr_t)v, key, item) {
		const json_t *rule = json_object_get(properties, key);

		jsonw_key(&o->w, key);
		write_value(o, rule ? rule : others, item, refs);
	}
	jsonw_end_object(&o->w);
}

static void write_array(struct write *o, const json_t *schema, const json_t *v, int refs)
{
	const json_t *item;
	size_t i;

	jsonw_begin_array(&o->w);
	json_array_foreach (v, i, item)
		write_value(o, json_object_get(schema, "items"), item, refs);
	jsonw_end_array(&o->w);
}

/* With the types that the check gave it. */
static void write_value(struct write *o, const json_t *schema, const json_t *v, int refs)
{
	const json_t *type = json_object_get(schema, "type");
	const json_t *ref = json_object_get(schema, "$ref");
	struct str number = schema_number_of(o->args, type, v, true);
	int truth = schema_truth_of(type, v, true);

	if (number.n) {
		write_number(o, type, number);
	} else if (truth >= 0) {
		jsonw_bool(&o->w, truth);
	} else if (json_is_string(ref) && refs < SCHEMA_REFS &&
		   schema_resolve(o->schema, json_str(ref))) {
		write_value(o, schema_resolve(o->schema, json_str(ref)), v, refs + 1);
	} else if (json_is_object(v)) {
		write_object(o, schema, v, refs);
	} else if (json_is_array(v)) {
		write_array(o, schema, v, refs);
	} else {
		json_doc_write(o->args, v, &o->w);
	}
}

void schema_write(const struct schema *s, const struct json_doc *args, struct buf *out)
{
	struct write o = {.schema = s, .args = args};

	jsonw_init(&o.w, out);
	write_value(&o, s->root, args->root, 0);
}
