/*
 * The conversations, kept in the history.
 *
 * The trees in memory (talk.h) are what every mode works on; what is said is written through,
 * message by message.  Where the store is locked or full, the chat goes on in memory, and what
 * is missing is written with the next message, or at the end.  Without a store (talks.store
 * NULL) all of this does nothing and succeeds.  UI thread only.
 */
#ifndef APP_TALK_STORE_H
#define APP_TALK_STORE_H

#include "app/options.h"
#include "app/talk/talk.h"
#include "history/history.h"

/* -- all of them ------------------------------------------------------------- */

/*
 * Opens the store (path NULL: in memory, gone at the end) and makes messages of what a crash
 * cut: talks.recovered.
 */
int talks_open(struct talks *ts, const char *path, struct err *err);
/* The store that the options name. */
int talks_open_for(struct talks *ts, const struct options *o, struct err *err);
/*
 * Tries once more what could not be written.  ERR_STORE: so many messages are lost with the
 * program.
 */
int talks_save(struct talks *ts, struct err *err);
/* The conversations of the store that are not in memory yet, without their messages. */
int talks_list(struct talks *ts, struct err *err);
/*
 * The conversation that --continue, --resume and --fork choose, with what --system asks for;
 * else a new one.  ERR_USAGE: there is none such.
 */
int talks_choose(struct talks *ts, const struct options *o, struct talk **out, struct err *err);
/* Goes on with *t as the options say: *t may be a branch of it then, see talks_branch(). */
int talks_take_up(struct talks *ts, const struct options *o, struct talk **t, struct err *err);
/* The one that the store knows by that number; its messages may not be in memory yet. */
int talks_get(struct talks *ts, int64_t stored, struct talk **out, struct err *err);
/* The one that is meant, as history_find() has it; whoever waits may give it up. */
int talks_named(struct talks *ts, const char *name, struct talk **out, struct err *err);
/* A branch of `from` up to `at`, in the store too.  ERR_STORE: *out is there, but in memory
 * only. */
int talks_branch(struct talks *ts, struct talk *from, struct talk_message *at,
		 struct talk **out, struct err *err);
/* ERR_USAGE without a store. */
int talks_need_store(const struct talks *ts, struct err *err);
/*
 * What removals left to do in the file, which may take long: ERR_CANCELLED where a signal came,
 * or on the screen a key.  Until it is done, the store remembers.
 */
int talks_tidy(struct talks *ts, struct err *err);

/* -- one of them ------------------------------------------------------------- */

/*
 * The conversation's name, which it has before anything is said in it; NULL where it is kept in
 * memory only, or can't be read.
 */
const char *talk_store_uid(struct talks *ts, struct talk *t);
/* Says on stderr how to go on with it another time, where it is kept and something was said. */
void talk_store_tell_resume(struct talks *ts, struct talk *t);
/* Reads a conversation's messages where they aren't in memory yet. */
int talk_store_load(struct talks *ts, struct talk *t, struct err *err);
/*
 * Takes in what another program has said in the conversation since it was read here: branches
 * beside the one that is shown, which stays.  *news: there was something.  Not while an answer
 * to it is written.
 */
int talk_store_catch_up(struct talks *ts, struct talk *t, bool *news, struct err *err);
/* Writes what of the branch shown is not in the store.  *err is set on failure alone. */
int talk_store_save(struct talks *ts, struct talk *t, struct err *err);
/* Says what came of a call after t's leaf, and writes it with what became of the call; said also
 * where ERR_STORE is returned. */
int talk_store_say_result(struct talks *ts, struct talk *t, const struct talk_result *r,
			  struct err *err);
/*
 * Before a call of the answer that t's branch ends with, or its results, runs: that is on the disk
 * when this returns.  Where it fails the call must not run: ERR_USAGE, it was begun before.
 */
int talk_store_begin_call(struct talks *ts, struct talk *t, const struct talk_call *c,
			  struct err *err);
/* What is known of that call of an answer. */
int talk_store_find_call(struct talks *ts, const struct talk_message *answer, struct str ref,
			 enum history_call_begun *begun, struct err *err);
/*
 * Begins the journal of an answer to t's leaf, `resumed`: the stored message it goes on with.
 * *out stays NULL, without an error, where there is no store or the leaf is not in it.
 */
int talk_store_begin(struct talks *ts, struct talk *t, const struct talk_message *m,
		     int64_t resumed, struct history_answer **out, struct err *err);
/* The branch through t's leaf is the one that opens next time. */
int talk_store_show(struct talks *ts, struct talk *t, struct err *err);
/* Title, pin and archive as they are in memory. */
int talk_store_rename(struct talks *ts, struct talk *t, struct err *err);
int talk_store_mark(struct talks *ts, struct talk *t, struct err *err);
/* Removes it from the store, for good with the next talks_tidy(), and what was typed in it from the inputs (path NULL: the
 * program's own; `inputs` false: from none), and what was computed of it, by the engine (NULL:
 * there is none), too. */
int talk_store_remove(struct talks *ts, struct talk *t, struct engine *e, bool inputs,
		      const char *inputs_path, struct err *err);

#endif
