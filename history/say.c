/* Messages into the file. */

#include "engine/base/clock.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"
#include "history/index.h"
#include "history/seal.h"
#include "history/tool_run.h"
#include "history/tree.h"

#define TITLE_MAX_BYTES 200

void history_clean_title(struct buf *out, struct str s, size_t max_chars)
{
	bool space = false;
	size_t n_chars = 0, at = 0;

	while (at < s.n && n_chars < max_chars && out->len < TITLE_MAX_BYTES) {
		uint32_t cp;
		int n = utf8_decode(s.p + at, s.n - at, &cp);
		char c[4];

		if (n <= 0) {
			at += n ? (size_t)-n : s.n - at;
			cp = 0xfffd;
		} else {
			at += (size_t)n;
		}
		if (cp <= 0x20 || (cp >= 0x7f && cp <= 0xa0) || cp == 0x2028 || cp == 0x2029) {
			space = out->len > 0;
			continue;
		}
		if (cp != 0xfffd && termsafe_map(cp) != cp)
			continue;
		if (space)
			buf_addc(out, ' ');
		space = false;
		buf_add(out, c, utf8_encode(cp, c));
		n_chars++;
	}
}

static void title_from_parts(struct buf *out, const struct history_message *m)
{
	for (size_t i = 0; i < m->n_parts && out->len == 0; i++) {
		if (m->parts[i].kind == HISTORY_TEXT)
			history_clean_title(out, m->parts[i].text, HISTORY_PROMPT_TITLE_CHARS);
	}
	for (size_t i = 0; i < m->n_parts && out->len == 0; i++) {
		if (m->parts[i].kind == HISTORY_ATTACHMENT)
			history_clean_title(out, m->parts[i].name, HISTORY_PROMPT_TITLE_CHARS);
	}
}

int tree_write_conversation(struct history_tree *t, int64_t *conversation, int64_t *tree_id,
			    int64_t created_ms, struct err *err)
{
	struct history *h = t->h;
	int rc;

	rc = sql_run(h, err,
		     "INSERT INTO conversation (uid, title, title_from, tree_id, forked_at,"
		     " created_ms, updated_ms) VALUES (?, '', 'prompt', ?, ?, ?, ?)",
		     "zioii", t->uid, t->tree_id, t->forked_at, created_ms, created_ms);
	if (rc)
		return rc;
	*conversation = sqlite3_last_insert_rowid(h->db);
	*tree_id = t->tree_id;
	if (t->tree_id)
		return 0;
	/* A tree has the number of the conversation that began it: ids are never used twice. */
	*tree_id = *conversation;
	return sql_run(h, err, "UPDATE conversation SET tree_id = ? WHERE id = ?", "ii",
		       *tree_id, *conversation);
}

/* The message's row, sealed. */
static int write_row(struct history *h, const struct history_message *m, int64_t tree_id,
		     int64_t conversation, int64_t parent, size_t depth, struct err *err)
{
	const int32_t *ids = m->foreign ? m->foreign->ids : m->ids;
	size_t n_ids = m->foreign ? m->foreign->n_ids : m->n_ids;
	struct buf bytes = {0}, scratch = {0};
	unsigned char seal[SEAL_BYTES];
	int rc;

	sql_add_le32(&bytes, ids, n_ids);
	rc = buf_failed(&bytes) ? err_nomem(err, "message", n_ids * sizeof(*ids))
				: seal_of(m, ids, n_ids, &scratch, seal, err);
	if (!rc)
		rc = sql_run(h, err,
			     "INSERT INTO message (tree_id, conversation_id, parent_id, depth,"
			     " role, created_ms, token_ids, seal, foreign_ids)"
			     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			     "iioizibbi", tree_id, conversation, parent, (int64_t)depth,
			     history_role_name(m->role), m->created_ms,
			     ids ? (const void *)buf_z(&bytes) : NULL, bytes.len,
			     (const void *)seal, (size_t)SEAL_BYTES,
			     (int64_t)(m->foreign != NULL));
	buf_release(&bytes);
	buf_release(&scratch);
	return rc;
}

