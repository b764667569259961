/* The actions of the input, but for those that edit its text (edit_actions.h, vi.h). */
#include "tui/act.h"

#include <string.h>

#include "tui/tui_private.h"

void act_send(struct tui *t)
{
	struct editbuf *e = &t->composer.edit;
	struct tui_intent *in;
	size_t n = e->text.len, before = t->n_intents;

	while (n > 0 && strchr(" \n\t", e->text.data[n - 1]))
		n--;
	if (n == 0)
		return;
	in = tui_want(t, TUI_SEND);
	buf_add(&in->text, e->text.data, n);
	/* Not among the intents: it is the spare one, which nobody takes. */
	if (t->n_intents == before || buf_failed(&in->text)) {
		t->n_intents = before;
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

void act_newline(struct tui *t)
{
	editbuf_insert(&t->composer.edit, STR_LIT("\n"));
	composer_changed(&t->composer);
}

void act_complete(struct tui *t)
{
	tui_complete(t);
}

void act_input_search(struct tui *t)
{
	tui_open_inputs(t);
}

void act_editor(struct tui *t)
{
	struct tui_intent *in = tui_want(t, TUI_EDITOR);

	in->id = t->editing;
	buf_adds(&in->text, buf_str(&t->composer.edit.text));
}

void act_input_up(struct tui *t)
{
	composer_up(&t->composer);
}

void act_input_down(struct tui *t)
{
	composer_down(&t->composer);
}

void act_delete(struct tui *t)
{
	if (t->composer.edit.text.len == 0)
		tui_want(t, TUI_QUIT);
	else
		tui_edit_input(t, ACTION_DELETE);
}
