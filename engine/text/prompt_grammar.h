/*
 * The fixed words of a prompt, and a writer that knows control tokens from text.
 * Internal to prompt.c.
 */
#ifndef ENGINE_TEXT_PROMPT_GRAMMAR_H
#define ENGINE_TEXT_PROMPT_GRAMMAR_H

#include "engine/text/prompt.h"

extern const char prompt_tools_head[], prompt_tools_tail[];
extern const char prompt_response_format[];
extern const char prompt_effort_absolute[], prompt_effort_beyond[];

/* The text of a task's control token; NULL for CHAT_TASK_NONE. */
const char *prompt_task_token(enum chat_task task);

/*
 * Collects a prompt: as ids, if `tok` is set, else as text.  Text gathers in `pending` until
 * a control token comes; only then it is encoded.  The first failure stays in `rc`.
 */
struct prompt_writer {
	const struct tokenizer *tok;
	struct tokens *ids;
	struct buf *text;
	struct buf pending;
	size_t *n_replaced;
	/* Where messages end; NULL: nobody asks.  Those from n_settled on end behind `pending`.
	 */
	size_t *ends;
	size_t n_ends, n_settled;
	struct err *err;
	int rc;
};

/* From outside: never a control token. */
void prompt_add_text(struct prompt_writer *w, struct str text);
/* One control token, by its text. */
void prompt_add_control(struct prompt_writer *w, const char *token);
/* Words of the grammar itself: the control tokens spelled in them are meant. */
void prompt_add_grammar(struct prompt_writer *w, const char *words);
/* Ids as they were produced. */
void prompt_add_ids(struct prompt_writer *w, const token_id *ids, size_t n);
/* The first n messages have been written. */
void prompt_end_messages(struct prompt_writer *w, size_t n);
/* Encodes what is pending, frees, returns the first failure. */
int prompt_writer_finish(struct prompt_writer *w);

#endif
