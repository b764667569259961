#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_regen(struct line *l, const char *arg, struct err *err)
{
	const struct history_message *leaf = history_tree_leaf(l->record.t);
	const struct history_message *question = line_last(l, HISTORY_USER);
	int rc;

	(void)arg;
	if (!question)
		return err_set(err, ERR_USAGE, "nothing was asked yet");
	history_tree_rewind(l->record.t, question);
	rc = record_fill(&l->record, &l->dialog, err);
	if (!rc)
		rc = line_answer(l, NULL, err);
	if (rc && history_tree_leaf(l->record.t) == question) {
		struct err again = {0};

		history_tree_rewind(l->record.t, leaf);
		record_fill(&l->record, &l->dialog, &again);
	}
	return rc;
}

int cmd_regen_screen(struct screen *s, const char *arg, struct err *err)
{
	(void)arg;
	if (s->talk->leaf == NULL)
		return err_set(err, ERR_USAGE, "nothing was asked yet");
	screen_regenerate(s, s->talk->leaf);
	return 0;
}
