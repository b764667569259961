/* The life of a struct tui, where the panes lie, and drawing them. */
#include "tui/tui_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From this width on the conversations are shown without being asked for. */
#define LIST_AUTO_WIDTH 100
#define LIST_MIN_WIDTH  50 /* below, the list covers the transcript */

void tui_intent_release(struct tui_intent *in)
{
	buf_release(&in->text);
	buf_release(&in->name);
	*in = (struct tui_intent){0};
}

int tui_new(struct tui **out, const struct tui_config *config, struct err *err)
{
	struct tui *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return err_nomem(err, "screen", sizeof(*t));
	rc = transcript_new(&t->said, err);
	if (rc < 0) {
		free(t);
		return rc;
	}
	if (config)
		t->config = *config;
	keymap_init(&t->keys);
	t->focus = KEYS_COMPOSER;
	t->composer.goal = -1;
	t->status.cached = -1;
	t->w = 80;
	t->h = 24;
	*out = t;
	return 0;
}

void tui_free(struct tui *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_intents; i++)
		tui_intent_release(&t->intents[i]);
	free(t->intents);
	tui_drop_options(t);
	transcript_free(t->said);
	convlist_release(&t->list);
	composer_release(&t->composer);
	picker_release(&t->picker);
	help_release(&t->help);
	editbuf_release(&t->prompt_edit);
	buf_release(&t->option);
	codeblocks_release(&t->code);
	free(t);
}

struct keymap *tui_keymap(struct tui *t)
{
	return &t->keys;
}

struct transcript *tui_transcript(struct tui *t)
{
	return t->said;
}

struct tui_intent *tui_want(struct tui *t, enum tui_intent_kind kind)
{
	static struct tui_intent spare;

	if (t->n_intents == t->cap_intents) {
		size_t cap = t->cap_intents > 0 ? t->cap_intents * 2 : 8;
		struct tui_intent *v = realloc(t->intents, cap * sizeof(*v));

		if (!v) {
			tui_intent_release(&spare);
			return &spare;
		}
		t->intents = v;
		t->cap_intents = cap;
	}
	t->intents[t->n_intents] = (struct tui_intent){.kind = kind};
	return &t->intents[t->n_intents++];
}

bool tui_next_intent(struct tui *t, struct tui_intent *in)
{
	if (t->n_intents == 0)
		return false;
	*in = t->intents[0];
	t->n_intents--;
	memmove(t->intents, t->intents + 1, t->n_intents * sizeof(*t->intents));
	return true;
}

bool tui_is_busy(const struct tui *t)
{
	return t->status.turn;
}

void tui_set_status(struct tui *t, const struct status *s)
{
	t->status = *s;
}

void tui_set_conversations(struct tui *t, const struct convlist_row *rows, size_t n)
{
	convlist_set(&t->list, rows, n);
	if (t->focus != KEYS_LIST)
		convlist_choose_current(&t->list);
}

void tui_set_found(struct tui *t, const int64_t *ids, size_t n)
{
	convlist_set_found(&t->list, ids, n);
}

void tui_choose_conversation(struct tui *t, int64_t id)
{
	convlist_choose(&t->list, id);
}

void tui_say(struct tui *t, enum style_role role, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->message, sizeof(t->message), fmt, ap);
	va_end(ap);
	t->message_role = role;
}

void tui_edit(struct tui *t, int64_t id, struct str text)
{
	editbuf_replace(&t->composer.edit, 0, t->composer.edit.text.len, text);
	composer_changed(&t->composer);
	vi_insert(&t->vi);
	t->editing = id;
	t->focus = KEYS_COMPOSER;
}

int64_t tui_editing(const struct tui *t)
{
	return t->editing;
}

struct str tui_draft(const struct tui *t)
{
	return buf_str(&t->composer.edit.text);
}

void tui_add_input(struct tui *t, struct str text)
{
	composer_add_input(&t->composer, text);
}

void tui_set_ruler(struct tui *t, enum tui_ruler ruler)
{
	t->ruler = ruler;
}

void tui_set_vi(struct tui *t, bool on)
{
	vi_switch(&t->vi, on);
	help_set_vi(&t->help, on);
}

void tui_add_command(struct tui *t, const char *name, const char *arg, const char *help)
{
	help_add_command(&t->help, name, arg, help);
}

/* ---- drawing ---- */

bool tui_list_shown(const struct tui *t)
{
	if (t->bare)
		return false;
	switch (t->list_mode) {
	case LIST_AUTO:
		return t->w >= LIST_AUTO_WIDTH || t->focus == KEYS_LIST;
	case LIST_SHOWN:
		return t->w >= LIST_MIN_WIDTH || t->focus == KEYS_LIST;
	case LIST_HIDDEN:
		break;
	}
	return t->focus == KEYS_LIST;
}

