/*
 * The conversations of the screen, kept in the history store.
 *
 * The trees in memory (talk.h) are what the screen works on; what is said is
 * written through, message by message.  Where the store is locked or full, the
 * chat goes on in memory, and what is missing is written with the next message.
 * Without a store all of this does nothing and succeeds.  UI thread only.
 */
#ifndef APP_TALK_STORE_H
#define APP_TALK_STORE_H

#include "app/talk/talk.h"
#include "engine/engine.h"
#include "history/history.h"

/* The conversations of the store, without their messages. */
int talk_store_list(struct talks *ts, struct err *err);
/* One of them, that is not in memory yet. */
int talk_store_add(struct talks *ts, const struct history_conversation *c, struct talk **out,
		   struct err *err);
/* Reads a conversation's messages where they aren't in memory yet. */
int talk_store_load(struct talks *ts, struct talk *t, struct err *err);
/* Writes what of the branch shown is not in the store.  `err` also on success: untouched. */
int talk_store_save(struct talks *ts, struct talk *t, struct err *err);
/*
 * Begins the journal of an answer to t's leaf, `resumed`: the stored message it goes on with.
 * *out stays NULL, without an error, where there is no store or the leaf is not in it.
 */
int talk_store_begin(struct talks *ts, struct talk *t, const struct talk_message *m,
		     int64_t resumed, struct history_answer **out, struct err *err);
/* Ends it: m is in the store then.  Frees the answer in any case. */
int talk_store_end(struct history_answer *a, struct talk_message *m, struct err *err);
/* The branch through t's leaf is the one that opens next time. */
int talk_store_show(struct talks *ts, struct talk *t, struct err *err);
/* Title, pin and archive as they are in memory. */
int talk_store_rename(struct talks *ts, struct talk *t, struct err *err);
int talk_store_mark(struct talks *ts, struct talk *t, struct err *err);
/* `fork` goes on after `at` of `from`, in the store too. */
int talk_store_fork(struct talks *ts, struct talk *fork, struct talk *from,
		    const struct talk_message *at, struct err *err);
/* Removes what talks_remove() took out of sight, for good. */
int talk_store_remove(struct talks *ts, struct talk *t, struct err *err);
/* Messages of all conversations that are not in the store. */
size_t talk_store_missing(const struct talks *ts);

#endif
