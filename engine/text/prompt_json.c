/* Reading messages from JSON, and what of them is refused. */
#include "engine/text/prompt_json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/jsonr.h"
#include "engine/base/utf8.h"

struct chat_doc {
	struct json_doc json;
	struct chat chat;
	struct chat_message *messages; /* one more than the array has: for top-level tools */
	struct chat_call *calls;       /* of all messages, end to end */
	size_t n_calls;
	/* Texts made here (JSON of tools, arguments given as objects); borrowed by the above.
	 */
	char **texts;
	size_t n_texts, cap_texts;
	size_t n_replaced; /* invalid UTF-8 */
};

static const char *const role_names[] = {
	[CHAT_SYSTEM] = "system",       [CHAT_USER] = "user",
	[CHAT_ASSISTANT] = "assistant", [CHAT_TOOL] = "tool",
	[CHAT_DEVELOPER] = "developer", [CHAT_REMINDER] = "latest_reminder",
};

static const char *const task_names[] = {
	[CHAT_TASK_NONE] = "",
	[CHAT_TASK_ACTION] = "action",
	[CHAT_TASK_QUERY] = "query",
	[CHAT_TASK_AUTHORITY] = "authority",
	[CHAT_TASK_DOMAIN] = "domain",
	[CHAT_TASK_TITLE] = "title",
	[CHAT_TASK_READ_URL] = "read_url",
};

static const char *const effort_names[] = {
	[EFFORT_NONE] = "none",
	[EFFORT_LOW] = "low",
	[EFFORT_HIGH] = "high",
	[EFFORT_MAX] = "max",
};

#define N_NAMES(table) (sizeof(table) / sizeof(*(table)))

void chat_doc_free(struct chat_doc *doc)
{
	if (!doc)
		return;
	for (size_t i = 0; i < doc->n_texts; i++)
		free(doc->texts[i]);
	free(doc->texts);
	free(doc->messages);
	free(doc->calls);
	json_doc_release(&doc->json);
	free(doc);
}

const struct chat *chat_doc_chat(const struct chat_doc *doc)
{
	return &doc->chat;
}

size_t chat_doc_replaced(const struct chat_doc *doc)
{
	return doc->n_replaced;
}

static bool absent(const json_t *v)
{
	return !v || json_is_null(v);
}

/* The place of the string v in a table of names; -1 if it is none of them. */
static int name_index(const json_t *v, const char *const *names, size_t n)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s && i < n; i++) {
		if (strcmp(s, names[i]) == 0)
			return (int)i;
	}
	return -1;
}

static int get_text(const json_t *of, const char *key, struct str *out, struct err *err)
{
	const json_t *v = json_object_get(of, key);

	if (absent(v))
		return 0;
	if (!json_is_string(v))
		return err_set(err, ERR_USAGE, "%s: %s, expected a string", key, json_kind(v));
	*out = json_str(v);
	return 0;
}

/* Leaves *out as it is where there is none. */
static int get_bool(const json_t *of, const char *key, bool *out, struct err *err)
{
	const json_t *v = json_object_get(of, key);

	if (absent(v))
		return 0;
	if (!json_is_boolean(v))
		return err_set(err, ERR_USAGE, "%s: %s, expected true or false", key,
			       json_kind(v));
	*out = json_is_true(v);
	return 0;
}

/* Takes a text over, to live as long as the document. */
static int keep_text(struct chat_doc *doc, struct buf *text, struct str *out, struct err *err)
{
	if (doc->n_texts == doc->cap_texts) {
		size_t cap = doc->cap_texts ? 2 * doc->cap_texts : 8;
		char **texts = realloc(doc->texts, cap * sizeof(*texts));

		if (!texts) {
			buf_release(text);
			return err_nomem(err, "texts", cap * sizeof(*texts));
		}
		doc->texts = texts;
		doc->cap_texts = cap;
	}
	buf_add(text, "", 0); /* so that there is one, also where it is empty */
	out->n = text->len;
	out->p = buf_detach(text);
	if (!out->p)
		return err_nomem(err, "a text", out->n);
	doc->texts[doc->n_texts++] = (char *)(uintptr_t)out->p;
	return 0;
}

/* v as JSON text that lives as long as the document. */
static int keep_json(struct chat_doc *doc, const json_t *v, struct str *out, struct err *err)
{
	struct buf text = {0};
	struct jsonw w;

	jsonw_init(&w, &text);
	json_doc_write(&doc->json, v, &w);
	return keep_text(doc, &text, out, err);
}

