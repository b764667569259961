/* Finding messages and conversations by what was said. */
#include <stdlib.h>

#include "engine/base/clock.h"
#include "history/chore.h"
#include "history/index.h"
#include "history/query.h"
#include "history/snippet.h"
#include "history/tree.h"

#define DEFAULT_LIMIT 50

/*
 * The index leads (CROSS JOIN), in the order it can give by itself, so that LIMIT ends the
 * work early.  rank: bm25, the smaller the better; newest first sorts by the part's id.
 */
#define SEARCH(t, kinds, rank, order)                                                          \
	"SELECT p.id, m.conversation_id, m.id, c.uid, c.title, m.role, p.kind, m.created_ms,"  \
	" CASE WHEN ?4 THEN p.text ELSE '' END, " rank " FROM " t                              \
	" CROSS JOIN part p ON p.id = " t ".rowid"                                             \
	" CROSS JOIN message m ON m.id = p.message_id"                                         \
	" CROSS JOIN conversation c ON c.id = m.conversation_id"                               \
	" WHERE " t " MATCH ?1" kinds " AND (?2 = 0 OR c.id = ?2) ORDER BY " order " LIMIT ?3"

struct scope {
	unsigned bit;
	const char *newest, *best;
};

#define SCOPE(bit, t, kinds)                                                                   \
	{                                                                                      \
		bit, SEARCH(t, kinds, "0.0", t ".rowid DESC"),                                 \
			SEARCH(t, kinds, t ".rank", t ".rank")                                 \
	}

static const struct scope scopes[] = {
	SCOPE(HISTORY_IN_SAID, "said", ""),
	/* What came along with a question was said, too; its index is the tools'. */
	SCOPE(HISTORY_IN_SAID, "tools", " AND p.kind = 'attachment'"),
	SCOPE(HISTORY_IN_THINKING, "thinking", ""),
	SCOPE(HISTORY_IN_TOOLS, "tools", " AND p.kind <> 'attachment'"),
};

/* A hit with what orders it among those of other scopes. */
struct found {
	struct history_hit hit;
	int64_t part;
	double rank;
};

struct all_found {
	struct found *items;
	size_t n, cap;
};

static void hit_release(struct history_hit *hit)
{
	free(hit->title);
	free(hit->snippet);
}

void history_hits_release(struct history_hits *hits)
{
	for (size_t i = 0; i < hits->n; i++)
		hit_release(&hits->items[i]);
	free(hits->items);
	*hits = (struct history_hits){0};
}

/* A query as the index and as the snippets want it. */
struct asked {
	const struct history_query *q;
	struct buf expression;
	struct finder finder;
	size_t limit;
};

static int add_found(struct history *h, const struct asked *a, struct all_found *all,
		     sqlite3_stmt *st, struct err *err)
{
	struct found *f;
	struct buf title = {0}, snippet = {0};
	const char *uid = (const char *)sqlite3_column_text(st, 3);

	if (all->n == all->cap) {
		size_t cap = all->cap ? all->cap * 2 : 64;

		f = realloc(all->items, cap * sizeof(*f));
		if (!f)
			return err_nomem(err, "hits", cap * sizeof(*f));
		all->items = f;
		all->cap = cap;
	}
	f = &all->items[all->n];
	*f = (struct found){.part = sqlite3_column_int64(st, 0),
			    .rank = sqlite3_column_double(st, 9)};
	f->hit.conversation = sqlite3_column_int64(st, 1);
	f->hit.message = sqlite3_column_int64(st, 2);
	snprintf(f->hit.uid, sizeof(f->hit.uid), "%s", uid ? uid : "");
	f->hit.created_ms = sqlite3_column_int64(st, 7);
	if (!history_role_from_name(sql_str(st, 5), &f->hit.role) ||
	    !history_kind_from_name(sql_str(st, 6), &f->hit.kind))
		return err_set(err, ERR_STORE, "message %lld: unknown role or kind",
			       (long long)f->hit.message);
	history_clean_title(&title, sql_str(st, 4), HISTORY_TITLE_CHARS);
	buf_reserve(&title, 1);
	f->hit.title = buf_detach(&title);
	if (!a->q->bare && snippet_add(&snippet, h, &a->finder, sql_str(st, 8))) {
		buf_release(&snippet);
		hit_release(&f->hit);
		return err_set(err, ERR_CANCELLED, "%s: the search was given up", h->path);
	}
	buf_reserve(&snippet, 1);
	f->hit.snippet = buf_detach(&snippet);
	if (!f->hit.title || !f->hit.snippet) {
		hit_release(&f->hit);
		return err_nomem(err, "hit", sizeof(*f));
	}
	all->n++;
	return 0;
}

