/* What was done of the calls in answers. */
#include "history/tool_run.h"

#include "engine/base/clock.h"
#include "history/owner.h"
#include "history/tree.h"

/* -- begun, ended ------------------------------------------------------------ */

static int write_beginning(struct history_tree *t, const struct history_call *c, int64_t *id,
			   struct err *err)
{
	struct history *h = t->h;
	int rc = sql_int(h, id, 0, err,
			 "SELECT id FROM tool_run WHERE answer_id = ? AND ref = ?", "is",
			 c->answer, c->ref);

	if (!rc && *id)
		return err_set(err, ERR_USAGE,
			       "this call was begun before, perhaps by another "
			       "program: it is not run twice");
	if (!rc)
		rc = sql_run(
			h, err,
			"INSERT INTO tool_run (conversation_id, answer_id, ref, tool, class,"
			" grade, layer, decided, rule, reason, state, owner, started_ms)"
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?)",
			"iissssssss"
			"zi",
			t->conversation, c->answer, c->ref, c->tool, c->cls, c->grade, c->layer,
			c->decided, c->rule, c->reason, h->owner, clock_wall_ms());
	if (!rc)
		*id = sqlite3_last_insert_rowid(h->db);
	return rc;
}

int history_call_begin(struct history_tree *t, const struct history_call *c, int64_t *id,
		       struct err *err)
{
	int rc = sql_begin_full(t->h, err);

	*id = 0;
	if (rc)
		return rc;
	return sql_end_full(t->h, write_beginning(t, c, id, err), err);
}

int tool_run_end(struct history *h, int64_t conversation, int64_t result,
		 const struct history_call *c, struct err *err)
{
	int64_t now = clock_wall_ms();

	return sql_run(h, err,
		       "INSERT INTO tool_run (conversation_id, answer_id, result_id, ref, tool,"
		       " class, grade, layer, decided, rule, reason, state, exit_code, signal,"
		       " output_bytes, spill, owner, started_ms, ended_ms)"
		       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, -1), ?, ?, ?, ?,"
		       " ?, ?) ON CONFLICT (answer_id, ref) DO UPDATE SET"
		       " result_id = excluded.result_id, state = excluded.state,"
		       " exit_code = excluded.exit_code, signal = excluded.signal,"
		       " output_bytes = excluded.output_bytes, spill = excluded.spill,"
		       " grade = iif(excluded.grade = '', grade, excluded.grade),"
		       " ended_ms = excluded.ended_ms WHERE result_id IS NULL",
		       "iiissssssss"
		       "zioiszii",
		       conversation, c->answer, result, c->ref, c->tool, c->cls, c->grade,
		       c->layer,
		       tool_run_decided_is(c->decided) ? c->decided : STR_LIT(""), c->rule,
		       c->reason, history_call_state_name(c->state), (int64_t)c->exit, (int64_t)c->signal,
		       c->output_bytes, c->spill, h->owner, now, now);
}

/* -- found ------------------------------------------------------------------- */

static bool is_elsewhere(const struct history *h, sqlite3_stmt *st)
{
	return str_is(sql_str(st, 0), "running") && !str_is(sql_str(st, 1), h->owner) &&
	       !owner_gone(st, 1);
}

int history_call_find(struct history *h, int64_t answer, struct str ref,
		      enum history_call_begun *begun, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err,
				   "SELECT state, owner, started_ms FROM tool_run"
				   " WHERE answer_id = ? AND ref = ?",
				   "is", answer, ref);
	int rc;

	*begun = HISTORY_NOT_BEGUN;
	if (!st)
		return err->code;
	rc = sql_row(h, st, err);
	if (rc > 0)
		*begun = is_elsewhere(h, st) ? HISTORY_RUNS_ELSEWHERE : HISTORY_BEGUN;
	sql_done(st);
	return rc < 0 ? rc : 0;
}

/* -- after a crash ------------------------------------------------------------- */

/* One that is begun in a process that is gone; 0: there is none behind `after`. */
static int find_orphan(struct history *h, int64_t after, int64_t *id, struct err *err)
{
	sqlite3_stmt *st =
		sql_get(h, err,
			"SELECT id, owner, started_ms FROM tool_run"
			" WHERE state IN ('asked', 'running') AND id > ? ORDER BY id",
			"i", after);
	int rc = 0;

	*id = 0;
	if (!st)
		return err->code;
	while (!*id && (rc = sql_row(h, st, err)) > 0) {
		if (owner_gone(st, 1))
			*id = sqlite3_column_int64(st, 0);
	}
	if (*id)
		rc = 0;
	sql_done(st);
	return rc;
}

static int lose(struct history *h, int64_t id, struct err *err)
{
	int rc = sql_begin(h, err);

	if (rc)
		return rc;
	rc = sql_run(h, err,
		     "UPDATE tool_run SET state = CASE state WHEN 'asked' THEN 'refused'"
		     " ELSE 'lost' END, ended_ms = ? WHERE id = ?"
		     " AND state IN ('asked', 'running')",
		     "ii", clock_wall_ms(), id);
	return sql_end(h, rc, err);
}

int tool_runs_recover(struct history *h, struct err *err)
{
	int64_t id = 0;
	int rc;

	do {
		rc = find_orphan(h, id, &id, err);
		if (!rc && id)
			rc = lose(h, id, err);
	} while (!rc && id);
	return rc;
}
