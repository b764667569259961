/* What the user wants, as the keys say it. */
#include "app/screen/private.h"

#include <string.h>

#include "app/pulse.h"

/* Messages looked at for the filter of the conversations. */
#define FOUND_MAX 200
#define FOUND_MS  40 /* a key is answered by then, with what was found */

static struct talk_message *message(struct screen *s, int64_t id)
{
	struct talk_message *m = talk_find(s->talk, id);

	if (!m)
		tui_say(s->tui, STYLE_NOTICE, "nothing is chosen");
	return m;
}

static void want_send(struct screen *s, const struct tui_intent *in)
{
	struct talk_message *m = in->id != 0 ? talk_find(s->talk, in->id) : NULL;
	struct err err = {0};

	if (in->id == 0 && str_is(buf_str(&in->text), "/")) {
		tui_edit(s->tui, 0, buf_str(&in->text));
		tui_action(s->tui, ACTION_COMPLETE);
		return;
	}
	if (in->id == 0 && cmd_is_leaving(buf_str(&in->text))) {
		screen_ask_quit(s, buf_str(&in->text));
		return;
	}
	if (in->id == 0 && cmd_meant(buf_str(&in->text))) {
		screen_keep_input(s, buf_str(&in->text));
		screen_command(s, buf_str(&in->text));
		return;
	}
	if (m && screen_is_writing(s))
		tui_edit(s->tui, in->id, buf_str(&in->text));
	else if (screen_send(s, buf_str(&in->text), m, &err))
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
	else
		screen_keep_input(s, buf_str(&in->text));
}

void screen_edit(struct screen *s, const struct talk_message *m)
{
	struct buf text = {0};

	talk_message_add_text(m, HISTORY_TEXT, &text);
	tui_edit(s->tui, m->id, buf_str(&text));
	buf_release(&text);
}

static void want_edit(struct screen *s, const struct tui_intent *in)
{
	struct talk_message *m = message(s, in->id);

	if (m && !screen_is_writing(s))
		screen_edit(s, m);
}

static void want_sibling(struct screen *s, const struct tui_intent *in)
{
	struct talk_message *m = message(s, in->id), *to;
	struct err err;

	if (!m || screen_is_writing(s))
		return;
	to = talk_sibling(s->talk, m, in->step);
	if (!to) {
		tui_say(s->tui, STYLE_FAINT, "no branch further that way");
		return;
	}
	talk_show(s->talk, to);
	screen_show_talk(s);
	transcript_choose(s->said, to->id);
	screen_tell_store(s, talk_store_show(s->talks, s->talk, &err), &err);
}

/* Where the words were said; the last one may be unfinished yet. */
static void want_found(struct screen *s, const struct tui_intent *in)
{
	struct history_query q = {.limit = FOUND_MAX, .bare = true, .within_ms = FOUND_MS};
	struct history_hits hits;
	int64_t ids[FOUND_MAX];
	struct buf text = {0};
	struct err err;
	size_t n = 0;
	bool before;
	int rc;

	if (!s->talks->store)
		return;
	buf_adds(&text, buf_str(&in->text));
	if (text.len > 0 && !strchr(" *\"", text.data[text.len - 1]))
		buf_addc(&text, '*');
	q.text = buf_str(&text);
	before = pulse_optional(true);
	rc = history_search(s->talks->store, &q, &hits, &err);
	pulse_optional(before);
	/* Words that can't be searched for leave the titles. */
	if (rc == 0) {
		for (size_t i = 0; i < hits.n && n < FOUND_MAX; i++)
			for (size_t k = 0; k < s->talks->n; k++)
				if (s->talks->v[k]->stored == hits.items[i].conversation) {
					ids[n++] = s->talks->v[k]->id;
					break;
				}
		history_hits_release(&hits);
		tui_set_found(s->tui, ids, n);
	}
	buf_release(&text);
}

static void want_back(struct screen *s, const struct tui_intent *in)
{
	struct talk *t = s->talks->removed;

	(void)in;
	if (!t || !talks_unremove(s->talks)) {
		tui_say(s->tui, STYLE_FAINT, "nothing was deleted");
		return;
	}
	screen_show_list(s);
	tui_choose_conversation(s->tui, t->id);
	tui_say(s->tui, STYLE_FAINT, "it is back");
}

static void want_pin(struct screen *s, struct talk *t, const struct tui_intent *in)
{
	struct err err;

	(void)in;
	t->pinned = !t->pinned;
	screen_tell_store(s, talk_store_mark(s->talks, t, &err), &err);
	screen_show_list(s);
}

static void want_archive(struct screen *s, struct talk *t, const struct tui_intent *in)
{
	struct err err;

	(void)in;
	t->archived = !t->archived;
	tui_say(s->tui, STYLE_FAINT,
		t->archived ? "archived: typing finds it, the same key brings it back"
			    : "no longer archived");
	screen_tell_store(s, talk_store_mark(s->talks, t, &err), &err);
	screen_show_list(s);
}

/* Of the menu; an empty value is one, too. */
static void want_set(struct screen *s, const struct tui_intent *in)
{
	const struct option_row *row = option_find(buf_z(&in->name));
	const char *value = buf_z(&in->text);
	struct err err = {0};
	int rc;

	if (!row)
		return;
	if (strcmp(row->name, "system") == 0)
		rc = cmd_system(&s->host, *value ? value : "-", &err);
	else
		rc = option_set(s->opt, row, value, &err);
	if (rc)
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
	else if (strcmp(row->name, "system") != 0)
		screen_host.show_option(&s->host, row);
	screen_apply_options(s);
}

