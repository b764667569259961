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

#define SPLIT_MAX_PATTERNS 16

struct split_pattern;

/* Read-only once all patterns are in: any thread. */
struct split {
	struct split_pattern *patterns[SPLIT_MAX_PATTERNS];
	int n_patterns;
};

/*
 * Adds a regular expression in the dialect of tokenizer files (Oniguruma); with `literal` a
 * plain string.  What it matches becomes a piece of its own.
 */
int split_add(struct split *s, struct str pattern, bool literal, struct err *err);
void split_release(struct split *s);

typedef int (*split_word_fn)(void *ctx, struct str word, struct err *err);

/* Calls fn for each word of `text`, which must be valid UTF-8; stops where fn returns non-zero.
 */
int split_run(const struct split *s, struct str text, split_word_fn fn, void *ctx,
	      struct err *err);

#endif
