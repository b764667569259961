/*
 * The parts of a struct tui, shared by tui.c (life, drawing), tui_keys.c (where keys go),
 * act_*.c (what actions do) and tui_boxes.c (boxes over the screen).
 */
#ifndef TUI_TUI_PRIVATE_H
#define TUI_TUI_PRIVATE_H

#include "tui/composer.h"
#include "tui/help.h"
#include "tui/picker.h"
#include "tui/tui.h"
#include "tui/vi.h"

enum picker_use { PICK_ACTION, PICK_INPUT, PICK_COMPLETION, PICK_OPTION, PICK_VALUE, PICK_CODE, PICK_CHOICE };

enum prompt_use { PROMPT_NONE, PROMPT_SEARCH, PROMPT_RENAME, PROMPT_VALUE };

struct pane {
	int x, y, w, h;
};

struct tui {
	struct tui_config config;
	struct keymap keys;
	struct transcript *said;
	struct convlist list;
	struct composer composer;
	struct vi vi; /* of the composer */
	struct status status;
	struct help help;

	struct picker picker;
	enum picker_use use;
	size_t word_from; /* the composer's word that a completion replaces */

	enum prompt_use prompt;
	struct editbuf prompt_edit;
	int64_t prompt_id;
	struct buf option;       /* whose value is asked for */
	struct buf *option_text; /* name, value, help, choices by '\0', of each */
	size_t n_options;
	struct codeblocks code; /* that may be copied */
	enum tui_question question; /* of PICK_CHOICE */

	enum key_context focus;
	enum { LIST_AUTO, LIST_SHOWN, LIST_HIDDEN } list_mode;
	bool bare;
	enum tui_ruler ruler;
	int64_t editing; /* the message that sending replaces; 0 = none */
	bool quit_asked; /* the last key asked whether to quit */
	char message[512];
	enum style_role message_role;

	struct tui_intent *intents;
	size_t n_intents, cap_intents;

	int w, h;
	struct pane list_pane, said_pane, composer_pane; /* of the last drawing */
};

/* A new intent to fill in; never NULL: without memory a spare one that is dropped. */
struct tui_intent *tui_want(struct tui *t, enum tui_intent_kind kind);
bool tui_is_busy(const struct tui *t);
bool tui_list_shown(const struct tui *t);

void tui_say_left_out(struct tui *t); /* text that its field does not take */
/* Edits the composer's text as the action says; nothing where it is no such action. */
void tui_edit_input(struct tui *t, enum action a);
void tui_open_row(struct tui *t); /* the chosen conversation */
void tui_filter_changed(struct tui *t);

void tui_open_palette(struct tui *t);
void tui_open_inputs(struct tui *t);
void tui_open_code(struct tui *t);
void tui_complete(struct tui *t);
void tui_picker_key(struct tui *t, const struct key_event *ev);
void tui_open_prompt(struct tui *t, enum prompt_use use, int64_t id, struct str text);
void tui_prompt_key(struct tui *t, const struct key_event *ev);
void tui_draw_prompt(struct tui *t, struct view row);
void tui_drop_options(struct tui *t);

#endif
