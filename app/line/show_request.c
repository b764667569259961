/* What a program that answers for the user is told of a call. */
#include "app/line/show.h"

#include "engine/base/jsontree.h"

static void add_grades(struct jsonw *w, unsigned grade)
{
	struct buf name = {0};

	jsonw_key(w, "grade");
	jsonw_begin_array(w);
	for (unsigned bit = 1; bit <= GRADE_OUTSIDE; bit <<= 1) {
		if (!(grade & bit))
			continue;
		buf_reset(&name);
		tool_grade_add(&name, bit);
		jsonw_string(w, buf_str(&name));
	}
	jsonw_end_array(w);
	w->out->failed |= buf_failed(&name);
	buf_release(&name);
}

static void add_words(struct jsonw *w, struct str arguments)
{
	struct json_tree tree = {0};
	struct buf words = {0};

	if (!json_tree_parse(&tree, arguments, 0, NULL) &&
	    tools_plain_words(json_str(json_object_get(tree.root, "command")), &words)) {
		jsonw_key(w, "command");
		jsonw_raw(w, buf_str(&words));
	}
	buf_release(&words);
	json_tree_release(&tree);
}

static void add_reason(const struct show *s, struct jsonw *w, const struct approval *p)
{
	struct buf reason = {0};

	if (p->rule.n) {
		buf_adds(&reason, p->rule);
	} else if (p->always) {
		buf_addz(&reason, APPROVAL_ALWAYS);
	} else if (str_is(p->tool, "shell") && p->layer == SANDBOX_OFF) {
		buf_addz(&reason, "without a sandbox");
	} else {
		buf_addz(&reason, "no rule; the mode is ");
		option_get(&s->app->opt, option_find("approve"), &reason);
	}
	jsonw_kv_string(w, "reason", buf_str(&reason));
	w->out->failed |= buf_failed(&reason);
	buf_release(&reason);
}

void show_request(struct show *s, const struct approval *p, char id[SHOW_ID_BYTES])
{
	struct buf line = {0};
	struct jsonw w;

	show_name_call(s, (int)p->place - 1, id);
	if (!s->json)
		return;
	show_begin(&w, &line, "tool_request");
	jsonw_kv_string(&w, "id", str_of(id));
	jsonw_kv_string(&w, "tool", p->tool);
	jsonw_key(&w, "arguments");
	jsonw_raw(&w, p->arguments);
	jsonw_kv_string(&w, "class", str_of(tool_class_name(p->cls)));
	add_grades(&w, p->grade);
	if (str_is(p->tool, "shell")) {
		jsonw_kv_string(&w, "layer", str_of(sandbox_layer_name(p->layer)));
		add_words(&w, p->arguments);
	}
	if (p->diff.n)
		jsonw_kv_string(&w, "diff", p->diff);
	add_reason(s, &w, p);
	if (p->suggest.n)
		jsonw_kv_string(&w, "suggest", p->suggest);
	show_send(s, &w);
}

void show_joined(struct show *s, size_t n)
{
	struct buf line = {0};
	struct jsonw w;

	if (!s->json)
		return;
	show_begin(&w, &line, "joined");
	jsonw_kv_int(&w, "messages", (int64_t)n);
	show_send(s, &w);
}
