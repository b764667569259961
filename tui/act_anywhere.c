/* The actions that hold wherever the keys go. */
#include "tui/act.h"

#include "tui/tui_private.h"

void act_help(struct tui *t)
{
	help_open(&t->help);
}

void act_palette(struct tui *t)
{
	tui_open_palette(t);
}

void act_options(struct tui *t)
{
	tui_want(t, TUI_OPTIONS);
}

void act_interrupt(struct tui *t)
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

void act_cancel(struct tui *t)
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

void act_end_thinking(struct tui *t)
{
	if (t->status.phase == STATUS_THINKING)
		tui_want(t, TUI_END_THINKING);
	else
		tui_say(t, STYLE_FAINT, "the model isn't thinking now");
}

void act_fold_thinking(struct tui *t)
{
	transcript_fold_thinking(t->said);
}

void act_unfold_tools(struct tui *t)
{
	transcript_unfold_tools(t->said);
}

void act_approve_mode(struct tui *t)
{
	tui_want(t, TUI_APPROVE_MODE);
}

void act_plan(struct tui *t)
{
	tui_want(t, TUI_PLAN);
}

void act_new(struct tui *t)
{
	tui_want(t, TUI_NEW);
	t->focus = KEYS_COMPOSER;
}

void act_toggle_list(struct tui *t)
{
	bool shown = tui_list_shown(t);

	if (t->focus == KEYS_LIST)
		t->focus = KEYS_COMPOSER;
	t->list_mode = shown ? LIST_HIDDEN : LIST_SHOWN;
	if (!shown && t->w < 50)
		t->focus = KEYS_LIST; /* it covers the rest */
}

void act_focus_list(struct tui *t)
{
	t->focus = KEYS_LIST;
}

void act_focus_input(struct tui *t)
{
	t->focus = KEYS_COMPOSER;
}

void act_focus_said(struct tui *t)
{
	if (transcript_n(t->said) == 0)
		tui_say(t, STYLE_FAINT, "nothing was said yet");
	else
		t->focus = KEYS_TRANSCRIPT;
}

void act_page_up(struct tui *t)
{
	transcript_page(t->said, -1);
}

void act_page_down(struct tui *t)
{
	transcript_page(t->said, 1);
}

void act_follow(struct tui *t)
{
	transcript_follow(t->said);
}

void act_search(struct tui *t)
{
	tui_open_prompt(t, PROMPT_SEARCH, 0, (struct str){0});
}

void act_bare(struct tui *t)
{
	t->bare = !t->bare;
	transcript_set_bare(t->said, t->bare);
	tui_want(t, TUI_BARE)->step = t->bare;
	tui_say(t, STYLE_FAINT, t->bare ? "bare screen: F4 leaves it" : "");
}

void act_suspend(struct tui *t)
{
	tui_want(t, TUI_SUSPEND);
}

void act_repaint(struct tui *t)
{
	tui_want(t, TUI_REPAINT);
}

void act_quit(struct tui *t)
{
	tui_want(t, TUI_QUIT);
}
