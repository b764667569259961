/*
 * A stored answer given again, from what it was given from: the branch before it, its settings
 * and seed, and the ids that nobody chose (those it went on from, a text it was told to begin
 * with, an end of the thinking that the user asked for).
 *
 * The same model, build and kind of backend give the same ids.  Where one of them is another,
 * nothing is promised, and replay_differences() says which.  UI thread.
 */
#ifndef APP_TALK_REPLAY_H
#define APP_TALK_REPLAY_H

#include "app/talk/talk.h"
#include "engine/engine.h"

struct replay {
	struct talk *talk; /* borrowed, as are the next two */
	struct talk_message *answer;
	const struct history_run *run;
	enum chat_effort effort;
	int draft; /* as in struct sampling: which ids come does not depend on it */
	/* Called with how many ids are there now; NULL: nobody watches. */
	void (*progress)(void *ctx, size_t n);
	void *ctx;

	/* What came of it: */
	size_t at;    /* ids that are the same, or that nobody chose */
	bool differs; /* ids[at] is `now`, or … */
	bool ended;   /* … nothing: the answer ended before it */
	token_id now;
};

/*
 * Takes up an answer of the talk, whose history is read.  ERR_USAGE: it is none, or how it was
 * given is not known (it was imported); ERR_STORE: it, or what was said before it, is damaged.
 */
int replay_init(struct replay *r, struct talk *t, struct talk_message *m, struct err *err);

/* Appends what is not as it was, one after another: "model …, then …"; nothing: all is. */
void replay_add_differences(const struct replay *r, const struct engine_info *info,
			    struct buf *out);

/*
 * Gives it again on an engine that is ready, up to the first id that differs.  0, whether any
 * did or not; else what the engine said.  `ends_thinking`: the id of </think>, -1: there is
 * none.
 */
int replay_run(struct replay *r, struct engine *e, token_id ends_thinking, struct err *err);

#endif
