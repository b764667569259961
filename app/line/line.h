/*
 * Line mode: a chat a line at a time, text appended and nothing repainted, for
 * screen readers, serial lines and `script`.
 */
#ifndef APP_LINE_LINE_H
#define APP_LINE_LINE_H

#include "app/app.h"
#include "app/cmd/cmd.h"
#include "app/line/rounds.h"
#include "app/talk/title.h"
#include "app/talk/turn.h"

struct line_mode {
	struct cmd_host host; /* first: what commands ask of */
	struct app *app;
	struct talks talks;
	struct talk *talk; /* the one that goes on */
	struct turn turn;
	struct rounds rounds;
	struct title title; /* asked of the model while the prompt waits */
	bool answered;      /* an answer was just given, whole */
	bool quit;
	struct history_list offered; /* the line that comes names one to go on with */
	bool asks_quit; /* … says whether to end, after "exit" alone */
	struct buf doubted; /* what was not sent, since it seems to name a file */
	enum agent_mode before_plan; /* what plan mode took the place of */
	struct err refused; /* the first question that could not be kept, and was not asked */
};

/* Returns the exit code. */
int line_run(struct app *app);

/*
 * Asks what was typed, with the files that it names, in place of `instead` (NULL: of none): the
 * answer comes on stdout and is kept.  This and the next two: app/line/ask.c
 */
int line_ask(struct line_mode *l, struct str typed, const struct talk_message *instead,
	     struct err *err);
/* Answers what the branch ends with; resume: goes on with that answer of it instead. */
int line_answer(struct line_mode *l, struct talk_message *resume, struct err *err);
/* Goes on with the calls of the last answer that have no result; *did: there are such. */
int line_go_on_calls(struct line_mode *l, bool *did, struct err *err);
/* /undo, /redo: app/line/undo.c.  Asks on the terminal that is typed on. */
int line_undo(struct line_mode *l, bool again, size_t turns, struct err *err);
/* /plan: app/line/plan.c */
int line_plan(struct line_mode *l, struct err *err);
/* Goes over to another conversation and says which: app/line/open.c */
int line_open(struct line_mode *l, struct talk *t, struct err *err);
/* Why a conversation goes no further, and what helps; nothing where it does. */
void line_say_stop(const struct line_mode *l, const struct talk *t);
/* Prints one line of text that may hold anything. */
void line_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the next message would read, which the engine may read meanwhile: app/line/price.c. */
void line_tell_price(struct line_mode *l);

/* Asks which conversation to go on with; and what was answered. */
void line_pick(struct line_mode *l);
int line_picked(struct line_mode *l, const char *name, struct err *err);

extern const struct cmd_host_ops line_host;

#endif
