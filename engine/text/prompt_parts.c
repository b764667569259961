/* JSON that messages carry, as text of the prompt. */
#include "engine/text/prompt_parts.h"

#include "engine/base/jsonr.h"

/* Reads JSON that a message carries; what is none is the caller's mistake. */
static int parse_part(struct json_doc *doc, struct str json, const char *what, struct err *err)
{
	struct err why = {0};
	int rc = json_doc_parse(doc, json, &why);

	return rc ? err_set(err, rc == ERR_FAILED ? ERR_USAGE : rc, "%s: %s", what, why.text)
		  : 0;
}

int prompt_add_tools(struct prompt_writer *w, struct str json, struct err *err)
{
	struct json_doc doc = {0};
	struct buf lines = {0};
	const json_t *tool;
	size_t i;
	int rc = parse_part(&doc, json, "tools", err);

	if (rc)
		goto done;
	if (!json_is_array(doc.root)) {
		rc = err_set(err, ERR_USAGE, "tools: %s, expected an array",
			     json_kind(doc.root));
		goto done;
	}
	json_array_foreach (doc.root, i, tool) {
		const json_t *function = json_object_get(tool, "function");
		struct jsonw j;

		jsonw_init(&j, &lines);
		if (i)
			buf_addc(&lines, '\n');
		json_doc_write_python(&doc, function ? function : tool, &j);
	}
	if (buf_failed(&lines))
		rc = err_nomem(err, "tool schemas", json.n);
	prompt_add_grammar(w, "\n\n");
	prompt_add_grammar(w, prompt_tools_head);
	prompt_add_text(w, buf_str(&lines));
	prompt_add_grammar(w, prompt_tools_tail);
done:
	buf_release(&lines);
	json_doc_release(&doc);
	return rc;
}

/* What Python takes for false: null, false, zero, and whatever is empty. */
static bool is_nothing(const struct json_doc *doc, const json_t *v)
{
	struct str number = json_doc_number(doc, v);

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return !json_object_size(v);
	case JSON_ARRAY:
		return !json_array_size(v);
	case JSON_STRING:
		return !json_str(v).n;
	case JSON_INTEGER:
	case JSON_REAL:
		for (size_t i = 0; i < number.n && (number.p[i] | 0x20) != 'e'; i++) {
			if (number.p[i] >= '1' && number.p[i] <= '9')
				return false;
		}
		return true;
	case JSON_TRUE:
		return false;
	case JSON_FALSE:
	case JSON_NULL:
		return true;
	}
	return true;
}

int prompt_add_response_format(struct prompt_writer *w, struct str json, struct err *err)
{
	struct json_doc doc = {0};
	struct buf text = {0};
	struct jsonw j;
	int rc = parse_part(&doc, json, "response_format", err);

	if (rc || is_nothing(&doc, doc.root))
		goto done;
	jsonw_init(&j, &text);
	json_doc_write_python(&doc, doc.root, &j);
	if (buf_failed(&text))
		rc = err_nomem(err, "response_format", json.n);
	prompt_add_grammar(w, "\n\n");
	prompt_add_grammar(w, prompt_response_format);
	prompt_add_text(w, buf_str(&text));
done:
	buf_release(&text);
	json_doc_release(&doc);
	return rc;
}

static void add_param(struct prompt_writer *w, struct str name, bool string, struct str value)
{
	prompt_add_grammar(w, "<" TOKEN_DSML "parameter name=\"");
	prompt_add_text(w, name);
	prompt_add_grammar(w, string ? "\" string=\"true\">" : "\" string=\"false\">");
	prompt_add_text(w, value);
	prompt_add_grammar(w, "</" TOKEN_DSML "parameter>");
}

/* Arguments that are no JSON object go, as they are, into one parameter of that name. */
static int add_params(struct prompt_writer *w, struct str arguments, struct err *err)
{
	struct json_doc doc = {0};
	struct buf value = {0};
	struct err why = {0};
	bool first = true;
	const char *key;
	json_t *v;
	int rc = json_doc_parse(&doc, arguments, &why);

	if (rc == ERR_NOMEM) {
		*err = why;
		goto done;
	}
	rc = 0;
	if (!json_is_object(doc.root)) {
		add_param(w, STR_LIT("arguments"), true, arguments);
		goto done;
	}
	json_object_foreach (doc.root, key, v) {
		struct jsonw j;

		if (!first)
			prompt_add_grammar(w, "\n");
		first = false;
		buf_reset(&value);
		jsonw_init(&j, &value);
		if (!json_is_string(v))
			json_doc_write_python(&doc, v, &j);
		if (buf_failed(&value)) {
			rc = err_nomem(err, "an argument", arguments.n);
			goto done;
		}
		add_param(w, str_of(key), json_is_string(v),
			  json_is_string(v) ? json_str(v) : buf_str(&value));
	}
done:
	buf_release(&value);
	json_doc_release(&doc);
	return rc;
}

int prompt_add_calls(struct prompt_writer *w, const struct chat_message *m, struct err *err)
{
	int rc = 0;

	if (!m->n_calls)
		return 0;
	prompt_add_grammar(w, "\n\n<" TOKEN_DSML "tool_calls>\n");
	for (size_t i = 0; !rc && i < m->n_calls; i++) {
		prompt_add_grammar(w, "<" TOKEN_DSML "invoke name=\"");
		prompt_add_text(w, m->calls[i].name);
		prompt_add_grammar(w, "\">\n");
		rc = add_params(w, m->calls[i].arguments, err);
		prompt_add_grammar(w, "\n</" TOKEN_DSML "invoke>\n");
	}
	prompt_add_grammar(w, "</" TOKEN_DSML "tool_calls>");
	return rc;
}
