/*
 * Line mode: a chat a line at a time, text appended and nothing repainted, for
 * screen readers, serial lines and `script`.
 */
#ifndef APP_LINE_LINE_H
#define APP_LINE_LINE_H

#include "app/app.h"
#include "app/cmd/cmd.h"
#include "app/talk/dialog.h"
#include "app/talk/record.h"
#include "app/talk/title.h"

struct line {
	struct app *app;
	struct dialog dialog; /* the branch that is shown, as the next prompt needs it */
	struct record record;
	struct title title;     /* asked of the model while the prompt waits */
	int64_t title_talk;     /* the conversation it is for */
	bool answered;          /* an answer was just given, whole */
	bool quit;
};

/* Returns the exit code. */
int line_run(struct app *app);

/* Asks: the answer comes on stdout and is kept. */
int line_ask(struct line *l, struct str text, struct err *err);
/* Answers what the branch ends with; resume: goes on with that answer of it instead. */
int line_answer(struct line *l, const struct history_message *resume, struct err *err);
/* Goes over to another conversation (0: a new one) and says which. */
int line_open(struct line *l, int64_t conversation, struct err *err);
/* The last message of that role on the branch; NULL: there is none. */
const struct history_message *line_last(struct line *l, enum history_role role);
/* Prints one line of text that may hold anything. */
void line_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
