/*
 * What tokenizer_load.c fills and tokenizer.c uses.
 */
#ifndef ENGINE_TEXT_TOKENIZER_PRIVATE_H
#define ENGINE_TEXT_TOKENIZER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/text/bpe.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_split.h"

/* Ids above this are no vocabulary: the tables are indexed by id. */
#define TOKENIZER_MAX_IDS (1 << 22)

enum token_kind {
	TOKEN_UNUSED,
	TOKEN_TEXT,
	TOKEN_CONTROL,            /* matched in the text as it is        */
	TOKEN_CONTROL_NORMALIZED, /* matched in what the former left     */
};

struct token_entry {
	uint32_t at, n; /* bytes within `text` */
	enum token_kind kind;
};

/* Texts to ids, open-addressed; -1 = free slot.  Keys lie in a buffer of the caller's. */
struct token_index {
	token_id *slots;
	size_t n_slots; /* a power of two, at most half full */
};

int token_index_init(struct token_index *x, size_t n, struct err *err);
void token_index_release(struct token_index *x);

struct tokenizer {
	struct buf text; /* bytes of all tokens */
	struct token_entry *entries;
	size_t n_entries;
	struct bpe bpe;
	struct split split;
	struct token_index controls;
	size_t *control_lengths; /* the distinct ones, longest first */
	size_t n_control_lengths;
	bool starts_control[256]; /* by first byte */
};

/* The slot where `key` is or would be; keys are compared by their bytes in t->text. */
token_id *token_index_find(const struct token_index *x, const struct tokenizer *t,
			   struct str key);

#endif