static int search_scope(struct history *h, const char *sql, const struct asked *a,
			struct all_found *all, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err, sql, "siii", buf_str(&a->expression),
				   a->q->conversation, (int64_t)a->limit, (int64_t)!a->q->bare);
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		rc = add_found(h, a, all, st, err);
		if (rc)
			break;
	}
	sql_done(st);
	return rc;
}

static int before(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->part == y->part ? 0 : x->part > y->part ? -1 : 1;
}

static void drop_found(struct all_found *all)
{
	for (size_t i = 0; i < all->n; i++)
		hit_release(&all->items[i].hit);
	free(all->items);
	*all = (struct all_found){0};
}

static int search_scopes(struct history *h, const struct asked *a, struct all_found *all,
			 struct err *err)
{
	unsigned in = a->q->scopes ? a->q->scopes : HISTORY_IN_SAID;
	int rc = 0;

	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]) && !rc; i++) {
		if (in & scopes[i].bit)
			rc = search_scope(h, a->q->by_rank ? scopes[i].best : scopes[i].newest,
					  a, all, err);
	}
	return rc;
}

/* A damaged index is made anew, and what stands in it then is searched. */
static int search_mended(struct history *h, const struct asked *a, struct all_found *all,
			 struct err *err)
{
	struct err why = {0};
	int rc;

	drop_found(all);
	rc = chore_note(h, CHORE_INDEX, &why);
	if (!rc)
		rc = index_mend(h, &why);
	if (!rc)
		return search_scopes(h, a, all, err);
	return err_set(err, rc, "the search is damaged, and can't be made anew: %s", why.text);
}

static int search(struct history *h, const struct asked *a, struct all_found *all,
		  struct err *err)
{
	struct err ignored;
	int rc;

	/* What can't be caught up with now leaves a search in what is known. */
	if (!index_catch_up(h, &ignored))
		index_mend(h, &ignored);
	h->failed_code = 0;
	rc = search_scopes(h, a, all, err);
	if (rc == ERR_STORE && index_is_damage(h))
		rc = search_mended(h, a, all, err);
	return rc;
}

/* The best `limit` of all that was found; the rest is let go. */
static int take_hits(struct all_found *all, size_t limit, struct history_hits *out,
		     struct err *err)
{
	if (!all->n)
		return 0;
	out->items = calloc(all->n, sizeof(*out->items));
	if (!out->items)
		return err_nomem(err, "hits", all->n * sizeof(*out->items));
	qsort(all->items, all->n, sizeof(*all->items), before);
	while (out->n < all->n && out->n < limit) {
		out->items[out->n] = all->items[out->n].hit;
		all->items[out->n++].hit = (struct history_hit){0};
	}
	return 0;
}

int history_search(struct history *h, const struct history_query *q, struct history_hits *out,
		   struct err *err)
{
	size_t limit = q->limit && q->limit < 1000000 ? q->limit : DEFAULT_LIMIT;
	struct asked asked = {.q = q, .limit = limit};
	struct all_found all = {0};
	int rc;

	*out = (struct history_hits){0};
	h->timed_out = false;
	h->search_until = q->within_ms > 0 ? clock_ms() + q->within_ms : 0;
	rc = query_make(&asked.expression, q->text, err);
	if (!rc)
		rc = finder_init(&asked.finder, q->text, err);
	if (!rc)
		rc = search(h, &asked, &all, err);
	/* Whatever ended for the time's sake: what was found until then is the answer. */
	if (rc && rc != ERR_NOMEM && h->timed_out) {
		out->cut = true;
		rc = 0;
	}
	h->search_until = 0;
	buf_release(&asked.expression);
	finder_release(&asked.finder);
	if (!rc)
		rc = take_hits(&all, limit, out, err);
	drop_found(&all);
	return rc;
}
