/*
 * What the files of the screen share:
 *
 *   screen.c         life and the loop
 *   show.c           conversations → transcript, list
 *   items.c          parts of messages → items of the transcript
 *   ask.c            a turn begins: questions, queue, interrupting
 *   hear.c           what the engine says, and what a turn leaves
 *   conversations.c  which conversation is shown, its name, its removal
 *   intent.c         what the user wants → all of these
 *   choice.c         what is asked in a box of choices
 *   command.c        /commands, completion
 *   option.c         options that change while it runs
 *   heard.c          what is heard while the store works, and its upkeep
 *   input.c          earlier inputs
 *   editor.c         the external editor, a job of its own
 *   draftfile.c      … and its file
 *   price.c          what Enter would read
 *   tools.c          an agent session: calls that run
 *   decide.c         … what they are asked about, and the user's word
 *   approving.c      … and what needs none
 *   undo.c           file edits taken back and made again
 *   script.c         keys and waits from a file
 */
#ifndef APP_SCREEN_PRIVATE_H
#define APP_SCREEN_PRIVATE_H

#include "app/agent/agent.h"
#include "app/cmd/cmd.h"
#include "app/screen/screen.h"
#include "app/screen/script.h"
#include "app/talk/price.h"
#include "app/talk/question.h"
#include "app/talk/store.h"
#include "app/talk/talk.h"
#include "app/talk/title.h"
#include "app/talk/turn.h"
#include "tui/tui.h"

/* A message that waits while a turn runs. */
struct queued {
	struct talk_message *question;
	int64_t instead; /* the message that it is an edition of; 0 = none */
	struct queued *next;
};

/* The items of the answer that comes, by part; TRANSCRIPT_NONE: it is not shown. */
struct live {
	size_t *items;
	size_t n, cap;
	size_t written; /* lines of the argument that is written */
};

/* The loop of calls, in an agent session. */
struct acts {
	struct agent *agent; /* NULL: no tools are offered */
	struct talk *talk;   /* where it acts; stays after its end */
	bool asks;           /* the user is asked something: */
	bool asks_reason;
	struct buf asked; /* … as text */
	size_t asked_item; /* … in the transcript */
	bool saw_first, saw_last; /* of it */
	struct buf suggest; /* rules that would let the call be; "" */
	bool widens; /* it may be given more than the sandbox gives */
	uint64_t number;
	int64_t asked_ms;
	struct buf notices; /* of what a question will say first; a line each */
	bool told;    /* why the turn ended stands in the transcript already */
	bool leaving; /* nothing begins any more */
	struct undo *undo; /* what is asked about; NULL */
};

struct screen {
	struct cmd_host host; /* first: what commands ask of */
	const struct screen_config *config;
	struct options *opt;
	struct engine *engine;
	struct tui *tui;
	struct transcript *said;   /* the tui's */
	struct terminal *terminal; /* NULL: headless */
	bool lent;                 /* it is the editor's: nothing is read or drawn */
	struct keyparse keys;
	int64_t keys_ms; /* when the last of its bytes came */
	bool tidying; /* any key, and anything the engine says, ends it */
	struct surface surface;
	struct script_player *script; /* NULL = none */
	bool dirty;                   /* something to draw */
	int64_t drawn_ms;
	bool quit;
	int signo;
	struct err failed; /* why the loop ends; code 0 = by itself */

	struct talks *talks; /* borrowed */
	struct talk *talk;   /* the one shown */
	struct status status;
	bool ready;         /* EV_READY came */
	bool engine_failed; /* EV_ERROR of the engine itself came */

	struct turn turn; /* its talk may not be the one shown */
	struct acts acts;
	int64_t asked_instead; /* the message that its question is an edition of; 0 = none */
	struct live live;
	int64_t load_ms;
	struct queued *queue;
	struct buf doubted; /* what was not sent, since it seems to name a file */
	int64_t tidy_ms; /* of clock_ms(): removals are finished then, if nothing goes on; 0 = none */

	int64_t price_ms; /* of clock_ms(): the price is asked then, if nothing goes on; 0 = not */
	struct buf priced; /* what was in the composer, before which message, instead of which one */
	const struct talk_message *priced_leaf;
	int64_t priced_question;
	uint64_t price;   /* the number it is told by; 0: none is wanted */
	struct price_said priced_said; /* in its request */
	bool price_ahead; /* what stands before the draft is to be read on the way */
	double read_rate; /* tokens a second, of the last prompt that was long enough; 0 = none */

