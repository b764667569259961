/*
 * AGENTS.md: what people write down for agents, the user's own and those of the repository.
 * Text for the model, nothing else.
 */
#ifndef APP_AGENT_INSTRUCTIONS_H
#define APP_AGENT_INSTRUCTIONS_H

#include "app/agent/agent.h"

#define INSTRUCTIONS_FILE_BYTES ((size_t)16 << 10) /* of one file */
#define INSTRUCTIONS_ALL_BYTES  ((size_t)32 << 10)

/*
 * Appends the user's own, then from the repository's root (the nearest folder with a .git, not
 * above HOME) down to the workspace, each under its path.  The nearest comes first to the
 * budget; what does not fit is cut at a line, and *notices has a line on each that was cut or
 * not read: no regular file, no UTF-8 text, a link out of the repository.
 */
int instructions_add(struct buf *out, const struct agent_place *p, int64_t ctx_tokens,
		     struct buf *notices, struct err *err);

/* Is the workspace in a repository? */
bool instructions_in_git(const struct agent_place *p);

#endif
