/*
 * The transcript's own structs, shared by its files: items and their layout
 * (transcript_item.c), place and drawing (transcript.c), search
 * (transcript_search.c), showing anew (transcript_renew.c).
 */
#ifndef TUI_TRANSCRIPT_PRIVATE_H
#define TUI_TRANSCRIPT_PRIVATE_H

#include "tui/markdown.h"
#include "tui/transcript.h"

#define GUTTER 2 /* columns left of every item, mark and blank; none where it is bare */

struct match {
	size_t line;     /* of the item's lines */
	size_t from, to; /* bytes in that line  */
	size_t number;   /* matches that go over a line's end share one */
};

struct item {
	enum item_kind kind;
	enum item_state state;
	int64_t id;
	struct mddoc doc;      /* the text; its lines too, also where it is not Markdown */
	struct buf name, args; /* of a call */
	int sibling, n_siblings;
	const char *why; /* it was cut; borrowed, for good; NULL = "interrupted" */
	int64_t started_ms, ms, number;
	enum item_place place;
	bool folded;
	bool saw_first, saw_last; /* these rows of it have been drawn */
	bool held_cr; /* the text ended in '\r': what follows says what it means */
	struct match *matches;
	size_t n_matches, n_numbers;
	uint64_t matched; /* transcript.query_no of `matches`; 0 = none */
};

/* What an item shows, in rows: a head, lines [0, head_lines), a gap row, the last tail_lines, a
 * foot. */
struct item_rows {
	int head;          /* 0 or 1 */
	size_t body, tail; /* lines shown from the beginning, from the end */
	size_t hidden;     /* lines left out between: a row says so where > 0 */
	int foot;          /* 0 or 1 */
	size_t n;          /* all rows, the blank one at the end included */
};

/* What stood there before it is shown anew, and the place in it. */
struct transcript_before {
	struct item **items;
	size_t n, top, top_row, left_n, left_rows, chosen, hit_item;
	bool follow, hit;
};

struct transcript {
	struct item **items;
	size_t n, cap;
	int width, height; /* of the last drawing */
	size_t top;        /* the item in the first row */
	size_t top_row;    /* … and which row of it */
	bool follow;
	bool bare, ruler;
	size_t left_n, left_rows; /* items, and rows of the last one, when following ended;
				     without those that wait */
	size_t chosen;            /* TRANSCRIPT_NONE: the last one */
	size_t n_laid;            /* items that hold lines */
	bool thinking_open, tools_open; /* what fold_thinking and unfold_tools last did */
	struct buf query;               /* folded */
	uint64_t query_no;
	size_t hit_item, hit_number;
	bool hit;
	struct transcript_before before;
};

static inline int transcript_gutter(const struct transcript *t)
{
	return t->bare ? 0 : GUTTER;
}

void item_free(struct item *it);
/* Forgets how it is laid out. */
void item_forget(struct transcript *t, struct item *it);
bool item_can_fold(const struct item *it);
/* Lays the item out for the transcript's width and says what it shows. */
struct item_rows item_layout(struct transcript *t, struct item *it);
/* The line that stands in body row `row`; SIZE_MAX for head, gap row, foot and blank. */
size_t item_line_at(const struct item *it, const struct item_rows *r, size_t row);
/* The row that shows line `line`; SIZE_MAX where it is folded away. */
size_t item_row_of(const struct item_rows *r, size_t line, size_t n_lines);
void item_draw_row(struct transcript *t, struct item *it, const struct item_rows *r, size_t row,
		   struct view v, int y, int64_t now_ms);
/* Marks the item's matches of the current query, laid out or not. */
void item_match(struct transcript *t, struct item *it);
void item_draw_matches(const struct transcript *t, size_t index, size_t line, struct view v,
		       int y);
/* Puts item `i`, row `row`, in sight, a third down the view where it has to move. */
void transcript_show(struct transcript *t, size_t i, size_t row);
/* The first item of those that wait at the end; their number where there is none. */
size_t transcript_waiting(const struct transcript *t);
/* Somebody has scrolled up, and has the item before their eyes. */
bool transcript_is_read(struct transcript *t, size_t i);

#endif