	struct title title; /* asked of the model while nothing else is */
};

/* show.c */
void screen_show_talk(struct screen *s);
void screen_show_list(struct screen *s);
void screen_show_siblings(struct screen *s);
/* How long ago, for a list. */
void screen_when(int64_t then_ms, int64_t now_ms, char out[32]);

/* items.c */
void screen_add_message(struct screen *s, const struct talk_message *m);
void screen_add_queued(struct screen *s, const struct queued *q);
/* Why the answer that the branch ends with goes no further, where it isn't plain. */
void screen_add_stop(struct screen *s);
/* Part k of the answer that comes has `more`, or (a call) is another. */
void screen_live_part(struct screen *s, size_t k, struct str more);
/* … or, of a call, a value that is written has. */
void screen_live_writing(struct screen *s, size_t k, struct str more);
void screen_live_again(struct screen *s); /* all of it, at the end of the transcript */
/* It is m of the tree now: its items become those of a message. */
void screen_live_end(struct screen *s, const struct talk_message *m);
void screen_live_release(struct screen *s);
/* The card of that call of answer m; TRANSCRIPT_NONE. */
size_t screen_card(const struct screen *s, const struct talk_message *m, struct str ref);

/* ask.c */
void screen_error(struct screen *s, const char *text); /* where it happened */
/*
 * Sends what was typed, with the files that it names, in place of `instead` (NULL: of none) and
 * with what came with that.  On failure it was not sent, and the input has it back.
 */
int screen_send(struct screen *s, struct str typed, const struct talk_message *instead,
		struct err *err);
void screen_answer(struct screen *s); /* shows the branch, whose leaf the engine is to answer */
void screen_continue(struct screen *s, struct talk_message *m);
/* Goes on with the calls of the last answer that have no result; *did: there are such, and tools. */
int screen_go_on_calls(struct screen *s, bool *did, struct err *err);
/* The turn was refused. */
void screen_give_back(struct screen *s, const struct err *why);
void screen_interrupt(struct screen *s);
void screen_send_next(struct screen *s); /* of what waits */
void screen_drop_queue(struct screen *s);
void screen_recall_queue(struct screen *s); /* what waits goes back to the composer */
/* Asks the model for t's title, if nobody waits. */
void screen_ask_title(struct screen *s, struct talk *t);

/* A turn runs now: what is shown of one begins anew. */
void screen_turn_begun(struct screen *s);

/* hear.c */
/* At the end: cancels the turn and keeps what was said of the answer. */
void screen_leave_turn(struct screen *s);
/* What the engine said by now, as far as keys can wait. */
void screen_take_events(struct screen *s);
enum status_phase screen_phase(const struct screen *s);
/* EV_PREFILL and EV_PRICE: what of it was restored from disk, if any was. */
void screen_note_disk(struct screen *s, const struct event *ev);
/* A question has its answer, or will have none: what waited goes off.  `whole`: it ended by itself. */
void screen_after_turn(struct screen *s, bool whole);
void screen_tell_unsaved(struct screen *s, const struct talk *t, const struct err *err);

/* price.c */
void screen_price_later(struct screen *s);         /* something changed */
void screen_price_after_key(struct screen *s);     /* if something did */
void screen_price_after_turn(struct screen *s);    /* nothing is read ahead for it */
int screen_price_due_ms(const struct screen *s);   /* 0 = now, -1 = never */
void screen_price(struct screen *s);
void screen_hear_price(struct screen *s, const struct event *ev);
void screen_note_read_rate(struct screen *s, const struct turn_usage *u);

/* conversations.c */
/* Takes in what another window said in the conversation that is shown; true: there was some. */
bool screen_catch_up(struct screen *s);
void screen_tell_news(struct screen *s); /* that there was */
/* An answer of that conversation is written, or its calls run. */
bool screen_busy_in(const struct screen *s, const struct talk *t);
/* Branches stay as they are while an answer to one of them is written: says so. */
bool screen_is_writing(struct screen *s);
/* Changes that the store refused stay on the screen, and are told. */
void screen_tell_store(struct screen *s, int rc, const struct err *err);
void screen_new(struct screen *s);
void screen_open(struct screen *s, struct talk *t);
void screen_rename(struct screen *s, struct talk *t, struct str title);
void screen_open_branch(struct screen *s, struct talk *t); /* just made */
void screen_fork(struct screen *s, struct talk_message *at);
void screen_regenerate(struct screen *s, struct talk_message *m);
/* Takes it out of sight; it may come back until screen_forget().  Says so, or why it can't go.
 */
