/* Making and checking seals. */
#include "history/seal.h"

#include <string.h>
#include <xxhash.h>

#include "history/tree.h"

static void add_le64(struct buf *b, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		buf_addc(b, (char)(v >> 8 * i & 255));
}

static void add_str(struct buf *b, struct str s)
{
	add_le64(b, s.n);
	buf_adds(b, s);
}

static void add_head(struct buf *b, struct str role, int64_t created_ms)
{
	buf_reset(b);
	add_str(b, role);
	add_le64(b, (uint64_t)created_ms);
}

static int finish(const struct buf *b, unsigned char out[SEAL_BYTES], struct err *err)
{
	XXH128_canonical_t canonical;

	if (buf_failed(b))
		return err_nomem(err, "message", b->len);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(b->data, b->len));
	memcpy(out, canonical.digest, SEAL_BYTES);
	return 0;
}

int seal_of(const struct history_message *m, const int32_t *ids, size_t n_ids,
	    struct buf *scratch, unsigned char out[SEAL_BYTES], struct err *err)
{
	add_head(scratch, str_of(history_role_name(m->role)), m->created_ms);
	add_le64(scratch, (uint64_t)n_ids * sizeof(*ids));
	sql_add_le32(scratch, ids, n_ids);
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct history_part *p = &m->parts[i];

		add_str(scratch, str_of(history_kind_name(p->kind)));
		add_str(scratch, p->name);
		add_str(scratch, p->ref);
		add_str(scratch, p->text);
		add_str(scratch, p->info);
	}
	return finish(scratch, out, err);
}

/* -- over the file ----------------------------------------------------------------- */

static int add_stored_parts(struct history *h, int64_t message, struct buf *b, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err,
				   "SELECT kind, name, ref, text, info FROM part"
				   " WHERE message_id = ? ORDER BY seq",
				   "i", message);
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		for (int i = 0; i < 5; i++)
			add_str(b, sql_str(st, i));
	}
	return rc;
}

/* The message in the row of (id, role, created_ms, token_ids). */
static int seal_row(struct history *h, sqlite3_stmt *st, struct buf *scratch,
		    unsigned char out[SEAL_BYTES], struct err *err)
{
	int rc;

	add_head(scratch, sql_str(st, 1), sqlite3_column_int64(st, 2));
	add_str(scratch, sql_str(st, 3));
	rc = add_stored_parts(h, sqlite3_column_int64(st, 0), scratch, err);
	return rc ? rc : finish(scratch, out, err);
}

#define COLUMNS "SELECT id, role, created_ms, token_ids, seal FROM message"

static int keep(struct history *h, int64_t message, const unsigned char seal[SEAL_BYTES],
		struct err *err)
{
	return sql_run(h, err, "UPDATE message SET seal = ? WHERE id = ?", "bi",
		       (const void *)seal, (size_t)SEAL_BYTES, message);
}

int seal_stored(struct history *h, int64_t message, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err, COLUMNS " WHERE id = ?", "i", message);
	unsigned char seal[SEAL_BYTES];
	struct buf scratch = {0};
	int rc = st ? sql_row(h, st, err) : err->code;

	if (rc <= 0)
		return rc;
	rc = seal_row(h, st, &scratch, seal, err);
	buf_release(&scratch);
	sql_done(st);
	return rc ? rc : keep(h, message, seal, err);
}

int seal_missing(struct history *h, struct err *err)
{
	int64_t id = 0;
	int rc;

	for (;;) {
		rc = sql_int(h, &id, 0, err,
			     "SELECT min(id) FROM message WHERE id > ? AND seal IS NULL", "i",
			     id);
		if (rc || !id)
			return rc;
		rc = seal_stored(h, id, err);
		if (rc)
			return rc;
	}
}

int seal_check(struct history *h, struct buf *problems, size_t *n, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err, COLUMNS, "");
	struct buf scratch = {0};
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		unsigned char seal[SEAL_BYTES];
		struct str kept = sql_str(st, 4);

		rc = seal_row(h, st, &scratch, seal, err);
		if (rc)
			break;
		if (kept.n == SEAL_BYTES && memcmp(kept.p, seal, SEAL_BYTES) == 0)
			continue;
		buf_addf(problems, "message %lld: it is not what was written\n",
			 (long long)sqlite3_column_int64(st, 0));
		(*n)++;
	}
	buf_release(&scratch);
	sql_done(st);
	return rc;
}
