/* The actions of the list of conversations. */
#include "tui/act.h"

#include "tui/tui_private.h"

static void want_for_row(struct tui *t, enum tui_intent_kind kind)
{
	const struct convlist_row *row = convlist_chosen(&t->list);

	if (row)
		tui_want(t, kind)->id = row->id;
}

void act_list_up(struct tui *t)
{
	convlist_step(&t->list, -1);
}

void act_list_down(struct tui *t)
{
	convlist_step(&t->list, 1);
}

void tui_open_row(struct tui *t)
{
	want_for_row(t, TUI_OPEN);
	t->focus = KEYS_COMPOSER;
}

void act_list_open(struct tui *t)
{
	tui_open_row(t);
	act_list_clear(t);
}

void act_list_pin(struct tui *t)
{
	want_for_row(t, TUI_PIN);
}

void act_list_rename(struct tui *t)
{
	const struct convlist_row *row = convlist_chosen(&t->list);

	if (row)
		tui_open_prompt(t, PROMPT_RENAME, row->id, row->title);
}

void act_list_archive(struct tui *t)
{
	want_for_row(t, TUI_ARCHIVE);
}

void act_list_delete(struct tui *t)
{
	want_for_row(t, TUI_DELETE);
}

void act_list_undo(struct tui *t)
{
	tui_want(t, TUI_UNDELETE);
}

/* Titles are looked at here, what was said by the controller. */
void tui_filter_changed(struct tui *t)
{
	convlist_set_found(&t->list, NULL, 0);
	t->list.chosen = 0;
	if (t->list.filter.text.len == 0)
		convlist_choose_current(&t->list);
	else
		buf_adds(&tui_want(t, TUI_FIND)->text, buf_str(&t->list.filter.text));
}

void act_list_clear(struct tui *t)
{
	editbuf_set(&t->list.filter, (struct str){0});
	tui_filter_changed(t);
}
