/*
 * The key table: one row an action, from which keys, help, palette and the
 * manual are made.
 *
 * A key is looked up in the context that has the focus first, then among those
 * that hold everywhere.  Bindings may be changed (configuration); the table of
 * actions itself is constant.
 */
#ifndef TUI_KEYMAP_H
#define TUI_KEYMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "tui/key.h"

struct tui;

enum key_context {
	KEYS_ANYWHERE,
	KEYS_COMPOSER,
	KEYS_TRANSCRIPT,
	KEYS_LIST,
	KEYS_VI, /* the composer's, where keys are vi's commands */
	KEYS_N_CONTEXTS,
};

enum action {
	ACTION_NONE,
	/* anywhere */
	ACTION_HELP,
	ACTION_PALETTE,
	ACTION_OPTIONS,
	ACTION_INTERRUPT,
	ACTION_CANCEL,
	ACTION_END_THINKING,
	ACTION_FOLD_THINKING,
	ACTION_UNFOLD_TOOLS,
	ACTION_APPROVE_MODE,
	ACTION_PLAN,
	ACTION_NEW,
	ACTION_TOGGLE_LIST,
	ACTION_FOCUS_LEFT,
	ACTION_FOCUS_RIGHT,
	ACTION_FOCUS_UP,
	ACTION_FOCUS_DOWN,
	ACTION_PAGE_UP,
	ACTION_PAGE_DOWN,
	ACTION_FOLLOW,
	ACTION_SEARCH,
	ACTION_BARE,
	ACTION_SUSPEND,
	ACTION_REPAINT,
	ACTION_QUIT,
	/* composer */
	ACTION_SEND,
	ACTION_NEWLINE,
	ACTION_COMPLETE,
	ACTION_INPUT_SEARCH,
	ACTION_EDITOR,
	ACTION_UP,
	ACTION_DOWN,
	ACTION_LEFT,
	ACTION_RIGHT,
	ACTION_WORD_LEFT,
	ACTION_WORD_RIGHT,
	ACTION_LINE_START,
	ACTION_LINE_END,
	ACTION_TEXT_START,
	ACTION_TEXT_END,
	ACTION_RUBOUT,
	ACTION_DELETE,
	ACTION_KILL_LINE,
	ACTION_KILL_BACK,
	ACTION_KILL_WORD_BACK,
	ACTION_KILL_WORD,
	ACTION_YANK,
	ACTION_UNDO,
	/* transcript */
	ACTION_LINE_UP,
	ACTION_LINE_DOWN,
	ACTION_TOP,
	ACTION_BOTTOM,
	ACTION_MESSAGE_UP,
	ACTION_MESSAGE_DOWN,
	ACTION_TOGGLE_FOLD,
	ACTION_SEARCH_HERE,
	ACTION_SEARCH_NEXT,
	ACTION_SEARCH_PREVIOUS,
	ACTION_SIBLING_LEFT,
	ACTION_SIBLING_RIGHT,
	ACTION_EDIT,
	ACTION_REGENERATE,
	ACTION_CONTINUE,
	ACTION_FORK,
	ACTION_COPY,
	ACTION_COPY_CODE,
	ACTION_UNDO_EDIT,
	ACTION_TO_COMPOSER,
	/* conversation list */
	ACTION_LIST_UP,
	ACTION_LIST_DOWN,
	ACTION_LIST_OPEN,
	ACTION_LIST_PIN,
	ACTION_LIST_RENAME,
	ACTION_LIST_ARCHIVE,
	ACTION_LIST_DELETE,
	ACTION_LIST_UNDO,
	ACTION_LIST_CLEAR,
	/* vi's commands */
	ACTION_VI_LEFT,
	ACTION_VI_RIGHT,
	ACTION_VI_DOWN,
	ACTION_VI_UP,
	ACTION_VI_WORD,
	ACTION_VI_WORD_END,
	ACTION_VI_WORD_BACK,
	ACTION_VI_LINE_START,
	ACTION_VI_LINE_FIRST,
	ACTION_VI_LINE_END,
	ACTION_VI_TOP,
	ACTION_VI_BOTTOM,
	ACTION_VI_FIND,
	ACTION_VI_FIND_BACK,
	ACTION_VI_TILL,
	ACTION_VI_TILL_BACK,
	ACTION_VI_FIND_NEXT,
	ACTION_VI_FIND_PREVIOUS,
	ACTION_VI_DELETE,
	ACTION_VI_CHANGE,
	ACTION_VI_COPY,
	ACTION_VI_CUT_CHAR,
	ACTION_VI_RUBOUT,
	ACTION_VI_REPLACE,
	ACTION_VI_CASE,
	ACTION_VI_DELETE_END,
	ACTION_VI_CHANGE_END,
	ACTION_VI_PUT,
	ACTION_VI_PUT_BEFORE,
	ACTION_VI_UNDO,
	ACTION_VI_INSERT,
	ACTION_VI_INSERT_START,
	ACTION_VI_APPEND,
	ACTION_VI_APPEND_END,
	ACTION_VI_OPEN,
	ACTION_VI_OPEN_ABOVE,
	ACTION_N,
};

struct action_row {
	const char *name; /* in configuration and scripts  */
	enum key_context context;
	const char *keys;           /* by default, names apart by blanks */
	const char *help;           /* one line                      */
	bool in_palette;            /* worth finding by name         */
	void (*run)(struct tui *t); /* NULL: edit_action() or vi_action() does it */
};

const struct action_row *action_row(enum action a);
enum action action_find(struct str name); /* ACTION_NONE where there is none */
const char *key_context_name(enum key_context c);

#define KEYMAP_MAX_KEYS 6 /* of one action */

struct keymap {
	struct key keys[ACTION_N][KEYMAP_MAX_KEYS];
	int n[ACTION_N];
};

void keymap_init(struct keymap *km); /* the defaults */
/*
 * Gives `action` these keys instead of its own ("" = none); in the same context they leave
 * whatever had them.  ERR_USAGE names what is not an action or not a key.
 */
int keymap_bind(struct keymap *km, struct str action, struct str keys, struct err *err);
enum action keymap_find(const struct keymap *km, enum key_context context, struct key key);
/* The action's keys by name, apart by blanks. */
void keymap_add_keys(const struct keymap *km, enum action a, struct buf *out);

#endif