void screen_delete(struct screen *s, struct talk *t);
/* What was removed goes for good, with what was typed in it.  On failure it is back. */
int screen_forget(struct screen *s, struct err *err);

/* intent.c */
void screen_edit(struct screen *s, const struct talk_message *m); /* back to the input */
void screen_intents(struct screen *s);

/* choice.c */
void screen_ask_resume(struct screen *s);
void screen_ask_quit(struct screen *s, struct str text); /* which was sent alone */
void screen_chosen(struct screen *s, const struct tui_intent *in);

/* command.c */
extern const struct cmd_host_ops screen_host;
void screen_command(struct screen *s, struct str line); /* cmd_meant(line) */
/* Behind what was said; the item, or TRANSCRIPT_NONE without memory. */
size_t screen_add_notice(struct screen *s, struct str text);
void screen_notice(struct screen *s, struct str text); /* … and that is brought into sight */
void screen_complete(void *ctx, struct tui *t, struct str word);

/* heard.c */
/* pulse_hear_fn: what is typed goes to s->keys. */
bool screen_hear(void *ctx);
/* A removal left something to do: when nobody wants anything else. */
void screen_tidy_later(struct screen *s);
int screen_tidy_due_ms(const struct screen *s); /* 0 = now, -1 = never */
void screen_tidy(struct screen *s);

/* option.c */
void screen_show_options(struct screen *s);
/* What hangs on options follows them. */
void screen_apply_options(struct screen *s);

/* input.c */
void screen_load_inputs(struct screen *s);
void screen_keep_input(struct screen *s, struct str text);

/* editor.c */
void screen_editor(struct screen *s, int64_t editing, struct str text);

/* tools.c */
int screen_open_tools(struct screen *s, struct err *err);
void screen_close_tools(struct screen *s);
bool screen_acts(const struct screen *s); /* the agent is at work, or the model for it */
bool screen_acts_here(const struct screen *s); /* … for the conversation that is shown, or was */
bool screen_busy(const struct screen *s); /* that, or a turn runs */
bool screen_asks(const struct screen *s); /* a call waits for the user */
/* Of a conversation that is shown again: the calls that have yet to run, and what is asked. */
void screen_show_acts(struct screen *s);
/* Messages that wait say for what. */
void screen_tell_queue(struct screen *s);
void screen_poll_tools(struct screen *s); /* what runs has something to tell */
/* Before the question: the model is offered the tools, calls without a result get one, and the
 * question says which edits were taken back. */
int screen_prepare_tools(struct screen *s, struct talk_message *question, struct err *err);
/* What that would change for the model, agent_look(); nothing where this is no agent session. */
int screen_look_at_tools(const struct screen *s, struct buf *system, struct str *tools,
			 struct err *err);
void screen_tell_prepared(struct screen *s); /* what there is to be told of that */
int screen_resume_tools(struct screen *s, struct err *err); /* agent_may_resume() says so */
void screen_begin_tools(struct screen *s); /* a turn was begun in the talk that is shown */
/* It ended, in an agent session. */
void screen_answered(struct screen *s, const struct event *last, const struct talk_message *said,
		     const struct err *unkept);
void screen_leave_tools(struct screen *s);

/* decide.c */
void screen_ask_user(void *ctx, const struct approval *p); /* of struct agent_ops */
void screen_show_asked(struct screen *s);
void screen_note_seen(struct screen *s); /* the screen was drawn */
/* What was sent answers what is asked: it was done. */
bool screen_decides(struct screen *s, struct str typed);

/* approving.c */
void screen_show_mode(struct screen *s);
void screen_next_mode(struct screen *s); /* ask, edits, auto */
void screen_plan(struct screen *s);      /* begins plan mode, or leaves it */
void screen_answer_plan(struct screen *s, int64_t choice); /* TUI_ASK_PLAN */

/* undo.c */
int screen_undo(struct screen *s, bool again, size_t turns, struct err *err); /* /undo, /redo */
/* … of that call of an answer, from 0 */
int screen_undo_call(struct screen *s, const struct talk_message *m, int call, struct err *err);
void screen_answer_undo(struct screen *s, int64_t choice); /* TUI_ASK_UNDO */
void screen_drop_undo(struct screen *s);
/* What became of edits of the conversation that is shown, where the program was ended at it. */
void screen_settle_edits(struct screen *s);

/* screen.c */
void screen_resize(struct screen *s); /* as the terminal is now */

#endif
