/*
 * Kinds of characters: two characters are of one kind if no set of the patterns
 * tells them apart.  Patterns written over kinds, a byte each, match what the
 * patterns over characters match, and whoever matches them need know nothing of
 * Unicode.  Internal to the tokenizer.
 */
#ifndef ENGINE_TEXT_ALPHABET_H
#define ENGINE_TEXT_ALPHABET_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/text/pattern.h"

#define ALPHABET_MAX_KINDS 256

struct alphabet_run {
	uint32_t first; /* as far as the next run */
	uint8_t kind;
};

/* Read-only once made: any thread. */
struct alphabet {
	uint8_t *kind_of; /* [U+0000 to U+10FFFF] */
	struct alphabet_run *runs;
	size_t n_runs;
};

/*
 * The coarsest kinds that these patterns need.  ERR_MODEL where they are more than
 * ALPHABET_MAX_KINDS, ERR_NOMEM.  To be released either way.
 */
int alphabet_init(struct alphabet *a, const struct pattern *patterns, size_t n_patterns,
		  struct err *err);
void alphabet_release(struct alphabet *a);

/* Appends one of those patterns as PCRE2 reads it, over kinds: bytes, no UTF. */
void alphabet_write(const struct alphabet *a, const struct pattern *p, struct buf *out);

/* The kinds of a valid UTF-8 text's characters, a byte each, to out[text.n]; returns how many.
 */
size_t alphabet_kinds(const struct alphabet *a, struct str text, uint8_t *out);

/* The bytes of the first n characters at p. */
size_t alphabet_bytes(const char *p, size_t n);

#endif
