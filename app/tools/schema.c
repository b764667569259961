/* One walk checks, another writes what was understood. */
#include "app/tools/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"

#define MOST_REFS  16     /* of which one leads to the next */
#define MOST_STEPS 100000 /* a schema that asks for more is none of use */
#define SHOWN      100    /* bytes of a name or a text in a sentence */

struct check {
	const struct schema *schema;
	const struct json_doc *args;
	struct buf *why;
	struct buf path; /* of the value at hand: "a.b[2]" */
	int refs, trial; /* within so many $ref; so many anyOf, oneOf, allOf */
	unsigned steps;
};

static bool check_value(struct check *c, const json_t *schema, const json_t *v);

/* ---- sentences ---- */

static void add_short(struct buf *out, struct str s)
{
	size_t n = s.n < SHOWN ? s.n : SHOWN;

	if (n < s.n)
		n -= utf8_partial_tail((struct str){s.p, n});
	buf_add(out, s.p, n);
	if (n < s.n)
		buf_addz(out, "\xE2\x80\xA6");
}

/* Begins the sentence on the value at hand; always false. */
static bool wrong(struct check *c, const char *what)
{
	buf_reset(c->why);
	add_short(c->why, c->path.len ? buf_str(&c->path) : STR_LIT("the arguments"));
	buf_addz(c->why, ": ");
	buf_addz(c->why, what);
	return false;
}

/* ---- types ---- */

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

/* Does `type`, a name or a list of names, have this one? */
static bool has_kind(const json_t *type, const char *name)
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

/* The number's value; what the text is longer than no number needs. */
static double value_of(struct str number)
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
	return !point ||
	       (fabs(value_of(number)) < 9e15 && value_of(number) == rint(value_of(number)));
}

/* A JSON number and nothing else. */
static bool is_number(struct str text)
{
	return text.n && json_number_length(text) == text.n;
}

static bool reads_numbers(const json_t *type)
{
	return has_kind(type, "number") || has_kind(type, "integer");
}

/*
 * The number that a value is to a schema of that type: its own, or one that a text says where
 * the type has no texts; "" for none.
 */
static struct str number_of(const struct json_doc *args, const json_t *type, const json_t *v,
			    bool loose)
{
	if (json_is_integer(v))
		return json_doc_number(args, v);
	if (loose && json_is_string(v) && type && !has_kind(type, "string") &&
	    reads_numbers(type) && is_number(json_str(v)))
		return json_str(v);
	return (struct str){"", 0};
}

/* The same of a truth value: 1, 0; -1 for none. */
static int truth_of(const json_t *type, const json_t *v, bool loose)
{
	if (json_is_boolean(v))
		return json_is_true(v);
	if (!loose || !json_is_string(v) || !type || has_kind(type, "string") ||
	    !has_kind(type, "boolean"))
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

static bool wrong_type(struct check *c, const json_t *type, const json_t *v)
{
	bool more = false;
	const json_t *one;
	size_t i;

	wrong(c, "expected ");
	if (json_is_string(type))
		buf_addz(c->why, kind_said(json_str(type)));
	json_array_foreach (type, i, one) {
		if (more)
			buf_addz(c->why, " or ");
		more = true;
		buf_addz(c->why, kind_said(json_str(one)));
	}
	buf_addf(c->why, ", got %s", kind_of(v));
	return false;
}

/* Are they names of kinds?  A schema of others says nothing of types. */
static bool knows_type(const json_t *type)
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

static bool check_type(struct check *c, const json_t *type, const json_t *v)
{
	struct str number = number_of(c->args, type, v, c->trial == 0);

	if (!knows_type(type))
		return true;
	if ((json_is_object(v) && has_kind(type, "object")) ||
	    (json_is_array(v) && has_kind(type, "array")) ||
	    (json_is_string(v) && has_kind(type, "string")) ||
	    (json_is_null(v) && has_kind(type, "null")))
		return true;
	if (truth_of(type, v, c->trial == 0) >= 0 && has_kind(type, "boolean"))
		return true;
	if (number.n &&
	    (has_kind(type, "number") || (has_kind(type, "integer") && is_whole(number))))
		return true;
	return wrong_type(c, type, v);
}

/* ---- values ---- */

static bool same(const struct check *c, const json_t *a, const json_t *v);

static bool same_object(const struct check *c, const json_t *a, const json_t *v)
{
	const char *key;
	json_t *item;

	if (json_object_size(a) != json_object_size(v))
		return false;
	json_object_foreach ((json_t *)(uintptr_t)a, key, item)
		if (!json_object_get(v, key) || !same(c, item, json_object_get(v, key)))
			return false;
	return true;
}

/* A value of the schema and one of the arguments. */
static bool same(const struct check *c, const json_t *a, const json_t *v)
{
	if (json_typeof(a) != json_typeof(v))
		return false;
	if (json_is_integer(a))
		return value_of(json_doc_number(c->schema->doc, a)) ==
		       value_of(json_doc_number(c->args, v));
	if (json_is_string(a))
		return str_eq(json_str(a), json_str(v));
	if (json_is_object(a))
		return same_object(c, a, v);
	if (!json_is_array(a))
		return true;
	if (json_array_size(a) != json_array_size(v))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!same(c, json_array_get(a, i), json_array_get(v, i)))
			return false;
	return true;
}