static void arrange(struct tui *t)
{
	int left = 0, rows = t->h > 1 ? t->h - 1 : 1; /* above the status */
	int rule = t->h >= 6 && !t->bare, most = rows / 3 > 3 ? rows / 3 : 3;
	int composer;

	if (most > rows - 1)
		most = rows > 1 ? rows - 1 : 1;
	t->list_pane = (struct pane){0};
	if (tui_list_shown(t)) {
		int w = t->w / 4;

		w = w < 24 ? 24 : w > 36 ? 36 : w;
		if (t->w < LIST_MIN_WIDTH)
			w = t->w;
		t->list_pane = (struct pane){0, 0, w, rows};
		left = w + 1;
	}
	composer = composer_height(&t->composer, t->w - left, most);
	t->composer_pane = (struct pane){left, rows - composer, t->w - left, composer};
	t->said_pane = (struct pane){left, 0, t->w - left, rows - composer - rule};
	if (t->said_pane.h < 0)
		t->said_pane.h = 0;
}

static struct view pane_view(struct view all, struct pane p)
{
	return view_sub(all, p.x, p.y, p.w > 0 ? p.w : 0, p.h);
}

static void draw_welcome(const struct tui *t, struct view v)
{
	static const char *const lines[] = {
		"Type a question, press Enter.",
		"Alt-↑ goes to the transcript,",
		"Alt-← to the conversations.",
		"F1 shows every key.",
	};
	int n = (int)(sizeof(lines) / sizeof(lines[0]));
	int y = (v.h - n - 2) / 2;

	if (y < 0 || v.w < 20)
		return;
	view_putz(v, 2, y, "dsv4chat", STYLE_HEADING);
	if (t->status.model[0] != '\0')
		view_put_cut(v, 12, y, v.w - 14, str_of(t->status.model), STYLE_FAINT);
	for (int i = 0; i < n; i++)
		view_put_cut(v, 2, y + 2 + i, v.w - 4, str_of(lines[i]), STYLE_FAINT);
}

static const char *hint_for(const struct tui *t)
{
	bool vi = t->vi.on && t->focus == KEYS_COMPOSER;

	if (vi && !t->vi.normal)
		return tui_is_busy(t) ? "vi: writing · Esc Esc stops"
		       : t->w < 60    ? "vi: writing · F1 help"
				      : "vi: writing · Esc commands · F1 help";
	if (vi)
		return tui_is_busy(t) ? "vi: commands · Esc stops"
		       : t->w < 60    ? "vi: commands · F1 help"
				      : "vi: commands · i writes · F1 help";
	if (tui_is_busy(t))
		return "Esc stops";
	switch (t->focus) {
	case KEYS_TRANSCRIPT:
		return t->w < 60 ? "Esc back · F1 help"
				 : "/ finds · e edits · Esc back · F1 help";
	case KEYS_LIST:
		return "Enter opens · Esc back · F1 help";
	case KEYS_ANYWHERE:
	case KEYS_COMPOSER:
	case KEYS_VI:
	case KEYS_N_CONTEXTS:
		break;
	}
	return "F1 help";
}

static void draw_last_row(struct tui *t, struct view row)
{
	if (t->prompt != PROMPT_NONE) {
		tui_draw_prompt(t, row);
	} else if (t->message[0] != '\0') {
		view_fill(row, 0, 0, row.w, 1, ' ', STYLE_TEXT);
		view_put_cut(row, 1, 0, row.w - 1, str_of(t->message),
			     (uint16_t)t->message_role);
	} else {
		status_draw(&t->status, hint_for(t), row);
	}
}

void tui_draw(struct tui *t, struct surface *s, int64_t now_ms)
{
	struct view all = surface_view(s), said;
	bool focused_composer;

	t->w = s->w;
	t->h = s->h;
	surface_clear(s);
	t->composer.focused = t->focus == KEYS_COMPOSER && t->prompt == PROMPT_NONE;
	t->composer.banner =
		t->editing != 0
			? "Editing what you said: Enter makes a new branch, Esc leaves it"
			: NULL;
	arrange(t);
	focused_composer = t->composer.focused;
	if (t->list_pane.w > 0) {
		convlist_draw(&t->list, pane_view(all, t->list_pane),
			      t->focus == KEYS_LIST && t->prompt == PROMPT_NONE);
		view_fill(all, t->list_pane.w, 0, 1, t->list_pane.h, 0x2502, STYLE_BORDER);
	}
	said = pane_view(all, t->said_pane);
	transcript_set_ruler(t->said, t->ruler == TUI_RULER_ON || (t->ruler == TUI_RULER_AUTO &&
								   t->w >= LIST_AUTO_WIDTH));
	transcript_draw(t->said, said, t->focus == KEYS_TRANSCRIPT, now_ms);
	if (transcript_n(t->said) == 0)
		draw_welcome(t, said);
	if (t->composer_pane.y > t->said_pane.h)
		view_fill(all, t->composer_pane.x, t->composer_pane.y - 1, t->composer_pane.w,
			  1, 0x2500, STYLE_BORDER);
	if (t->composer_pane.w > 0)
		composer_draw(&t->composer, pane_view(all, t->composer_pane));
	if (!focused_composer && t->focus == KEYS_COMPOSER)
		s->cursor_on = false;
	if (t->h > 1)
		draw_last_row(t, view_sub(all, 0, t->h - 1, t->w, 1));
	if (t->help.open) {
		s->cursor_on = false;
		help_draw(&t->help, &t->keys, all);
	}
	if (t->picker.open)
		picker_draw(&t->picker, all);
}

int tui_wake_ms(const struct tui *t, int64_t now_ms)
{
	if (transcript_ticks(t->said))
		return (int)(1000 - now_ms % 1000);
	return -1;
}
