/*
 * What Markdown must not take for markup.
 *
 * Models write mathematics as \(…\), \[…\], $…$ and $$…$$, which is no Markdown: its
 * backslashes, stars and underscores would be eaten.  And a definition ("[^1]: a note") is
 * eaten whole.  A masked text is the same text in which such characters are written so that no
 * Markdown parser knows them; what comes out of the parser is written back.  Text that is
 * masked where nothing had to be (inside code, say) comes back the same.
 *
 * Pure functions of bytes that are UTF-8.
 */
#ifndef TUI_MDMASK_H
#define TUI_MDMASK_H

#include "engine/base/buf.h"

/* Appends `src` masked; takes time linear in its length. */
void mdmask_add(struct buf *out, struct str src);

/*
 * Appends `masked` (a piece of it, as the parser hands it out) as it was written.  With
 * `displays` the lines of a displayed formula, which a paragraph would join, end with a '\n'.
 */
void mdmask_undo(struct buf *out, struct str masked, bool displays);

#endif
