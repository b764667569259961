/* The actions of the transcript. */
#include "tui/act.h"

#include "tui/tui_private.h"

void act_line_up(struct tui *t)
{
	transcript_scroll(t->said, -1);
}

void act_line_down(struct tui *t)
{
	transcript_scroll(t->said, 1);
}

void act_top(struct tui *t)
{
	transcript_top(t->said);
}

void act_message_up(struct tui *t)
{
	transcript_jump(t->said, -1);
}

void act_message_down(struct tui *t)
{
	transcript_jump(t->said, 1);
}

void act_toggle_fold(struct tui *t)
{
	transcript_toggle_fold(t->said, transcript_chosen(t->said));
}

static void search_step(struct tui *t, int step)
{
	if (!transcript_searching(t->said))
		tui_open_prompt(t, PROMPT_SEARCH, 0, (struct str){0});
	else if (!transcript_search_next(t->said, step))
		tui_say(t, STYLE_NOTICE, "not found");
}

void act_search_next(struct tui *t)
{
	search_step(t, 1);
}

void act_search_previous(struct tui *t)
{
	search_step(t, -1);
}

/* The message that these keys act on: the chosen item's, else the next one above that has one.
 */
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

/* The nearest item of a kind at or above the chosen one. */
static bool chosen_of_kind(const struct tui *t, enum item_kind kind, size_t *item)
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

/* Of the chosen message, else the next one above that shows that it has branches beside it. */
static bool chosen_with_siblings(struct tui *t, size_t *item)
{
	size_t i = transcript_chosen(t->said);

	if (i == TRANSCRIPT_NONE)
		return false;
	/* It is a message's last item that shows them. */
	while (i + 1 < transcript_n(t->said) && transcript_id(t->said, i) != 0 &&
	       transcript_id(t->said, i + 1) == transcript_id(t->said, i))
		i++;
	while (!transcript_siblings(t->said, i) && i > 0)
		i--;
	*item = i;
	return transcript_siblings(t->said, i) != 0;
}

static void want_sibling(struct tui *t, int step)
{
	size_t i;
	struct tui_intent *in;

	if (!chosen_with_siblings(t, &i)) {
		tui_say(t, STYLE_FAINT, "no branches here");
		return;
	}
	in = tui_want(t, TUI_SIBLING);
	in->id = transcript_id(t->said, i);
	in->step = step;
}

void act_sibling_left(struct tui *t)
{
	want_sibling(t, -1);
}

void act_sibling_right(struct tui *t)
{
	want_sibling(t, 1);
}

static void want_for_item(struct tui *t, enum tui_intent_kind kind, bool found, size_t item,
			  const char *otherwise)
{
	if (found)
		tui_want(t, kind)->id = transcript_id(t->said, item);
	else
		tui_say(t, STYLE_NOTICE, "%s", otherwise);
}

static void want_for_message(struct tui *t, enum tui_intent_kind kind, const char *otherwise)
{
	size_t item = 0;
	bool found = chosen_message(t, &item);

	want_for_item(t, kind, found, item, otherwise);
}

int64_t tui_chosen_question(const struct tui *t)
{
	size_t item = 0;

	if (t->focus != KEYS_TRANSCRIPT || !chosen_of_kind(t, ITEM_USER, &item))
		return 0;
	return transcript_id(t->said, item);
}

void act_edit(struct tui *t)
{
	size_t item = 0;
	bool found = chosen_of_kind(t, ITEM_USER, &item);

	want_for_item(t, TUI_EDIT, found, item, "nothing of yours to edit here");
}

void act_regenerate(struct tui *t)
{
	want_for_message(t, TUI_REGENERATE, "nothing to answer again");
}

void act_continue(struct tui *t)
{
	want_for_message(t, TUI_CONTINUE, "nothing to go on with");
}

void act_fork(struct tui *t)
{
	want_for_message(t, TUI_FORK, "nothing to fork from");
}

/* Of the answer at or above the chosen item; where it has several, they are offered. */
void act_copy_code(struct tui *t)
{
	size_t i = transcript_chosen(t->said);

	while (i != TRANSCRIPT_NONE && i > 0 && transcript_kind(t->said, i) != ITEM_ANSWER)
		i--;
	codeblocks_release(&t->code);
	if (i != TRANSCRIPT_NONE && transcript_kind(t->said, i) == ITEM_ANSWER)
		codeblocks_read(&t->code, transcript_text(t->said, i));
	if (t->code.n == 0)
		tui_say(t, STYLE_NOTICE, "no code block in this answer");
	else if (t->code.n == 1)
		buf_adds(&tui_want(t, TUI_COPY)->text, buf_str(&t->code.v[0].text));
	else
		tui_open_code(t);
}

void act_copy(struct tui *t)
{
	size_t i = transcript_chosen(t->said);

	if (i != TRANSCRIPT_NONE)
		buf_adds(&tui_want(t, TUI_COPY)->text, transcript_text(t->said, i));
}

void act_undo_edit(struct tui *t)
{
	struct tui_intent *in;
	size_t item;
	int step = 0;

	if (!chosen_of_kind(t, ITEM_TOOL, &item)) {
		tui_say(t, STYLE_NOTICE, "no call of a tool here");
		return;
	}
	for (size_t i = 0; i < item; i++)
		step += transcript_kind(t->said, i) == ITEM_TOOL &&
			transcript_id(t->said, i) == transcript_id(t->said, item);
	in = tui_want(t, TUI_UNDO_EDIT);
	in->id = transcript_id(t->said, item);
	in->step = step;
}
