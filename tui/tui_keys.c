#include "tui/tui_private.h"

#include <string.h>

#include "engine/base/utf8.h"
#include "tui/edit_actions.h"

#define WHEEL_ROWS 3

/* The message that keys of the transcript act on: the chosen item's, else the next one that has
 * one. */
static bool chosen_message(struct tui *t, size_t *item)
{
	size_t i = transcript_chosen(t->said);

	if (i == TRANSCRIPT_NONE)
		return false;
	while (transcript_id(t->said, i) == 0 && i > 0)
		i--;
	*item = i;
	return transcript_id(t->said, i) != 0;
}

/* The nearest item of a kind at or before the chosen one. */
static bool chosen_of_kind(struct tui *t, enum item_kind kind, size_t *item)
{
	size_t i = transcript_chosen(t->said);

	if (i == TRANSCRIPT_NONE)
		return false;
	for (i++; i-- > 0;) {
		if (transcript_kind(t->said, i) == kind && transcript_id(t->said, i) != 0) {
			*item = i;
			return true;
		}
	}
	return false;
}

static void want_for_item(struct tui *t, enum tui_intent_kind kind, bool found, size_t item,
			  const char *otherwise)
{
	if (found)
		tui_want(t, kind)->id = transcript_id(t->said, item);
	else
		tui_say(t, STYLE_NOTICE, "%s", otherwise);
}

static void want_sibling(struct tui *t, int step)
{
	size_t i;
	struct tui_intent *in;

	if (!chosen_message(t, &i))
		return;
	in = tui_want(t, TUI_SIBLING);
	in->id = transcript_id(t->said, i);
	in->step = step;
}

static void want_for_row(struct tui *t, enum tui_intent_kind kind)
{
	const struct convlist_row *row = convlist_chosen(&t->list);

	if (row != NULL)
		tui_want(t, kind)->id = row->id;
}

static void send(struct tui *t)
{
	struct editbuf *e = &t->composer.edit;
	struct tui_intent *in;
	size_t n = e->text.len;

	while (n > 0 && strchr(" \n\t", e->text.data[n - 1]) != NULL)
		n--;
	if (n == 0)
		return;
	in = tui_want(t, TUI_SEND);
	buf_add(&in->text, e->text.data, n);
	if (buf_failed(&in->text)) {
		t->n_intents--;
		tui_intent_release(in);
		tui_say(t, STYLE_ERROR, "out of memory: the message stays here");
		return;
	}
	in->id = t->editing;
	t->editing = 0;
	composer_add_input(&t->composer, buf_str(&in->text));
	editbuf_set(e, (struct str){0});
	vi_insert(&t->vi);
	transcript_follow(t->said);
}

static void cancel(struct tui *t)
{
	struct editbuf *e = &t->composer.edit;

	if (tui_is_busy(t)) {
		tui_want(t, TUI_INTERRUPT);
	} else if (e->text.len > 0) {
		/* By a step that can be undone. */
		editbuf_replace(e, 0, e->text.len, (struct str){0});
		t->editing = 0;
		tui_say(t, STYLE_FAINT, "cleared; Ctrl-_ brings it back");
	} else {
		t->quit_asked = true;
		tui_say(t, STYLE_NOTICE, "Ctrl-C again quits");
	}
}

static void escape(struct tui *t)
{
	if (tui_is_busy(t)) {
		tui_want(t, TUI_INTERRUPT);
	} else if (t->focus == KEYS_LIST || t->focus == KEYS_TRANSCRIPT) {
		transcript_search(t->said, (struct str){0}, 1);
		t->focus = KEYS_COMPOSER;
	} else if (t->editing != 0) {
		t->editing = 0;
		editbuf_replace(&t->composer.edit, 0, t->composer.edit.text.len,
				(struct str){0});
		tui_say(t, STYLE_FAINT, "nothing was changed");
	} else {
		transcript_search(t->said, (struct str){0}, 1);
	}
}

