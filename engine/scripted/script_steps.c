/* The steps of a script: one row for each kind, and what reads its value. */
#include "engine/scripted/script_steps.h"

#include <stdlib.h>

#include "engine/base/jsonw.h"

/* A jansson value as the engine would have written it. */
static void write_json(struct jsonw *w, const json_t *v)
{
	const char *key;
	json_t *item;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		jsonw_begin_object(w);
		json_object_foreach ((json_t *)v, key, item) {
			jsonw_key(w, key);
			write_json(w, item);
		}
		jsonw_end_object(w);
		break;
	case JSON_ARRAY:
		jsonw_begin_array(w);
		json_array_foreach (v, i, item)
			write_json(w, item);
		jsonw_end_array(w);
		break;
	case JSON_STRING:
		jsonw_string(w, (struct str){json_string_value(v), json_string_length(v)});
		break;
	case JSON_INTEGER:
		jsonw_int(w, json_integer_value(v));
		break;
	case JSON_REAL:
		jsonw_double(w, json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		jsonw_bool(w, json_is_true(v));
		break;
	case JSON_NULL:
		jsonw_null(w);
		break;
	}
}

static const struct script_name stop_names[] = {
	{"stop", STOP_END},        {"tool_calls", STOP_CALLS},        {"length", STOP_LENGTH},
	{"context", STOP_CONTEXT}, {"interrupted", STOP_INTERRUPTED}, {NULL, 0},
};

static const struct script_name code_names[] = {
	{"failed", ERR_FAILED},
	{"usage", ERR_USAGE},
	{"model", ERR_MODEL},
	{"limit", ERR_LIMIT},
	{"nomem", ERR_NOMEM},
	{"io", ERR_IO},
	{"refused", ERR_REFUSED},
	{"store", ERR_STORE},
	{"cancelled", ERR_CANCELLED},
	{"timeout", ERR_TIMEOUT},
	{NULL, 0},
};

static int fill_text(struct script_reader *r, struct script_step *st, json_t *v)
{
	return script_take_text(r, v, "text", &st->text);
}

static int fill_prefill(struct script_reader *r, struct script_step *st, json_t *v)
{
	int rc = script_check_keys(r, v, "prefill", "tokens cached");

	if (!rc)
		rc = script_get_int(r, v, "tokens", 0, SCRIPT_MAX_COUNT, &st->tokens);
	if (!rc)
		rc = script_get_int(r, v, "cached", 0, SCRIPT_MAX_COUNT, &st->cached);
	if (!rc && st->tokens >= 0 && st->cached > st->tokens)
		rc = script_bad(r, "\"cached\" is more than \"tokens\"");
	return rc;
}

static int fill_params(struct script_reader *r, struct script_step *st, json_t *args)
{
	const char *key;
	json_t *v;

	if (json_object_size(args) == 0)
		return 0;
	st->params = calloc(json_object_size(args), sizeof(*st->params));
	st->values = calloc(json_object_size(args), sizeof(*st->values));
	if (!st->params || !st->values)
		return err_nomem(r->err, "script", json_object_size(args));
	json_object_foreach (args, key, v) {
		struct buf *text = &st->values[st->n_params], *p = &st->params[st->n_params++];
		struct jsonw w;

		json_add_quoted(p, str_of(key));
		buf_addz(p, ": ");
		jsonw_init(&w, p);
		write_json(&w, v);
		if (json_is_string(v))
			buf_add(text, json_string_value(v), json_string_length(v));
		if (buf_failed(p) || buf_failed(text))
			return err_nomem(r->err, "script", p->len);
	}
	return 0;
}

static int fill_call(struct script_reader *r, struct script_step *st, json_t *v)
{
	json_t *args = json_object_get(v, "arguments");
	struct jsonw w;
	int rc = script_check_keys(r, v, "call", "name arguments");

	if (!rc && !json_is_string(json_object_get(v, "name")))
		rc = script_bad(r, "\"call\" has no \"name\"");
	if (!rc)
		rc = script_get_text(r, v, "name", &st->name, NULL);
	if (rc)
		return rc;
	if (json_is_string(args))
		return script_take_text(r, args, "arguments", &st->text);
	if (!json_is_object(args))
		return script_bad(r, "\"arguments\" is neither an object nor a string of JSON");
	jsonw_init(&w, &st->text);
	write_json(&w, args);
	if (buf_failed(&st->text))
		return err_nomem(r->err, "script", st->text.len);
	return fill_params(r, st, args);
}

