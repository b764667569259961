/* Where a key, a paste or the mouse goes: to a box over the screen, to an action, to the text.
 */
#include "tui/tui_private.h"

#include "engine/base/utf8.h"
#include "tui/edit_actions.h"

#define WHEEL_ROWS 3
#define FILTER_MAX 200

void tui_say_left_out(struct tui *t)
{
	tui_say(t, STYLE_ERROR, "too much text: it was left out");
}

void tui_edit_input(struct tui *t, enum action a)
{
	if (!edit_action(&t->composer.edit, a))
		return;
	vi_settle(&t->vi, &t->composer.edit);
	composer_changed(&t->composer);
}

void tui_action(struct tui *t, enum action a)
{
	if (action_row(a)->run)
		action_row(a)->run(t);
	else
		tui_edit_input(t, a);
}

static bool inside(struct pane p, int x, int y)
{
	return x >= p.x && y >= p.y && x < p.x + p.w && y < p.y + p.h;
}

static void mouse(struct tui *t, const struct key_event *ev)
{
	if (ev->button == MOUSE_WHEEL_UP || ev->button == MOUSE_WHEEL_DOWN) {
		int by = ev->button == MOUSE_WHEEL_UP ? -1 : 1;

		/* A wheel that came as keys is at no place. */
		if (ev->x < 0 ? t->focus == KEYS_LIST : inside(t->list_pane, ev->x, ev->y))
			convlist_step(&t->list, by);
		else
			transcript_scroll(t->said, by * WHEEL_ROWS);
		return;
	}
	if (ev->button != MOUSE_LEFT)
		return;
	if (inside(t->list_pane, ev->x, ev->y)) {
		if (convlist_click(&t->list, ev->y - t->list_pane.y)) {
			tui_open_row(t);
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
		if (t->list.filter.text.len + text.n < FILTER_MAX)
			editbuf_insert(&t->list.filter, text);
		else
			tui_say_left_out(t);
		tui_filter_changed(t);
	} else {
		t->focus = KEYS_COMPOSER;
		if (!editbuf_insert(&t->composer.edit, text))
			tui_say_left_out(t);
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

static void plain_key(struct tui *t, struct key k)
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
		tui_action(t, a);
		return;
	}
	if (t->focus == KEYS_LIST && k.code == KEY_BACKSPACE) {
		editbuf_delete(&t->list.filter, EDIT_LEFT, false);
		tui_filter_changed(t);
	} else if (key_is_char(k) && t->focus != KEYS_TRANSCRIPT) {
		type(t, (struct str){bytes, utf8_encode(k.code, bytes)});
	}
}

/* To whatever has the keys. */
static void take(struct tui *t, const struct key_event *ev)
{
	if (t->help.open) {
		help_key(&t->help, ev);
		return;
	}
	if (t->picker.open) {
		tui_picker_key(t, ev);
		return;
	}
	if (t->prompt != PROMPT_NONE) {
		tui_prompt_key(t, ev);
		return;
	}
	switch (ev->kind) {
	case KEY_EVENT_KEY:
		plain_key(t, ev->key);
		break;
	case KEY_EVENT_PASTE:
		type(t, ev->text);
		break;
	case KEY_EVENT_MOUSE:
		mouse(t, ev);
		break;
	}
}

void tui_key(struct tui *t, const struct key_event *ev)
{
	t->message[0] = '\0';
	take(t, ev);
	if (ev->kind == KEY_EVENT_PASTE && ev->cut)
		tui_say(t, STYLE_ERROR, "too long a paste: its end was left out");
}
