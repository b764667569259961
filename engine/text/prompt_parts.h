/*
 * What of a prompt is made of JSON: tools, schemas, calls.  Internal to prompt.c.
 *
 * The JSON is read and written again as the authors' encoder writes it, in Python.
 * All return ERR_USAGE where a message's JSON is none, ERR_NOMEM.
 */
#ifndef ENGINE_TEXT_PROMPT_PARTS_H
#define ENGINE_TEXT_PROMPT_PARTS_H

#include "engine/text/prompt_grammar.h"

/* The fixed text about tools around one line for each; `json` is an array. */
int prompt_add_tools(struct prompt_writer *w, struct str json, struct err *err);

/* The schema of answers; nothing where Python takes the value for false. */
int prompt_add_response_format(struct prompt_writer *w, struct str json, struct err *err);

/* The block of an answer's calls; nothing where it has none. */
int prompt_add_calls(struct prompt_writer *w, const struct chat_message *m, struct err *err);

#endif
