/* Typed words, quoted words and exclusions as an expression of FTS5. */
#include "history/query.h"

#include <string.h>

#include "history/words.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool query_next(struct str typed, size_t *at, struct query_term *t)
{
	size_t end;

	*t = (struct query_term){0};
	while (*at < typed.n && is_space(typed.p[*at]))
		(*at)++;
	if (*at < typed.n && typed.p[*at] == '-') {
		t->without = true;
		(*at)++;
	}
	if (*at >= typed.n)
		return false;
	if (typed.p[*at] == '"') {
		const char *close = memchr(typed.p + *at + 1, '"', typed.n - *at - 1);

		/* A quote that is still open, while someone types, reaches to the end. */
		end = close ? (size_t)(close - typed.p) : typed.n;
		t->text = (struct str){typed.p + *at + 1, end - *at - 1};
		*at = close ? end + 1 : end;
		if (*at < typed.n && typed.p[*at] == '*') {
			t->prefix = true;
			(*at)++;
		}
		return true;
	}
	for (end = *at; end < typed.n && !is_space(typed.p[end]) && typed.p[end] != '"';)
		end++;
	t->text = (struct str){typed.p + *at, end - *at};
	*at = end;
	if (t->text.n && t->text.p[t->text.n - 1] == '*') {
		t->prefix = true;
		t->text.n--;
	}
	return true;
}

static void add_term(struct buf *out, const struct query_term *t)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < t->text.n; i++) {
		/* FTS5 reads up to a NUL, and no word holds one. */
		buf_addc(out, t->text.p[i] ? t->text.p[i] : ' ');
		if (t->text.p[i] == '"')
			buf_addc(out, '"');
	}
	buf_addz(out, t->prefix ? "\" *" : "\"");
}

static int count_word(void *ctx, const char *word, size_t n, size_t from, size_t to)
{
	(void)word, (void)n, (void)from, (void)to;
	return ++*(int *)ctx > QUERY_WORDS_MAX;
}

static int count_words(struct str typed, struct err *err)
{
	int n = 0;

	if (words_each(typed, count_word, &n))
		return err_set(err, ERR_USAGE, "too many words to search for: at most %d",
			       QUERY_WORDS_MAX);
	return n ? 0 : err_set(err, ERR_USAGE, "nothing to search for: give at least one word");
}

int query_make(struct buf *out, struct str typed, struct err *err)
{
	size_t n_terms = 0, at = 0;
	struct query_term t;
	int rc = count_words(typed, err);

	if (rc)
		return rc;
	buf_addc(out, '(');
	while (query_next(typed, &at, &t)) {
		if (t.without || !words_any(t.text))
			continue;
		if (n_terms++)
			buf_addz(out, " AND ");
		add_term(out, &t);
	}
	buf_addc(out, ')');
	if (n_terms == 0)
		return err_set(err, ERR_USAGE, "nothing to search for: give at least one word");
	at = 0;
	while (query_next(typed, &at, &t)) {
		if (!t.without || !words_any(t.text))
			continue;
		buf_addz(out, " NOT ");
		add_term(out, &t);
	}
	return buf_failed(out) ? err_nomem(err, "query", typed.n) : 0;
}
