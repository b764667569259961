/*
 * What was said: messages, thinking, tool calls, errors, in order.
 *
 * Items are laid out only when they come near the view, so opening ten thousand
 * messages costs reading them once.  The place is an item and a row in it; new
 * text below never moves it.  While following, the end stays in sight.
 *
 * All text is filtered on its way in (termsafe), so what is shown, searched and
 * copied is the same.  UI thread.
 */
#ifndef TUI_TRANSCRIPT_H
#define TUI_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "tui/surface.h"

enum item_kind {
	ITEM_SYSTEM,   /* the system prompt; folded         */
	ITEM_USER,     /* plain text                        */
	ITEM_THINKING, /* plain text, dim; folded when done */
	ITEM_ANSWER,   /* Markdown                          */
	ITEM_TOOL,     /* a call: name, arguments, output   */
	ITEM_NOTICE,   /* one thing to know                 */
	ITEM_ERROR,    /* what went wrong                   */
};

enum item_state {
	ITEM_OPEN, /* text still arrives, the tool still runs */
	ITEM_DONE,
	ITEM_STOPPED, /* cut: may be continued                   */
	ITEM_CUT,     /* cut for good                            */
	ITEM_FAILED,  /* a tool that failed or was refused       */
	ITEM_QUEUED,  /* a message that waits for its turn       */
};

struct transcript;

int transcript_new(struct transcript **out, struct err *err);
void transcript_free(struct transcript *t);
void transcript_clear(struct transcript *t);
/*
 * What is added between these two is shown in place of all that was there: what was unfolded
 * stays so, and so do the place and the chosen item, where the same messages are there again.
 */
void transcript_renew(struct transcript *t);
void transcript_renewed(struct transcript *t);

/* ---- items; an index is good until clear, truncate or renew; but for a waiting one's ---- */

#define TRANSCRIPT_NONE SIZE_MAX

/* `id` is the caller's (a message's); several items may share one.  TRANSCRIPT_NONE: no memory.
 */
size_t transcript_add(struct transcript *t, enum item_kind kind, int64_t id, int64_t now_ms);
/* A message that waits for its turn: what else is added comes before it.  False: no memory. */
bool transcript_add_waiting(struct transcript *t, struct str text);
void transcript_append(struct transcript *t, size_t i, struct str text);
void transcript_set_text(struct transcript *t, size_t i, struct str text);
void transcript_set_id(struct transcript *t, size_t i, int64_t id);
/* Name and arguments of a tool call; its text is the output. */
void transcript_set_call(struct transcript *t, size_t i, struct str name, struct str arguments);
/*
 * Ends an item: `ms` it took (-1: as the clock says), `tokens` or exit code (-1: unknown).
 * Thinking folds then, but never under the eyes of one who has scrolled up to it.
 */
void transcript_finish(struct transcript *t, size_t i, enum item_state state, int64_t ms,
		       int64_t number, int64_t now_ms);
/* The tokens or exit code, where they are known better later. */
void transcript_set_number(struct transcript *t, size_t i, int64_t number);
void transcript_set_siblings(struct transcript *t, size_t i, int pos, int n);
/* Where the cache of its message lies, which the ruler shows. */
enum item_place { PLACE_UNKNOWN, PLACE_MEMORY, PLACE_DISK, PLACE_COLD };
void transcript_set_place(struct transcript *t, size_t i, enum item_place place);
/* Why it was cut, or for what it waits, which its foot says: a text that stays; NULL = "interrupted",
 * "waits for its turn". */
void transcript_set_why(struct transcript *t, size_t i, const char *why);

int transcript_siblings(const struct transcript *t, size_t i); /* 0: its foot says nothing */

size_t transcript_n(const struct transcript *t);
enum item_kind transcript_kind(const struct transcript *t, size_t i);
enum item_state transcript_state(const struct transcript *t, size_t i);
int64_t transcript_id(const struct transcript *t, size_t i);
struct str transcript_text(const struct transcript *t, size_t i);

/* ---- looking ---- */

/*
 * Text as it was written, over the view's whole width, without marks, bars and breaks between
 * words: for selecting with the mouse.
 */
void transcript_set_bare(struct transcript *t, bool on);

/* A column on the right: where the cache of each message lies, where that is known. */
void transcript_set_ruler(struct transcript *t, bool on);

/* `focused`: the chosen item is marked. */
void transcript_draw(struct transcript *t, struct view v, bool focused, int64_t now_ms);
/* Has the item's beginning been drawn, and its end?  Since it was added. */
bool transcript_saw_first(const struct transcript *t, size_t i);
bool transcript_saw_last(const struct transcript *t, size_t i);
void transcript_scroll(struct transcript *t, int rows); /* < 0: up */
void transcript_page(struct transcript *t, int pages);
void transcript_top(struct transcript *t);
void transcript_follow(struct transcript *t);
/* The chosen item: what keys act on.  TRANSCRIPT_NONE where there is nothing. */
size_t transcript_chosen(const struct transcript *t);
/* Chooses the last item of message `id`, and shows it. */
void transcript_choose(struct transcript *t, int64_t id);
/* To the message `step` before or after the chosen one. */
void transcript_jump(struct transcript *t, int step);
/* Chooses what is shown in row y of the last drawing; true if it can fold and that row is its
 * head. */
bool transcript_click(struct transcript *t, int y);
void transcript_toggle_fold(struct transcript *t, size_t i);
void transcript_fold_thinking(struct transcript *t); /* all, or none */
void transcript_unfold_tools(struct transcript *t);  /* all, or none */
/* Something on the screen counts seconds: draw again once a second. */
bool transcript_ticks(const struct transcript *t);

/* ---- searching ---- */

/*
 * Finds text, folded (engine/base/fold.h), from the place on in direction `step` (1, -1), around
 * the ends.  An empty query ends the search.  False: not found.
 */
bool transcript_search(struct transcript *t, struct str query, int step);
bool transcript_search_next(struct transcript *t, int step);
bool transcript_searching(const struct transcript *t);

#endif
