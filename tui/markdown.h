/*
 * Markdown as styled lines, by md4c.
 *
 * markdown_render() lays out one complete piece.  A struct mddoc is a text that
 * grows: what can no longer change is laid out once, only the last open block
 * again for each layout, so streaming costs the same at the end of a long
 * answer as at its beginning.  HTML is text.  The text must have passed
 * termsafe_add().
 */
#ifndef TUI_MARKDOWN_H
#define TUI_MARKDOWN_H

#include "engine/base/buf.h"
#include "tui/lines.h"

/* Appends `src`, laid out for `width` columns, without blank lines around it. */
void markdown_render(struct lines *out, struct str src, int width);

/* A fence left open by a piece that was cut for its length. */
struct mdfence {
	char mark;          /* '`' or '~'; 0 = none */
	size_t n;           /* how many */
	struct buf opening; /* its line, with '\n' */
};

/* An open block of more bytes is closed at the next line, or blank where lines are so long. */
#define MDDOC_OPEN_MAX 32768

struct mddoc {
	size_t open_max; /* instead of MDDOC_OPEN_MAX, at least 8; 0 = that */
	struct buf src;
	struct lines lines;
	int width;               /* of `lines`; 0 = not laid out */
	size_t closed;           /* bytes of src whose lines are final */
	struct lines_mark final; /* … and those lines */
	size_t scanned;          /* bytes of src whose line structure is known */
	bool after_blank, in_list, continues;
	struct mdfence fence;        /* open at `scanned` */
	struct mdfence closed_fence; /* open at `closed` */
	bool dirty;
};

void mddoc_release(struct mddoc *d);
void mddoc_append(struct mddoc *d, struct str safe);
/* Lays out for `width`; d->lines is right until the next append. */
void mddoc_layout(struct mddoc *d, int width);
/* Frees the lines, keeps the text. */
void mddoc_forget(struct mddoc *d);

#endif
