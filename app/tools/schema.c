/* Do arguments fit a schema?  And the sentence that says why not. */
#include "app/tools/schema_inside.h"

#include "engine/base/utf8.h"

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

/* ---- values ---- */

static bool check_type(struct check *c, const json_t *type, const json_t *v)
{
	if (schema_type_fits(c->args, type, v, c->trial == 0))
		return true;
	wrong(c, "expected ");
	schema_type_add_wrong(c->why, type, v);
	return false;
}

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
		return schema_value_of(json_doc_number(c->schema->doc, a)) ==
		       schema_value_of(json_doc_number(c->args, v));
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
		schema_number_of(c->args, json_object_get(schema, "type"), v, c->trial == 0);
	struct str least = json_doc_number(doc, json_object_get(schema, "minimum"));
	struct str most = json_doc_number(doc, json_object_get(schema, "maximum"));

	if (!number.n)
		return true;
	if (least.n && schema_value_of(number) < schema_value_of(least)) {
		wrong(c, "expected at least ");
		buf_adds(c->why, least);
		return false;
	}
	if (most.n && schema_value_of(number) > schema_value_of(most)) {
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
	if (least.n && n < schema_value_of(least)) {
		wrong(c, "expected at least ");
		buf_adds(c->why, least);
		buf_addf(c->why, " characters, got %.0f", n);
		return false;
	}
	if (most.n && n > schema_value_of(most)) {
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

static bool check_ref(struct check *c, const json_t *ref, const json_t *v)
{
	const json_t *target = schema_resolve(c->schema, json_str(ref));
	bool ok;

	if (!target)
		return true; /* a keyword that is not known is left to the tool */
	if (c->refs == SCHEMA_REFS)
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

static int check_args(const struct schema *s, const struct json_doc *args, struct str tool,
		      struct buf *fit, struct buf *why)
{
	struct check c = {.schema = s, .args = args, .why = why};
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
	schema_write(s, args, fit);
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