/* One part of a content that is a list; what is no text is named in its place. */
static int add_part(const json_t *part, struct buf *out, struct err *err)
{
	const json_t *type = json_object_get(part, "type");
	struct str text = {0};
	int rc;

	if (!json_is_string(type))
		return err_set(err, ERR_USAGE, "%s, expected an object with a type",
			       json_kind(part));
	if (!str_is(json_str(type), "text")) {
		buf_addz(out, "[Unsupported ");
		buf_adds(out, json_str(type));
		buf_addc(out, ']');
		return 0;
	}
	rc = get_text(part, "text", &text, err);
	buf_adds(out, text);
	return rc;
}

static int get_result(struct chat_doc *doc, const json_t *of, struct str *out, struct err *err)
{
	const json_t *v = json_object_get(of, "content"), *part;
	struct buf text = {0};
	size_t i;

	if (!json_is_array(v))
		return get_text(of, "content", out, err);
	json_array_foreach (v, i, part) {
		if (i)
			buf_addz(&text, "\n\n");
		if (add_part(part, &text, err)) {
			buf_release(&text);
			return err_prefix(err, "content[%zu]", i);
		}
	}
	return keep_text(doc, &text, out, err);
}

static int get_json(struct chat_doc *doc, const json_t *of, const char *key, struct str *out,
		    struct err *err)
{
	const json_t *v = json_object_get(of, key);

	return absent(v) ? 0 : keep_json(doc, v, out, err);
}

static int get_tools(struct chat_doc *doc, const json_t *of, struct str *out, struct err *err)
{
	const json_t *v = json_object_get(of, "tools");

	if (absent(v) || (json_is_array(v) && !json_array_size(v)))
		return 0;
	if (!json_is_array(v))
		return err_set(err, ERR_USAGE, "tools: %s, expected an array", json_kind(v));
	return keep_json(doc, v, out, err);
}

static int get_call(struct chat_doc *doc, const json_t *v, struct chat_call *call,
		    struct err *err)
{
	const json_t *function = json_object_get(v, "function");
	const json_t *arguments;
	int rc = get_text(v, "id", &call->id, err);

	if (!function)
		function = v;
	arguments = json_object_get(function, "arguments");
	if (!rc && !call->id.n)
		rc = get_text(function, "id", &call->id, err);
	if (!rc)
		rc = get_text(function, "name", &call->name, err);
	if (rc)
		return rc;
	if (!call->name.n)
		return err_set(err, ERR_USAGE, "name: %s, expected the tool's name",
			       json_kind(json_object_get(function, "name")));
	if (json_is_object(arguments))
		return keep_json(doc, arguments, &call->arguments, err);
	return get_text(function, "arguments", &call->arguments, err);
}

static int get_calls(struct chat_doc *doc, const json_t *of, struct chat_message *m,
		     struct err *err)
{
	const json_t *v = json_object_get(of, "tool_calls");

	if (absent(v))
		return 0;
	if (!json_is_array(v))
		return err_set(err, ERR_USAGE, "tool_calls: %s, expected an array",
			       json_kind(v));
	m->calls = doc->calls + doc->n_calls;
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (get_call(doc, json_array_get(v, i), &doc->calls[doc->n_calls++], err))
			return err_prefix(err, "tool_calls[%zu]", i);
		m->n_calls++;
	}
	return 0;
}

static int get_message(struct chat_doc *doc, const json_t *v, struct chat_message *m,
		       struct err *err)
{
	const json_t *task = json_object_get(v, "task");
	int rc = 0, role, n_task = 0;

	if (!json_is_object(v))
		return err_set(err, ERR_USAGE, "%s, expected an object", json_kind(v));
	role = name_index(json_object_get(v, "role"), role_names, N_NAMES(role_names));
	if (role < 0)
		return err_set(err, ERR_USAGE,
			       "role: %s, expected system, user, assistant, tool, "
			       "developer or latest_reminder",
			       absent(json_object_get(v, "role")) ? "nothing" : "another");
	m->role = (enum chat_role)role;
	if (!absent(task))
		n_task = name_index(task, task_names, N_NAMES(task_names));
	if (n_task < 0)
		return err_set(err, ERR_USAGE,
			       "task: unknown, expected action, query, authority, "
			       "domain, title or read_url");
	m->task = (enum chat_task)n_task;
	rc = m->role == CHAT_TOOL ? get_result(doc, v, &m->content, err)
				  : get_text(v, "content", &m->content, err);
	if (rc)
		return rc;
	switch (m->role) {
	case CHAT_SYSTEM:
	case CHAT_DEVELOPER:
		rc = get_tools(doc, v, &m->tools_json, err);
		return rc ? rc : get_json(doc, v, "response_format", &m->response_format, err);
	case CHAT_ASSISTANT:
		rc = get_bool(v, "wo_eos", &m->goes_on, err);
		if (!rc)
			rc = get_text(v, "reasoning_content", &m->reasoning, err);
		return rc ? rc : get_calls(doc, v, m, err);
	case CHAT_TOOL:
		return get_text(v, "tool_call_id", &m->tool_call_id, err);
	case CHAT_USER:
	case CHAT_REMINDER:
		return 0;
	}
	return 0;
}

