/* The calls of one answer, and what each could do. */
#ifndef APP_AGENT_CALLS_H
#define APP_AGENT_CALLS_H

#include "app/agent/agent.h"

/* What the model is told of a call that had begun, and of which no more is known. */
#define CALL_LOST "what it did is not known. Look before you repeat it."

struct call {
	struct buf ref, name, arguments;
	bool done;      /* it has its result already */
	bool bad;       /* malformed, never to run: */
	bool cut;       /* ended before it was whole, never to run: */
	struct buf why; /* what is wrong with it, or why it was */
};

struct calls {
	struct call *v;
	size_t n;
	bool any_bad;
};

/* Copies them out of the answer.  ERR_NOMEM; to be released either way. */
int calls_take(struct calls *c, const struct talk_message *m, struct err *err);
void calls_release(struct calls *c);

enum tool_class call_class(struct str tool);
/* Of a change of a file, by its true path: LEAVE where it reaches beyond the file. */
enum tool_class call_edit_class(struct str path);
/* `read_only`: nothing may be written. */
unsigned call_grade(enum tool_class cls, bool read_only);

enum verdict { VERDICT_RUN, VERDICT_ASK, VERDICT_DENY };
/* As the mode alone says. */
enum verdict call_judge(enum agent_mode mode, enum tool_class cls);

/* Appends what of a result is kept beside its text. */
void call_add_info(struct buf *out, const struct agent_news *n, const char *by);

#endif
