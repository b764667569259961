/* Reading a runner's script: one JSON object a line, each key from a table. */
#include "app/tools/runner_script.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/jsontree.h"
#include "engine/base/utf8.h"

#define MOST_MS    3600000
#define MOST_CHUNK 4096

struct reader {
	struct runner_step *step;
	struct err *err;
};

static int bad(const struct reader *r, const char *key, const json_t *found,
	       const char *expected)
{
	return err_set(r->err, ERR_USAGE, "line %d: \"%.40s\" is %s, expected %s",
		       r->step->line, key, json_kind(found), expected);
}

static int get_text(const struct reader *r, const char *key, const json_t *v, struct buf *out,
		    bool *has)
{
	if (!json_is_string(v))
		return bad(r, key, v, "a string");
	buf_reset(out);
	utf8_add_clean(out, json_str(v));
	*has = true;
	return buf_failed(out) ? err_nomem(r->err, "script", out->len) : 0;
}

static int get_count(const struct reader *r, const char *key, const json_t *v, int64_t least,
		     int64_t most, int64_t *out)
{
	int64_t found = json_is_integer(v) ? json_integer_value(v) : -1;

	if (!json_is_integer(v))
		return bad(r, key, v, "a whole number");
	if (found < least || found > most)
		return err_set(r->err, ERR_USAGE,
			       "line %d: \"%s\" is %lld, expected %lld to %lld", r->step->line,
			       key, (long long)found, (long long)least, (long long)most);
	*out = found;
	return 0;
}

/* A key whose value is a string. */
struct text_row {
	const char *key;
	struct buf *to;
	bool *has;
};

static const struct text_row *text_row(const struct text_row *rows, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

static int unknown(const struct reader *r, const char *key)
{
	return err_set(r->err, ERR_USAGE, "line %d: \"%.40s\" is not known", r->step->line,
		       key);
}

static int read_expect(const struct reader *r, json_t *o)
{
	struct runner_step *s = r->step;
	const struct text_row rows[] = {
		{"tool", &s->tool, &s->has_tool},
		{"command", &s->command, &s->has_command},
		{"arguments", &s->arguments, &s->has_arguments},
		{"grade", &s->grade, &s->has_grade},
	};
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return bad(r, "expect", o, "an object");
	json_object_foreach (o, key, v) {
		const struct text_row *row =
			text_row(rows, sizeof(rows) / sizeof(rows[0]), key);
		int rc = row ? get_text(r, key, v, row->to, row->has) : unknown(r, key);

		if (rc)
			return rc;
	}
	return 0;
}

static int read_state(const struct reader *r)
{
	struct str s = buf_str(&r->step->state);

	if (!r->step->has_state || str_is(s, "ok") || str_is(s, "error") ||
	    str_is(s, "timeout"))
		return 0;
	return err_set(r->err, ERR_USAGE,
		       "line %d: \"state\" is \"%.40s\", expected ok, error or timeout",
		       r->step->line, buf_z(&r->step->state));
}

static int read_count(const struct reader *r, const char *key, const json_t *v)
{
	const struct {
		const char *key;
		int64_t least, most, *to;
	} rows[] = {
		{"chunk", 4, MOST_CHUNK, &r->step->chunk},
		{"delay_ms", 0, MOST_MS, &r->step->delay_ms},
		{"exit", 0, 255, &r->step->exit},
		{"signal", 1, 64, &r->step->signal},
		{"stubborn_ms", 0, MOST_MS, &r->step->stubborn_ms},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return get_count(r, key, v, rows[i].least, rows[i].most, rows[i].to);
	}
	return unknown(r, key);
}

static int read_key(const struct reader *r, const char *key, json_t *v)
{
	struct runner_step *s = r->step;
	bool has_output, has_spill, has_diff;
	const struct text_row rows[] = {
		{"output", &s->output, &has_output},
		{"state", &s->state, &s->has_state},
		{"spill", &s->spill, &has_spill},
		{"diff", &s->diff, &has_diff},
	};
	const struct text_row *row = text_row(rows, sizeof(rows) / sizeof(rows[0]), key);

	if (row)
		return get_text(r, key, v, row->to, row->has);
	if (strcmp(key, "expect") == 0)
		return read_expect(r, v);
	if (strcmp(key, "die") != 0)
		return read_count(r, key, v);
	if (!json_is_boolean(v))
		return bad(r, key, v, "true or false");
	s->die = json_is_true(v);
	return 0;
}

static int read_step(const struct reader *r, struct str line)
{
	struct json_tree tree = {0};
	int rc = json_tree_parse(&tree, line, JSON_REJECT_DUPLICATES, r->err);
	const char *key;
	json_t *v;

	if (rc == ERR_FAILED)
		err_prefix(r->err, "line %d", r->step->line);
	if (!rc && !json_is_object(tree.root))
		rc = bad(r, "step", tree.root, "an object");
	if (!rc) {
		json_object_foreach (tree.root, key, v) {
			rc = read_key(r, key, v);
			if (rc)
				break;
		}
	}
	if (!rc)
		rc = read_state(r);
	json_tree_release(&tree);
	if (rc == ERR_FAILED)
		rc = r->err->code = ERR_USAGE;
	return rc;
}

static int add_step(struct runner_script *s, struct str line, int number, struct err *err)
{
	struct runner_step *more = realloc(s->steps, (s->n + 1) * sizeof(*more));

	if (!more)
		return err_nomem(err, "script", (s->n + 1) * sizeof(*more));
	s->steps = more;
	more[s->n] = (struct runner_step){.line = number, .chunk = MOST_CHUNK, .exit = -1};
	return read_step(&(struct reader){&more[s->n++], err}, line);
}

int runner_script_open(struct runner_script *s, struct str text, struct err *err)
{
	struct str line;
	int rc = 0;

	*s = (struct runner_script){0};
	for (int number = 1; !rc && str_line(&text, &line); number++)
		if (line.n && line.p[0] != '#')
			rc = add_step(s, line, number, err);
	return rc;
}

void runner_script_close(struct runner_script *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct runner_step *step = &s->steps[i];

		buf_release(&step->tool);
		buf_release(&step->command);
		buf_release(&step->arguments);
		buf_release(&step->grade);
		buf_release(&step->output);
		buf_release(&step->state);
		buf_release(&step->spill);
		buf_release(&step->diff);
	}
	free(s->steps);
	*s = (struct runner_script){0};
}
