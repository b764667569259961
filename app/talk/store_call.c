/* Calls into the history: that they begin, and what became of them. */
#include "app/talk/store_call.h"

#include "engine/base/clock.h"

static int64_t number(const json_t *o, const char *key, int64_t none)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : none;
}

static int small(int64_t v, int none)
{
	return v >= 0 && v <= 256 ? (int)v : none;
}

static struct str text(const json_t *o, const char *key)
{
	return json_str(json_object_get(o, key));
}

bool told_call_read(struct told_call *c, const struct talk_message *m)
{
	const struct talk_part *p = m->n_parts ? &m->parts[0] : NULL;
	const struct talk_message *answer = talk_message_answer(m);

	*c = (struct told_call){0};
	if (m->role != CHAT_TOOL || !p || p->kind != HISTORY_RESULT || !p->info.len ||
	    !answer || !answer->stored || json_tree_parse(&c->info, buf_str(&p->info), 0, NULL))
		return false;
	c->call = (struct history_call){
		.answer = answer->stored,
		.ref = buf_str(&p->ref),
		.tool = buf_str(&p->name),
		.grade = text(c->info.root, "grade"),
		.layer = text(c->info.root, "layer"),
		.decided = text(c->info.root, "by"),
		.exit = small(number(c->info.root, "exit", -1), -1),
		.signal = small(number(c->info.root, "signal", 0), 0),
		.output_bytes = number(c->info.root, "bytes", 0),
		.spill = text(c->info.root, "spill"),
	};
	if (history_call_state_from_name(text(c->info.root, "state"), &c->call.state))
		return true;
	json_tree_release(&c->info);
	return false;
}

int talk_store_say_result(struct talks *ts, struct talk *t, const struct talk_result *r,
			  struct err *err)
{
	struct talk_message *m = talk_message_result(r, err);

	if (!m)
		return ERR_NOMEM;
	talk_say(t, m, clock_wall_ms());
	/* What became of the file is known before it is said. */
	if (ts->store && r->edit) {
		int rc = history_edit_settle(ts->store, r->edit, r->edit_state, err);

		if (rc)
			return rc;
	}
	return talk_store_save(ts, t, err);
}

/* What the file has is on the disk before the file is changed. */
static int plan_edit(struct talks *ts, const struct talk_call *c, int64_t call, struct err *err)
{
	struct history_edit e = *c->edit;
	size_t n_dropped;

	e.call = call;
	return history_edit_plan(ts->store, &e, c->edit_id, &n_dropped, err);
}

int talk_store_begin_call(struct talks *ts, struct talk *t, const struct talk_call *c,
			  struct err *err)
{
	const struct talk_message *answer = talk_message_answer(t->leaf);
	struct history_call call = {
		.ref = c->ref,
		.tool = c->name,
		.cls = c->cls,
		.grade = c->grade,
		.layer = c->layer,
		.rule = c->rule,
		.decided = c->by,
	};
	int64_t id;
	int rc = 0;

	if (!ts->store)
		return 0;
	if (!answer)
		return err_set(err, ERR_USAGE, "there is no answer that calls it");
	/* What it stands on comes first. */
	if (!answer->stored)
		rc = talk_store_save(ts, t, err);
	if (rc)
		return rc;
	call.answer = answer->stored;
	rc = history_call_begin(t->tree, &call, &id, err);
	if (!rc && c->edit)
		rc = plan_edit(ts, c, id, err);
	return rc;
}

int talk_store_find_call(struct talks *ts, const struct talk_message *answer, struct str ref,
			 enum history_call_begun *begun, struct err *err)
{
	*begun = HISTORY_NOT_BEGUN;
	if (!ts->store || !answer->stored)
		return 0;
	return history_call_find(ts->store, answer->stored, ref, begun, err);
}