static void want_copy(struct screen *s, const struct tui_intent *in)
{
	struct err err;

	if (cmd_copy_text(&s->host, buf_str(&in->text), &err) < 0)
		tui_say(s->tui, STYLE_ERROR, "not copied: %s", err.text);
}

static void want_undo_edit(struct screen *s, const struct tui_intent *in)
{
	const struct talk_message *m = message(s, in->id);
	struct err err;

	if (m && !screen_is_writing(s) && screen_undo_call(s, m, in->step, &err))
		tui_say(s->tui, STYLE_NOTICE, "%s", err.text);
}

static void want_suspend(struct screen *s, const struct tui_intent *in)
{
	int w, h;

	(void)in;
	if (!s->terminal)
		return;
	terminal_suspend(s->terminal, &s->failed);
	terminal_size(s->terminal, &w, &h);
	surface_resize(&s->surface, w, h, &s->failed);
}

static void want_message(struct screen *s, const struct tui_intent *in)
{
	struct talk_message *m = message(s, in->id);

	if (!m)
		return;
	if (in->kind == TUI_FORK)
		screen_fork(s, m);
	else if (in->kind == TUI_REGENERATE)
		screen_regenerate(s, m);
	else if (!screen_is_writing(s))
		screen_continue(s, m);
}

/* ---- what has no function of its own elsewhere ---- */

static void on_interrupt(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	screen_interrupt(s);
}

static void on_end_thinking(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	turn_end_thinking(&s->turn);
}

static void on_new(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	screen_new(s);
}

static void on_approve_mode(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	screen_next_mode(s);
}

static void on_plan(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	screen_plan(s);
}

static void on_options(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	screen_show_options(s);
}

static void on_editor(struct screen *s, const struct tui_intent *in)
{
	screen_editor(s, in->id, buf_str(&in->text));
}

static void on_bare(struct screen *s, const struct tui_intent *in)
{
	if (!s->terminal)
		return;
	terminal_set_mouse(s->terminal, in->step ? false : s->opt->mouse);
	terminal_repaint(s->terminal);
}

static void on_repaint(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	if (s->terminal)
		terminal_repaint(s->terminal);
}

static void on_quit(struct screen *s, const struct tui_intent *in)
{
	(void)in;
	s->quit = true;
}

/* ---- rows of the conversations; the row may be gone by now ---- */

static void row_open(struct screen *s, struct talk *t, const struct tui_intent *in)
{
	(void)in;
	screen_open(s, t);
}

static void row_rename(struct screen *s, struct talk *t, const struct tui_intent *in)
{
	screen_rename(s, t, buf_str(&in->text));
}

static void row_delete(struct screen *s, struct talk *t, const struct tui_intent *in)
{
	(void)in;
	screen_delete(s, t);
}

/* Either of the two. */
static const struct {
	void (*does)(struct screen *s, const struct tui_intent *in);
	void (*does_to)(struct screen *s, struct talk *t, const struct tui_intent *in);
} intents[] = {
	[TUI_SEND] = {want_send, NULL},
	[TUI_INTERRUPT] = {on_interrupt, NULL},
	[TUI_END_THINKING] = {on_end_thinking, NULL},
	[TUI_EDIT] = {want_edit, NULL},
	[TUI_REGENERATE] = {want_message, NULL},
	[TUI_CONTINUE] = {want_message, NULL},
	[TUI_FORK] = {want_message, NULL},
	[TUI_SIBLING] = {want_sibling, NULL},
	[TUI_COPY] = {want_copy, NULL},
	[TUI_UNDO_EDIT] = {want_undo_edit, NULL},
	[TUI_FIND] = {want_found, NULL},
	[TUI_NEW] = {on_new, NULL},
	[TUI_OPEN] = {NULL, row_open},
	[TUI_PIN] = {NULL, want_pin},
	[TUI_RENAME] = {NULL, row_rename},
	[TUI_ARCHIVE] = {NULL, want_archive},
	[TUI_DELETE] = {NULL, row_delete},
	[TUI_UNDELETE] = {want_back, NULL},
	[TUI_CHOSEN] = {screen_chosen, NULL},
	[TUI_APPROVE_MODE] = {on_approve_mode, NULL},
	[TUI_PLAN] = {on_plan, NULL},
	[TUI_OPTIONS] = {on_options, NULL},
	[TUI_SET] = {want_set, NULL},
	[TUI_EDITOR] = {on_editor, NULL},
	[TUI_BARE] = {on_bare, NULL},
	[TUI_SUSPEND] = {want_suspend, NULL},
	[TUI_REPAINT] = {on_repaint, NULL},
	[TUI_QUIT] = {on_quit, NULL},
};
_Static_assert(sizeof(intents) / sizeof(intents[0]) == TUI_QUIT + 1, "every intent has a row");

static void intent(struct screen *s, const struct tui_intent *in)
{
	struct talk *t = talks_find(s->talks, in->id);

	if (intents[in->kind].does)
		intents[in->kind].does(s, in);
	else if (t)
		intents[in->kind].does_to(s, t, in);
}

void screen_intents(struct screen *s)
{
	struct tui_intent in;

	while (tui_next_intent(s->tui, &in)) {
		intent(s, &in);
		tui_intent_release(&in);
	}
	s->dirty = true;
}
