/* What the model is told in the system message of an agent session, before its tools. */
#ifndef APP_AGENT_PROMPT_H
#define APP_AGENT_PROMPT_H

#include "app/agent/agent.h"

/*
 * Appends the preamble (or `instead` in its place, where that says anything), a block on the
 * workspace, and AGENTS.md files as far as the budget goes (instructions.h).  *notices: lines
 * on what of these was not read.  The bytes are the same all day.  ERR_NOMEM.
 */
int prompt_add_system(struct buf *out, const struct agent_place *p, struct str instead,
		      int64_t ctx_tokens, struct buf *notices, struct err *err);

/* Appends a path in one line, whatever it is called: UTF-8 without controls. */
void prompt_add_path(struct buf *out, struct str path);

#endif