static bool check_enum(struct check *c, const json_t *values, const json_t *v)
{
	struct jsonw w;
	const json_t *one;
	size_t i;

	json_array_foreach (values, i, one)
		if (same(c, one, v))
			return true;
	wrong(c, "expected one of ");
	jsonw_init(&w, c->why);
	json_array_foreach (values, i, one)
		json_doc_write(c->schema->doc, one, &w);
	return false;
}

static bool check_const(struct check *c, const json_t *value, const json_t *v)
{
	struct jsonw w;

	if (same(c, value, v))
		return true;
	wrong(c, "expected ");
	jsonw_init(&w, c->why);
	json_doc_write(c->schema->doc, value, &w);
	return false;
}

static bool check_bounds(struct check *c, const json_t *schema, const json_t *v)
{
	const struct json_doc *doc = c->schema->doc;
	struct str number =
		number_of(c->args, json_object_get(schema, "type"), v, c->trial == 0);
	struct str least = json_doc_number(doc, json_object_get(schema, "minimum"));
	struct str most = json_doc_number(doc, json_object_get(schema, "maximum"));

	if (!number.n)
		return true;
	if (least.n && value_of(number) < value_of(least)) {
		wrong(c, "expected at least ");
		buf_adds(c->why, least);
		return false;
	}
	if (most.n && value_of(number) > value_of(most)) {
		wrong(c, "expected at most ");
		buf_adds(c->why, most);
		return false;
	}
	return true;
}

static size_t characters(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0u) != 0x80u;
	return n;
}

static bool check_length(struct check *c, const json_t *schema, const json_t *v)
{
	const struct json_doc *doc = c->schema->doc;
	struct str least = json_doc_number(doc, json_object_get(schema, "minLength"));
	struct str most = json_doc_number(doc, json_object_get(schema, "maxLength"));
	double n;

	if (!json_is_string(v) || (!least.n && !most.n))
		return true;
	n = (double)characters(json_str(v));
	if (least.n && n < value_of(least)) {
		wrong(c, "expected at least ");
		buf_adds(c->why, least);
		buf_addf(c->why, " characters, got %.0f", n);
		return false;
	}
	if (most.n && n > value_of(most)) {
		wrong(c, "expected at most ");
		buf_adds(c->why, most);
		buf_addf(c->why, " characters, got %.0f", n);
		return false;
	}
	return true;
}

/* ---- objects and lists ---- */

static bool check_member(struct check *c, const json_t *schema, const char *key,
			 const json_t *v)
{
	size_t len = c->path.len;
	bool ok;

	if (len)
		buf_addc(&c->path, '.');
	add_short(&c->path, str_of(key));
	ok = check_value(c, schema, v);
	buf_truncate(&c->path, len);
	return ok;
}

static bool unknown(struct check *c, const json_t *properties, const char *key)
{
	const char *known, *between = " are ";
	json_t *item;

	buf_reset(c->why);
	buf_addz(c->why, "unknown parameter: ");
	add_short(c->why, str_of(key));
	buf_addz(c->why, json_object_size(properties) ? "; the parameters" : "; it has none");
	json_object_foreach ((json_t *)(uintptr_t)properties, known, item) {
		buf_addz(c->why, between);
		buf_addz(c->why, known);
		between = ", ";
	}
	return false;
}

