#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_edit(struct line *l, const char *arg, struct err *err)
{
	const struct history_message *leaf = history_tree_leaf(l->record.t);
	const struct history_message *question = line_last(l, HISTORY_USER);
	int rc;

	if (!question)
		return err_set(err, ERR_USAGE, "nothing was asked yet");
	if (!*arg)
		return err_set(err, ERR_USAGE,
			       "/edit TEXT asks TEXT in place of the last question");
	history_tree_rewind(l->record.t, question->parent);
	rc = record_fill(&l->record, &l->dialog, err);
	if (!rc)
		rc = line_ask(l, str_of(arg), err);
	/* Nothing came of it: the branch from before is shown again. */
	if (rc && history_tree_leaf(l->record.t) == question->parent) {
		struct err again = {0};

		history_tree_rewind(l->record.t, leaf);
		record_fill(&l->record, &l->dialog, &again);
	}
	return rc;
}

/* Without a text the last question comes back to the input. */
int cmd_edit_screen(struct screen *s, const char *arg, struct err *err)
{
	struct talk_message *m = s->talk->leaf;

	while (m != NULL && m->role != CHAT_USER)
		m = m->parent;
	if (m == NULL)
		return err_set(err, ERR_USAGE, "nothing was asked yet");
	if (screen_is_writing(s))
		return 0;
	if (*arg == '\0') {
		tui_edit(s->tui, m->id, buf_str(&m->text));
		return 0;
	}
	talk_rewind(s->talk, m->parent);
	screen_send(s, str_of(arg));
	return 0;
}
