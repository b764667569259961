/*
 * A line of a session of JSON lines, as it was meant:
 *
 *   {"text": …}, {"role": "user" | "system", "content": …}
 *     with a user's {…, "prefill": …, "when": "now" | "after"}
 *   {"undo": N}, {"redo": N}
 *   {"tool_answer": ID, "decision": "once" | "session" | "always" | "no" | "stop",
 *    "reason": …, "with": ["network" | "git" | "outside", …]}
 */
#ifndef APP_LINE_SAID_H
#define APP_LINE_SAID_H

#include "app/agent/agent.h"

enum said_kind {
	SAID_TEXT,   /* a question, or what is told while one is answered */
	SAID_SYSTEM, /* the system prompt from now on                     */
	SAID_UNDO,   /* edits are taken back                              */
	SAID_REDO,
	SAID_ANSWER, /* of the user's, to a call                          */
};

struct said {
	enum said_kind kind;
	struct said *next; /* these two are the owner's: what follows it, and where it stood */
	size_t line;
	struct buf text;   /* clean; of an answer: its reason */
	struct buf prefill;
	bool has_prefill; /* else the option holds */
	bool after;       /* it waits until what runs is answered */
	size_t turns;     /* of undo and redo */
	struct buf id;    /* of the call that is answered, with: */
	enum decision decision;
	unsigned grade; /* that the call is given beside its own */
};

/* ERR_USAGE: it is none of these, what was found and what was expected.  ERR_NOMEM. */
int said_read(struct said **out, struct str line, struct err *err);
void said_free(struct said *m); /* NULL is fine */

#endif
