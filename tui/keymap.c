/* The table of actions, and which keys are theirs. */
#include "tui/keymap.h"

#include <string.h>

#include "tui/act.h"

#define ANY  KEYS_ANYWHERE
#define COMP KEYS_COMPOSER
#define TRAN KEYS_TRANSCRIPT
#define LIST KEYS_LIST
#define VI   KEYS_VI

static const struct action_row rows[ACTION_N] = {
	[ACTION_NONE] = {"", ANY, "", "", false, NULL},
	[ACTION_HELP] = {"help", ANY, "F1", "this help", true, act_help},
	[ACTION_PALETTE] = {"palette", ANY, "C-p", "find any action by its name", false,
			    act_palette},
	[ACTION_OPTIONS] = {"options", ANY, "F2", "change options", true, act_options},
	[ACTION_INTERRUPT] = {"interrupt", ANY, "Esc", "stop the answer, keep what was said",
			      true, act_interrupt},
	[ACTION_CANCEL] = {"cancel", ANY, "C-c", "stop; else clear the input; else ask to quit",
			   false, act_cancel},
	[ACTION_END_THINKING] = {"end-thinking", ANY, "M-t", "end the thinking now and answer",
				 true, act_end_thinking},
	[ACTION_FOLD_THINKING] = {"fold-thinking", ANY, "C-t", "fold or unfold all thinking",
				  true, act_fold_thinking},
	[ACTION_UNFOLD_TOOLS] = {"unfold-tools", ANY, "C-o", "unfold or fold all tool output",
				 true, act_unfold_tools},
	[ACTION_APPROVE_MODE] = {"approve-mode", ANY, "S-Tab",
				 "what tools do unasked: reading, edits, commands", true,
				 act_approve_mode},
	[ACTION_PLAN] = {"plan", ANY, "F5", "plan mode: only look; again: go ahead", true,
			 act_plan},
	[ACTION_NEW] = {"new", ANY, "M-n", "begin a new conversation", true, act_new},
	[ACTION_TOGGLE_LIST] = {"toggle-list", ANY, "F3", "show or hide the conversations",
				true, act_toggle_list},
	[ACTION_FOCUS_LEFT] = {"focus-left", ANY, "M-Left", "go to the conversations", true,
			       act_focus_list},
	[ACTION_FOCUS_RIGHT] = {"focus-right", ANY, "M-Right", "go back from the conversations",
				false, act_focus_input},
	[ACTION_FOCUS_UP] = {"focus-up", ANY, "M-Up", "go to the transcript", true,
			     act_focus_said},
	[ACTION_FOCUS_DOWN] = {"focus-down", ANY, "M-Down", "go to the input", true,
			       act_focus_input},
	[ACTION_PAGE_UP] = {"page-up", ANY, "PgUp", "scroll a page up", false, act_page_up},
	[ACTION_PAGE_DOWN] = {"page-down", ANY, "PgDn", "scroll a page down", false,
			      act_page_down},
	[ACTION_FOLLOW] = {"follow", ANY, "C-End", "go to the end and follow it", true,
			   act_follow},
	[ACTION_SEARCH] = {"search", ANY, "C-s", "search the transcript", true, act_search},
	[ACTION_BARE] = {"bare", ANY, "F4", "bare text, to select with the mouse", true,
			 act_bare},
	[ACTION_SUSPEND] = {"suspend", ANY, "C-z", "suspend the program", true, act_suspend},
	[ACTION_REPAINT] = {"repaint", ANY, "C-l", "paint the screen anew", true, act_repaint},
	[ACTION_QUIT] = {"quit", ANY, "C-q", "quit", true, act_quit},

	[ACTION_SEND] = {"send", COMP, "Enter", "send the message", false, act_send},
	[ACTION_NEWLINE] = {"newline", COMP, "C-j M-Enter S-Enter", "new line", false,
			    act_newline},
	[ACTION_COMPLETE] = {"complete", COMP, "Tab", "complete a /command or @file", false,
			     act_complete},
	[ACTION_INPUT_SEARCH] = {"input-search", COMP, "C-r", "find an earlier input", true,
				 act_input_search},
	[ACTION_EDITOR] = {"editor", COMP, "C-g", "write in $VISUAL or $EDITOR", true,
			   act_editor},
	[ACTION_UP] = {"up", COMP, "Up", "up a line; on the first: earlier inputs", false,
		       act_input_up},
	[ACTION_DOWN] = {"down", COMP, "Down C-n", "down a line; on the last: later inputs",
			 false, act_input_down},
	[ACTION_LEFT] = {"left", COMP, "Left C-b", "left", false, NULL},
	[ACTION_RIGHT] = {"right", COMP, "Right C-f", "right", false, NULL},
	[ACTION_WORD_LEFT] = {"word-left", COMP, "M-b C-Left", "a word left", false, NULL},
	[ACTION_WORD_RIGHT] = {"word-right", COMP, "M-f C-Right", "a word right", false, NULL},
	[ACTION_LINE_START] = {"line-start", COMP, "C-a Home", "start of the line", false,
			       NULL},
	[ACTION_LINE_END] = {"line-end", COMP, "C-e End", "end of the line", false, NULL},
	[ACTION_TEXT_START] = {"text-start", COMP, "M-< C-Home", "start of the text", false,
			       NULL},
	[ACTION_TEXT_END] = {"text-end", COMP, "M->", "end of the text", false, NULL},
	[ACTION_RUBOUT] = {"rubout", COMP, "Backspace", "delete to the left", false, NULL},
	[ACTION_DELETE] = {"delete", COMP, "Delete C-d",
			   "delete to the right; quit on empty input", false, act_delete},
	[ACTION_KILL_LINE] = {"kill-line", COMP, "C-k", "cut to the line's end", false, NULL},
	[ACTION_KILL_BACK] = {"kill-back", COMP, "C-u", "cut to the line's start", false, NULL},
	[ACTION_KILL_WORD_BACK] = {"kill-word-back", COMP, "C-w M-Backspace",
				   "cut the word to the left", false, NULL},
	[ACTION_KILL_WORD] = {"kill-word", COMP, "M-d", "cut the word to the right", false,
			      NULL},
	[ACTION_YANK] = {"yank", COMP, "C-y", "put back what was cut", false, NULL},
	[ACTION_UNDO] = {"undo", COMP, "C-_ M-u", "undo the last change", false, NULL},

	[ACTION_LINE_UP] = {"line-up", TRAN, "Up k", "a line up", false, act_line_up},
	[ACTION_LINE_DOWN] = {"line-down", TRAN, "Down j", "a line down", false, act_line_down},
	[ACTION_TOP] = {"top", TRAN, "g Home", "to the beginning", false, act_top},
	[ACTION_BOTTOM] = {"bottom", TRAN, "G End", "to the end", false, act_follow},
	[ACTION_MESSAGE_UP] = {"message-up", TRAN, "{ p", "to the message before", false,
			       act_message_up},
	[ACTION_MESSAGE_DOWN] = {"message-down", TRAN, "}", "to the message after", false,
				 act_message_down},
	[ACTION_TOGGLE_FOLD] = {"toggle-fold", TRAN, "Enter Space", "fold or unfold this",
				false, act_toggle_fold},
	[ACTION_SEARCH_HERE] = {"search-here", TRAN, "/", "search", false, act_search},
	[ACTION_SEARCH_NEXT] = {"search-next", TRAN, "n", "to the next match", false,
				act_search_next},
	[ACTION_SEARCH_PREVIOUS] = {"search-previous", TRAN, "N", "to the match before", false,
				    act_search_previous},
	[ACTION_SIBLING_LEFT] = {"sibling-left", TRAN, "[", "to the branch before", false,
				 act_sibling_left},
	[ACTION_SIBLING_RIGHT] = {"sibling-right", TRAN, "]", "to the branch after", false,
				  act_sibling_right},
	[ACTION_EDIT] = {"edit", TRAN, "e", "edit this message: a new branch", true, act_edit},
	[ACTION_REGENERATE] = {"regenerate", TRAN, "r", "answer again: a new branch", true,
			       act_regenerate},
	[ACTION_CONTINUE] = {"continue", TRAN, "c", "go on with an unfinished answer", true,
			     act_continue},
	[ACTION_FORK] = {"fork", TRAN, "f", "new conversation from here", true, act_fork},
	[ACTION_COPY] = {"copy", TRAN, "y", "copy this message", true, act_copy},
	[ACTION_COPY_CODE] = {"copy-code", TRAN, "Y", "copy a code block of this answer", true,
			      act_copy_code},
	[ACTION_UNDO_EDIT] = {"undo-edit", TRAN, "d", "take back what this call did to a file",
			      true, act_undo_edit},
	[ACTION_TO_COMPOSER] = {"to-composer", TRAN, "Tab i q", "back to the input", false,
				act_focus_input},

	[ACTION_LIST_UP] = {"list-up", LIST, "Up", "up", false, act_list_up},
	[ACTION_LIST_DOWN] = {"list-down", LIST, "Down", "down", false, act_list_down},
	[ACTION_LIST_OPEN] = {"list-open", LIST, "Enter", "open", false, act_list_open},
	[ACTION_LIST_PIN] = {"list-pin", LIST, "M-p", "pin on top, or release", false,
			     act_list_pin},
	[ACTION_LIST_RENAME] = {"list-rename", LIST, "M-r", "give another title", false,
				act_list_rename},
	[ACTION_LIST_ARCHIVE] = {"list-archive", LIST, "M-a", "archive, or bring back", false,
				 act_list_archive},
	[ACTION_LIST_DELETE] = {"list-delete", LIST, "Delete M-d", "delete", false,
				act_list_delete},
	[ACTION_LIST_UNDO] = {"list-undo", LIST, "M-u C-_", "take the deletion back", false,
			      act_list_undo},
	[ACTION_LIST_CLEAR] = {"list-clear", LIST, "C-u", "clear the filter; letters filter",
			       false, act_list_clear},

	[ACTION_VI_LEFT] = {"vi-left", VI, "h", "left", false, NULL},
	[ACTION_VI_RIGHT] = {"vi-right", VI, "l Space", "right", false, NULL},
	[ACTION_VI_DOWN] = {"vi-down", VI, "j", "down a line; on the last: later inputs", false,
			    NULL},
	[ACTION_VI_UP] = {"vi-up", VI, "k", "up a line; on the first: earlier inputs", false,
			  NULL},
	[ACTION_VI_WORD] = {"vi-word", VI, "w", "to the next word", false, NULL},
	[ACTION_VI_WORD_END] = {"vi-word-end", VI, "e", "to the word's end", false, NULL},
	[ACTION_VI_WORD_BACK] = {"vi-word-back", VI, "b", "back to the word's start", false,
				 NULL},
	[ACTION_VI_LINE_START] = {"vi-line-start", VI, "0", "start of the line", false, NULL},
	[ACTION_VI_LINE_FIRST] = {"vi-line-first", VI, "^",
				  "the line's first sign that is no blank", false, NULL},
	[ACTION_VI_LINE_END] = {"vi-line-end", VI, "$", "end of the line", false, NULL},
	[ACTION_VI_TOP] = {"vi-top", VI, "g", "twice: the first line, or the counted one",
			   false, NULL},
	[ACTION_VI_BOTTOM] = {"vi-bottom", VI, "G", "the last line, or the counted one", false,
			      NULL},
	[ACTION_VI_FIND] = {"vi-find", VI, "f", "to the next of the character that follows",
			    false, NULL},
	[ACTION_VI_FIND_BACK] = {"vi-find-back", VI, "F", "back to the character that follows",
				 false, NULL},
	[ACTION_VI_TILL] = {"vi-till", VI, "t", "to before that character", false, NULL},
	[ACTION_VI_TILL_BACK] = {"vi-till-back", VI, "T", "back to behind that character",
				 false, NULL},
	[ACTION_VI_FIND_NEXT] = {"vi-find-next", VI, ";", "find it again", false, NULL},
	[ACTION_VI_FIND_PREVIOUS] = {"vi-find-previous", VI, ",", "find it the other way",
				     false, NULL},
	[ACTION_VI_DELETE] = {"vi-delete", VI, "d",
			      "cut to where a motion goes; twice: the line", false, NULL},
	[ACTION_VI_CHANGE] = {"vi-change", VI, "c", "write instead of it; twice: the line",
			      false, NULL},
	[ACTION_VI_COPY] = {"vi-copy", VI, "y", "copy it; twice: the line", false, NULL},
	[ACTION_VI_CUT_CHAR] = {"vi-cut-char", VI, "x", "cut the character", false, NULL},
	[ACTION_VI_RUBOUT] = {"vi-rubout", VI, "X", "cut the character to the left", false,
			      NULL},
	[ACTION_VI_REPLACE] = {"vi-replace", VI, "r",
			       "put the character that follows in its place", false, NULL},
	[ACTION_VI_CASE] = {"vi-case", VI, "~", "small becomes capital, capital small", false,
			    NULL},
	[ACTION_VI_DELETE_END] = {"vi-delete-end", VI, "D", "cut to the line's end", false,
				  NULL},
	[ACTION_VI_CHANGE_END] = {"vi-change-end", VI, "C", "write instead of the line's rest",
				  false, NULL},
	[ACTION_VI_PUT] = {"vi-put", VI, "p", "put what was cut behind the cursor", false,
			   NULL},
	[ACTION_VI_PUT_BEFORE] = {"vi-put-before", VI, "P",
				  "put what was cut before the cursor", false, NULL},
	[ACTION_VI_UNDO] = {"vi-undo", VI, "u", "undo the last change", false, NULL},
	[ACTION_VI_INSERT] = {"vi-insert", VI, "i", "write before the cursor", false, NULL},
	[ACTION_VI_INSERT_START] = {"vi-insert-start", VI, "I", "write at the line's start",
				    false, NULL},
	[ACTION_VI_APPEND] = {"vi-append", VI, "a", "write behind the cursor", false, NULL},
	[ACTION_VI_APPEND_END] = {"vi-append-end", VI, "A", "write at the line's end", false,
				  NULL},
	[ACTION_VI_OPEN] = {"vi-open", VI, "o", "write on a new line below", false, NULL},
	[ACTION_VI_OPEN_ABOVE] = {"vi-open-above", VI, "O", "write on a new line above", false,
				  NULL},
};

