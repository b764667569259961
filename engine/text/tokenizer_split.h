/*
 * The pre-tokenizer: text to words by the patterns of tokenizer.json, one after
 * the other, each applied to every piece that the one before left.  Internal to
 * the tokenizer.
 */
#ifndef ENGINE_TEXT_TOKENIZER_SPLIT_H
#define ENGINE_TEXT_TOKENIZER_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/text/alphabet.h"
#include "engine/text/pattern.h"

#define SPLIT_MAX_PATTERNS 16

struct split_code;

/* Read-only once compiled: any thread. */
struct split {
	struct pattern patterns[SPLIT_MAX_PATTERNS];
	size_t n_patterns;
	struct alphabet alphabet; /* of them all */
	struct split_code *codes; /* [n_patterns] */
};

/*
 * Adds a regular expression as pattern.h has it; with `literal` a plain string.  What it
 * matches becomes a piece of its own.  The text is borrowed until split_compile().  ERR_MODEL,
 * ERR_NOMEM.
 */
int split_add(struct split *s, struct str pattern, bool literal, struct err *err);

/* Once all patterns are in.  ERR_MODEL, ERR_NOMEM. */
int split_compile(struct split *s, struct err *err);
void split_release(struct split *s);

typedef int (*split_word_fn)(void *ctx, struct str word, struct err *err);

/*
 * Calls fn for each word of `text`, which must be valid UTF-8; stops where fn returns non-zero.
 * ERR_NOMEM; ERR_MODEL where a pattern cannot be matched within bounds.
 */
int split_run(const struct split *s, struct str text, split_word_fn fn, void *ctx,
	      struct err *err);

#endif