static void focus(struct tui *t, enum key_context to)
{
	if (to == KEYS_TRANSCRIPT && transcript_n(t->said) == 0) {
		tui_say(t, STYLE_FAINT, "nothing was said yet");
		return;
	}
	t->focus = to;
}

static void toggle_list(struct tui *t)
{
	bool shown = tui_list_shown(t);

	if (t->focus == KEYS_LIST)
		t->focus = KEYS_COMPOSER;
	t->list_mode = shown ? LIST_HIDDEN : LIST_SHOWN;
	if (!shown && t->w < 50)
		t->focus = KEYS_LIST; /* it covers the rest */
}

static void search_step(struct tui *t, int step)
{
	if (!transcript_searching(t->said))
		tui_open_prompt(t, PROMPT_SEARCH, 0, (struct str){0});
	else if (!transcript_search_next(t->said, step))
		tui_say(t, STYLE_NOTICE, "not found");
}

static void copy(struct tui *t)
{
	size_t i = transcript_chosen(t->said);

	if (i != TRANSCRIPT_NONE)
		buf_adds(&tui_want(t, TUI_COPY)->text, transcript_text(t->said, i));
}

static void editor(struct tui *t)
{
	struct tui_intent *in = tui_want(t, TUI_EDITOR);

	in->id = t->editing;
	buf_adds(&in->text, buf_str(&t->composer.edit.text));
}

/* Titles are looked at here, what was said by the controller. */
static void filter_changed(struct tui *t)
{
	convlist_set_found(&t->list, NULL, 0);
	t->list.chosen = 0;
	if (t->list.filter.text.len == 0)
		convlist_choose_current(&t->list);
	else
		buf_adds(&tui_want(t, TUI_FIND)->text, buf_str(&t->list.filter.text));
}

static void clear_filter(struct tui *t)
{
	editbuf_set(&t->list.filter, (struct str){0});
	filter_changed(t);
}

static void rename_row(struct tui *t)
{
	const struct convlist_row *row = convlist_chosen(&t->list);

	if (row != NULL)
		tui_open_prompt(t, PROMPT_RENAME, row->id, row->title);
}

