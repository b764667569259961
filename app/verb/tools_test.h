/* The tools as they would run here, tried in a folder made for it. */
#ifndef APP_VERB_TOOLS_TEST_H
#define APP_VERB_TOOLS_TEST_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * Appends a line for the sandbox and one for each tool, and what it must refuse.  ERR_FAILED: one
 * did otherwise than it must.  ERR_IO, ERR_NOMEM.
 */
int tools_test(struct buf *out, struct err *err);

#endif
