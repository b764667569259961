/*
 * A conversation to the ids the model reads.
 *
 * The prompt is a row of segments that end only at control tokens: control
 * tokens go in by id, the text between two of them is joined and then encoded by
 * BPE alone, so that nothing a person, file or tool says becomes a control
 * token.  Pure functions; any thread.
 *
 * The text is, byte for byte, what the encoder of the models' authors makes of the
 * same messages, but for two things.  Messages of the user that follow each other
 * are one turn, and that encoder forgets the task of all but the first; here a
 * later one's (or a result's) is the turn's, since whoever set it meant it.  Both
 * begin a new turn behind a user's message that has a task; results of tools join
 * it, and it keeps the task.  And what only Python takes for JSON (NaN, Infinity,
 * half a surrogate pair) is none here.
 */
#ifndef ENGINE_TEXT_PROMPT_H
#define ENGINE_TEXT_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/chat.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokens.h"

/* Which text an effort adds; the checkpoint decides (dspark_* keys in its config.json). */
enum prompt_flavour {
	PROMPT_APRIL,  /* max adds a text, all else none          */
	PROMPT_DSPARK, /* high adds that text, max a longer one   */
};

/*
 * The flavour of the checkpoint in `model_dir`; PROMPT_APRIL where there is no config.json.
 * ERR_MODEL, ERR_NOMEM.
 */
int prompt_flavour_read(const char *model_dir, enum prompt_flavour *out, struct err *err);

/* Control tokens of the grammar, as text. */
#define TOKEN_BOS       "<｜begin▁of▁sentence｜>"
#define TOKEN_EOS       "<｜end▁of▁sentence｜>"
#define TOKEN_USER      "<｜User｜>"
#define TOKEN_ASSISTANT "<｜Assistant｜>"
#define TOKEN_THINK     "<think>"
#define TOKEN_THINK_END "</think>"
#define TOKEN_DSML      "｜DSML｜"

/*
 * Appends the ids of the prompt.  Where the last message asks for an answer the prompt ends
 * with <｜Assistant｜> and <think> or </think> (or a task token); where it is an answer, with
 * that answer's end, or, if it goes on, with its text.  A stored answer (chat_message.ids)
 * stands in for its text where its thinking is kept.
 *
 * *n_replaced (may be NULL) grows by the invalid UTF-8 sequences that became U+FFFD.
 * ERR_USAGE: messages in an impossible order, JSON that is none; ERR_MODEL: the tokenizer
 * lacks a control token; ERR_NOMEM, as well where `out` has no room for all.
 */
int prompt_encode(const struct chat *chat, enum prompt_flavour flavour,
		  const struct tokenizer *tok, struct tokens *out, size_t *n_replaced,
		  struct err *err);

/*
 * The same, and where each message ends: ends[i] ids are there behind message i, which those
 * that open an answer to it do not belong to.  Messages that the prompt shows as one end
 * together.
 */
int prompt_encode_ends(const struct chat *chat, enum prompt_flavour flavour,
		       const struct tokenizer *tok, struct tokens *out, size_t *ends,
		       struct err *err);

/* The same as text, control tokens spelled out; stored answers are encoded from their text. */
int prompt_text(const struct chat *chat, enum prompt_flavour flavour, struct buf *out,
		struct err *err);

/*
 * BOS and `text`, for models that continue plain text.
 */
int prompt_encode_raw(struct str text, const struct tokenizer *tok, struct tokens *out,
		      size_t *n_replaced, struct err *err);

/* Does the model know the control token of this task? */
bool prompt_has_task(const struct tokenizer *tok, enum chat_task task);

#endif
