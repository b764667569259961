/*
 * Conversations as the screen shows them: trees of messages that never change.
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
#include "history/history.h"

struct talk_call {
	struct buf name, arguments;
	bool bad; /* malformed: `arguments` says why */
};

/* How an answer was made, as the store keeps it; its strings are here. */
struct talk_run {
	bool known;
	struct history_run run; /* without strings but effort and stop, which are literals */
	char model[128], identity[65], device[64];
};

struct talk_message {
	int64_t id;     /* > 0, unique in the process */
	int64_t stored; /* its number in the store; 0 = not there */
	struct talk_run run;
	enum chat_role role;
	struct buf text, thinking;
	struct talk_call *calls;
	size_t n_calls;
	token_id *ids; /* answers: exactly what the model produced */
	size_t n_ids;
	bool unfinished;                      /* an answer that may be continued */
	int64_t thinking_ms, thinking_tokens; /* -1 = unknown */
	int64_t context_tokens;               /* prompt and answer; 0 = unknown */
	struct talk_message *parent, *next;   /* next: the sibling after this one */
	struct talk_message *first_child;
	struct talk_message *newest_child; /* shown last: where talk_show() goes down */
};

struct talk_message *talk_message_new(enum chat_role role, struct err *err);
void talk_message_free(struct talk_message *m); /* one that is in no tree; NULL is fine */
int talk_message_add_ids(struct talk_message *m, const token_id *ids, size_t n,
			 struct err *err);
/* A copy of what was said, with an id of its own and no place in a tree. */
int talk_message_copy(struct talk_message **out, const struct talk_message *m, struct err *err);

struct talk {
	int64_t id;
	int64_t stored;            /* its number in the store; 0 = not there */
	bool unread;               /* its messages are still in the store only */
	struct history_tree *tree; /* open for writing; may be NULL */
	struct buf title;          /* "" = not said anything yet */
	enum history_title_from title_from; /* else by what is said first */
	bool pinned, archived;
	int64_t updated_ms;
	bool asks_system;  /* the next question says `system` first, where it is another one */
	struct buf system;
	struct talk_message *first; /* the first messages: siblings */
	struct talk_message *newest_first;
	struct talk_message *leaf; /* NULL: nothing, or before the first message */
};

/* Puts m after `parent` (NULL: a first message), as the last and newest of its siblings. */
void talk_attach(struct talk *t, struct talk_message *parent, struct talk_message *m);
/* Drops all messages. */
void talk_forget(struct talk *t);
/* Shows the branch that ends with the message the store knows by that number. */
void talk_show_stored(struct talk *t, int64_t stored);
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

struct talks {
	struct history *store; /* borrowed; NULL = memory only */
	struct talk **v;
	size_t n;
	struct talk *removed; /* the last one removed: may come back */
	int64_t next_id;
};

void talks_release(struct talks *ts);
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
