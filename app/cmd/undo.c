/* /undo and /redo */
#include <stdlib.h>

#include "app/cmd/cmd.h"

/* "" is one. */
static int take_number(const char *name, const char *arg, size_t *n, struct err *err)
{
	char *end = NULL;
	unsigned long v = *arg >= '0' && *arg <= '9' ? strtoul(arg, &end, 10) : 0;

	*n = 1;
	if (!*arg)
		return 0;
	if (!end || *end || v < 1 || v > CMD_UNDO_TURNS)
		return err_set(err, ERR_USAGE,
			       "/%s %.40s: expected nothing, or a number of "
			       "questions, 1 to %d",
			       name, arg, CMD_UNDO_TURNS);
	*n = v;
	return 0;
}

static int run(struct cmd_host *h, const char *name, bool again, const char *arg,
	       struct err *err)
{
	size_t turns;
	int rc = take_number(name, arg, &turns, err);

	if (rc || h->ops->is_writing(h))
		return rc;
	return h->ops->undo(h, again, turns, err);
}

int cmd_undo(struct cmd_host *h, const char *arg, struct err *err)
{
	return run(h, "undo", false, arg, err);
}

int cmd_redo(struct cmd_host *h, const char *arg, struct err *err)
{
	return run(h, "redo", true, arg, err);
}