bool tui_action(struct tui *t, enum action a, int64_t now_ms)
{
	size_t item = 0;

	(void)now_ms;
	if (a == ACTION_DELETE && t->composer.edit.text.len == 0) {
		tui_want(t, TUI_QUIT);
		return true;
	}
	if (edit_action(&t->composer.edit, a)) {
		vi_settle(&t->vi, &t->composer.edit);
		composer_changed(&t->composer);
		return true;
	}
	switch (a) {
	case ACTION_NONE:
	case ACTION_N:
		return false;
	case ACTION_HELP:
		help_open(&t->help);
		break;
	case ACTION_PALETTE:
		tui_open_palette(t);
		break;
	case ACTION_OPTIONS:
		tui_want(t, TUI_OPTIONS);
		break;
	case ACTION_INTERRUPT:
		escape(t);
		break;
	case ACTION_CANCEL:
		cancel(t);
		break;
	case ACTION_END_THINKING:
		if (t->status.phase == STATUS_THINKING)
			tui_want(t, TUI_END_THINKING);
		else
			tui_say(t, STYLE_FAINT, "the model isn't thinking now");
		break;
	case ACTION_FOLD_THINKING:
		transcript_fold_thinking(t->said);
		break;
	case ACTION_UNFOLD_TOOLS:
		transcript_unfold_tools(t->said);
		break;
	case ACTION_NEW:
		tui_want(t, TUI_NEW);
		t->focus = KEYS_COMPOSER;
		break;
	case ACTION_TOGGLE_LIST:
		toggle_list(t);
		break;
	case ACTION_FOCUS_LEFT:
		focus(t, KEYS_LIST);
		break;
	case ACTION_FOCUS_RIGHT:
	case ACTION_FOCUS_DOWN:
	case ACTION_TO_COMPOSER:
		focus(t, KEYS_COMPOSER);
		break;
	case ACTION_FOCUS_UP:
		focus(t, KEYS_TRANSCRIPT);
		break;
	case ACTION_PAGE_UP:
		transcript_page(t->said, -1);
		break;
	case ACTION_PAGE_DOWN:
		transcript_page(t->said, 1);
		break;
	case ACTION_FOLLOW:
	case ACTION_BOTTOM:
		transcript_follow(t->said);
		break;
	case ACTION_SEARCH:
	case ACTION_SEARCH_HERE:
		tui_open_prompt(t, PROMPT_SEARCH, 0, (struct str){0});
		break;
	case ACTION_BARE:
		t->bare = !t->bare;
		tui_want(t, TUI_BARE)->step = t->bare;
		tui_say(t, STYLE_FAINT, t->bare ? "bare screen: F4 leaves it" : "");
		break;
	case ACTION_SUSPEND:
		tui_want(t, TUI_SUSPEND);
		break;
	case ACTION_REPAINT:
		tui_want(t, TUI_REPAINT);
		break;
	case ACTION_QUIT:
		tui_want(t, TUI_QUIT);
		break;
	case ACTION_SEND:
		send(t);
		break;
	case ACTION_NEWLINE:
		editbuf_insert(&t->composer.edit, STR_LIT("\n"));
		composer_changed(&t->composer);
		break;
	case ACTION_COMPLETE:
		tui_complete(t);
		break;
	case ACTION_INPUT_SEARCH:
		tui_open_inputs(t);
		break;
	case ACTION_EDITOR:
		editor(t);
		break;
	case ACTION_UP:
		composer_up(&t->composer);
		break;
	case ACTION_DOWN:
		composer_down(&t->composer);
		break;
	case ACTION_LINE_UP:
		transcript_scroll(t->said, -1);
		break;
	case ACTION_LINE_DOWN:
		transcript_scroll(t->said, 1);
		break;
	case ACTION_TOP:
		transcript_top(t->said);
		break;
	case ACTION_MESSAGE_UP:
		transcript_jump(t->said, -1);
		break;
	case ACTION_MESSAGE_DOWN:
		transcript_jump(t->said, 1);
		break;
	case ACTION_TOGGLE_FOLD:
		transcript_toggle_fold(t->said, transcript_chosen(t->said));
		break;
	case ACTION_SEARCH_NEXT:
		search_step(t, 1);
		break;
	case ACTION_SEARCH_PREVIOUS:
		search_step(t, -1);
		break;
	case ACTION_SIBLING_LEFT:
		want_sibling(t, -1);
		break;
	case ACTION_SIBLING_RIGHT:
		want_sibling(t, 1);
		break;
	case ACTION_EDIT: {
		bool found = chosen_of_kind(t, ITEM_USER, &item);

		want_for_item(t, TUI_EDIT, found, item, "nothing of yours to edit here");
		break;
	}
	case ACTION_REGENERATE: {
		bool found = chosen_message(t, &item);

		want_for_item(t, TUI_REGENERATE, found, item, "nothing to answer again");
		break;
	}
	case ACTION_CONTINUE: {
		bool found = chosen_message(t, &item);

		want_for_item(t, TUI_CONTINUE, found, item, "nothing to go on with");
		break;
	}
	case ACTION_FORK: {
		bool found = chosen_message(t, &item);

		want_for_item(t, TUI_FORK, found, item, "nothing to fork from");
		break;
	}
	case ACTION_COPY:
		copy(t);
		break;
	case ACTION_LIST_UP:
		convlist_step(&t->list, -1);
		break;
	case ACTION_LIST_DOWN:
		convlist_step(&t->list, 1);
		break;
	case ACTION_LIST_OPEN:
		want_for_row(t, TUI_OPEN);
		clear_filter(t);
		t->focus = KEYS_COMPOSER;
		break;
	case ACTION_LIST_PIN:
		want_for_row(t, TUI_PIN);
		break;
	case ACTION_LIST_RENAME:
		rename_row(t);
		break;
	case ACTION_LIST_ARCHIVE:
		want_for_row(t, TUI_ARCHIVE);
		break;
	case ACTION_LIST_DELETE:
		want_for_row(t, TUI_DELETE);
		break;
	case ACTION_LIST_UNDO:
		tui_want(t, TUI_UNDELETE);
		break;
	case ACTION_LIST_CLEAR:
		clear_filter(t);
		break;
	case ACTION_LEFT:
	case ACTION_RIGHT:
	case ACTION_WORD_LEFT:
	case ACTION_WORD_RIGHT:
	case ACTION_LINE_START:
	case ACTION_LINE_END:
	case ACTION_TEXT_START:
	case ACTION_TEXT_END:
	case ACTION_RUBOUT:
	case ACTION_DELETE:
	case ACTION_KILL_LINE:
	case ACTION_KILL_BACK:
	case ACTION_KILL_WORD_BACK:
	case ACTION_KILL_WORD:
	case ACTION_YANK:
	case ACTION_UNDO:
		break; /* edit_action() did them */
	case ACTION_VI_LEFT:
	case ACTION_VI_RIGHT:
	case ACTION_VI_DOWN:
	case ACTION_VI_UP:
	case ACTION_VI_WORD:
	case ACTION_VI_WORD_END:
	case ACTION_VI_WORD_BACK:
	case ACTION_VI_LINE_START:
	case ACTION_VI_LINE_FIRST:
	case ACTION_VI_LINE_END:
	case ACTION_VI_TOP:
	case ACTION_VI_BOTTOM:
	case ACTION_VI_FIND:
	case ACTION_VI_FIND_BACK:
	case ACTION_VI_TILL:
	case ACTION_VI_TILL_BACK:
	case ACTION_VI_FIND_NEXT:
	case ACTION_VI_FIND_PREVIOUS:
	case ACTION_VI_DELETE:
	case ACTION_VI_CHANGE:
	case ACTION_VI_COPY:
	case ACTION_VI_CUT_CHAR:
	case ACTION_VI_RUBOUT:
	case ACTION_VI_REPLACE:
	case ACTION_VI_CASE:
	case ACTION_VI_DELETE_END:
	case ACTION_VI_CHANGE_END:
	case ACTION_VI_PUT:
	case ACTION_VI_PUT_BEFORE:
	case ACTION_VI_UNDO:
	case ACTION_VI_INSERT:
	case ACTION_VI_INSERT_START:
	case ACTION_VI_APPEND:
	case ACTION_VI_APPEND_END:
	case ACTION_VI_OPEN:
	case ACTION_VI_OPEN_ABOVE:
		break; /* vi_key() did them */
	}
	return true;
}