static const char *const context_names[KEYS_N_CONTEXTS] = {
	[KEYS_ANYWHERE] = "Everywhere",
	[KEYS_COMPOSER] = "Input",
	[KEYS_TRANSCRIPT] = "Transcript",
	[KEYS_LIST] = "Conversations",
	[KEYS_VI] = "Input with keys = vi, after Esc; a count may stand before",
};

const struct action_row *action_row(enum action a)
{
	BUG_ON((int)a < 0 || a >= ACTION_N);
	return &rows[a];
}

enum action action_find(struct str name)
{
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		if (str_is(name, rows[a].name))
			return (enum action)a;
	}
	return ACTION_NONE;
}

const char *key_context_name(enum key_context c)
{
	return context_names[c];
}

/* The next word of *s, which moves on; empty at its end. */
static struct str next_word(struct str *s)
{
	struct str word;

	while (s->n > 0 && s->p[0] == ' ') {
		s->p++;
		s->n--;
	}
	word = (struct str){s->p, 0};
	while (s->n > 0 && s->p[0] != ' ') {
		s->p++;
		s->n--;
		word.n++;
	}
	return word;
}

static void unbind(struct keymap *km, enum key_context context, struct key k)
{
	for (int a = 0; a < ACTION_N; a++) {
		if (rows[a].context != context)
			continue;
		for (int i = 0; i < km->n[a]; i++) {
			if (!key_equal(km->keys[a][i], k))
				continue;
			km->keys[a][i--] = km->keys[a][--km->n[a]];
		}
	}
}

