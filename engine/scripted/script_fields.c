/* Fields of a script's JSON: their values, checked, and what is wrong told with the line. */
#include "engine/scripted/script_fields.h"

#include <string.h>

int script_bad(struct script_reader *r, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(r->err, ERR_USAGE, "script line %d: %s", r->line, text);
}

int script_get_int(struct script_reader *r, const json_t *o, const char *key, int64_t lo,
		   int64_t hi, int64_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi)
		return script_bad(r, "\"%s\" is not a whole number from %lld to %lld", key,
				  (long long)lo, (long long)hi);
	*out = json_integer_value(v);
	return 0;
}

int script_get_small(struct script_reader *r, const json_t *o, const char *key, int lo, int hi,
		     int *out)
{
	int64_t v = *out;
	int rc = script_get_int(r, o, key, lo, hi, &v);

	*out = (int)v;
	return rc;
}

int script_get_bool(struct script_reader *r, const json_t *o, const char *key, bool *out)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return script_bad(r, "\"%s\" is not true or false", key);
	*out = json_is_true(v);
	return 0;
}

int script_take_text(struct script_reader *r, const json_t *v, const char *key, struct buf *out)
{
	if (!json_is_string(v))
		return script_bad(r, "\"%s\" is not a string", key);
	buf_reset(out);
	buf_adds(out, (struct str){json_string_value(v), json_string_length(v)});
	return buf_failed(out) ? err_nomem(r->err, "script", json_string_length(v)) : 0;
}

int script_get_text(struct script_reader *r, const json_t *o, const char *key, struct buf *out,
		    bool *has)
{
	const json_t *v = json_object_get(o, key);

	if (has)
		*has = v != NULL;
	return v ? script_take_text(r, v, key, out) : 0;
}

int script_check_keys(struct script_reader *r, json_t *o, const char *what, const char *known)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return script_bad(r, "\"%s\" is not an object", what);
	json_object_foreach (o, key, v) {
		size_t n = strlen(key);
		const char *p = known;

		while ((p = strstr(p, key)) != NULL) {
			if ((p == known || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
				break;
			p += 1;
		}
		if (!p || n == 0)
			return script_bad(r, "\"%s\" knows no \"%s\", only: %s", what, key,
					  known);
	}
	return 0;
}

int script_get_name(struct script_reader *r, const json_t *v, const char *key,
		    const struct script_name *table, int *out)
{
	const char *found = json_string_value(v);

	for (; found && table->name; table++) {
		if (strcmp(found, table->name) == 0) {
			*out = table->value;
			return 0;
		}
	}
	return script_bad(r, "\"%s\": unknown value \"%s\"", key,
			  found ? found : "(not a string)");
}
