/*
 * What the files of the screen share:
 *
 *   screen.c         life and the loop
 *   show.c           conversations → transcript, list, status
 *   ask.c            a turn begins: request, queue, interrupting
 *   hear.c           what the engine says, and what a turn leaves
 *   conversations.c  which conversation is shown, its name, its removal
 *   intent.c         what the user wants → all of these
 *   command.c        /commands, completion
 *   option.c         options that change while it runs
 *   input.c          earlier inputs, the external editor
 *   script.c         keys and waits from a file
 */
#ifndef APP_SCREEN_PRIVATE_H
#define APP_SCREEN_PRIVATE_H

#include "app/screen/screen.h"
#include "app/screen/script.h"
#include "app/talk/talk.h"
#include "app/talk/store.h"
#include "app/talk/title.h"
#include "tui/tui.h"

/* A message that waits while a turn runs. */
struct queued {
	struct buf text;
	struct queued *next;
};

struct screen {
	const struct screen_config *config;
	struct options *opt;
	struct engine *engine;
	struct tui *tui;
	struct transcript *said;   /* the tui's */
	struct terminal *terminal; /* NULL: headless */
	struct keyparse keys;
	struct surface surface;
	struct script_player *script; /* NULL = none */
	bool dirty;                   /* something to draw */
	int64_t drawn_ms;
	bool quit;
	int signo;
	struct err failed; /* why the loop ends; code 0 = by itself */

	struct talks talks;
	struct talk *talk; /* the one shown */
	struct status status;
	bool ready;         /* EV_READY came */
	bool engine_failed; /* EV_ERROR of the engine itself came */

	/* the turn that runs; turn == 0: none */
	uint64_t turn;
	struct talk *turn_talk;      /* where it belongs: may not be the one shown */
	struct talk_message *answer; /* what was said so far; not in the tree yet */
	struct history_answer
		*journal;  /* the same in the store, as it comes; NULL = not there */
	bool unjournalled; /* it could not be begun: the end is tried alone */
	int64_t resumed;   /* the stored message it goes on with; 0 = none */
	bool interrupted;
	uint64_t seed; /* of the turn */
	bool thinking_over;
	size_t thinking_item, answer_item; /* TRANSCRIPT_NONE = not there, or not shown */
	size_t *call_items;
	size_t n_call_items;
	int64_t turn_ms, first_token_ms, thinking_from_ms;
	int64_t load_ms;
	int64_t n_tokens;
	struct queued *queue;
	bool resending; /* a queued message is being sent: it does not queue again */

	struct title title; /* asked of the model while nothing else is */
	struct talk *title_talk;
};

/* show.c */
void screen_show_talk(struct screen *s);
void screen_show_list(struct screen *s);
void screen_show_siblings(struct screen *s);
void screen_add_message(struct screen *s, const struct talk_message *m);

/* ask.c */
void screen_note_run(const struct screen *s, struct talk_run *r); /* how an answer is made */
void screen_send_next(struct screen *s);                          /* of what waits */
/* Asks the model for t's title, if it has none but by what was asked and nobody waits. */
void screen_ask_title(struct screen *s, struct talk *t);

/* hear.c */
void screen_error(struct screen *s, const char *text); /* where it happened */
void screen_send(struct screen *s, struct str text);
void screen_answer(struct screen *s); /* asks the engine to answer the leaf */
void screen_continue(struct screen *s, struct talk_message *m);
void screen_event(struct screen *s, struct event *ev);
/* Every event that waited was heard: writes the journal where that is due. */
void screen_drained(struct screen *s);
int screen_journal_due_ms(const struct screen *s);
void screen_interrupt(struct screen *s);
void screen_drop_queue(struct screen *s);
void screen_recall_queue(struct screen *s); /* what waits goes back to the composer */
/* At the end: cancels the turn and keeps what was said of the answer. */
void screen_leave_turn(struct screen *s);
void screen_save(struct screen *s, struct talk *t);
void screen_turn_release(struct screen *s);

/* conversations.c */
/* Branches stay as they are while an answer to one of them is written: says so. */
bool screen_is_writing(struct screen *s);
/* Changes that the store refused stay on the screen, and are told. */
void screen_tell_store(struct screen *s, int rc, const struct err *err);
int screen_store(const struct screen *s, struct err *err); /* ERR_USAGE without a store */
/* The conversation that the store knows by this number. */
int screen_stored(struct screen *s, int64_t conversation, struct talk **out, struct err *err);
void screen_new(struct screen *s);
void screen_open(struct screen *s, struct talk *t);
bool screen_hear_title(struct screen *s, const struct event *ev); /* false: not its event */
void screen_rename(struct screen *s, struct talk *t, struct str title);
void screen_fork(struct screen *s, const struct talk_message *at);
void screen_regenerate(struct screen *s, struct talk_message *m);
/* Takes it out of sight; it may come back until screen_forget().  False: it can't go now. */
bool screen_remove(struct screen *s, struct talk *t);
/* What was removed goes for good, with what was typed in it.  On failure it is back. */
int screen_forget(struct screen *s, struct err *err);

/* intent.c */
void screen_intents(struct screen *s);

/* command.c */
void screen_command(struct screen *s, struct str line); /* cmd_meant(line) */
void screen_notice(struct screen *s, struct str text); /* behind what was said */
void screen_complete(void *ctx, struct tui *t, struct str word);

/* option.c */
void screen_show_options(struct screen *s);
/* Sets it, and says what it is; value NULL: only says it. */
int screen_set_option(struct screen *s, const char *name, const char *value, struct err *err);
/* The system prompt of the next question. */
struct str screen_system(const struct screen *s);

/* input.c */
void screen_load_inputs(struct screen *s);
void screen_keep_input(struct screen *s, struct str text);
void screen_editor(struct screen *s, int64_t editing, struct str text);

#endif
