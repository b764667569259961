#include "app/inputs.h"
#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_rm(struct line *l, const char *arg, struct err *err)
{
	struct inputs typed = {0};
	int64_t id = 0;
	int rc;

	/* Without undo, the one that is meant has to be named. */
	if (!*arg)
		return err_set(err, ERR_USAGE,
			       "/rm ID removes a conversation for good; /list "
			       "says their ids");
	rc = history_find(l->record.h, arg, &id, err);
	if (!rc && id == history_tree_conversation(l->record.t)) {
		rc = record_switch(&l->record, 0, err);
		if (!rc)
			rc = record_fill(&l->record, &l->dialog, err);
	}
	if (!rc)
		rc = inputs_gather(&typed, l->record.h, id, err);
	if (!rc)
		rc = history_remove(l->record.h, id, err);
	if (!rc)
		rc = inputs_forget(&typed, NULL, err);
	if (!rc)
		line_say("Removed.");
	inputs_release(&typed);
	return rc;
}

int cmd_rm_screen(struct screen *s, const char *arg, struct err *err)
{
	struct talk *t = NULL;
	int64_t id = 0;
	int rc = screen_store(s, err);

	if (rc == 0 && *arg == '\0')
		return err_set(err, ERR_USAGE,
			       "/rm ID removes a conversation for good; /list says their ids");
	if (rc == 0)
		rc = history_find(s->talks.store, arg, &id, err);
	if (rc == 0)
		rc = screen_stored(s, id, &t, err);
	if (rc == 0 && screen_remove(s, t))
		rc = screen_forget(s, err);
	if (rc == 0 && s->talks.removed == NULL)
		tui_say(s->tui, STYLE_FAINT, "removed");
	return rc;
}
