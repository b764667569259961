#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_continue(struct line *l, const char *arg, struct err *err)
{
	const struct history_message *m = history_tree_leaf(l->record.t);
	const struct history_list *cut = &l->record.recovered;
	int rc = 0;

	(void)arg;
	/* Before anything else was said, what a crash has cut is meant. */
	if (!m && cut->n) {
		rc = line_open(l, cut->items[0].id, err);
		m = rc ? NULL : history_tree_leaf(l->record.t);
	}
	if (rc)
		return rc;
	if (!m || !history_message_unfinished(m))
		return err_set(err, ERR_USAGE,
			       "the last answer is whole: there is nothing to "
			       "go on with");
	history_tree_rewind(l->record.t, m->parent);
	rc = record_fill(&l->record, &l->dialog, err);
	if (!rc)
		rc = line_answer(l, m, err);
	if (rc && history_tree_leaf(l->record.t) == m->parent) {
		struct err again = {0};

		history_tree_rewind(l->record.t, m);
		record_fill(&l->record, &l->dialog, &again);
	}
	return rc;
}

int cmd_continue_screen(struct screen *s, const char *arg, struct err *err)
{
	const struct history_list *cut = &s->config->recovered;
	struct talk *t;
	int rc = 0;

	(void)arg;
	/* Before anything else was said, what a crash has cut is meant. */
	if (s->talk->leaf == NULL && cut->n > 0) {
		rc = screen_stored(s, cut->items[0].id, &t, err);
		if (rc == 0)
			screen_open(s, t);
	}
	if (rc < 0)
		return rc;
	if (s->talk->leaf == NULL)
		return err_set(err, ERR_USAGE, "nothing was said yet");
	if (!screen_is_writing(s))
		screen_continue(s, s->talk->leaf);
	return 0;
}