static int fill_bad_call(struct script_reader *r, struct script_step *st, json_t *v)
{
	int rc;

	if (json_is_string(v))
		return script_take_text(r, v, "bad_call", &st->text);
	rc = script_check_keys(r, v, "bad_call", "name why");
	if (!rc)
		rc = script_get_text(r, v, "name", &st->name, NULL);
	if (!rc)
		rc = script_get_text(r, v, "why", &st->text, NULL);
	return rc;
}

static int fill_pause(struct script_reader *r, struct script_step *st, json_t *v)
{
	if (!json_is_integer(v) || json_integer_value(v) < -1 ||
	    json_integer_value(v) > SCRIPT_MAX_MS)
		return script_bad(r, "\"pause\" is not milliseconds, or -1: until cancelled");
	st->delay_ms = (int)json_integer_value(v);
	return 0;
}

static int fill_error(struct script_reader *r, struct script_step *st, json_t *v)
{
	json_t *code = json_object_get(v, "code");
	int rc;

	st->code = ERR_FAILED;
	if (json_is_string(v))
		return script_take_text(r, v, "error", &st->text);
	rc = script_check_keys(r, v, "error", "code text");
	if (!rc && code)
		rc = script_get_name(r, code, "code", code_names, &st->code);
	if (!rc)
		rc = script_get_text(r, v, "text", &st->text, NULL);
	return rc;
}

static int fill_usage(struct script_reader *r, struct script_step *st, json_t *v)
{
	const struct {
		const char *key;
		int64_t *to;
	} field[] = {
		{"prompt_tokens", &st->usage.prompt_tokens},
		{"cached_tokens", &st->usage.cached_tokens},
		{"disk_tokens", &st->usage.disk_tokens},
		{"thinking_tokens", &st->usage.thinking_tokens},
		{"output_tokens", &st->usage.output_tokens},
		{"drafted", &st->usage.drafted},
		{"accepted", &st->usage.accepted},
		{"prefill_ms", &st->usage.prefill_ms},
		{"disk_ms", &st->usage.disk_ms},
		{"decode_ms", &st->usage.decode_ms},
		{"total_ms", &st->usage.total_ms},
	};
	int rc = script_check_keys(
		r, v, "usage",
		"prompt_tokens cached_tokens disk_tokens thinking_tokens output_tokens drafted "
		"accepted prefill_ms disk_ms decode_ms total_ms");

	for (size_t i = 0; !rc && i < sizeof(field) / sizeof(field[0]); i++)
		rc = script_get_int(r, v, field[i].key, 0, INT64_MAX, field[i].to);
	st->has_usage = !rc;
	return rc;
}

static int fill_done(struct script_reader *r, struct script_step *st, json_t *v)
{
	json_t *stop = json_is_string(v) ? v : json_object_get(v, "stop");
	json_t *usage = json_object_get(v, "usage");
	int reason = 0;
	int rc = json_is_string(v) ? 0 : script_check_keys(r, v, "done", "stop usage");

	if (!rc && stop) {
		rc = script_get_name(r, stop, "stop", stop_names, &reason);
		st->stop = (enum stop_reason)reason;
		st->has_stop = true;
	}
	if (!rc && usage)
		rc = fill_usage(r, st, usage);
	return rc;
}

static const struct script_step_row rows[] = {
	{"prefill", STEP_PREFILL, "prefill delay_ms chunk", 512, false, fill_prefill},
	{"thinking", STEP_THINKING, "thinking delay_ms chunk repeat", 4, false, fill_text},
	{"text", STEP_TEXT, "text delay_ms chunk repeat", 4, false, fill_text},
	{"call", STEP_CALL, "call delay_ms chunk repeat expect_call_ended", 0, false, fill_call},
	{"bad_call", STEP_BAD_CALL, "bad_call delay_ms repeat", 1, false, fill_bad_call},
	{"notice", STEP_NOTICE, "notice delay_ms repeat", 1, false, fill_text},
	{"pause", STEP_PAUSE, "pause", 1, false, fill_pause},
	{"error", STEP_ERROR, "error delay_ms", 1, true, fill_error},
	{"done", STEP_DONE, "done delay_ms", 1, true, fill_done},
};

const struct script_step_row *script_step_of(const json_t *o)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (json_object_get(o, rows[i].name))
			return &rows[i];
	}
	return NULL;
}
