#include "app/line.h"

int cmd_rm(struct line *l, const char *arg, struct err *err)
{
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
		rc = inputs_gather(&l->forgotten, l->record.h, id, err);
	if (!rc)
		rc = history_remove(l->record.h, id, err);
	if (!rc)
		rc = inputs_forget(&l->forgotten, err);
	if (!rc)
		line_say("Removed.");
	return rc;
}
