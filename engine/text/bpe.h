/*
 * Byte-pair merges: which two neighbouring tokens become which one, and in what
 * order of preference.  Internal to the tokenizer.
 */
#ifndef ENGINE_TEXT_BPE_H
#define ENGINE_TEXT_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/text/tokens.h"

struct bpe_slot {
	uint64_t pair; /* left id << 32 | right id; BPE_EMPTY = free */
	uint32_t rank; /* lower merges first */
	token_id merged;
};

/* The merges, in an open-addressed table.  Read-only once filled: any thread. */
struct bpe {
	struct bpe_slot *slots; /* a power of two of them, at most half full */
	size_t n_slots;
	token_id byte_ids[256]; /* the token of each single byte */
};

int bpe_init(struct bpe *b, size_t n_merges, struct err *err);
void bpe_release(struct bpe *b);

/* At most n_merges calls.  A pair that is there already keeps its first rank. */
void bpe_add_merge(struct bpe *b, token_id left, token_id right, uint32_t rank,
		   token_id merged);

/* Memory of bpe_encode(), kept from word to word.  Zeroed = empty. */
struct bpe_symbol;
struct bpe_candidate;
struct bpe_scratch {
	struct bpe_symbol *symbols;
	struct bpe_candidate *heap;
	size_t n_heap, cap_symbols, cap_heap;
};

void bpe_scratch_release(struct bpe_scratch *s);

/*
 * Appends the tokens of one word: of all possible merges the one of lowest rank is done, the
 * leftmost of equals, until none is left.  O(n log n) in the word's bytes.
 * ERR_NOMEM; ERR_LIMIT for a word of 2^31 bytes or more.
 */
int bpe_encode(const struct bpe *b, struct bpe_scratch *s, const char *word, size_t n,
	       struct tokens *out, struct err *err);

#endif
