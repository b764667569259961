/*
 * Removal in three steps, of which each leaves a sound file: the rows go and a chore is
 * noted, in one transaction; the file is written anew (free pages, index segments and cell
 * gaps keep bytes otherwise) and the log emptied; the chore is crossed out.
 */
#include "history/store.h"

#include <stdlib.h>

#include "engine/base/clock.h"
#include "history/chore.h"
#include "history/index.h"
#include "history/migrate.h"

struct id_list {
	int64_t *items;
	size_t n, cap;
};

/*
 * What goes: messages said in the conversation, but for those that another one stands on:
 * before its leaf, its messages, its answer in progress.
 */
#define GOING                                                                                  \
	"WITH RECURSIVE keep (id) AS ("                                                        \
	" SELECT leaf_id FROM conversation WHERE tree_id = ?1 AND id <> ?2"                    \
	"  AND leaf_id IS NOT NULL"                                                            \
	" UNION SELECT id FROM message WHERE tree_id = ?1 AND conversation_id <> ?2"           \
	" UNION SELECT j.parent_id FROM journal j JOIN conversation c"                         \
	"  ON c.id = j.conversation_id WHERE c.tree_id = ?1 AND c.id <> ?2"                    \
	" UNION SELECT m.parent_id FROM keep JOIN message m ON m.id = keep.id"                 \
	"  WHERE m.parent_id IS NOT NULL)"                                                     \
	" SELECT id FROM message WHERE conversation_id = ?2"                                   \
	"  AND id NOT IN (SELECT id FROM keep) ORDER BY id DESC"

static int list_going(struct history *h, int64_t tree, int64_t conversation,
		      struct id_list *list, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err, GOING, "ii", tree, conversation);
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		if (list->n == list->cap) {
			size_t cap = list->cap ? list->cap * 2 : 64;
			int64_t *grown = realloc(list->items, cap * sizeof(*grown));

			if (!grown) {
				rc = err_nomem(err, "messages", cap * sizeof(*grown));
				break;
			}
			list->items = grown;
			list->cap = cap;
		}
		list->items[list->n++] = sqlite3_column_int64(st, 0);
	}
	sql_done(st);
	return rc;
}

/* Children before parents, as the ids come. */
static int remove_messages(struct history *h, const struct id_list *list, bool indexed,
			   struct err *err)
{
	int rc = indexed ? 0 : chore_note(h, CHORE_INDEX, err);

	for (size_t i = 0; i < list->n && !rc; i++) {
		if (indexed)
			rc = index_forget(h, list->items[i], err);
		if (!rc)
			rc = sql_run(h, err, "DELETE FROM message WHERE id = ?", "i",
				     list->items[i]);
	}
	return rc;
}

/* What stays is from now on what the oldest of the other conversations said. */
static int hand_on(struct history *h, int64_t tree, int64_t conversation, struct err *err)
{
	int rc = sql_run(h, err,
			 "UPDATE run SET conversation_id = (SELECT min(id) FROM conversation"
			 " WHERE tree_id = ?1 AND id <> ?2) WHERE conversation_id = ?2"
			 " AND message_id IS NOT NULL",
			 "ii", tree, conversation);

	/* Of what was done of calls, that whose result stays. */
	if (!rc)
		rc = sql_run(h, err,
			     "DELETE FROM tool_run WHERE conversation_id = ? AND result_id IS NULL",
			     "i", conversation);
	if (!rc)
		rc = sql_run(h, err,
			     "UPDATE tool_run SET conversation_id = (SELECT min(id)"
			     " FROM conversation WHERE tree_id = ?1 AND id <> ?2)"
			     " WHERE conversation_id = ?2",
			     "ii", tree, conversation);
	if (!rc)
		rc = sql_run(h, err,
			     "UPDATE message SET conversation_id = (SELECT min(id)"
			     " FROM conversation WHERE tree_id = ?1 AND id <> ?2)"
			     " WHERE conversation_id = ?2",
			     "ii", tree, conversation);
	return rc;
}

static int remove_rows(struct history *h, int64_t conversation, bool indexed, struct err *err)
{
	struct id_list going = {0};
	int64_t tree = 0;
	int rc = sql_int(h, &tree, 0, err, "SELECT tree_id FROM conversation WHERE id = ?", "i",
			 conversation);

	if (!rc && !tree)
		return err_set(err, ERR_USAGE, "conversation %lld is not in the history",
			       (long long)conversation);
	if (!rc)
		rc = list_going(h, tree, conversation, &going, err);
	if (!rc)
		rc = sql_run(h, err, "DELETE FROM journal WHERE conversation_id = ?", "i",
			     conversation);
	if (!rc)
		rc = sql_run(h, err, "UPDATE conversation SET leaf_id = NULL WHERE id = ?", "i",
			     conversation);
	if (!rc)
		rc = remove_messages(h, &going, indexed, err);
	if (!rc)
		rc = hand_on(h, tree, conversation, err);
	if (!rc)
		rc = sql_run(h, err, "DELETE FROM conversation WHERE id = ?", "i",
			     conversation);
	if (!rc)
		rc = chore_note(h, CHORE_SCRUB, err);
	free(going.items);
	return rc;
}

/* Every page of the log into the file, and the log to length 0. */
static int empty_log(struct history *h, struct err *err)
{
	int64_t until = clock_ms() + h->wait_ms;

	h->stopped = false;
	for (;;) {
		int rc;

		h->copying = true;
		rc = sqlite3_wal_checkpoint_v2(h->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
					       NULL);
		h->copying = false;
		if (rc == SQLITE_OK)
			return 0;
		if (!sql_is_busy(h) || !watch_wait_till(h, until))
			return sql_fail(h, "cannot empty the log", err);
	}
}

static int scrub(struct history *h, struct err *err)
{
	int rc = index_optimize(h, err);

	if (!rc)
		rc = index_mend(h, err);
	if (!rc)
		rc = sql_exec(h, err, "VACUUM");
	if (!rc)
		rc = empty_log(h, err);
	if (!rc)
		rc = migrate_drop_backups(h, err);
	if (!rc)
		rc = chore_done(h, CHORE_SCRUB, err);
	return rc;
}

static int remove_in_one(struct history *h, int64_t id, bool indexed, struct err *err)
{
	int rc = indexed ? index_begin(h, err) : sql_begin(h, err);

	return rc ? rc : sql_end(h, remove_rows(h, id, indexed, err), err);
}

int history_forget(struct history *h, int64_t id, struct err *err)
{
	int rc;

	h->failed_code = 0;
	rc = remove_in_one(h, id, true, err);
	/* A damaged index is made anew without it. */
	if (rc == ERR_STORE && index_is_damage(h))
		rc = remove_in_one(h, id, false, err);
	return rc;
}

int history_remove(struct history *h, int64_t id, struct err *err)
{
	int rc = history_forget(h, id, err);

	if (rc)
		return rc;
	rc = scrub(h, err);
	if (rc)
		err_prefix(err, "removed, but bytes of it may still stand in the file until "
				"`dsv4chat history gc` has run");
	return rc;
}

int history_gc(struct history *h, struct err *err)
{
	return scrub(h, err);
}

int history_tidy(struct history *h, struct err *err)
{
	bool pending = false;
	int rc = chore_pending(h, CHORE_SCRUB, &pending, err);

	return !rc && pending ? scrub(h, err) : rc;
}
