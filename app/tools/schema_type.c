/* What a value is to a schema of a type: also a number and a truth value that a text says. */
#include "app/tools/schema_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Names of the kinds, as a schema has them and as a sentence does. */
static const struct {
	const char *name, *said;
} kinds[] = {
	{"integer", "integer"}, {"number", "number"},
	{"string", "text"},     {"boolean", "true or false"},
	{"array", "list"},      {"object", "object"},
	{"null", "null"},
};

static const char *kind_said(struct str name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (str_is(name, kinds[i].name))
			return kinds[i].said;
	return NULL;
}

bool schema_type_has(const json_t *type, const char *name)
{
	const json_t *one;
	size_t i;

	if (json_is_string(type))
		return str_is(json_str(type), name);
	json_array_foreach (type, i, one)
		if (str_is(json_str(one), name))
			return true;
	return false;
}

double schema_value_of(struct str number)
{
	char z[64];
	size_t n = number.n < sizeof(z) - 1 ? number.n : sizeof(z) - 1;

	memcpy(z, number.p, n);
	z[n] = '\0';
	return strtod(z, NULL);
}

static bool is_whole(struct str number)
{
	bool point = false;

	for (size_t i = 0; i < number.n; i++)
		point = point || number.p[i] == '.' || number.p[i] == 'e' || number.p[i] == 'E';
	return !point || (fabs(schema_value_of(number)) < 9e15 &&
			  schema_value_of(number) == rint(schema_value_of(number)));
}

/* A JSON number and nothing else. */
static bool is_number(struct str text)
{
	return text.n && json_number_length(text) == text.n;
}

static bool reads_numbers(const json_t *type)
{
	return schema_type_has(type, "number") || schema_type_has(type, "integer");
}

struct str schema_number_of(const struct json_doc *args, const json_t *type, const json_t *v,
			    bool loose)
{
	if (json_is_integer(v))
		return json_doc_number(args, v);
	if (loose && json_is_string(v) && type && !schema_type_has(type, "string") &&
	    reads_numbers(type) && is_number(json_str(v)))
		return json_str(v);
	return (struct str){"", 0};
}

int schema_truth_of(const json_t *type, const json_t *v, bool loose)
{
	if (json_is_boolean(v))
		return json_is_true(v);
	if (!loose || !json_is_string(v) || !type || schema_type_has(type, "string") ||
	    !schema_type_has(type, "boolean"))
		return -1;
	return str_is(json_str(v), "true") ? 1 : str_is(json_str(v), "false") ? 0 : -1;
}

static const char *kind_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "list";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	}
	return "nothing";
}

/* Are they names of kinds?  A schema of others says nothing of types. */
static bool is_known(const json_t *type)
{
	const json_t *one;
	size_t i;

	if (json_is_string(type))
		return kind_said(json_str(type)) != NULL;
	json_array_foreach (type, i, one)
		if (!kind_said(json_str(one)))
			return false;
	return json_array_size(type) > 0;
}

bool schema_type_fits(const struct json_doc *args, const json_t *type, const json_t *v,
		      bool loose)
{
	struct str number = schema_number_of(args, type, v, loose);

	if (!is_known(type))
		return true;
	if ((json_is_object(v) && schema_type_has(type, "object")) ||
	    (json_is_array(v) && schema_type_has(type, "array")) ||
	    (json_is_string(v) && schema_type_has(type, "string")) ||
	    (json_is_null(v) && schema_type_has(type, "null")))
		return true;
	if (schema_truth_of(type, v, loose) >= 0 && schema_type_has(type, "boolean"))
		return true;
	return number.n && (schema_type_has(type, "number") ||
			    (schema_type_has(type, "integer") && is_whole(number)));
}

void schema_type_add_wrong(struct buf *out, const json_t *type, const json_t *v)
{
	bool more = false;
	const json_t *one;
	size_t i;

	if (json_is_string(type))
		buf_addz(out, kind_said(json_str(type)));
	json_array_foreach (type, i, one) {
		if (more)
			buf_addz(out, " or ");
		more = true;
		buf_addz(out, kind_said(json_str(one)));
	}
	buf_addf(out, ", got %s", kind_of(v));
}