int tree_write(struct history_tree *t, const struct history_message *m, int64_t parent,
	       size_t depth, int64_t *conversation, int64_t *tree_id, int64_t *id,
	       struct err *err)
{
	struct history *h = t->h;
	struct buf title = {0};
	int rc = 0;

	*conversation = t->conversation;
	*tree_id = t->tree_id;
	if (!*conversation)
		rc = tree_write_conversation(t, conversation, tree_id, m->created_ms, err);
	if (rc)
		return rc;
	if (!t->titled && m->role == HISTORY_USER)
		title_from_parts(&title, m);
	if (buf_failed(&title))
		rc = err_nomem(err, "title", title.len);
	if (!rc)
		rc = write_row(h, m, *tree_id, *conversation, parent, depth, err);
	if (!rc)
		*id = sqlite3_last_insert_rowid(h->db);
	for (size_t i = 0; i < m->n_parts && !rc; i++)
		rc = index_write_part(h, *id, (int64_t)i, history_kind_name(m->parts[i].kind),
				      &m->parts[i], err);
	if (!rc && title.len)
		rc = sql_run(h, err,
			     "UPDATE conversation SET title = ? WHERE id = ?"
			     " AND title = ''",
			     "si", buf_str(&title), *conversation);
	buf_release(&title);
	return rc;
}

int tree_write_leaf(struct history *h, int64_t conversation, int64_t leaf, struct err *err)
{
	int64_t now = clock_wall_ms();
	int rc = sql_run(h, err,
			 "UPDATE conversation SET leaf_id = ?1, updated_ms = CASE"
			 " WHEN updated_ms > ?3 THEN ?2 ELSE max(updated_ms, ?2) END"
			 " WHERE id = ?4",
			 "iiii", leaf, now, now + AHEAD_MS, conversation);

	if (!rc && sqlite3_changes(h->db) == 0)
		rc = err_set(err, ERR_STORE,
			     "%s: the conversation was removed from the history meanwhile",
			     h->path);
	return rc;
}

int tree_write_run(struct history *h, int64_t conversation, int64_t message,
		   const struct history_run *r, int64_t *id, struct err *err)
{
	int rc = sql_run(
		h, err,
		"INSERT INTO run (conversation_id, message_id, model, identity, build, device,"
		" effort, prefill, temperature, top_p, min_p, top_k, seed, max_tokens,"
		" ctx_tokens, resumed_tokens, started_ms)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"iozzzzzzdddiiiiii", conversation, message, r->model, r->identity, r->build,
		r->device, r->effort, r->prefill, r->temperature, r->top_p, r->min_p, r->top_k,
		(int64_t)r->seed, r->max_tokens, r->ctx_tokens, r->resumed_tokens,
		r->started_ms ? r->started_ms : clock_wall_ms());

	if (!rc)
		*id = sqlite3_last_insert_rowid(h->db);
	return rc;
}

int tree_finish_run(struct history *h, int64_t id, int64_t message, const struct history_run *r,
		    struct err *err)
{
	return sql_run(h, err,
		       "UPDATE run SET message_id = ?, finished_ms = ?, stop = ?,"
		       " prompt_tokens = ?, cached_tokens = ?, thinking_tokens = ?,"
		       " output_tokens = ?, drafted = ?, accepted = ?, prefill_ms = ?,"
		       " decode_ms = ?, total_ms = ?, thinking_ended = ?, disk_tokens = ?,"
		       " disk_ms = ?, steps = ?, drafts = ? WHERE id = ?",
		       "iiziiiiiiiiiiiiizi", message,
		       r->finished_ms ? r->finished_ms : clock_wall_ms(), r->stop,
		       r->prompt_tokens, r->cached_tokens, r->thinking_tokens, r->output_tokens,
		       r->drafted, r->accepted, r->prefill_ms, r->decode_ms, r->total_ms,
		       r->thinking_ended, r->disk_tokens, r->disk_ms, r->steps, r->drafts, id);
}

