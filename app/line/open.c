/* Going over to another conversation of line mode: where it ends, and why it goes no further. */
#include "app/line/line.h"

#include "app/agent/undo.h"
#include "app/talk/stop.h"

/* As it was shown when it came, but for the thinking. */
static void say_message(const struct talk_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		switch (p->kind) {
		case HISTORY_TEXT:
			line_say("%s", buf_z(&p->text));
			break;
		case HISTORY_CALL:
			line_say("call: %s", buf_z(&p->name));
			if (p->call == CALL_WHOLE)
				line_say("with: %s", buf_z(&p->text));
			else if (p->call == CALL_CUT)
				line_say("cut: %s", buf_z(&p->why));
			else
				line_say("malformed call: %s", buf_z(&p->why));
			break;
		case HISTORY_RESULT:
			line_say("result: %s", buf_z(&p->text));
			break;
		case HISTORY_NOTICE:
			line_say("%s%s", p->error ? "" : "note: ", buf_z(&p->text));
			break;
		case HISTORY_ATTACHMENT:
			line_say("(with %s)", buf_z(&p->name));
			break;
		case HISTORY_THINKING:
		case HISTORY_TOOLS:
			break;
		}
	}
}

void line_say_stop(const struct line_mode *l, const struct talk *t)
{
	struct buf words = {0};

	if (rounds_may_resume(&l->rounds, t))
		buf_addz(&words, AGENT_MAY_RESUME);
	else
		stop_add_words(t->leaf, l->host.ops->ctx_tokens(&l->host), &words);
	if (words.len)
		line_say("(%s)", buf_z(&words));
	buf_release(&words);
}

int line_open(struct line_mode *l, struct talk *t, struct err *err)
{
	const struct talk_message *last;
	struct history_list list = {0};
	int rc = talk_store_load(&l->talks, t, err);

	if (!rc)
		undo_settle(l->rounds.agent, &l->talks, t);
	if (!rc)
		rc = history_get(l->talks.store, t->stored, &list, err);
	if (!rc && list.n) {
		line_say("%s \"%s\", %lld messages; it ends:", list.items[0].uid,
			 list.items[0].title, (long long)list.items[0].n_messages);
		last = t->leaf;
		if (last)
			say_message(last);
		if (last)
			line_say_stop(l, t);
	}
	if (!rc) {
		l->talk = t;
		history_list_release(&l->offered);
		line_tell_price(l);
	}
	history_list_release(&list);
	return rc;
}
