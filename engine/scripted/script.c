/* Reading a script: one JSON object a line, each checked against a table of its keys. */
#include "engine/scripted/script.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/jsontree.h"
#include "engine/base/jsonw.h"

#define MAX_MS    3600000
#define MAX_COUNT 1000000000

struct reader {
	struct script *s;
	struct err *err;
	int line;
	bool in_turn; /* the last turn is open */
};

#define BAD(r, ...) bad_line((r), __VA_ARGS__)

__attribute__((format(printf, 2, 3))) static int bad_line(struct reader *r, const char *fmt,
							  ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(r->err, ERR_USAGE, "script line %d: %s", r->line, text);
}

/* Fields of an object. */

static int get_int(struct reader *r, const json_t *o, const char *key, int64_t lo, int64_t hi,
		   int64_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi)
		return BAD(r, "\"%s\" is not a whole number from %lld to %lld", key,
			   (long long)lo, (long long)hi);
	*out = json_integer_value(v);
	return 0;
}

static int get_small(struct reader *r, const json_t *o, const char *key, int lo, int hi,
		     int *out)
{
	int64_t v = *out;
	int rc = get_int(r, o, key, lo, hi, &v);

	*out = (int)v;
	return rc;
}

static int get_bool(struct reader *r, const json_t *o, const char *key, bool *out)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return BAD(r, "\"%s\" is not true or false", key);
	*out = json_is_true(v);
	return 0;
}

static int take_text(struct reader *r, const json_t *v, const char *key, struct buf *out)
{
	if (!json_is_string(v))
		return BAD(r, "\"%s\" is not a string", key);
	buf_reset(out);
	buf_adds(out, (struct str){json_string_value(v), json_string_length(v)});
	return buf_failed(out) ? err_nomem(r->err, "script", json_string_length(v)) : 0;
}

static int get_text(struct reader *r, const json_t *o, const char *key, struct buf *out,
		    bool *has)
{
	const json_t *v = json_object_get(o, key);

	if (has)
		*has = v != NULL;
	return v ? take_text(r, v, key, out) : 0;
}

