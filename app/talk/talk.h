/*
 * The conversations, in every mode: trees of messages that never change.
 *
 * Editing, answering again and going on add a sibling; the leaf says which
 * branch is shown.  A fork copies a branch into a conversation of its own.
 * Everything lives in memory and is owned by struct talks; store.h keeps it.
 * UI thread only.
 */
#ifndef APP_TALK_TALK_H
#define APP_TALK_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/chat.h"
#include "engine/event.h"
#include "history/history.h"

enum talk_call_state {
	CALL_OPEN,  /* its end has not come, or never came */
	CALL_WHOLE, /* may be run */
	CALL_BAD,   /* malformed or cut: never run */
	CALL_CUT,   /* ended before it was whole, in an answer that is well-formed: never run */
};

/* A piece of a message, as the store keeps it (struct history_part). */
struct talk_part {
	enum history_kind kind;
	struct buf name, ref, text; /* a call's ref: "0", "1", … within its answer */
	struct buf info;            /* "" or a JSON object; what of it is known here: */
	enum talk_call_state call;
	struct buf why;  /* a bad call: what is wrong with it; "" where the answer was cut; one that
			    was cut: why */
	int64_t n_closing; /* … and how many ids, the answer's last, closed it: nobody chose them */
	bool error;      /* a notice: the turn failed with it; a result: the call did */
	/* A result: what the call changed in a file, for the user; "": nothing, or it is not
	 * known.  It is not stored: agent_find_diffs() finds it out again, once. */
	struct buf diff;
	bool sought;
	int64_t exit;    /* a result: of a command; -1 = unknown */
	int64_t took_ms; /* thinking, a result; -1 = unknown */
	/* thinking that still goes on, on the monotonic clock: */
	bool runs;
	int64_t since_ms;
};

/* How an answer was made, as the store keeps it; its strings are here. */
struct talk_run {
	bool known;
	struct history_run run; /* without strings but effort and stop, which are literals */
	char model[128], identity[65], device[64];
	char drafts[USAGE_PLACES * 40]; /* as in history_run */
};

struct talk_message {
	int64_t id;     /* > 0, unique in the process */
	int64_t stored; /* its number in the store; 0 = not there */
	/* An answer whose journal is still to become the stored message; owned; NULL = none. */
	struct history_answer *journal;
	struct talk_run made; /* how the answer was */
	struct buf prefill;   /* the text that it was told to begin with */
	enum chat_role role;
	struct talk_part *parts; /* in the order they were said in */
	size_t n_parts;
	token_id *ids; /* answers: exactly what the model produced */
	size_t n_ids;
	bool unfinished;                    /* an answer that may be continued */
	int64_t thinking_tokens;            /* -1 = unknown */
	int64_t context_tokens;             /* prompt and answer; 0 = unknown */
	struct talk_message *parent, *next; /* next: the sibling after this one */
	struct talk_message *first_child;
	struct talk_message *newest_child; /* shown last: where talk_show() goes down */
};

struct talk_message *talk_message_new(enum chat_role role, struct err *err);
/* One that says `text`. */
struct talk_message *talk_message_say(enum chat_role role, struct str text, struct err *err);
void talk_message_free(struct talk_message *m); /* one that is in no tree; NULL is fine */
int talk_message_add_ids(struct talk_message *m, const token_id *ids, size_t n,
			 struct err *err);
/* A new part at the end, empty, or NULL without memory. */
struct talk_part *talk_message_add_part(struct talk_message *m, enum history_kind kind,
					struct err *err);
/* The call of that ref among m's parts; NULL: there is none. */
const struct talk_part *talk_message_call(const struct talk_message *m, struct str ref);
/* The answer that m (may be NULL) is, or one of whose results it is; NULL: neither. */
const struct talk_message *talk_message_answer(const struct talk_message *m);
/* Has that call of the answer a result, up to m? */
bool talk_message_has_result(const struct talk_message *m, struct str ref);
void talk_message_drop_parts(struct talk_message *m, enum history_kind kind);
void talk_message_drop_errors(struct talk_message *m);
/* Puts into `info` what else the part knows; and the other way, whatever stands there.  ERR_NOMEM. */
void talk_part_note(struct talk_part *p);
int talk_part_read_info(struct talk_part *p, struct err *err);

/* What came of a call. */
struct talk_result {
	struct str ref, name; /* the call's */
	struct str text;      /* what the tool said, as it said it */
	struct str info; /* "" or JSON: {"state": "ok" or what else, "exit": N, "ms": N, …} */
	struct str diff; /* what it changed in a file, for the user; "" */
	int64_t edit;    /* of a change of a file: the number it was planned with; 0: none */
	enum history_edit_state edit_state; /* what became of that */
};

/* A call that is about to run. */
struct talk_call {
	struct str ref, name;
	struct str cls, grade; /* what it could do, and may */
	struct str layer;      /* what is around it, of a command */
	struct str by;         /* who let it … */
	struct str rule;       /* … by which rule, or in spite of it; "" */
	/* Of a change of a file, else NULL: stored as planned, and *edit_id names it. */
	const struct history_edit *edit;
	int64_t *edit_id;
};

