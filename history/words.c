/* Cutting text into words, folding them, and the tokenizer that FTS5 calls for it. */
#include "history/words.h"

#include <limits.h>
#include <string.h>
#include <utf8proc.h>

#include "engine/base/utf8.h"

struct range {
	uint32_t from, to;
};

/* Scripts that put no spaces between words. */
static const struct range unspaced[] = {
	{0x0e00, 0x0eff},   /* Thai, Lao */
	{0x1000, 0x109f},   /* Myanmar */
	{0x1100, 0x11ff},   /* Hangul letters */
	{0x1780, 0x17ff},   /* Khmer */
	{0x2e80, 0x2fdf},   /* radicals */
	{0x3005, 0x3007},   /* iteration marks */
	{0x3021, 0x3035},   /* numerals, repeat marks */
	{0x3038, 0x30ff},   /* numerals, Hiragana, Katakana */
	{0x3100, 0x318f},   /* Bopomofo, Hangul letters */
	{0x31a0, 0x31ff},   /* Bopomofo, Katakana */
	{0x3400, 0x9fff},   /* Han */
	{0xa960, 0xa97f},   /* Hangul letters */
	{0xac00, 0xd7ff},   /* Hangul */
	{0xf900, 0xfaff},   /* Han */
	{0x1b000, 0x1b16f}, /* Kana */
	{0x20000, 0x3ffff}, /* Han */
};

static bool is_unspaced(uint32_t cp)
{
	size_t low = 0, high = sizeof(unspaced) / sizeof(unspaced[0]);

	if (cp < unspaced[0].from)
		return false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (cp > unspaced[mid].to)
			low = mid + 1;
		else
			high = mid;
	}
	return low < sizeof(unspaced) / sizeof(unspaced[0]) && cp >= unspaced[low].from;
}

static bool is_hangul_letter(uint32_t cp)
{
	return (cp >= 0x1100 && cp <= 0x11ff) || (cp >= 0xa960 && cp <= 0xa97f) ||
	       (cp >= 0xd7b0 && cp <= 0xd7ff);
}

/* Vowels and finals go on with the syllable that a leading consonant began. */
static bool is_hangul_rest(uint32_t cp)
{
	return (cp >= 0x1160 && cp <= 0x11ff) || (cp >= 0xd7b0 && cp <= 0xd7ff);
}

enum sign {
	SIGN_BREAK,   /* between words */
	SIGN_NOTHING, /* as if it were not there: accents, joiners */
	SIGN_ON,      /* goes on with what is open, begins nothing */
	SIGN_WORD,    /* of a word */
	SIGN_ALONE,   /* a word by itself */
};

static enum sign sign_of(uint32_t cp)
{
	const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);

	switch ((utf8proc_category_t)p->category) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return is_unspaced(cp) ? SIGN_ALONE : SIGN_WORD;
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
		/*
		 * Classes from 10 on are accents and points, which fold away; below are the
		 * signs that make another letter: viramas, nuktas, the Kana voicing marks.
		 */
		if (p->combining_class >= 10 || (cp >= 0xfe00 && cp <= 0xfe0f))
			return SIGN_NOTHING;
		return SIGN_ON;
	case UTF8PROC_CATEGORY_CF:
		return cp == 0x200b ? SIGN_BREAK : SIGN_NOTHING;
	case UTF8PROC_CATEGORY_SO:
		return SIGN_ALONE;
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_PC:
	case UTF8PROC_CATEGORY_PD:
	case UTF8PROC_CATEGORY_PS:
	case UTF8PROC_CATEGORY_PE:
	case UTF8PROC_CATEGORY_PI:
	case UTF8PROC_CATEGORY_PF:
	case UTF8PROC_CATEGORY_PO:
	case UTF8PROC_CATEGORY_SM:
	case UTF8PROC_CATEGORY_SC:
	case UTF8PROC_CATEGORY_SK:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
		return SIGN_BREAK;
	}
	return SIGN_BREAK;
}

struct walk {
	word_fn *fn;
	void *ctx;
	char word[WORD_MAX_BYTES];
	size_t n, from, to;
	enum sign open; /* SIGN_BREAK: nothing is; else SIGN_WORD or SIGN_ALONE */
	bool hangul;    /* what is open began with a Hangul letter */
	int rc;
};

static void close_word(struct walk *w)
{
	if (w->open != SIGN_BREAK && w->n && !w->rc)
		w->rc = w->fn(w->ctx, w->word, w->n, w->from, w->to);
	w->open = SIGN_BREAK;
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
	enum sign sign = sign_of(cp);

	switch (sign) {
	case SIGN_BREAK:
		close_word(w);
		return;
	case SIGN_NOTHING:
		if (w->open != SIGN_BREAK)
			w->to = to;
		return;
	case SIGN_ON:
		if (w->open != SIGN_BREAK)
			append(w, cp, to);
		return;
	case SIGN_WORD:
		if (w->open != SIGN_WORD)
			close_word(w);
		break;
	case SIGN_ALONE:
		if (w->open == SIGN_ALONE && w->hangul && is_hangul_rest(cp))
			break;
		close_word(w);
		break;
	}
	if (w->open == SIGN_BREAK) {
		w->open = sign;
		w->from = from;
		w->hangul = is_hangul_letter(cp);
	}
	append(w, cp, to);
}

static void take_folded(struct walk *w, uint32_t cp, size_t from, size_t to)
{
	utf8proc_int32_t folded[32];
	utf8proc_ssize_t n;
	int boundary = 0;

	n = utf8proc_decompose_char(
		(utf8proc_int32_t)cp, folded, sizeof(folded) / sizeof(folded[0]),
		UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD, &boundary);
	if (n <= 0 || n > (utf8proc_ssize_t)(sizeof(folded) / sizeof(folded[0]))) {
		take(w, cp, from, to);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < n; i++)
		take(w, (uint32_t)folded[i], from, to);
}

int words_each(struct str text, word_fn *fn, void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx, .open = SIGN_BREAK};
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
	return rc == SQLITE_OK ? 0 : sql_fail(h, "cannot set the search up", err);
}