static bool check_others(struct check *c, const json_t *schema, const char *key,
			 const json_t *v)
{
	const json_t *rule = json_object_get(schema, "additionalProperties");

	if (json_is_false(rule) || (!rule && schema == c->schema->root))
		return unknown(c, json_object_get(schema, "properties"), key);
	return json_is_object(rule) ? check_member(c, rule, key, v) : true;
}

static bool check_required(struct check *c, const json_t *schema, const json_t *v)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(schema, "required"), i, one) {
		const char *key = json_string_value(one);

		if (!key || json_object_get(v, key))
			continue;
		buf_reset(c->why);
		buf_addz(c->why, "missing parameter: ");
		if (c->path.len) {
			buf_adds(c->why, buf_str(&c->path));
			buf_addc(c->why, '.');
		}
		add_short(c->why, json_str(one));
		return false;
	}
	return true;
}

static bool check_object(struct check *c, const json_t *schema, const json_t *v)
{
	const json_t *properties = json_object_get(schema, "properties");
	const char *key;
	json_t *item;

	if (!json_is_object(v))
		return true;
	json_object_foreach ((json_t *)(uintptr_t)v, key, item) {
		const json_t *rule = json_object_get(properties, key);

		if (!(rule ? check_member(c, rule, key, item)
			   : check_others(c, schema, key, item)))
			return false;
	}
	return check_required(c, schema, v);
}

static bool check_items(struct check *c, const json_t *schema, const json_t *v)
{
	const json_t *rule = json_object_get(schema, "items");
	size_t len = c->path.len, i;
	const json_t *item;
	bool ok = true;

	if (!json_is_object(rule) && !json_is_false(rule))
		return true;
	json_array_foreach (v, i, item) {
		buf_addf(&c->path, "[%zu]", i);
		ok = check_value(c, rule, item);
		buf_truncate(&c->path, len);
		if (!ok)
			break;
	}
	return ok;
}

/* ---- combinations ---- */

/* How many of the schemas fit; `why` is the last one's that does not. */
static size_t count_fits(struct check *c, const json_t *schemas, const json_t *v)
{
	const json_t *one;
	size_t n = 0, i;

	c->trial++;
	json_array_foreach (schemas, i, one)
		n += check_value(c, one, v);
	c->trial--;
	return n;
}

static bool check_combined(struct check *c, const json_t *schema, const json_t *v)
{
	const json_t *all = json_object_get(schema, "allOf");
	const json_t *any = json_object_get(schema, "anyOf");
	const json_t *one = json_object_get(schema, "oneOf");

	if (json_is_array(all) && count_fits(c, all, v) < json_array_size(all))
		return false;
	if (json_array_size(any) && count_fits(c, any, v) == 0)
		return wrong(c, "fits none of the forms that it may have");
	if (json_array_size(one)) {
		size_t n = count_fits(c, one, v);

		if (n != 1)
			return wrong(c, n ? "fits more than one of the forms that it may have"
					  : "fits none of the forms that it may have");
	}
	return true;
}

/* One step of a JSON pointer: the part up to the next '/', with ~0 and ~1. */
static const json_t *step_into(const json_t *v, struct str *rest)
{
	char key[256];
	size_t n = 0, i = 1;

	for (; i < rest->n && rest->p[i] != '/'; i++) {
		char ch = rest->p[i];

		if (ch == '~' && i + 1 < rest->n &&
		    (rest->p[i + 1] == '0' || rest->p[i + 1] == '1'))
			ch = rest->p[++i] == '0' ? '~' : '/';
		if (n == sizeof(key) - 1)
			return NULL;
		key[n++] = ch;
	}
	key[n] = '\0';
	rest->p += i;
	rest->n -= i;
	if (json_is_array(v))
		return json_array_get(v, strtoul(key, NULL, 10));
	return json_object_get(v, key);
}

/* What a $ref stands for; NULL where it is nothing within the schema. */
static const json_t *resolve(const struct schema *s, struct str ref)
{
	const json_t *v = s->root;

	if (!ref.n || ref.p[0] != '#')
		return NULL;
	ref.p++;
	ref.n--;
	while (v && ref.n)
		v = ref.p[0] == '/' ? step_into(v, &ref) : NULL;
	return v;
}

