/* Conversations as rows: listing, finding, naming. */
#include <stdlib.h>

#include "engine/base/clock.h"
#include "history/tree.h"

/* For another process, where nobody asked for the write. */
#define UNASKED_WAIT_MS 20

#define CONVERSATION_COLUMNS                                                                   \
	"c.id, c.uid, c.title, c.title_from, c.pinned, c.archived, c.created_ms,"              \
	" c.updated_ms, coalesce(l.depth + 1, 0), coalesce(f.conversation_id, 0),"             \
	" coalesce(c.forked_at, 0)"
#define CONVERSATION_TABLES                                                                    \
	" FROM conversation c LEFT JOIN message l ON l.id = c.leaf_id"                         \
	" LEFT JOIN message f ON f.id = c.forked_at"

void history_list_release(struct history_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i].title);
	free(list->items);
	*list = (struct history_list){0};
}

static int read_conversation(sqlite3_stmt *st, struct history_conversation *c, struct err *err)
{
	struct buf title = {0};
	const char *uid = (const char *)sqlite3_column_text(st, 1);

	*c = (struct history_conversation){
		.id = sqlite3_column_int64(st, 0),
		.pinned = sqlite3_column_int(st, 4) != 0,
		.archived = sqlite3_column_int(st, 5) != 0,
		.created_ms = sqlite3_column_int64(st, 6),
		.updated_ms = sqlite3_column_int64(st, 7),
		.n_messages = sqlite3_column_int64(st, 8),
		.forked_from = sqlite3_column_int64(st, 9),
		.forked_at = sqlite3_column_int64(st, 10),
	};
	snprintf(c->uid, sizeof(c->uid), "%s", uid ? uid : "");
	if (!history_title_origin_from_name(sql_str(st, 3), &c->title_from))
		c->title_from = HISTORY_TITLE_PROMPT;
	/* Cleaned again: the file may have been written by other hands. */
	history_clean_title(&title, sql_str(st, 2), HISTORY_TITLE_CHARS);
	buf_reserve(&title, 1);
	c->title = buf_detach(&title);
	return c->title ? 0 : err_nomem(err, "title", HISTORY_TITLE_CHARS);
}

/* Rows of the conversation columns; a NULL statement passes its failure on. */
static int read_list(struct history *h, sqlite3_stmt *st, struct history_list *out,
		     struct err *err)
{
	size_t cap = 0;
	int rc;

	*out = (struct history_list){0};
	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		if (out->n == cap) {
			struct history_conversation *grown;

			cap = cap ? cap * 2 : 64;
			grown = realloc(out->items, cap * sizeof(*grown));
			if (!grown) {
				rc = err_nomem(err, "list", cap * sizeof(*grown));
				break;
			}
			out->items = grown;
		}
		rc = read_conversation(st, &out->items[out->n], err);
		if (rc)
			break;
		out->n++;
	}
	sql_done(st);
	if (rc)
		history_list_release(out);
	return rc;
}

int history_list(struct history *h, enum history_which which, size_t limit,
		 struct history_list *out, struct err *err)
{
	int64_t all = which == HISTORY_ALL, archived = which == HISTORY_ARCHIVED;
	int64_t n = limit && limit < INT64_MAX ? (int64_t)limit : -1;

	return read_list(
		h,
		sql_get(h, err,
			"SELECT " CONVERSATION_COLUMNS CONVERSATION_TABLES
			" WHERE (?1 OR c.archived = ?2)"
			" ORDER BY c.pinned DESC, c.updated_ms > ?4, c.updated_ms DESC,"
			" c.id DESC LIMIT ?3",
			"iiii", all, archived, n, clock_wall_ms() + AHEAD_MS),
		out, err);
}

int history_get(struct history *h, int64_t id, struct history_list *out, struct err *err)
{
	return read_list(h,
			 sql_get(h, err,
				 "SELECT " CONVERSATION_COLUMNS CONVERSATION_TABLES
				 " WHERE c.id = ?",
				 "i", id),
			 out, err);
}

