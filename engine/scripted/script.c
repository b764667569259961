/* Reading a script: one JSON object a line, each checked against a table of its keys. */
#include "engine/scripted/script.h"

#include <stdlib.h>
#include <string.h>

#include "engine/scripted/script_steps.h"

static const struct script_name effort_names[] = {
	{"none", EFFORT_NONE}, {"low", EFFORT_LOW}, {"high", EFFORT_HIGH},
	{"max", EFFORT_MAX},   {NULL, 0},
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

static struct script_turn *open_turn(struct script_reader *r)
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

static int read_step(struct script_reader *r, const struct script_step_row *row, json_t *o)
{
	struct script_turn *t;
	struct script_step *st;
	int rc = script_check_keys(r, o, row->name, row->keys);

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
	rc = script_get_small(r, o, "delay_ms", 0, SCRIPT_MAX_MS, &st->delay_ms);
	if (!rc)
		rc = script_get_small(r, o, "chunk", 1, SCRIPT_MAX_COUNT, &st->chunk);
	if (!rc)
		rc = script_get_int(r, o, "repeat", 1, SCRIPT_MAX_COUNT, &st->repeat);
	if (!rc)
		rc = script_get_bool(r, o, "expect_call_ended", &st->expect_call_ended);
	if (!rc)
		rc = row->fill(r, st, json_object_get(o, row->name));
	if (row->ends_turn)
		r->in_turn = false;
	return rc;
}

static int read_texts(struct script_reader *r, json_t *v, struct script_turn *t)
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
		rc = script_get_text(r, v, rows[i].key, rows[i].text, rows[i].has);
	return rc;
}

static int read_turn(struct script_reader *r, json_t *v)
{
	struct script_turn *t;
	json_t *task = json_object_get(v, "task");
	json_t *effort = json_object_get(v, "expect_effort");
	int rc = script_check_keys(r, v, "turn",
				   "task again expect expect_tool expect_system expect_tools "
				   "expect_calls expect_results expect_messages expect_effort "
				   "expect_resume");

	if (rc)
		return rc;
	if (r->in_turn)
		return script_bad(r, "the turn before has no \"done\" or \"error\"");
	t = open_turn(r);
	if (!t)
		return err_nomem(r->err, "script", sizeof(*t));
	if (task && (!json_is_string(task) || strcmp(json_string_value(task), "title") != 0))
		return script_bad(r, "\"task\" can only be \"title\"");
	t->is_title = task != NULL;
	if (t->is_title)
		r->s->info.has_title_task = true;
	rc = script_get_bool(r, v, "again", &t->again);
	if (!rc)
		rc = read_texts(r, v, t);
	if (!rc)
		rc = script_get_int(r, v, "expect_messages", 0, SCRIPT_MAX_COUNT,
				    &t->expect_messages);
	if (!rc)
		rc = script_get_int(r, v, "expect_resume", 0, SCRIPT_MAX_COUNT,
				    &t->expect_resume);
	if (!rc && effort)
		rc = script_get_name(r, effort, "expect_effort", effort_names,
				     &t->expect_effort);
	return rc;
}

static int read_load(struct script_reader *r, json_t *v)
{
	struct script *s = r->s;
	struct buf text = {0};
	bool fails = false;
	int rc = script_check_keys(r, v, "load", "bytes steps delay_ms error");

	if (!rc && (s->n_turns || r->in_turn))
		rc = script_bad(r, "\"load\" comes before the first turn");
	if (!rc)
		rc = script_get_int(r, v, "bytes", 0, INT64_MAX / 2, &s->load_bytes);
	if (!rc)
		rc = script_get_small(r, v, "steps", 1, 1000000, &s->load_steps);
	if (!rc)
		rc = script_get_small(r, v, "delay_ms", 0, SCRIPT_MAX_MS, &s->load_delay_ms);
	if (!rc)
		rc = script_get_text(r, v, "error", &text, &fails);
	if (!rc && fails)
		err_set(&s->load_error, ERR_MODEL, "%s", buf_z(&text));
	buf_release(&text);
	return rc;
}

static int read_info(struct script_reader *r, json_t *v)
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
	int rc = script_check_keys(r, v, "info",
				   "model_name model_path identity backend ctx_tokens vocab "
				   "weight_bytes cache_bytes scratch_bytes");

	for (size_t i = 0; !rc && i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf b = {0};
		bool has = false;

		rc = script_get_text(r, v, texts[i].key, &b, &has);
		if (!rc && has && b.len >= texts[i].size)
			rc = script_bad(r, "\"%s\" is longer than %zu bytes", texts[i].key,
					texts[i].size - 1);
		if (!rc && has)
			memcpy(texts[i].to, buf_z(&b), b.len + 1);
		buf_release(&b);
	}
	for (size_t i = 0; !rc && i < sizeof(ints) / sizeof(ints[0]); i++)
		rc = script_get_int(r, v, ints[i].key, 0, INT64_MAX, ints[i].to);
	return rc;
}

static const struct {
	const char *name;
	int (*read)(struct script_reader *r, json_t *v);
} head_rows[] = {
	{"load", read_load},
	{"info", read_info},
	{"turn", read_turn},
};

static int read_object(struct script_reader *r, json_t *o)
{
	const struct script_step_row *row;
	json_t *v;

	for (size_t i = 0; i < sizeof(head_rows) / sizeof(head_rows[0]); i++) {
		v = json_object_get(o, head_rows[i].name);
		if (v && json_object_size(o) == 1)
			return head_rows[i].read(r, v);
	}
	row = script_step_of(o);
	return row ? read_step(r, row, o) : script_bad(r, "names no step");
}

static int read_line(struct script_reader *r, struct str line)
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
		return script_bad(r, "%s", why.text);
	if (rc)
		return err_set(r->err, rc, "script line %d: %s", r->line, why.text);
	rc = json_is_object(tree.root) ? read_object(r, tree.root)
				       : script_bad(r, "is not a JSON object");
	json_tree_release(&tree);
	return rc;
}

int script_open(struct script *s, struct str text, struct err *err)
{
	struct script_reader r = {.s = s, .err = err};
	struct str line;
	int rc = 0;

	*s = (struct script){.load_bytes = 1000000, .load_steps = 1};
	s->info = (struct engine_info){
		.model_name = "scripted",
		.identity = "scripted",
		.backend = "script",
		.ctx_tokens = 65536,
		.vocab = 129280,
	};
	while (!rc && str_line(&text, &line)) {
		r.line++;
		rc = read_line(&r, line);
	}
	if (!rc && r.in_turn)
		rc = script_bad(&r, "the last turn has no \"done\" or \"error\"");
	if (rc)
		script_close(s);
	return rc;
}

void script_close(struct script *s)
{
	for (size_t i = 0; i < s->n_steps; i++) {
		struct script_step *st = &s->steps[i];

		for (size_t j = 0; j < st->n_params; j++) {
			buf_release(&st->params[j]);
			buf_release(&st->values[j]);
		}
		free(st->params);
		free(st->values);
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