static bool check_ref(struct check *c, const json_t *ref, const json_t *v)
{
	const json_t *target = resolve(c->schema, json_str(ref));
	bool ok;

	if (!target)
		return true; /* a keyword that is not known is left to the tool */
	if (c->refs == MOST_REFS)
		return wrong(c, "the tool's schema goes too deep");
	c->refs++;
	ok = check_value(c, target, v);
	c->refs--;
	return ok;
}

static bool check_value(struct check *c, const json_t *schema, const json_t *v)
{
	const json_t *ref = json_object_get(schema, "$ref");
	const json_t *type = json_object_get(schema, "type");
	const json_t *values = json_object_get(schema, "enum");
	const json_t *value = json_object_get(schema, "const");

	if (json_is_false(schema))
		return wrong(c, "nothing may stand here");
	if (++c->steps > MOST_STEPS)
		return wrong(c, "the tool's schema asks for too much");
	return (!type || check_type(c, type, v)) && (!values || check_enum(c, values, v)) &&
	       (!value || check_const(c, value, v)) && check_bounds(c, schema, v) &&
	       check_length(c, schema, v) && check_object(c, schema, v) &&
	       check_items(c, schema, v) && check_combined(c, schema, v) &&
	       (!json_is_string(ref) || check_ref(c, ref, v));
}

/* ---- writing ---- */

struct write {
	const struct schema *schema;
	const struct json_doc *args;
	struct jsonw w;
};

static void write_value(struct write *o, const json_t *schema, const json_t *v, int refs);

static void write_number(struct write *o, const json_t *type, struct str number)
{
	char whole[32];

	if (!has_kind(type, "integer") || has_kind(type, "number") ||
	    (!memchr(number.p, '.', number.n) && !memchr(number.p, 'e', number.n) &&
	     !memchr(number.p, 'E', number.n))) {
		jsonw_raw(&o->w, number);
		return;
	}
	snprintf(whole, sizeof(whole), "%.0f", value_of(number));
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
	struct str number = number_of(o->args, type, v, true);
	int truth = truth_of(type, v, true);

	if (number.n) {
		write_number(o, type, number);
	} else if (truth >= 0) {
		jsonw_bool(&o->w, truth);
	} else if (json_is_string(ref) && refs < MOST_REFS &&
		   resolve(o->schema, json_str(ref))) {
		write_value(o, resolve(o->schema, json_str(ref)), v, refs + 1);
	} else if (json_is_object(v)) {
		write_object(o, schema, v, refs);
	} else if (json_is_array(v)) {
		write_array(o, schema, v, refs);
	} else {
		json_doc_write(o->args, v, &o->w);
	}
}

static int check_args(const struct schema *s, const struct json_doc *args, struct str tool,
		      struct buf *fit, struct buf *why)
{
	struct check c = {.schema = s, .args = args, .why = why};
	struct write o = {.schema = s, .args = args};
	bool ok;

	if (!json_is_object(args->root)) {
		buf_addz(why, "the arguments are not an object");
		return ERR_USAGE;
	}
	ok = check_value(&c, s->root, args->root);
	why->failed = why->failed || buf_failed(&c.path);
	buf_release(&c.path);
	if (!ok) {
		buf_addz(why, " (");
		add_short(why, tool);
		buf_addc(why, ')');
		return buf_failed(why) ? ERR_NOMEM : ERR_USAGE;
	}
	jsonw_init(&o.w, fit);
	write_value(&o, s->root, args->root, 0);
	return buf_failed(fit) ? ERR_NOMEM : 0;
}

int schema_check(const struct schema *s, struct str tool, struct str args, struct buf *fit,
		 struct buf *why)
{
	struct json_doc doc;
	struct err err = {0};
	int rc;

	buf_reset(fit);
	buf_reset(why);
	rc = json_doc_parse_unique(&doc, args, &err);
	if (rc == ERR_NOMEM) {
		buf_addz(why, err.text);
	} else if (rc) {
		buf_addf(why, "the arguments are no valid JSON: %s", err.text);
		rc = ERR_USAGE;
	} else {
		rc = check_args(s, &doc, tool, fit, why);
	}
	json_doc_release(&doc);
	return rc;
}
