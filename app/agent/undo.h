/*
 * The file edits of a conversation taken back, and made again until the next edit: those of its
 * last turns, newest first, where a file is still what the edit left.
 *
 * Looking and doing are jobs of the agent's runner, and are waited for: some ms.  The agent has
 * to be idle.  UI thread only.
 */
#ifndef APP_AGENT_UNDO_H
#define APP_AGENT_UNDO_H

#include "app/agent/agent.h"
#include "app/tools/undo.h"

enum undo_way {
	UNDO_BACK,  /* what edits did is taken back  */
	UNDO_AGAIN, /* what was taken back is made again */
};

struct undo;

/*
 * Finds what would be done for the last `turns` questions that changed files; for UNDO_AGAIN,
 * for the first so many whose changes were taken back.  Nothing is changed.  `a` may be NULL.
 * ERR_USAGE: there is nothing to be done, or no way to do it, and why.  ERR_FAILED: the runner
 * is gone; ERR_STORE, ERR_TIMEOUT, ERR_NOMEM.  Borrows all; *out stays NULL on failure.
 */
int undo_look(struct undo **out, struct agent *a, struct talks *talks, struct talk *talk,
	      enum undo_way way, size_t turns, struct err *err);
/* The same of what one call of that answer did, to be taken back. */
int undo_look_call(struct undo **out, struct agent *a, struct talks *talks, struct talk *talk,
		   const struct talk_message *answer, struct str ref, struct err *err);
void undo_free(struct undo *u); /* NULL is fine */

/* How many files would be changed; after undo_do(), how many were. */
size_t undo_count(const struct undo *u);
/* Appends that as lines, a file each, whole and clean: what would be done, or was. */
void undo_add_text(const struct undo *u, struct buf *out);

/* One file of it, for who writes it otherwise.  False: there are not so many. */
struct undo_line {
	struct buf path;  /* from the workspace on; clean */
	const char *what; /* "restored", "removed", "made", "changed", "abroad", "unkept",
			     "refused" */
	struct buf why;   /* of the last one */
};
bool undo_line(const struct undo *u, size_t i, struct undo_line *out);
void undo_line_release(struct undo_line *l);

/*
 * Does it, as far as files are still what they were, and drops what the model has seen of
 * files. What it came to is on the disk when this returns, and is told with the next question.
 * Fails as undo_look() does; what was done until then stays done, and is known.
 */
int undo_do(struct undo *u, struct err *err);

/*
 * With the next question the model is told which files it finds otherwise than it left them;
 * when that is stored, it was told.  `a` may be NULL: it is told another time.  ERR_STORE,
 * ERR_NOMEM.
 */
int undo_tell(struct agent *a, struct talks *talks, struct talk *talk,
	      struct talk_message *question, struct err *err);

/*
 * Edits of which the program did not live to know what became: that is found out by what the
 * files hold now.  What cannot be found out now is left for another time.  `a` may be NULL.
 */
void undo_settle(struct agent *a, struct talks *talks, struct talk *talk);

#endif