static bool inside(struct pane p, int x, int y)
{
	return x >= p.x && y >= p.y && x < p.x + p.w && y < p.y + p.h;
}

static void mouse(struct tui *t, const struct key_event *ev)
{
	if (ev->button == MOUSE_WHEEL_UP || ev->button == MOUSE_WHEEL_DOWN) {
		int by = ev->button == MOUSE_WHEEL_UP ? -1 : 1;

		if (inside(t->list_pane, ev->x, ev->y))
			convlist_step(&t->list, by);
		else
			transcript_scroll(t->said, by * WHEEL_ROWS);
		return;
	}
	if (ev->button != MOUSE_LEFT)
		return;
	if (inside(t->list_pane, ev->x, ev->y)) {
		if (convlist_click(&t->list, ev->y - t->list_pane.y)) {
			want_for_row(t, TUI_OPEN);
			t->focus = KEYS_COMPOSER;
		} else {
			t->focus = KEYS_LIST;
		}
	} else if (inside(t->composer_pane, ev->x, ev->y)) {
		t->focus = KEYS_COMPOSER;
		composer_click(&t->composer, ev->x - t->composer_pane.x,
			       ev->y - t->composer_pane.y);
	} else if (inside(t->said_pane, ev->x, ev->y) && transcript_n(t->said) > 0) {
		t->focus = KEYS_TRANSCRIPT;
		if (transcript_click(t->said, ev->y - t->said_pane.y))
			transcript_toggle_fold(t->said, transcript_chosen(t->said));
	}
}

