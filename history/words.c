/* Cutting text into folded words, and the tokenizer that FTS5 calls for it. */
#include "history/words.h"

#include <limits.h>
#include <string.h>

#include "engine/base/fold.h"
#include "engine/base/utf8.h"

struct walk {
	word_fn *fn;
	void *ctx;
	char word[WORD_MAX_BYTES];
	size_t n, from, to;
	enum fold_sign open; /* FOLD_BREAK: nothing is; else FOLD_WORD or FOLD_ALONE */
	bool hangul;         /* what is open began with a Hangul letter */
	int rc;
};

static void close_word(struct walk *w)
{
	if (w->open != FOLD_BREAK && w->n && !w->rc)
		w->rc = w->fn(w->ctx, w->word, w->n, w->from, w->to);
	w->open = FOLD_BREAK;
	w->n = 0;
}

static void append(struct walk *w, uint32_t cp, size_t to)
{
	char bytes[4];
	size_t n = utf8_encode(cp, bytes);

	if (w->n + n <= sizeof(w->word)) {
		memcpy(w->word + w->n, bytes, n);
		w->n += n;
	}
	w->to = to;
}

/* One folded character, which came from the source's bytes [from, to). */
static void take(struct walk *w, uint32_t cp, size_t from, size_t to)
{
	enum fold_sign sign = fold_sign(cp);

	switch (sign) {
	case FOLD_BREAK:
		close_word(w);
		return;
	case FOLD_NOTHING:
		if (w->open != FOLD_BREAK)
			w->to = to;
		return;
	case FOLD_ON:
		if (w->open != FOLD_BREAK)
			append(w, cp, to);
		return;
	case FOLD_WORD:
		if (w->open != FOLD_WORD)
			close_word(w);
		break;
	case FOLD_ALONE:
		if (w->open == FOLD_ALONE && w->hangul && fold_is_hangul_rest(cp))
			break;
		close_word(w);
		break;
	}
	if (w->open == FOLD_BREAK) {
		w->open = sign;
		w->from = from;
		w->hangul = fold_is_hangul_letter(cp);
	}
	append(w, cp, to);
}

static void take_folded(struct walk *w, uint32_t cp, size_t from, size_t to)
{
	uint32_t folded[FOLD_MAX];
	size_t n = fold_char(cp, folded);

	for (size_t i = 0; i < n; i++)
		take(w, folded[i], from, to);
}

int words_each(struct str text, word_fn *fn, void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx, .open = FOLD_BREAK};
	size_t at = 0;

	while (at < text.n && !w.rc) {
		unsigned char c = (unsigned char)text.p[at];
		uint32_t cp;
		int n;

		if (c < 0x80) {
			bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

			if (letter)
				take(&w, c | 32u, at, at + 1);
			else
				take(&w, c, at, at + 1);
			at++;
			continue;
		}
		n = utf8_decode(text.p + at, text.n - at, &cp);
		if (n <= 0) {
			close_word(&w);
			at += n ? (size_t)-n : text.n - at;
			continue;
		}
		take_folded(&w, cp, at, at + (size_t)n);
		at += (size_t)n;
	}
	close_word(&w);
	return w.rc;
}

static int stop_at_first(void *ctx, const char *word, size_t n, size_t from, size_t to)
{
	(void)ctx, (void)word, (void)n, (void)from, (void)to;
	return 1;
}

bool words_any(struct str text)
{
	return words_each(text, stop_at_first, NULL) != 0;
}

/* -- as FTS5 calls it ---------------------------------------------------------- */

struct fts_call {
	int (*token)(void *, int, const char *, int, int, int);
	void *ctx;
};

static int hand_over(void *ctx, const char *word, size_t n, size_t from, size_t to)
{
	struct fts_call *call = ctx;

	return call->token(call->ctx, 0, word, (int)n, (int)from, (int)to);
}

static int tokenize(Fts5Tokenizer *self, void *ctx, int flags, const char *text, int n,
		    int (*token)(void *, int, const char *, int, int, int))
{
	struct fts_call call = {token, ctx};

	(void)self, (void)flags;
	return n > 0 ? words_each((struct str){text, (size_t)n}, hand_over, &call) : SQLITE_OK;
}

/* It keeps no state; FTS5 only asks that the pointer is not NULL. */
static int create(void *ctx, const char **args, int n_args, Fts5Tokenizer **out)
{
	static char nothing;

	(void)ctx, (void)args, (void)n_args;
	*out = (Fts5Tokenizer *)&nothing;
	return SQLITE_OK;
}

static void destroy(Fts5Tokenizer *self)
{
	(void)self;
}

/* folded(TEXT) of SQL */
static void sql_folded(sqlite3_context *ctx, int n_args, sqlite3_value **args)
{
	const char *text = (const char *)sqlite3_value_text(args[0]);
	struct buf out = {0};

	(void)n_args;
	fold_add(&out, (struct str){text, text ? (size_t)sqlite3_value_bytes(args[0]) : 0});
	if (buf_failed(&out) || (!text && sqlite3_value_type(args[0]) != SQLITE_NULL))
		sqlite3_result_error_nomem(ctx);
	else if (text)
		sqlite3_result_text64(ctx, buf_z(&out), out.len, SQLITE_TRANSIENT, SQLITE_UTF8);
	buf_release(&out);
}

int words_register(struct history *h, struct err *err)
{
	fts5_tokenizer words = {.xCreate = create, .xDelete = destroy, .xTokenize = tokenize};
	sqlite3_stmt *st = NULL;
	fts5_api *api = NULL;
	int rc;

	rc = sqlite3_prepare_v2(h->db, "SELECT fts5(?1)", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_pointer(st, 1, (void *)&api, "fts5_api_ptr", NULL);
		sqlite3_step(st);
		rc = sqlite3_finalize(st);
	}
	/* SQLITE_ERROR: no such function */
	if (rc != SQLITE_OK && rc != SQLITE_ERROR)
		return sql_fail(h, "cannot set the search up", err);
	if (rc != SQLITE_OK || !api)
		return err_set(err, ERR_STORE, "SQLite %s has no full-text search (FTS5)",
			       sqlite3_libversion());
	rc = api->xCreateTokenizer(api, "dsv4chat", NULL, &words, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(h->db, "folded", 1,
						SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
						sql_folded, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : sql_fail(h, "cannot set the search up", err);
}
