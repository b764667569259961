/*
 * The code blocks of a Markdown text, as they are to be copied: without what marks or indents
 * the block itself, and without the last line's end.
 */
#ifndef TUI_CODEBLOCK_H
#define TUI_CODEBLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"

struct codeblock {
	struct buf text, lang; /* lang: "" = not said */
};

struct codeblocks {
	struct codeblock *v;
	size_t n, cap;
	bool failed; /* no memory: some may be missing */
};

/* Appends the blocks of the text.  A block that is still open at its end is one, too. */
void codeblocks_read(struct codeblocks *c, struct str markdown);
void codeblocks_release(struct codeblocks *c);

#endif