/* Every key of `o` must be one of the space-separated `known`. */
static int check_keys(struct reader *r, json_t *o, const char *what, const char *known)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return BAD(r, "\"%s\" is not an object", what);
	json_object_foreach (o, key, v) {
		size_t n = strlen(key);
		const char *p = known;

		while ((p = strstr(p, key)) != NULL) {
			if ((p == known || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
				break;
			p += 1;
		}
		if (!p || n == 0)
			return BAD(r, "\"%s\" knows no \"%s\", only: %s", what, key, known);
	}
	return 0;
}

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

/* Name tables. */

struct name {
	const char *name;
	int value;
};

static const struct name stop_names[] = {
	{"stop", STOP_END},        {"tool_calls", STOP_CALLS},        {"length", STOP_LENGTH},
	{"context", STOP_CONTEXT}, {"interrupted", STOP_INTERRUPTED}, {NULL, 0},
};

static const struct name effort_names[] = {
	{"none", EFFORT_NONE}, {"low", EFFORT_LOW}, {"high", EFFORT_HIGH},
	{"max", EFFORT_MAX},   {NULL, 0},
};

static const struct name code_names[] = {
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

static int get_name(struct reader *r, const json_t *v, const char *key,
		    const struct name *table, int *out)
{
	const char *found = json_string_value(v);

	for (; found && table->name; table++) {
		if (strcmp(found, table->name) == 0) {
			*out = table->value;
			return 0;
		}
	}
	return BAD(r, "\"%s\": unknown value \"%s\"", key, found ? found : "(not a string)");
}

/* The steps. */

static int fill_text(struct reader *r, struct script_step *st, json_t *v)
{
	return take_text(r, v, "text", &st->text);
}

static int fill_prefill(struct reader *r, struct script_step *st, json_t *v)
{
	int rc = check_keys(r, v, "prefill", "tokens cached");

	if (!rc)
		rc = get_int(r, v, "tokens", 0, MAX_COUNT, &st->tokens);
	if (!rc)
		rc = get_int(r, v, "cached", 0, MAX_COUNT, &st->cached);
	if (!rc && st->tokens >= 0 && st->cached > st->tokens)
		rc = BAD(r, "\"cached\" is more than \"tokens\"");
	return rc;
}

static int fill_params(struct reader *r, struct script_step *st, json_t *args)
{
	const char *key;
	json_t *v;

	if (json_object_size(args) == 0)
		return 0;
	st->params = calloc(json_object_size(args), sizeof(*st->params));
	if (!st->params)
		return err_nomem(r->err, "script", json_object_size(args));
	json_object_foreach (args, key, v) {
		struct buf *p = &st->params[st->n_params++];
		struct jsonw w;

		json_add_quoted(p, str_of(key));
		buf_addz(p, ": ");
		jsonw_init(&w, p);
		write_json(&w, v);
		if (buf_failed(p))
			return err_nomem(r->err, "script", p->len);
	}
	return 0;
}

static int fill_call(struct reader *r, struct script_step *st, json_t *v)
{
	json_t *args = json_object_get(v, "arguments");
	struct jsonw w;
	int rc = check_keys(r, v, "call", "name arguments");

	if (!rc && !json_is_string(json_object_get(v, "name")))
		rc = BAD(r, "\"call\" has no \"name\"");
	if (!rc)
		rc = get_text(r, v, "name", &st->name, NULL);
	if (rc)
		return rc;
	if (json_is_string(args))
		return take_text(r, args, "arguments", &st->text);
	if (!json_is_object(args))
		return BAD(r, "\"arguments\" is neither an object nor a string of JSON");
	jsonw_init(&w, &st->text);
	write_json(&w, args);
	if (buf_failed(&st->text))
		return err_nomem(r->err, "script", st->text.len);
	return fill_params(r, st, args);
}

static int fill_bad_call(struct reader *r, struct script_step *st, json_t *v)
{
	int rc;

	if (json_is_string(v))
		return take_text(r, v, "bad_call", &st->text);
	rc = check_keys(r, v, "bad_call", "name why");
	if (!rc)
		rc = get_text(r, v, "name", &st->name, NULL);
	if (!rc)
		rc = get_text(r, v, "why", &st->text, NULL);
	return rc;
}

static int fill_pause(struct reader *r, struct script_step *st, json_t *v)
{
	if (!json_is_integer(v) || json_integer_value(v) < -1 || json_integer_value(v) > MAX_MS)
		return BAD(r, "\"pause\" is not milliseconds, or -1: until cancelled");
	st->delay_ms = (int)json_integer_value(v);
	return 0;
}

static int fill_error(struct reader *r, struct script_step *st, json_t *v)
{
	json_t *code = json_object_get(v, "code");
	int rc;

	st->code = ERR_FAILED;
	if (json_is_string(v))
		return take_text(r, v, "error", &st->text);
	rc = check_keys(r, v, "error", "code text");
	if (!rc && code)
		rc = get_name(r, code, "code", code_names, &st->code);
	if (!rc)
		rc = get_text(r, v, "text", &st->text, NULL);
	return rc;
}

static int fill_usage(struct reader *r, struct script_step *st, json_t *v)
{
	const struct {
		const char *key;
		int64_t *to;
	} field[] = {
		{"prompt_tokens", &st->usage.prompt_tokens},
		{"cached_tokens", &st->usage.cached_tokens},
		{"thinking_tokens", &st->usage.thinking_tokens},
		{"output_tokens", &st->usage.output_tokens},
		{"drafted", &st->usage.drafted},
		{"accepted", &st->usage.accepted},
		{"prefill_ms", &st->usage.prefill_ms},
		{"decode_ms", &st->usage.decode_ms},
		{"total_ms", &st->usage.total_ms},
	};
	int rc = check_keys(r, v, "usage",
			    "prompt_tokens cached_tokens thinking_tokens output_tokens drafted "
			    "accepted prefill_ms decode_ms total_ms");

	for (size_t i = 0; !rc && i < sizeof(field) / sizeof(field[0]); i++)
		rc = get_int(r, v, field[i].key, 0, INT64_MAX, field[i].to);
	st->has_usage = !rc;
	return rc;
}

static int fill_done(struct reader *r, struct script_step *st, json_t *v)
{
	json_t *stop = json_is_string(v) ? v : json_object_get(v, "stop");
	json_t *usage = json_object_get(v, "usage");
	int reason = 0;
	int rc = json_is_string(v) ? 0 : check_keys(r, v, "done", "stop usage");

	if (!rc && stop) {
		rc = get_name(r, stop, "stop", stop_names, &reason);
		st->stop = (enum stop_reason)reason;
		st->has_stop = true;
	}
	if (!rc && usage)
		rc = fill_usage(r, st, usage);
	return rc;
}

struct step_row {
	const char *name;
	enum step_kind kind;
	const char *keys; /* beside its own name */
	int chunk;        /* where the line gives none */
	bool ends_turn;
	int (*fill)(struct reader *r, struct script_step *st, json_t *v);
};

static const struct step_row step_rows[] = {
	{"prefill", STEP_PREFILL, "prefill delay_ms chunk", 512, false, fill_prefill},
	{"thinking", STEP_THINKING, "thinking delay_ms chunk repeat", 4, false, fill_text},
	{"text", STEP_TEXT, "text delay_ms chunk repeat", 4, false, fill_text},
	{"call", STEP_CALL, "call delay_ms repeat", 1, false, fill_call},
	{"bad_call", STEP_BAD_CALL, "bad_call delay_ms repeat", 1, false, fill_bad_call},
	{"notice", STEP_NOTICE, "notice delay_ms repeat", 1, false, fill_text},
	{"pause", STEP_PAUSE, "pause", 1, false, fill_pause},
	{"error", STEP_ERROR, "error delay_ms", 1, true, fill_error},
	{"done", STEP_DONE, "done delay_ms", 1, true, fill_done},
};

/* Grows an array by one zeroed element; NULL without memory. */
static void *grow(void **array, size_t *n, size_t each)
{
	size_t cap = *n < 8 ? 8 : *n;
	char *more;

	/* Grown at 8 and at each power of two, so the length says the capacity. */
	if (*n == 0 || (*n >= 8 && (*n & (*n - 1)) == 0)) {
		more = realloc(*array, (*n == 0 ? cap : 2 * cap) * each);
		if (!more)
			return NULL;
		*array = more;
	}
	more = (char *)*array + *n * each;
	memset(more, 0, each);
	++*n;
	return more;
}

static struct script_turn *open_turn(struct reader *r)
{
	struct script_turn *t;

	t = grow((void **)&r->s->turns, &r->s->n_turns, sizeof(*t));
	if (!t)
		return NULL;
	t->line = r->line;
	t->first = r->s->n_steps;
	t->expect_messages = t->expect_resume = -1;
	t->expect_effort = -1;
	r->in_turn = true;
	return t;
}

static int read_step(struct reader *r, const struct step_row *row, json_t *o)
{
	struct script_turn *t;
	struct script_step *st;
	int rc = check_keys(r, o, row->name, row->keys);

	if (rc)
		return rc;
	if (!r->in_turn && !open_turn(r))
		return err_nomem(r->err, "script", sizeof(*t));
	t = &r->s->turns[r->s->n_turns - 1];
	st = grow((void **)&r->s->steps, &r->s->n_steps, sizeof(*st));
	if (!st)
		return err_nomem(r->err, "script", sizeof(*st));
	*st = (struct script_step){.kind = row->kind,
				   .line = r->line,
				   .chunk = row->chunk,
				   .repeat = 1,
				   .tokens = -1,
				   .cached = 0};
	if (t->n_steps++ > 0 && st->kind == STEP_PAUSE)
		st->of_thinking = st[-1].kind == STEP_THINKING || st[-1].of_thinking;
	rc = get_small(r, o, "delay_ms", 0, MAX_MS, &st->delay_ms);
	if (!rc)
		rc = get_small(r, o, "chunk", 1, MAX_COUNT, &st->chunk);
	if (!rc)
		rc = get_int(r, o, "repeat", 1, MAX_COUNT, &st->repeat);
	if (!rc)
		rc = row->fill(r, st, json_object_get(o, row->name));
	if (row->ends_turn)
		r->in_turn = false;
	return rc;
}

static int read_texts(struct reader *r, json_t *v, struct script_turn *t)
{
	struct {
		const char *key;
		struct buf *text;
		bool *has;
	} rows[] = {
		{"expect", &t->expect, &t->has_expect},
		{"expect_tool", &t->expect_tool, &t->has_expect_tool},
		{"expect_system", &t->expect_system, &t->has_expect_system},
		{"expect_tools", &t->expect_tools, &t->has_expect_tools},
		{"expect_calls", &t->expect_calls, &t->has_expect_calls},
		{"expect_results", &t->expect_results, &t->has_expect_results},
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = get_text(r, v, rows[i].key, rows[i].text, rows[i].has);
	return rc;
}

static int read_turn(struct reader *r, json_t *v)
{
	struct script_turn *t;
	json_t *task = json_object_get(v, "task");
	json_t *effort = json_object_get(v, "expect_effort");
	int rc = check_keys(r, v, "turn",
			    "task again expect expect_tool expect_system expect_tools "
			    "expect_calls expect_results expect_messages expect_effort "
			    "expect_resume");

	if (rc)
		return rc;
	if (r->in_turn)
		return BAD(r, "the turn before has no \"done\" or \"error\"");
	t = open_turn(r);
	if (!t)
		return err_nomem(r->err, "script", sizeof(*t));
	if (task && (!json_is_string(task) || strcmp(json_string_value(task), "title") != 0))
		return BAD(r, "\"task\" can only be \"title\"");
	t->is_title = task != NULL;
	if (t->is_title)
		r->s->info.has_title_task = true;
	rc = get_bool(r, v, "again", &t->again);
	if (!rc)
		rc = read_texts(r, v, t);
	if (!rc)
		rc = get_int(r, v, "expect_messages", 0, MAX_COUNT, &t->expect_messages);
	if (!rc)
		rc = get_int(r, v, "expect_resume", 0, MAX_COUNT, &t->expect_resume);
	if (!rc && effort)
		rc = get_name(r, effort, "expect_effort", effort_names, &t->expect_effort);
	return rc;
}

static int read_load(struct reader *r, json_t *v)
{
	struct script *s = r->s;
	struct buf text = {0};
	bool fails = false;
	int rc = check_keys(r, v, "load", "bytes steps delay_ms error");

	if (!rc && (s->n_turns || r->in_turn))
		rc = BAD(r, "\"load\" comes before the first turn");
	if (!rc)
		rc = get_int(r, v, "bytes", 0, INT64_MAX / 2, &s->load_bytes);
	if (!rc)
		rc = get_small(r, v, "steps", 1, 1000000, &s->load_steps);
	if (!rc)
		rc = get_small(r, v, "delay_ms", 0, MAX_MS, &s->load_delay_ms);
	if (!rc)
		rc = get_text(r, v, "error", &text, &fails);
	if (!rc && fails)
		err_set(&s->load_error, ERR_MODEL, "%s", buf_z(&text));
	buf_release(&text);
	return rc;
}

static int read_info(struct reader *r, json_t *v)
{
	struct engine_info *info = &r->s->info;
	const struct {
		const char *key;
		char *to;
		size_t size;
	} texts[] = {
		{"model_name", info->model_name, sizeof(info->model_name)},
		{"model_path", info->model_path, sizeof(info->model_path)},
		{"identity", info->identity, sizeof(info->identity)},
		{"backend", info->backend, sizeof(info->backend)},
	};
	const struct {
		const char *key;
		int64_t *to;
	} ints[] = {
		{"ctx_tokens", &info->ctx_tokens},       {"vocab", &info->vocab},
		{"weight_bytes", &info->weight_bytes},   {"cache_bytes", &info->cache_bytes},
		{"scratch_bytes", &info->scratch_bytes},
	};
	int rc = check_keys(r, v, "info",
			    "model_name model_path identity backend ctx_tokens vocab "
			    "weight_bytes cache_bytes scratch_bytes");

	for (size_t i = 0; !rc && i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf b = {0};
		bool has = false;

		rc = get_text(r, v, texts[i].key, &b, &has);
		if (!rc && has && b.len >= texts[i].size)
			rc = BAD(r, "\"%s\" is longer than %zu bytes", texts[i].key,
				 texts[i].size - 1);
		if (!rc && has)
			memcpy(texts[i].to, buf_z(&b), b.len + 1);
		buf_release(&b);
	}
	for (size_t i = 0; !rc && i < sizeof(ints) / sizeof(ints[0]); i++)
		rc = get_int(r, v, ints[i].key, 0, INT64_MAX, ints[i].to);
	return rc;
}

static const struct {
	const char *name;
	int (*read)(struct reader *r, json_t *v);
} head_rows[] = {
	{"load", read_load},
	{"info", read_info},
	{"turn", read_turn},
};

static int read_object(struct reader *r, json_t *o)
{
	json_t *v;

	for (size_t i = 0; i < sizeof(head_rows) / sizeof(head_rows[0]); i++) {
		v = json_object_get(o, head_rows[i].name);
		if (v && json_object_size(o) == 1)
			return head_rows[i].read(r, v);
	}
	for (size_t i = 0; i < sizeof(step_rows) / sizeof(step_rows[0]); i++) {
		if (json_object_get(o, step_rows[i].name))
			return read_step(r, &step_rows[i], o);
	}
	return BAD(r, "names no step");
}

static int read_line(struct reader *r, struct str line)
{
	struct json_tree tree;
	struct err why;
	int rc;

	while (line.n && strchr(" \t\r", line.p[line.n - 1]))
		line.n--;
	while (line.n && strchr(" \t", line.p[0])) {
		line.p++;
		line.n--;
	}
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	rc = json_tree_parse(&tree, line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (rc == ERR_FAILED)
		return BAD(r, "%s", why.text);
	if (rc)
		return err_set(r->err, rc, "script line %d: %s", r->line, why.text);
	rc = json_is_object(tree.root) ? read_object(r, tree.root)
				       : BAD(r, "is not a JSON object");
	json_tree_release(&tree);
	return rc;
}

int script_open(struct script *s, struct str text, struct err *err)
{
	struct reader r = {.s = s, .err = err};
	int rc = 0;

	*s = (struct script){.load_bytes = 1000000, .load_steps = 1};
	s->info = (struct engine_info){
		.model_name = "scripted",
		.identity = "scripted",
		.backend = "script",
		.ctx_tokens = 65536,
		.vocab = 129280,
	};
	while (!rc && text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		r.line++;
		rc = read_line(&r, (struct str){text.p, n});
		n += end != NULL;
		text.p += n;
		text.n -= n;
	}
	if (!rc && r.in_turn)
		rc = BAD(&r, "the last turn has no \"done\" or \"error\"");
	if (rc)
		script_close(s);
	return rc;
}

void script_close(struct script *s)
{
	for (size_t i = 0; i < s->n_steps; i++) {
		struct script_step *st = &s->steps[i];

		for (size_t j = 0; j < st->n_params; j++)
			buf_release(&st->params[j]);
		free(st->params);
		buf_release(&st->text);
		buf_release(&st->name);
	}
	for (size_t i = 0; i < s->n_turns; i++) {
		buf_release(&s->turns[i].expect);
		buf_release(&s->turns[i].expect_tool);
		buf_release(&s->turns[i].expect_system);
		buf_release(&s->turns[i].expect_tools);
		buf_release(&s->turns[i].expect_calls);
		buf_release(&s->turns[i].expect_results);
	}
	free(s->steps);
	free(s->turns);
	*s = (struct script){0};
}
