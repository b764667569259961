/* The built-in tools, read from the text that is part of the program. */
#include "app/tools/tools.h"

#include <stdint.h>
#include <stdlib.h>

#include "app/tools/schema.h"
#include "builtin.h"
#include "engine/base/jsonr.h"

struct tool_set {
	struct json_doc doc; /* of the built-in ones */
	struct buf json;     /* of those that are offered */
	const json_t **functions;
	size_t n;
};

static const json_t *function_of(const json_t *tool)
{
	return json_object_get(tool, "function");
}

static struct str name_of(const json_t *function)
{
	return json_str(json_object_get(function, "name"));
}

static bool is_offered(const struct tool_set_config *c, struct str name)
{
	if (!c->names)
		return true;
	for (size_t i = 0; i < c->n_names; i++)
		if (str_is(name, c->names[i]))
			return true;
	return false;
}

static int check_names(const struct tool_set *s, const struct tool_set_config *c,
		       struct err *err)
{
	const json_t *tool;
	size_t k;

	for (size_t i = 0; c->names && i < c->n_names; i++) {
		bool found = false;

		json_array_foreach (s->doc.root, k, tool)
			found = found || str_is(name_of(function_of(tool)), c->names[i]);
		if (!found)
			return err_set(err, ERR_USAGE, "%s: no such tool", c->names[i]);
	}
	return 0;
}

static int offer(struct tool_set *s, const struct tool_set_config *c, struct err *err)
{
	const json_t *tool;
	struct jsonw w;
	size_t i;

	s->functions = calloc(json_array_size(s->doc.root), sizeof(const json_t *));
	if (!s->functions)
		return err_nomem(err, "tools", json_array_size(s->doc.root));
	jsonw_init(&w, &s->json);
	jsonw_begin_array(&w);
	json_array_foreach (s->doc.root, i, tool) {
		if (!is_offered(c, name_of(function_of(tool))))
			continue;
		s->functions[s->n++] = function_of(tool);
		json_doc_write(&s->doc, tool, &w);
	}
	jsonw_end_array(&w);
	return buf_failed(&s->json) ? err_nomem(err, "tools", s->json.len) : 0;
}

int tool_set_new(struct tool_set **out, const struct tool_set_config *c, struct err *err)
{
	struct tool_set *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_nomem(err, "tools", sizeof(*s));
	rc = json_doc_parse(&s->doc, str_of(builtin), err);
	if (!rc)
		rc = check_names(s, c, err);
	if (!rc)
		rc = offer(s, c, err);
	if (rc) {
		tool_set_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void tool_set_free(struct tool_set *s)
{
	if (!s)
		return;
	json_doc_release(&s->doc);
	buf_release(&s->json);
	free((void *)s->functions);
	free(s);
}

struct str tool_set_json(const struct tool_set *s)
{
	return buf_str(&s->json);
}

bool tool_set_has(const struct tool_set *s, struct str name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (str_eq(name_of(s->functions[i]), name))
			return true;
	}
	return false;
}

static int unknown(const struct tool_set *s, struct str name, struct buf *why)
{
	buf_reset(why);
	buf_addf(why, "unknown tool: %.*s; ", (int)(name.n < 64 ? name.n : 64),
		 name.p ? name.p : "");
	buf_addz(why, s->n ? "the tools are " : "there are no tools");
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			buf_addz(why, ", ");
		buf_adds(why, name_of(s->functions[i]));
	}
	return buf_failed(why) ? ERR_NOMEM : ERR_USAGE;
}

int tool_set_check(const struct tool_set *s, struct str name, struct str arguments,
		   struct buf *args, struct buf *why)
{
	for (size_t i = 0; i < s->n; i++) {
		struct schema schema = {
			.doc = &s->doc,
			.root = json_object_get(s->functions[i], "parameters"),
		};

		if (str_eq(name, name_of(s->functions[i])))
			return schema_check(&schema, name, arguments, args, why);
	}
	return unknown(s, name, why);
}
