#include "history/index.h"

#include "history/tree.h"

/* One row for each scope: the statements that differ in nothing but a table's name. */
struct index {
	const char *add, *drop, *optimize, *rebuild, *check;
};

#define INDEX(t)                                                                               \
	{                                                                                      \
		"INSERT INTO " t " (rowid, text) VALUES (?, ?)",                               \
			"INSERT INTO " t " (" t ", rowid, text) SELECT 'delete', v.id, v.text" \
			" FROM part p JOIN " t "_text v ON v.id = p.id"                        \
			" WHERE p.message_id = ?",                                             \
			"INSERT INTO " t " (" t ") VALUES ('optimize')",                       \
			"INSERT INTO " t " (" t ") VALUES ('rebuild')",                        \
			"INSERT INTO " t " (" t ", rank) VALUES ('integrity-check', 1)",       \
	}

enum scope { SAID, THINKING, TOOLS, N_SCOPES };

static const struct index indexes[N_SCOPES] = {
	[SAID] = INDEX("said"),
	[THINKING] = INDEX("thinking"),
	[TOOLS] = INDEX("tools"),
};

static const int scope_of[HISTORY_N_KINDS] = {
	[HISTORY_TEXT] = SAID,    [HISTORY_THINKING] = THINKING, [HISTORY_CALL] = TOOLS,
	[HISTORY_RESULT] = TOOLS, [HISTORY_ATTACHMENT] = TOOLS,  [HISTORY_NOTICE] = -1,
	[HISTORY_TOOLS] = -1,
};

int part_write(struct history *h, int64_t message, int64_t seq, const char *kind,
	       const struct history_part *p, struct err *err)
{
	enum history_kind k;
	int rc;

	rc = sql_run(h, err,
		     "INSERT INTO part (message_id, seq, kind, name, ref, text, info)"
		     " VALUES (?, ?, ?, ?, ?, ?, ?)",
		     "iizssss", message, seq, kind, p->name, p->ref, p->text, p->info);
	/* An empty text has no words and no entry; the indexes' views leave it out, too. */
	if (rc || !kind_from(str_of(kind), &k) || scope_of[k] < 0 || p->text.n == 0)
		return rc;
	return sql_run(h, err, indexes[scope_of[k]].add, "is", sqlite3_last_insert_rowid(h->db),
		       p->text);
}

int index_forget(struct history *h, int64_t message, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < N_SCOPES && !rc; i++)
		rc = sql_run(h, err, indexes[i].drop, "i", message);
	return rc;
}

int index_optimize(struct history *h, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < N_SCOPES && !rc; i++)
		rc = sql_run(h, err, indexes[i].optimize, "");
	return rc;
}

int index_rebuild(struct history *h, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < N_SCOPES && !rc; i++)
		rc = sql_run(h, err, indexes[i].rebuild, "");
	return rc;
}

int index_check(struct history *h, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < N_SCOPES && !rc; i++)
		rc = sql_run(h, err, indexes[i].check, "");
	return rc;
}
