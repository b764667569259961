/*
 * What each action of the key table does, a function each; the table's rows name them
 * (keymap.c).  UI thread only.
 *
 * What an action can't do now it says in the last row of the screen; what is the controller's
 * to do becomes an intent.
 */
#ifndef TUI_ACT_H
#define TUI_ACT_H

struct tui;

/* act_anywhere.c */
void act_help(struct tui *t);
void act_palette(struct tui *t);
void act_options(struct tui *t);
void act_interrupt(struct tui *t);
void act_cancel(struct tui *t);
void act_end_thinking(struct tui *t);
void act_fold_thinking(struct tui *t);
void act_unfold_tools(struct tui *t);
void act_approve_mode(struct tui *t);
void act_plan(struct tui *t);
void act_new(struct tui *t);
void act_toggle_list(struct tui *t);
void act_focus_list(struct tui *t);
void act_focus_input(struct tui *t);
void act_focus_said(struct tui *t);
void act_page_up(struct tui *t);
void act_page_down(struct tui *t);
void act_follow(struct tui *t);
void act_search(struct tui *t);
void act_bare(struct tui *t);
void act_suspend(struct tui *t);
void act_repaint(struct tui *t);
void act_quit(struct tui *t);

/* act_input.c */
void act_send(struct tui *t);
void act_newline(struct tui *t);
void act_complete(struct tui *t);
void act_input_search(struct tui *t);
void act_editor(struct tui *t);
void act_input_up(struct tui *t);
void act_input_down(struct tui *t);
void act_delete(struct tui *t); /* quits where the input is empty */

/* act_said.c: the transcript */
void act_line_up(struct tui *t);
void act_line_down(struct tui *t);
void act_top(struct tui *t);
void act_message_up(struct tui *t);
void act_message_down(struct tui *t);
void act_toggle_fold(struct tui *t);
void act_search_next(struct tui *t);
void act_search_previous(struct tui *t);
void act_sibling_left(struct tui *t);
void act_sibling_right(struct tui *t);
void act_edit(struct tui *t);
void act_regenerate(struct tui *t);
void act_continue(struct tui *t);
void act_fork(struct tui *t);
void act_copy(struct tui *t);
void act_copy_code(struct tui *t);
void act_undo_edit(struct tui *t);

/* act_list.c: the conversations */
void act_list_up(struct tui *t);
void act_list_down(struct tui *t);
void act_list_open(struct tui *t);
void act_list_pin(struct tui *t);
void act_list_rename(struct tui *t);
void act_list_archive(struct tui *t);
void act_list_delete(struct tui *t);
void act_list_undo(struct tui *t);
void act_list_clear(struct tui *t);

#endif