int keymap_bind(struct keymap *km, struct str action, struct str keys, struct err *err)
{
	enum action a = action_find(action);
	struct key parsed[KEYMAP_MAX_KEYS];
	struct str word;
	int n = 0;

	if (a == ACTION_NONE)
		return err_set(err, ERR_USAGE, "%.*s: no such action (F1 lists them)",
			       (int)(action.n < 80 ? action.n : 80), action.p);
	while ((word = next_word(&keys)).n > 0) {
		if (n == KEYMAP_MAX_KEYS)
			return err_set(err, ERR_USAGE, "%s: more than %d keys", rows[a].name,
				       KEYMAP_MAX_KEYS);
		if (!key_parse(word, &parsed[n++]))
			return err_set(
				err, ERR_USAGE,
				"%.*s: no such key; keys are like C-t, M-Left, F1, Enter",
				(int)(word.n < 80 ? word.n : 80), word.p);
	}
	for (int i = 0; i < n; i++)
		unbind(km, rows[a].context, parsed[i]);
	memcpy(km->keys[a], parsed, (size_t)n * sizeof(parsed[0]));
	km->n[a] = n;
	return 0;
}

void keymap_init(struct keymap *km)
{
	struct err err;

	*km = (struct keymap){0};
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		if (keymap_bind(km, str_of(rows[a].name), str_of(rows[a].keys), &err) < 0)
			BUG("default key");
	}
}

static enum action find_in(const struct keymap *km, enum key_context context, struct key key)
{
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		for (int i = 0; rows[a].context == context && i < km->n[a]; i++) {
			if (key_equal(km->keys[a][i], key))
				return (enum action)a;
		}
	}
	return ACTION_NONE;
}

enum action keymap_find(const struct keymap *km, enum key_context context, struct key key)
{
	enum action a = find_in(km, context, key);

	return a != ACTION_NONE ? a : find_in(km, KEYS_ANYWHERE, key);
}

void keymap_add_keys(const struct keymap *km, enum action a, struct buf *out)
{
	char name[KEY_NAME_MAX];

	for (int i = 0; i < km->n[a]; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		buf_addz(out, key_name(km->keys[a][i], name));
	}
}
