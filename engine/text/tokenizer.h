/*
 * The tokenizer of a checkpoint: a byte-level BPE read from tokenizer.json,
 * whose own pre-tokenizer patterns and added ("control") tokens are used.
 *
 * The file is hostile until it has proved otherwise: every id is in range, every
 * merge has its parts, nothing recurses without bound.  What this program cannot
 * do exactly as the file says (another model type, a normalizer, stripping added
 * tokens) is refused at open, with its name.
 *
 * After open the struct is never written: any number of threads may use it.
 */
#ifndef ENGINE_TEXT_TOKENIZER_H
#define ENGINE_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/text/tokens.h"

struct tokenizer;

/* Reads `model_dir`/tokenizer.json.  ERR_MODEL with the file's name where it will not do. */
int tokenizer_open(struct tokenizer **out, const char *model_dir, struct err *err);

/* The same from text in memory; `name` stands for the file in messages. */
int tokenizer_parse(struct tokenizer **out, struct str json, const char *name, struct err *err);

void tokenizer_close(struct tokenizer *t); /* NULL is fine */

/*
 * Appends the ids of `text`, by BPE alone: whatever it spells, no control token comes of it.
 * Invalid UTF-8 is encoded as U+FFFD; how many sequences that were is added to *n_replaced
 * (may be NULL).
 */
int tokenizer_encode(const struct tokenizer *t, struct str text, struct tokens *out,
		     size_t *n_replaced, struct err *err);

/* The same, but text that spells a control token becomes it.  Never for text from outside. */
int tokenizer_encode_special(const struct tokenizer *t, struct str text, struct tokens *out,
			     size_t *n_replaced, struct err *err);

/* The bytes an id stands for, borrowed; a control token's are its text; unknown ids have none.
 */
struct str tokenizer_bytes(const struct tokenizer *t, token_id id);

bool tokenizer_is_control(const struct tokenizer *t, token_id id);

/* The id of the control token with this text, or -1. */
token_id tokenizer_control(const struct tokenizer *t, const char *text);

/* One more than the highest id. */
int64_t tokenizer_n_ids(const struct tokenizer *t);

#endif