/* How hard to think: `effort` alone, or `thinking_mode` with `reasoning_effort`. */
static int get_effort(const json_t *root, enum chat_effort *out, struct err *err)
{
	const json_t *effort = json_object_get(root, "effort");
	const json_t *mode = json_object_get(root, "thinking_mode");
	const json_t *reasoning = json_object_get(root, "reasoning_effort");
	const char *mode_name = json_string_value(mode);
	const json_t *v = absent(effort) ? reasoning : effort;
	int n = EFFORT_LOW;

	if (!absent(v))
		n = name_index(v, effort_names, N_NAMES(effort_names));
	if (n < 0)
		return err_set(err, ERR_USAGE, "%s: unknown, expected none, low, high or max",
			       absent(effort) ? "reasoning_effort" : "effort");
	if (!absent(mode) && (!mode_name || (strcmp(mode_name, "thinking") != 0 &&
					     strcmp(mode_name, "chat") != 0)))
		return err_set(err, ERR_USAGE,
			       "thinking_mode: unknown, expected thinking or chat");
	if (absent(effort) && mode_name && strcmp(mode_name, "chat") == 0)
		n = EFFORT_NONE;
	*out = (enum chat_effort)n;
	return 0;
}

/* Tools beside the messages belong to the first system message; there is one after this. */
static int place_tools(struct chat_doc *doc, const json_t *root, struct err *err)
{
	struct chat_message *m = doc->messages;
	struct str tools = {0};
	int rc = get_tools(doc, root, &tools, err);

	if (rc || !tools.n)
		return rc;
	for (size_t i = 0; i < doc->chat.n_messages; i++) {
		if (m[i].role != CHAT_SYSTEM)
			continue;
		if (m[i].tools_json.n)
			return err_set(err, ERR_USAGE,
				       "tools: both beside and in messages[%zu]", i);
		m[i].tools_json = tools;
		return 0;
	}
	memmove(m + 1, m, doc->chat.n_messages * sizeof(*m));
	m[0] = (struct chat_message){.role = CHAT_SYSTEM, .tools_json = tools};
	doc->chat.n_messages++;
	return 0;
}

static int load(struct chat_doc *doc, struct err *err)
{
	const json_t *root = doc->json.root;
	const json_t *messages = json_is_array(root) ? root : json_object_get(root, "messages");
	size_t n = json_array_size(messages), n_calls = 0;
	int rc;

	if (!json_is_array(messages))
		return err_set(err, ERR_USAGE, "messages: %s, expected an array",
			       json_kind(messages));
	for (size_t i = 0; i < n; i++)
		n_calls += json_array_size(
			json_object_get(json_array_get(messages, i), "tool_calls"));
	doc->messages = calloc(n + 1, sizeof(*doc->messages));
	doc->calls = calloc(n_calls + 1, sizeof(*doc->calls));
	if (!doc->messages || !doc->calls)
		return err_nomem(err, "messages", n * sizeof(*doc->messages));
	doc->chat.messages = doc->messages;
	doc->chat.n_messages = n;
	for (size_t i = 0; i < n; i++) {
		rc = get_message(doc, json_array_get(messages, i), &doc->messages[i], err);
		if (rc)
			return err_prefix(err, "messages[%zu]", i);
	}
	rc = get_effort(root, &doc->chat.effort, err);
	doc->chat.drop_thinking = true;
	if (!rc)
		rc = get_bool(root, "drop_thinking", &doc->chat.drop_thinking, err);
	return rc ? rc : place_tools(doc, root, err);
}

int chat_doc_parse(struct chat_doc **out, struct str json, struct err *err)
{
	struct chat_doc *doc = calloc(1, sizeof(*doc));
	struct buf clean = {0};
	struct err why = {0};
	int rc;

	*out = NULL;
	if (!doc)
		return err_nomem(err, "messages", sizeof(*doc));
	if (!utf8_valid(json)) {
		doc->n_replaced = utf8_add_clean(&clean, json);
		json = buf_str(&clean);
	}
	rc = buf_failed(&clean) ? err_nomem(&why, "messages", clean.len)
				: json_doc_parse(&doc->json, json, &why);
	buf_release(&clean);
	if (rc)
		rc = err_set(err, rc == ERR_FAILED ? ERR_USAGE : rc, "%s", why.text);
	else
		rc = load(doc, err);
	if (rc)
		chat_doc_free(doc);
	else
		*out = doc;
	return rc;
}