/* The message that answers one call; it is said after the answer, in the order of its calls. */
struct talk_message *talk_message_result(const struct talk_result *r, struct err *err);
/* A copy of what was said, with an id of its own and no place in a tree. */
int talk_message_copy(struct talk_message **out, const struct talk_message *m, struct err *err);

/* Appends all parts of that kind, joined. */
void talk_message_add_text(const struct talk_message *m, enum history_kind kind,
			   struct buf *out);
size_t talk_message_bytes(const struct talk_message *m, enum history_kind kind);
/* Does the model say anything in it: thinking, text or a call? */
bool talk_message_speaks(const struct talk_message *m);
bool talk_message_failed(const struct talk_message *m); /* memory ran out in one of its texts */

struct talk {
	int64_t id;
	int64_t stored;            /* its number in the store; 0 = not there */
	bool unread;               /* its messages are still in the store only */
	struct history_tree *tree; /* open for writing; may be NULL */
	struct buf title;          /* "" = not said anything yet */
	enum history_title_from title_from; /* else by what is said first */
	bool pinned, archived;
	int64_t updated_ms;
	/* The next question says these first, where the branch has others: */
	bool asks_system, asks_tools;
	struct buf system, tools;
	struct talk_message *first; /* the first messages: siblings */
	struct talk_message *newest_first;
	struct talk_message *leaf; /* NULL: nothing, or before the first message */
	struct talk_message *back; /* talk_try_from(): the leaf before it; else NULL */
};

/* Puts m after `parent` (NULL: a first message), as the last and newest of its siblings. */
void talk_attach(struct talk *t, struct talk_message *parent, struct talk_message *m);
/* Drops all messages. */
void talk_forget(struct talk *t);
/* The message that the store knows by that number; NULL: it is not here. */
struct talk_message *talk_find_stored(const struct talk *t, int64_t stored);
/* Shows the branch that ends with it. */
void talk_show_stored(struct talk *t, int64_t stored);
/* The branch that is shown is the newest everywhere, whatever was attached. */
void talk_hold(struct talk *t);
size_t talk_count_unstored(const struct talk *t);

/* Puts m (owned by the tree from here) after the leaf, which it becomes. */
void talk_say(struct talk *t, struct talk_message *m, int64_t now_ms);
/* The branch, first message first.  Returns its length; fills at most `max` of `out`. */
size_t talk_path(const struct talk *t, const struct talk_message **out, size_t max);
struct talk_message *talk_find(const struct talk *t, int64_t id);
/* The place of m among its siblings, from 0; *n = how many they are. */
int talk_place(const struct talk *t, const struct talk_message *m, int *n);
struct talk_message *talk_sibling(const struct talk *t, const struct talk_message *m, int step);
/* Shows the branch through m, down to what was shown of it last. */
void talk_show(struct talk *t, struct talk_message *m);
/* What is said next comes after m (NULL: is a first message). */
void talk_rewind(struct talk *t, struct talk_message *m);
/* The same for the turn that comes next: where it is refused, the leaf is as it was. */
void talk_try_from(struct talk *t, struct talk_message *m);
/*
 * Takes back what was said after m (NULL: everything), up to the leaf: what is in the store
 * stays there, as a branch that is not shown.
 */
void talk_unsay(struct talk *t, struct talk_message *m);
/* The last message of that role on the branch; NULL: there is none. */
struct talk_message *talk_last(const struct talk *t, enum chat_role role);

/*
 * The system prompt that the next question is asked under: what was asked for, else what the
 * branch says last, else, in a new conversation, `fresh` (NULL = none).
 */
struct str talk_system(const struct talk *t, const char *fresh, struct buf *hold);
/* From the next question on it is `text`; "" = none. */
int talk_set_system(struct talk *t, struct str text, struct err *err);
/* From the next question on the model is offered these functions, a JSON array; "" = none. */
int talk_set_tools(struct talk *t, struct str json, struct err *err);
/*
 * Says the question (question.h), and before it the system prompt with what it offers, where
 * that is another one than the branch's.  On failure nothing was said, and the question is still
 * the caller's.
 */
int talk_ask(struct talk *t, struct talk_message *question, const char *fresh_system,
	     int64_t now_ms, struct err *err);

struct talks {
	struct history *store;         /* store.h opens it; NULL = memory only */
	struct history_list recovered; /* what a crash had cut */
	struct talk **v;
	size_t n;
	struct talk *removed; /* the last one removed: may come back */
	int64_t next_id;
};

void talks_release(struct talks *ts); /* the store is closed */
int talks_add(struct talks *ts, struct talk **out, struct err *err);
/* A conversation of its own with the branch up to `at`. */
int talks_fork(struct talks *ts, const struct talk *from, const struct talk_message *at,
	       struct talk **out, struct err *err);
struct talk *talks_find(const struct talks *ts, int64_t id);
void talks_remove(struct talks *ts, struct talk *t);
bool talks_unremove(struct talks *ts);
void talks_drop_removed(struct talks *ts); /* it can no longer come back */
/* Pinned first, then newest first. */
void talks_sort(struct talks *ts);

#endif
