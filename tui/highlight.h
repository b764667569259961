/*
 * Colours for code blocks: keywords, strings, numbers, comments, by a small
 * table of languages.  Not a parser; what it doesn't know stays plain code.
 */
#ifndef TUI_HIGHLIGHT_H
#define TUI_HIGHLIGHT_H

#include "engine/base/buf.h"
#include "tui/lines.h"

struct language;

/* By the fence's info string ("c", "python title=x"); NULL where unknown. */
const struct language *language_find(struct str info);

/* What a line leaves open for the next one; zeroed at a block's beginning. */
struct highlight_state {
	bool in_comment; /* block comment */
	char quote;      /* an open triple quote's character, else 0 */
};

/* Appends one line (without '\n'), tabs expanded. */
void highlight_line(const struct language *lang, struct highlight_state *st, struct str line,
		    struct rich *out);

#endif