static void type(struct tui *t, struct str text)
{
	if (t->focus == KEYS_LIST) {
		if (t->list.filter.text.len + text.n < 200)
			editbuf_insert(&t->list.filter, text);
		filter_changed(t);
	} else {
		t->focus = KEYS_COMPOSER;
		if (!editbuf_insert(&t->composer.edit, text))
			tui_say(t, STYLE_ERROR, "too much text: it was left out");
		composer_changed(&t->composer);
	}
}

/* Where keys are vi's commands; false: the key is as it is without vi. */
static bool vi_key(struct tui *t, struct key k)
{
	struct editbuf *e = &t->composer.edit;
	enum action a;
	long times = 0;

	if (!t->vi.on || t->focus != KEYS_COMPOSER)
		return false;
	if (keymap_find(&t->keys, KEYS_COMPOSER, k) == ACTION_INTERRUPT)
		return vi_escape(&t->vi, e);
	if (!t->vi.normal)
		return false;
	if (key_is_char(k) && vi_takes_char(&t->vi, k.code)) {
		vi_char(&t->vi, e, k.code);
		composer_changed(&t->composer);
		return true;
	}
	a = keymap_find(&t->keys, KEYS_VI, k);
	if (a == ACTION_NONE || action_row(a)->context != KEYS_VI) {
		/* A command that waits is over; no other character types. */
		vi_escape(&t->vi, e);
		return key_is_char(k) && a == ACTION_NONE;
	}
	switch (vi_action(&t->vi, e, a, &times)) {
	case VI_DONE:
		composer_changed(&t->composer);
		break;
	case VI_UP:
		while (times-- > 0)
			composer_up(&t->composer);
		vi_settle(&t->vi, e);
		break;
	case VI_DOWN:
		while (times-- > 0)
			composer_down(&t->composer);
		vi_settle(&t->vi, e);
		break;
	}
	return true;
}

static void plain_key(struct tui *t, struct key k, int64_t now_ms)
{
	enum action a = keymap_find(&t->keys, t->focus, k);
	bool quits = t->quit_asked;
	char bytes[4];

	t->quit_asked = false;
	if (vi_key(t, k))
		return;
	if (a == ACTION_CANCEL && quits) {
		tui_want(t, TUI_QUIT);
		return;
	}
	if (a != ACTION_NONE) {
		tui_action(t, a, now_ms);
		return;
	}
	if (t->focus == KEYS_LIST && k.code == KEY_BACKSPACE) {
		editbuf_delete(&t->list.filter, EDIT_LEFT, false);
		filter_changed(t);
	} else if (key_is_char(k) && t->focus != KEYS_TRANSCRIPT) {
		type(t, (struct str){bytes, utf8_encode(k.code, bytes)});
	}
}

void tui_key(struct tui *t, const struct key_event *ev, int64_t now_ms)
{
	t->message[0] = '\0';
	if (t->help.open) {
		help_key(&t->help, ev);
		return;
	}
	if (t->picker.open) {
		tui_picker_key(t, ev, now_ms);
		return;
	}
	if (t->prompt != PROMPT_NONE) {
		tui_prompt_key(t, ev);
		return;
	}
	switch (ev->kind) {
	case KEY_EVENT_KEY:
		plain_key(t, ev->key, now_ms);
		break;
	case KEY_EVENT_PASTE:
		type(t, ev->text);
		break;
	case KEY_EVENT_MOUSE:
		mouse(t, ev);
		break;
	}
}