int history_last(struct history *h, int64_t *id, struct err *err)
{
	return sql_int(h, id, 0, err,
		       "SELECT id FROM conversation WHERE archived = 0"
		       " ORDER BY updated_ms > ?1, updated_ms DESC, id DESC LIMIT 1",
		       "i", clock_wall_ms() + AHEAD_MS);
}

/* Each way to mean a conversation; the first under which anything is found decides. */
static const char *const ways[] = {
	"SELECT " CONVERSATION_COLUMNS CONVERSATION_TABLES
	" WHERE c.uid >= lower(?1) AND c.uid < lower(?1) || '{' LIMIT 6",
	"SELECT " CONVERSATION_COLUMNS CONVERSATION_TABLES
	" WHERE folded(c.title) = folded(?1) ORDER BY c.updated_ms DESC LIMIT 6",
	"SELECT " CONVERSATION_COLUMNS CONVERSATION_TABLES
	" WHERE instr(folded(c.title), folded(?1)) > 0 ORDER BY c.updated_ms DESC LIMIT 6",
};

static int several(const struct history_list *found, const char *name, struct err *err)
{
	struct buf text = {0};
	int rc;

	buf_addf(&text, "\"%s\" means several conversations:", name);
	for (size_t i = 0; i < found->n && i < 5; i++)
		buf_addf(&text, "%s %s \"%s\"", i ? "," : "", found->items[i].uid,
			 found->items[i].title);
	buf_addz(&text, found->n > 5 ? ", and more" : "");
	rc = err_set(err, ERR_USAGE, "%s", buf_z(&text));
	buf_release(&text);
	return rc;
}

int history_find(struct history *h, const char *name, int64_t *id, struct err *err)
{
	struct history_list found = {0};
	int rc = 0;

	*id = 0;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && *name && !rc && !found.n; i++)
		rc = read_list(h, sql_get(h, err, ways[i], "z", name), &found, err);
	if (!rc && found.n == 0)
		rc = err_set(err, ERR_USAGE, "no conversation is called \"%s\"", name);
	else if (!rc && found.n > 1)
		rc = several(&found, name, err);
	else if (!rc)
		*id = found.items[0].id;
	history_list_release(&found);
	return rc;
}

static int changed_one(struct history *h, int64_t id, int rc, struct err *err)
{
	if (!rc && sqlite3_changes(h->db) == 0)
		rc = err_set(err, ERR_USAGE, "conversation %lld is not in the history",
			     (long long)id);
	return rc;
}

int history_set_title(struct history *h, int64_t id, struct str title,
		      enum history_title_from from, struct err *err)
{
	struct buf clean = {0};
	int wait_ms = h->wait_ms, rc;

	history_clean_title(&clean, title, HISTORY_TITLE_CHARS);
	if (from != HISTORY_TITLE_USER && wait_ms > UNASKED_WAIT_MS)
		history_set_wait_ms(h, UNASKED_WAIT_MS);
	if (buf_failed(&clean))
		rc = err_nomem(err, "title", title.n);
	else if (clean.len == 0)
		rc = err_set(err, ERR_USAGE, "a title needs at least one visible character");
	else if (from == HISTORY_TITLE_USER)
		rc = changed_one(h, id,
				 sql_run(h, err,
					 "UPDATE conversation SET title = ?, title_from = ?"
					 " WHERE id = ?",
					 "szi", buf_str(&clean),
					 history_title_origin_name(from), id),
				 err);
	else
		rc = sql_run(h, err,
			     "UPDATE conversation SET title = ?, title_from = ?"
			     " WHERE id = ? AND title_from <> 'user'",
			     "szi", buf_str(&clean), history_title_origin_name(from), id);
	history_set_wait_ms(h, wait_ms);
	buf_release(&clean);
	return rc;
}

int history_set_pinned(struct history *h, int64_t id, bool on, struct err *err)
{
	return changed_one(h, id,
			   sql_run(h, err, "UPDATE conversation SET pinned = ? WHERE id = ?",
				   "ii", (int64_t)on, id),
			   err);
}

int history_set_archived(struct history *h, int64_t id, bool on, struct err *err)
{
	return changed_one(h, id,
			   sql_run(h, err, "UPDATE conversation SET archived = ? WHERE id = ?",
				   "ii", (int64_t)on, id),
			   err);
}
