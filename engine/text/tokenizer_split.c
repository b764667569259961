#include "engine/text/tokenizer_split.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct split_pattern {
	pcre2_code *code;
	bool jit;
};

/*
 * The two dialects agree on what tokenizers use, but for white space: Oniguruma's \s is
 * Unicode's White_Space, PCRE2's counts U+180E, too.
 */
static void translate(struct buf *out, struct str pattern)
{
	for (size_t i = 0; i < pattern.n; i++) {
		if (pattern.p[i] != '\\' || i + 1 == pattern.n) {
			buf_addc(out, pattern.p[i]);
			continue;
		}
		i++;
		switch (pattern.p[i]) {
		case 's':
			buf_addz(out, "\\p{wspace}");
			break;
		case 'S':
			buf_addz(out, "\\P{wspace}");
			break;
		default:
			buf_addc(out, '\\');
			buf_addc(out, pattern.p[i]);
		}
	}
}

int split_add(struct split *s, struct str pattern, bool literal, struct err *err)
{
	uint32_t flags = PCRE2_UTF | PCRE2_NO_UTF_CHECK | (literal ? PCRE2_LITERAL : PCRE2_UCP);
	struct split_pattern *p = NULL;
	struct buf text = {0};
	PCRE2_SIZE at = 0;
	int code = 0, rc = 0;

	if (s->n_patterns == SPLIT_MAX_PATTERNS)
		return err_set(err, ERR_MODEL, "more than %d split patterns",
			       SPLIT_MAX_PATTERNS);
	if (literal)
		buf_adds(&text, pattern);
	else
		translate(&text, pattern);
	p = calloc(1, sizeof(*p));
	if (!p || buf_failed(&text)) {
		rc = err_nomem(err, "a split pattern", pattern.n);
		goto done;
	}
	p->code = pcre2_compile((PCRE2_SPTR)buf_z(&text), text.len, flags, &code, &at, NULL);
	if (!p->code) {
		char why[128];

		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		rc = err_set(err, code == PCRE2_ERROR_HEAP_FAILED ? ERR_NOMEM : ERR_MODEL,
			     "split pattern %d: at byte %zu: %s", s->n_patterns + 1, (size_t)at,
			     why);
		goto done;
	}
	/* Where there is no JIT (or no executable memory) matching is slower, not different. */
	p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
	s->patterns[s->n_patterns++] = p;
	p = NULL;
done:
	free(p);
	buf_release(&text);
	return rc;
}

void split_release(struct split *s)
{
	for (int i = 0; i < s->n_patterns; i++) {
		pcre2_code_free(s->patterns[i]->code);
		free(s->patterns[i]);
	}
	*s = (struct split){0};
}

struct run {
	const struct split *split;
	pcre2_match_data *match;
	split_word_fn fn;
	void *ctx;
	struct err *err;
};

/* The next match at or after `from`: 1 and [*start, *end), 0 for none, else a negative code. */
static int next_match(const struct run *r, int level, struct str piece, size_t from,
		      size_t *start, size_t *end)
{
	const struct split_pattern *p = r->split->patterns[level];
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->match);
	PCRE2_SPTR text = (PCRE2_SPTR)piece.p;
	int rc = PCRE2_ERROR_JIT_STACKLIMIT;

	if (p->jit)
		rc = pcre2_match(p->code, text, piece.n, from, PCRE2_NO_UTF_CHECK, r->match,
				 NULL);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(p->code, text, piece.n, from,
				 PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, r->match, NULL);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0) {
		char why[128];

		pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof(why));
		return err_set(r->err, rc == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_MODEL,
			       "tokenizer.json: split pattern %d: %s", level + 1, why);
	}
	*start = at[0];
	*end = at[1];
	return 1;
}

static int run_level(const struct run *r, int level, struct str piece)
{
	size_t from = 0, done = 0;
	int rc = 0;

	if (level == r->split->n_patterns)
		return r->fn(r->ctx, piece, r->err);
	while (!rc && from < piece.n) {
		size_t start = 0, end = 0;
		int found = next_match(r, level, piece, from, &start, &end);

		if (found < 0)
			return found;
		if (!found)
			break;
		if (end <= start) { /* an empty match splits nothing: on by one character */
			from = start > from ? start : from;
			do
				from++;
			while (from < piece.n && ((unsigned char)piece.p[from] & 0xc0) == 0x80);
			continue;
		}
		if (start > done)
			rc = run_level(r, level + 1,
				       (struct str){piece.p + done, start - done});
		if (!rc)
			rc = run_level(r, level + 1,
				       (struct str){piece.p + start, end - start});
		done = end;
		from = end;
	}
	if (!rc && done < piece.n)
		rc = run_level(r, level + 1, (struct str){piece.p + done, piece.n - done});
	return rc;
}

int split_run(const struct split *s, struct str text, split_word_fn fn, void *ctx,
	      struct err *err)
{
	struct run r = {.split = s, .fn = fn, .ctx = ctx, .err = err};
	int rc;

	if (!text.n)
		return 0;
	r.match = pcre2_match_data_create(1, NULL);
	if (!r.match)
		return err_nomem(err, "match data", 0);
	rc = run_level(&r, 0, text);
	pcre2_match_data_free(r.match);
	return rc;
}
