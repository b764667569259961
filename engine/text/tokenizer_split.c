/*
 * Patterns are matched by PCRE2 over kinds of characters (alphabet.h), so that
 * what a letter is does not depend on the library's version.
 */
#include "engine/text/tokenizer_split.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct split_code {
	pcre2_code *code;
	bool jit;
};

int split_add(struct split *s, struct str pattern, bool literal, struct err *err)
{
	struct err why = {0};
	int rc;

	if (s->n_patterns == SPLIT_MAX_PATTERNS)
		return err_set(err, ERR_MODEL, "more than %d split patterns",
			       SPLIT_MAX_PATTERNS);
	/* Counted at once: what was read of a bad one is to be released, too. */
	rc = pattern_read(&s->patterns[s->n_patterns++], pattern, literal, &why);
	if (rc)
		err_set(err, rc, "split pattern %zu: %s", s->n_patterns, why.text);
	return rc;
}

static int compile(struct split *s, size_t i, struct buf *text, struct err *err)
{
	struct split_code *c = &s->codes[i];
	PCRE2_SIZE at = 0;
	int code = 0;

	buf_reset(text);
	alphabet_write(&s->alphabet, &s->patterns[i], text);
	if (buf_failed(text))
		return err_nomem(err, "a split pattern", text->len);
	c->code = pcre2_compile((PCRE2_SPTR)buf_z(text), text->len, 0, &code, &at, NULL);
	if (!c->code) {
		char why[128];

		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		return err_set(err, code == PCRE2_ERROR_HEAP_FAILED ? ERR_NOMEM : ERR_MODEL,
			       "split pattern %zu: %s", i + 1, why);
	}
	/* Where there is no JIT (or no executable memory) matching is slower, not different. */
	c->jit = pcre2_jit_compile(c->code, PCRE2_JIT_COMPLETE) == 0;
	return 0;
}

int split_compile(struct split *s, struct err *err)
{
	struct err why = {0};
	struct buf text = {0};
	int rc = 0;

	if (!s->n_patterns)
		return 0;
	s->codes = calloc(s->n_patterns, sizeof(*s->codes));
	if (!s->codes)
		return err_nomem(err, "split patterns", s->n_patterns * sizeof(*s->codes));
	rc = alphabet_init(&s->alphabet, s->patterns, s->n_patterns, &why);
	if (rc)
		err_set(err, rc, "split patterns: %s", why.text);
	for (size_t i = 0; !rc && i < s->n_patterns; i++)
		rc = compile(s, i, &text, err);
	for (size_t i = 0; i < s->n_patterns; i++)
		pattern_release(&s->patterns[i]);
	buf_release(&text);
	return rc;
}

void split_release(struct split *s)
{
	for (size_t i = 0; i < s->n_patterns; i++) {
		pattern_release(&s->patterns[i]);
		if (s->codes)
			pcre2_code_free(s->codes[i].code);
	}
	free(s->codes);
	alphabet_release(&s->alphabet);
	*s = (struct split){0};
}

#define VECTOR ((size_t)64)

/* One text on its way through the patterns: its words come in order. */
struct run {
	const struct split *split;
	pcre2_match_data *match;
	const uint8_t *kinds; /* of its characters */
	bool bytes;           /* each of which is a byte */
	struct str rest;      /* what words are still to come from */
	split_word_fn fn;
	void *ctx;
	struct err *err;
};

/* A piece of the text: n characters from the `at`-th on. */
struct piece {
	size_t at, n;
};

/*
 * The next match at or after `from` within the piece: 1 and its place there, 0 for none, else a
 * negative code.
 */
static int next_match(const struct run *r, size_t level, struct piece piece, size_t from,
		      size_t *start, size_t *end)
{
	const struct split_code *c = &r->split->codes[level];
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->match);
	PCRE2_SPTR text = (PCRE2_SPTR)r->kinds + piece.at;
	int rc = PCRE2_ERROR_JIT_STACKLIMIT;

	if (c->jit)
		rc = pcre2_match(c->code, text, piece.n, from, 0, r->match, NULL);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(c->code, text, piece.n, from, PCRE2_NO_JIT, r->match, NULL);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0) {
		char why[128];

		pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof(why));
		return err_set(r->err, rc == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_MODEL,
			       "tokenizer.json: split pattern %zu: %s", level + 1, why);
	}
	*start = at[0];
	*end = at[1];
	return 1;
}

static int add_word(struct run *r, size_t n)
{
	size_t n_bytes = r->bytes ? n : alphabet_bytes(r->rest.p, n);
	struct str word = {r->rest.p, n_bytes};

	r->rest = (struct str){word.p + n_bytes, r->rest.n - n_bytes};
	return r->fn(r->ctx, word, r->err);
}

static int run_level(struct run *r, size_t level, struct piece piece)
{
	size_t from = 0, done = 0;
	int rc = 0;

	if (level == r->split->n_patterns)
		return add_word(r, piece.n);
	while (!rc && from < piece.n) {
		size_t start = 0, end = 0;
		int found = next_match(r, level, piece, from, &start, &end);

		if (found < 0)
			return found;
		if (!found)
			break;
		if (end <= start) { /* an empty match splits nothing: on by one character */
			from = (start > from ? start : from) + 1;
			continue;
		}
		if (start > done)
			rc = run_level(r, level + 1,
				       (struct piece){piece.at + done, start - done});
		if (!rc)
			rc = run_level(r, level + 1,
				       (struct piece){piece.at + start, end - start});
		done = end;
		from = end;
	}
	if (!rc && done < piece.n)
		rc = run_level(r, level + 1, (struct piece){piece.at + done, piece.n - done});
	return rc;
}

int split_run(const struct split *s, struct str text, split_word_fn fn, void *ctx,
	      struct err *err)
{
	struct run r = {.split = s, .rest = text, .fn = fn, .ctx = ctx, .err = err};
	/* Compiled patterns read whole vectors of what they search, before and behind it too. */
	size_t room = (text.n / VECTOR + 2) * VECTOR, n;
	uint8_t *kinds;
	int rc;

	if (!text.n)
		return 0;
	if (!s->n_patterns)
		return fn(ctx, text, err);
	kinds = calloc(1, room);
	r.match = pcre2_match_data_create(1, NULL);
	if (kinds && r.match) {
		r.kinds = kinds;
		n = alphabet_kinds(&s->alphabet, text, kinds);
		memset(kinds + n, 0, room - n);
		r.bytes = n == text.n;
		rc = run_level(&r, 0, (struct piece){0, n});
	} else {
		rc = err_nomem(err, "a text's kinds of characters", text.n);
	}
	pcre2_match_data_free(r.match);
	free(kinds);
	return rc;
}
