/*
 * The full-screen chat: panes, boxes and keys on one surface.
 *
 * A struct tui owns what is on the screen and nothing else: it is given what was
 * said, and says what the user wants as intents.  It knows neither engine nor
 * history nor terminal; the controller (app/) joins them:
 *
 *   bytes → keyparse → tui_key → intents → controller → transcript, status →
 *   tui_draw → surface → terminal_show
 *
 * UI thread only.  Memory that runs out loses what was to be shown, never the
 * program; text in the composer stays.
 */
#ifndef TUI_TUI_H
#define TUI_TUI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "tui/codeblock.h"
#include "tui/convlist.h"
#include "tui/key.h"
#include "tui/keymap.h"
#include "tui/keyparse.h"
#include "tui/osc52.h"
#include "tui/status.h"
#include "tui/surface.h"
#include "tui/terminal.h"
#include "tui/transcript.h"

enum tui_intent_kind {
	TUI_SEND, /* text; id: the message it replaces on a new branch, 0 = none */
	TUI_INTERRUPT,
	TUI_END_THINKING,
	TUI_EDIT,       /* id: give its text to tui_edit()                      */
	TUI_REGENERATE, /* id: an answer, or what was asked                     */
	TUI_CONTINUE,   /* id: an answer                                        */
	TUI_FORK,       /* id: the last message that is kept                    */
	TUI_SIBLING,    /* id, step                                             */
	TUI_COPY,       /* text                                                 */
	TUI_UNDO_EDIT,  /* id: an answer; step: which of its calls, from 0      */
	TUI_FIND,       /* text: the filter of the conversations, for tui_set_found() */
	TUI_NEW,
	TUI_OPEN, /* id: a conversation, as below                         */
	TUI_PIN,
	TUI_RENAME, /* text                                                 */
	TUI_ARCHIVE,
	TUI_DELETE,
	TUI_UNDELETE,
	TUI_CHOSEN,  /* step: the question that tui_ask() asked; id: the choice's value */
	TUI_APPROVE_MODE, /* the next one */
	TUI_PLAN,         /* plan mode begins, or ends */
	TUI_OPTIONS, /* give them to tui_show_options()                      */
	TUI_SET,     /* name, text: an option's new value                    */
	TUI_EDITOR,  /* text: what stands in the composer; id as for TUI_SEND  */
	TUI_BARE,    /* step: 1 = the bare screen is on, so no mouse          */
	TUI_SUSPEND,
	TUI_REPAINT,
	TUI_QUIT,
};

struct tui_intent {
	enum tui_intent_kind kind;
	int64_t id;
	int step;
	struct buf text, name; /* owned: tui_intent_release() */
};

void tui_intent_release(struct tui_intent *in);

struct tui_option {
	const char *name, *value, *help;
	const char *const *choices; /* ends with NULL; NULL = any text */
};

enum tui_question { TUI_ASK_RESUME, TUI_ASK_QUIT, TUI_ASK_UNDO, TUI_ASK_PLAN };

struct tui;

struct tui_config {
	/* Called for Tab: calls tui_add_completion() for what the word may become.  NULL: none.
	 */
	void (*complete)(void *ctx, struct tui *t, struct str word);
	void *ctx;
};

int tui_new(struct tui **out, const struct tui_config *config, struct err *err);
void tui_free(struct tui *t);

struct keymap *tui_keymap(struct tui *t);         /* to bind keys */
struct transcript *tui_transcript(struct tui *t); /* what was said */

/* Draws all of it on the surface, whose size it takes. */
void tui_draw(struct tui *t, struct surface *s, int64_t now_ms);
/* In how many ms the screen changes by itself; -1: not before something happens. */
int tui_wake_ms(const struct tui *t, int64_t now_ms);

void tui_key(struct tui *t, const struct key_event *ev);
/* Takes the next intent; false when there is none.  Release it. */
bool tui_next_intent(struct tui *t, struct tui_intent *in);

void tui_set_status(struct tui *t, const struct status *s);
void tui_set_conversations(struct tui *t, const struct convlist_row *rows, size_t n);
/* Conversations in which the filter's words were said, beside those whose title has them. */
void tui_set_found(struct tui *t, const int64_t *ids, size_t n);
void tui_choose_conversation(struct tui *t, int64_t id);
/* One line in the last row until the next key. */
void tui_say(struct tui *t, enum style_role role, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts a message in the composer: sending it replaces `id` (0: a plain message). */
void tui_edit(struct tui *t, int64_t id, struct str text);
int64_t tui_editing(const struct tui *t); /* the message that sending would replace; 0 = none */
/* The question that editing would change, while the transcript has the keys; 0 = none. */
int64_t tui_chosen_question(const struct tui *t);
/* What is in the composer and not sent. */
struct str tui_draft(const struct tui *t);
/* An earlier input, for Up and Ctrl-R. */
void tui_add_input(struct tui *t, struct str text);
enum tui_ruler { TUI_RULER_AUTO, TUI_RULER_ON, TUI_RULER_OFF }; /* auto: on a wide screen */
void tui_set_ruler(struct tui *t, enum tui_ruler ruler);
void tui_set_vi(struct tui *t, bool on); /* vi's keys in the composer */
/* A slash command, for the help; the strings are borrowed for the screen's life. */
void tui_add_command(struct tui *t, const char *name, const char *arg, const char *help);
void tui_add_completion(struct tui *t, struct str word, struct str help);
/* Asks in a box: its choices are added, then tui_asked() shows it; without any it is not. */
void tui_ask(struct tui *t, enum tui_question question, const char *title);
void tui_add_choice(struct tui *t, struct str label, struct str right, int64_t value);
void tui_asked(struct tui *t);
void tui_show_options(struct tui *t, const struct tui_option *options, size_t n);
/* Does what the key table's row says, whatever keys it has; vi's actions are of its keys alone.
 */
void tui_action(struct tui *t, enum action a);

#endif
