/*
 * A split pattern of tokenizer.json (a regular expression in Oniguruma's Ruby
 * dialect), read into its parts: sets of characters, and the syntax between them.
 *
 * Read is what tokenizers use and what means the same to PCRE2 once the sets are
 * taken out: characters, classes, properties that are general categories, groups,
 * alternatives, look-around, quantifiers.  Anything else is refused by its name:
 * a word split otherwise than the model's own tokenizer splits it is an error
 * that nobody sees.  Internal to the tokenizer.
 */
#ifndef ENGINE_TEXT_PATTERN_H
#define ENGINE_TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* Longer ones are refused: what is done with a pattern grows with its sets times its ranges. */
#define PATTERN_MAX_BYTES 4096

struct char_range {
	uint32_t first, last;
};

/* Characters of these categories and in these ranges; negated: all but them. */
struct char_set {
	uint32_t categories; /* bits of enum unicode_category */
	const struct char_range *ranges;
	size_t n_ranges;
	bool negated;
};

struct pattern_part {
	struct str
		syntax; /* PCRE2's; borrowed, from the pattern or constant; p = NULL: a set */
	struct char_set set;
};

struct pattern {
	struct pattern_part *parts;
	size_t n_parts;
	struct char_range *ranges; /* of all sets */
	size_t n_ranges;
};

/*
 * `text` is valid UTF-8, stays, and with `literal` means itself.  ERR_MODEL with place and
 * reason, ERR_NOMEM.  To be released either way.
 */
int pattern_read(struct pattern *p, struct str text, bool literal, struct err *err);
void pattern_release(struct pattern *p);

#endif
