/*
 * Laid-out text: lines of styled runs, and the paragraphs they are made from.
 *
 * All text of a struct lines stands in one pool, so that a long transcript is a
 * few allocations and dropping the last open block is setting three counts.
 * Failure is sticky (out of memory): additions are dropped, lines_failed() says
 * so, also of paragraphs that failed before they were added.  Zeroed structs are empty.  One
 * thread.
 */
#ifndef TUI_LINES_H
#define TUI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "tui/style.h"
#include "tui/surface.h"

/* Text from the previous run's end (or 0) to `end` has this style. */
struct run {
	uint32_t end;
	uint16_t style;
};

/* One paragraph, not yet broken into lines; '\n' is a forced break. */
struct rich {
	struct buf text;
	struct run *runs;
	size_t n_runs, cap_runs;
	bool failed;
};

void rich_release(struct rich *r);
void rich_reset(struct rich *r);
void rich_add(struct rich *r, struct str s, uint16_t style);
void rich_addz(struct rich *r, const char *z, uint16_t style);
void rich_add_rich(struct rich *r, const struct rich *more);
/* As rich_add with tabs as blanks up to the next multiple of eight columns from the last '\n'.
 */
void rich_add_code(struct rich *r, struct str s, uint16_t style);

/* How a line stands to the one before. */
enum line_join {
	LINE_OWN,         /* the text itself breaks here                  */
	LINE_AFTER_BLANK, /* goes on with it; a blank was left out there  */
	LINE_CUT,         /* goes on with it inside a word                */
};

struct line {
	size_t text_at, run_at;
	uint32_t n, n_runs;
	uint32_t lead; /* bytes of `n` that are a prefix: bar, indent, marker */
	enum line_join join;
};

struct lines {
	struct buf text;
	struct run *runs;
	size_t n_runs, cap_runs;
	struct line *v;
	size_t n, cap;
	bool failed;
};

/* A place to come back to. */
struct lines_mark {
	size_t text, runs, n;
};

void lines_release(struct lines *l);
void lines_reset(struct lines *l);
bool lines_failed(const struct lines *l);
struct lines_mark lines_mark(const struct lines *l);
void lines_rewind(struct lines *l, struct lines_mark to);
struct str lines_text(const struct lines *l, size_t i);

/* Adds one line: `lead`, then bytes [from, to) of `r`.  Either may be NULL. */
void lines_add(struct lines *l, const struct rich *lead, const struct rich *r, size_t from,
	       size_t to, enum line_join join);

/*
 * Breaks `r` into lines of at most `width` columns: the first begins with `first`, the others
 * with `rest` (NULL: nothing).  Where `words` is false, lines are cut at the last column.
 * Breaks between words, and between characters of scripts that are written without
 * spaces; never inside a cluster, but for one wider than a line.
 */
void lines_wrap(struct lines *l, const struct rich *r, int width, const struct rich *first,
		const struct rich *rest, bool words);

int lines_columns(const struct lines *l, size_t i);
/* Draws line i at x, y. */
void lines_draw(const struct lines *l, size_t i, struct view v, int x, int y);

#endif
