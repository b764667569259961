#include "app/line.h"

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
