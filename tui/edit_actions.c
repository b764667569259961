/* The table of editing actions. */
#include "tui/edit_actions.h"

static const struct {
	enum action action;
	enum edit_move move;
	enum { MOVES, DELETES, KILLS } does;
} edits[] = {
	{ACTION_LEFT, EDIT_LEFT, MOVES},
	{ACTION_RIGHT, EDIT_RIGHT, MOVES},
	{ACTION_WORD_LEFT, EDIT_WORD_LEFT, MOVES},
	{ACTION_WORD_RIGHT, EDIT_WORD_RIGHT, MOVES},
	{ACTION_LINE_START, EDIT_LINE_START, MOVES},
	{ACTION_LINE_END, EDIT_LINE_END, MOVES},
	{ACTION_TEXT_START, EDIT_TEXT_START, MOVES},
	{ACTION_TEXT_END, EDIT_TEXT_END, MOVES},
	{ACTION_RUBOUT, EDIT_LEFT, DELETES},
	{ACTION_DELETE, EDIT_RIGHT, DELETES},
	{ACTION_KILL_LINE, EDIT_LINE_END, KILLS},
	{ACTION_KILL_BACK, EDIT_LINE_START, KILLS},
	{ACTION_KILL_WORD, EDIT_WORD_RIGHT, KILLS},
	{ACTION_KILL_WORD_BACK, EDIT_WORD_LEFT, KILLS},
};

bool edit_action(struct editbuf *e, enum action a)
{
	if (a == ACTION_YANK) {
		editbuf_yank(e);
		return true;
	}
	if (a == ACTION_UNDO) {
		editbuf_undo(e);
		return true;
	}
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		if (edits[i].action != a)
			continue;
		if (edits[i].does == MOVES)
			editbuf_move(e, edits[i].move);
		else
			editbuf_delete(e, edits[i].move, edits[i].does == KILLS);
		return true;
	}
	return false;
}
