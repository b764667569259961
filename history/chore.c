/* The table of chores. */
#include "history/chore.h"

int chore_note(struct history *h, const char *name, struct err *err)
{
	return sql_run(h, err, "INSERT OR IGNORE INTO chore (name) VALUES (?)", "z", name);
}

int chore_pending(struct history *h, const char *name, bool *pending, struct err *err)
{
	int64_t there = 0;
	int rc = sql_int(h, &there, 0, err, "SELECT 1 FROM chore WHERE name = ?", "z", name);

	*pending |= there != 0;
	return rc;
}

int chore_done(struct history *h, const char *name, struct err *err)
{
	return sql_run(h, err, "DELETE FROM chore WHERE name = ?", "z", name);
}
