/* Calls: taken from an answer, classed, judged. */
#include "app/agent/calls.h"

#include <stdlib.h>

#include "engine/base/jsonw.h"

static int take(struct calls *c, const struct talk_part *p, struct err *err)
{
	struct call *to = &c->v[c->n++];

	buf_adds(&to->ref, buf_str(&p->ref));
	buf_adds(&to->name, buf_str(&p->name));
	buf_adds(&to->arguments, buf_str(&p->text));
	buf_adds(&to->why, buf_str(&p->why));
	to->cut = p->call == CALL_CUT;
	to->bad = p->call != CALL_WHOLE && !to->cut;
	c->any_bad |= to->bad;
	if (buf_failed(&to->ref) || buf_failed(&to->name) || buf_failed(&to->arguments) ||
	    buf_failed(&to->why))
		return err_nomem(err, "call", p->text.len);
	return 0;
}

int calls_take(struct calls *c, const struct talk_message *m, struct err *err)
{
	int rc = 0;

	*c = (struct calls){.v = calloc(m->n_parts + 1, sizeof(*c->v))};
	if (!c->v)
		return err_nomem(err, "calls", m->n_parts * sizeof(*c->v));
	for (size_t i = 0; !rc && i < m->n_parts; i++) {
		if (m->parts[i].kind == HISTORY_CALL)
			rc = take(c, &m->parts[i], err);
	}
	return rc;
}

void calls_release(struct calls *c)
{
	for (size_t i = 0; i < c->n; i++) {
		buf_release(&c->v[i].ref);
		buf_release(&c->v[i].name);
		buf_release(&c->v[i].arguments);
		buf_release(&c->v[i].why);
	}
	free(c->v);
	*c = (struct calls){0};
}

/* What is not known here reaches furthest. */
enum tool_class call_class(struct str tool)
{
	static const struct {
		const char *name;
		enum tool_class cls;
	} rows[] = {
		{"read_file", TOOL_READ},    {"list_files", TOOL_READ},
		{"search_files", TOOL_READ}, {"write_file", TOOL_EDIT},
		{"edit_file", TOOL_EDIT},    {"shell", TOOL_RUN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (str_is(tool, rows[i].name))
			return rows[i].cls;
	}
	return TOOL_LEAVE;
}

enum tool_class call_edit_class(struct str path)
{
	return tools_always_ask(path) ? TOOL_LEAVE : TOOL_EDIT;
}

unsigned call_grade(enum tool_class cls, bool read_only)
{
	return !read_only && (cls == TOOL_EDIT || cls == TOOL_RUN) ? GRADE_WRITE : GRADE_READ;
}

enum verdict call_judge(enum agent_mode mode, enum tool_class cls)
{
	static const enum verdict edits[] = {
		[AGENT_ASK] = VERDICT_ASK,
		[AGENT_EDITS] = VERDICT_RUN,
		[AGENT_AUTO] = VERDICT_RUN,
		[AGENT_NEVER] = VERDICT_DENY,
		[AGENT_PLAN] = VERDICT_DENY,
	};

	switch (cls) {
	case TOOL_READ:
		return VERDICT_RUN;
	case TOOL_EDIT:
		return edits[mode];
	case TOOL_READ_OUTSIDE:
		return mode == AGENT_EDITS || mode == AGENT_PLAN ? VERDICT_ASK : edits[mode];
	case TOOL_RUN:
		return mode == AGENT_EDITS ? VERDICT_ASK : edits[mode];
	case TOOL_LEAVE:
		return mode == AGENT_NEVER || mode == AGENT_PLAN ? VERDICT_DENY : VERDICT_ASK;
	case TOOL_FORBIDDEN:
		break;
	}
	return VERDICT_DENY;
}

void call_add_info(struct buf *out, const struct agent_news *n, const char *by)
{
	struct buf grade = {0};
	struct jsonw w;

	tool_grade_add(&grade, n->grade);
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "state", str_of(tool_state_name(n->state)));
	if (n->exit >= 0)
		jsonw_kv_int(&w, "exit", n->exit);
	if (n->signal)
		jsonw_kv_int(&w, "signal", n->signal);
	if (n->ms >= 0) {
		jsonw_kv_int(&w, "ms", n->ms);
		jsonw_kv_int(&w, "bytes", (int64_t)n->bytes);
		jsonw_kv_int(&w, "lines", (int64_t)n->lines);
		jsonw_kv_string(&w, "grade", buf_str(&grade));
		if (n->layer.n)
			jsonw_kv_string(&w, "layer", n->layer);
	}
	if (n->spill.n)
		jsonw_kv_string(&w, "spill", n->spill);
	if (n->file.n) {
		jsonw_key(&w, "file");
		jsonw_raw(&w, n->file);
	}
	jsonw_kv_string(&w, "by", str_of(by));
	jsonw_end_object(&w);
	out->failed |= buf_failed(&grade);
	buf_release(&grade);
}
