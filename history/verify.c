/* Whether the file is sound, as SQLite sees it and as the schema means it. */
#include "history/backup.h"
#include "history/chore.h"
#include "history/index.h"
#include "history/seal.h"

struct rule {
	const char *thing, *what; /* which kind of row, and what is wrong with it */
	const char *sql;          /* ids of such rows */
};

static const struct rule rules[] = {
	{"message", "its parent is not before it in its tree",
	 "SELECT m.id FROM message m JOIN message p ON p.id = m.parent_id"
	 " WHERE p.id >= m.id OR p.tree_id <> m.tree_id OR p.depth + 1 <> m.depth"},
	{"message", "without a parent, but not at the top",
	 "SELECT id FROM message WHERE parent_id IS NULL AND depth <> 0"},
	{"message", "its token ids are cut",
	 "SELECT id FROM message WHERE length(token_ids) % 4 <> 0"},
	{"message", "its parts are not numbered 0, 1, 2, …",
	 "SELECT message_id FROM part GROUP BY message_id"
	 " HAVING min(seq) <> 0 OR max(seq) <> count(*) - 1"},
	{"conversation", "shows a message of another tree",
	 "SELECT c.id FROM conversation c JOIN message m ON m.id = c.leaf_id"
	 " WHERE m.tree_id <> c.tree_id"},
	{"conversation", "shows no message though it has some",
	 "SELECT c.id FROM conversation c WHERE c.leaf_id IS NULL"
	 " AND EXISTS (SELECT 1 FROM message m WHERE m.conversation_id = c.id)"},
	{"run", "neither in progress nor of a message",
	 "SELECT r.id FROM run r WHERE r.message_id IS NULL AND r.stop IS NOT NULL"},
	{"tool_run", "what calls is no answer",
	 "SELECT r.id FROM tool_run r JOIN message m ON m.id = r.answer_id"
	 " WHERE m.role <> 'assistant'"},
	{"tool_run", "its result does not follow the answer",
	 "SELECT r.id FROM tool_run r JOIN message a ON a.id = r.answer_id"
	 " JOIN message m ON m.id = r.result_id"
	 " WHERE m.role <> 'tool' OR m.tree_id <> a.tree_id OR m.id <= a.id"},
	{"tool_run", "has a result, but no end",
	 "SELECT id FROM tool_run WHERE result_id IS NOT NULL"
	 " AND (state IN ('asked', 'running') OR ended_ms IS NULL)"},
	{"file_edit", "a hash of it is cut",
	 "SELECT id FROM file_edit WHERE length(after_hash) <> 16"
	 " OR length(before_hash) <> 16"},
	{"file_edit", "holds bytes of a file that did not exist",
	 "SELECT id FROM file_edit WHERE before IS NOT NULL AND before_hash IS NULL"},
	{"file_edit", "keeps what an edit made that was not taken back",
	 "SELECT id FROM file_edit WHERE after IS NOT NULL"
	 " AND state IN ('applied', 'dropped')"},
};

static int add_problems(struct history *h, sqlite3_stmt *st, const struct rule *rule,
			struct buf *out, size_t *n, struct err *err)
{
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		if (rule)
			buf_addf(out, "%s %lld: %s\n", rule->thing,
				 (long long)sqlite3_column_int64(st, 0), rule->what);
		else
			buf_addf(out, "%s\n", (const char *)sqlite3_column_text(st, 0));
		(*n)++;
	}
	return rc;
}

static int check_rules(struct history *h, struct buf *out, size_t *n, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && !rc; i++)
		rc = add_problems(h, sql_get(h, err, rules[i].sql, ""), &rules[i], out, n, err);
	return rc;
}

int history_verify(struct history *h, struct buf *problems, size_t *n, struct err *err)
{
	struct err ignored;
	int rc;

	*n = 0;
	index_catch_up(h, &ignored);
	rc = add_problems(h,
			  sql_get(h, err,
				  "SELECT integrity_check FROM pragma_integrity_check"
				  " WHERE integrity_check <> 'ok'",
				  ""),
			  NULL, problems, n, err);
	if (!rc)
		rc = add_problems(h,
				  sql_get(h, err,
					  "SELECT \"table\" || ' ' || rowid || ': refers to a '"
					  " || parent || ' that is not there'"
					  " FROM pragma_foreign_key_check",
					  ""),
				  NULL, problems, n, err);
	if (!rc)
		rc = check_rules(h, problems, n, err);
	if (!rc)
		rc = seal_check(h, problems, n, err);
	if (!rc)
		rc = index_check(h, problems, n, err);
	if (!rc && buf_failed(problems))
		rc = err_nomem(err, "problems", problems->cap);
	return rc;
}

int history_repair(struct history *h, struct err *err)
{
	int rc = chore_note(h, CHORE_INDEX, err);

	return rc ? rc : index_mend(h, err);
}

int history_backup(struct history *h, const char *path, struct err *err)
{
	return backup_file(h, path, false, err);
}