static int write_all(struct history_tree *t, const struct history_message *m,
		     int64_t *conversation, int64_t *tree_id, int64_t *id, struct err *err)
{
	int64_t run = 0;
	int rc;

	rc = tree_write(t, m, t->leaf ? t->leaf->id : 0, t->leaf ? t->leaf->depth + 1 : 0,
			conversation, tree_id, id, err);
	if (!rc && m->run)
		rc = tree_write_run(t->h, *conversation, *id, m->run, &run, err);
	if (!rc && m->run)
		rc = tree_finish_run(t->h, run, *id, m->run, err);
	if (!rc)
		rc = tree_write_leaf(t->h, *conversation, *id, err);
	return rc;
}

/* `call`: whose result it is; NULL: of none. */
static int say(struct history_tree *t, const struct history_message *m,
	       const struct history_call *call, const struct history_message **out,
	       struct err *err)
{
	struct history_message *copy = tree_copy(t, m);
	int64_t conversation = 0, tree_id = 0, id = 0;
	int rc;

	if (!copy)
		return err_nomem(err, "message", sizeof(*copy));
	if (!copy->created_ms)
		copy->created_ms = clock_wall_ms();
	/* The writing comes first: it can fail, and then nothing has changed. */
	rc = tree_reserve(t, err);
	if (!rc)
		rc = sql_begin(t->h, err);
	if (rc)
		return rc;
	rc = write_all(t, copy, &conversation, &tree_id, &id, err);
	if (!rc && call)
		rc = tool_run_end(t->h, conversation, id, call, err);
	rc = sql_end(t->h, rc, err);
	if (rc)
		return rc;
	tree_adopt(t, copy, t->leaf, conversation, tree_id, id);
	if (out)
		*out = copy;
	return 0;
}

int history_tree_say(struct history_tree *t, const struct history_message *m,
		     const struct history_message **out, struct err *err)
{
	return say(t, m, NULL, out, err);
}

int history_call_say(struct history_tree *t, const struct history_message *m,
		     const struct history_call *c, const struct history_message **out,
		     struct err *err)
{
	return say(t, m, c, out, err);
}

static int write_fork(struct history_tree *t, struct str title, enum history_title_from from,
		      int64_t *conversation, struct err *err)
{
	struct buf clean = {0};
	int64_t tree_id;
	int rc;

	history_clean_title(&clean, title, HISTORY_TITLE_CHARS);
	rc = buf_failed(&clean) ? err_nomem(err, "title", title.n)
				: tree_write_conversation(t, conversation, &tree_id,
							  clock_wall_ms(), err);
	if (!rc)
		rc = tree_write_leaf(t->h, *conversation, t->leaf->id, err);
	if (!rc && clean.len)
		rc = sql_run(t->h, err,
			     "UPDATE conversation SET title = ?, title_from = ? WHERE id = ?",
			     "szi", buf_str(&clean), history_title_origin_name(from),
			     *conversation);
	buf_release(&clean);
	return rc;
}

int history_tree_keep(struct history_tree *t, struct str title, enum history_title_from from,
		      struct err *err)
{
	int64_t conversation = 0;
	int rc;

	if (t->conversation || !t->leaf || !t->tree_id)
		return 0;
	rc = sql_begin(t->h, err);
	if (rc)
		return rc;
	rc = write_fork(t, title, from, &conversation, err);
	rc = sql_end(t->h, rc, err);
	if (rc)
		return rc;
	t->conversation = conversation;
	t->titled = title.n > 0;
	return 0;
}

void tree_adopt(struct history_tree *t, struct history_message *m,
		struct history_message *parent, int64_t conversation, int64_t tree_id,
		int64_t id)
{
	t->conversation = conversation;
	t->tree_id = tree_id;
	if (m->role == HISTORY_USER)
		t->titled = true;
	m->id = id;
	m->conversation = conversation;
	tree_link(t, m, parent);
	t->leaf = m;
}
