/* A conversation as a text to read. */
#ifndef HISTORY_MARKDOWN_H
#define HISTORY_MARKDOWN_H

#include "history/tree.h"

/*
 * Appends the branch that is shown.  What was said stays inside its message: files are fenced,
 * a fence that an answer left open is closed, and what was cut says so.  Local time.
 */
void markdown_add(struct history_tree *t, const struct history_conversation *c,
		  struct buf *out);

#endif
