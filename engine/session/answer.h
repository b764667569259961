/*
 * One answer on its way out: the ids the model produces become events, through
 * detokeniser and DSML parser (or the detokeniser alone for plain text).
 *
 * Of a resumed answer the earlier ids are fed first.  What their turn sent as
 * text and thinking, what was decided at its end included, is not sent again;
 * its calls are, since a call ends only with its answer.
 * Engine thread only.
 */
#ifndef ENGINE_SESSION_ANSWER_H
#define ENGINE_SESSION_ANSWER_H

#include "engine/text/detok.h"
#include "engine/text/dsml.h"
#include "engine/event.h"

/* The text of an answer, or its thinking, where an earlier turn has sent some of it. */
struct answer_part {
	size_t n_muted;  /* bytes not sent while muted */
	struct buf owed; /* sent already by the earlier turn, not yet met again */
};

/* How many bytes of each the caller has. */
struct answer_had {
	size_t text, thinking;
};

/* Its last ids, without the end token, closed a call that was cut, since `why`. */
struct answer_closed {
	size_t n;
	struct str why;
};

struct answer {
	struct event_queue *events; /* borrowed */
	uint64_t turn;
	bool raw; /* plain text: no grammar */
	struct dsml dsml;
	struct detok detok;
	bool muted;  /* earlier ids of a resumed answer */
	struct answer_part text, thinking;
	size_t n_closing; /* ids that close it, chosen by nobody */
	int64_t n_block; /* ids since a call block was opened; 0: none is open */
	bool closed; /* the queue refused an event, or memory ran out */
	bool nomem;
};

/* ERR_NOMEM. */
int answer_init(struct answer *a, struct event_queue *events, uint64_t turn,
		const struct tokenizer *tok, bool raw, enum dsml_mode mode, struct err *err);
void answer_release(struct answer *a); /* a zeroed struct is fine */

/*
 * Ids of the answer's beginning, after the opening one.  had: what of them is known, the rest is
 * sent; NULL: all, as the earlier turn ended it.  closed: its last call is cut as it was; NULL: it
 * was not.  ERR_NOMEM.
 */
int answer_resume(struct answer *a, const token_id *ids, size_t n, const struct answer_had *had,
		  const struct answer_closed *closed, struct err *err);

/* One more id: its text goes out.  Say with answer_send_id() that it was produced. */
void answer_push(struct answer *a, token_id id);
void answer_send_id(struct answer *a, token_id id);
/* Several at once: a journal has all of them, or none. */
void answer_send_ids(struct answer *a, const token_id *ids, size_t n);

/* The most that a call may say. */
#define ANSWER_VALUE_BYTES ((size_t)1 << 20)
#define ANSWER_BLOCK_IDS   32768

/* Why the call that is written is to be ended here and now, since it is too long; NULL: it isn't. */
const char *answer_too_long(const struct answer *a);
/*
 * Can the answer end here?  By what text, as dsml_closing() has it; within a character it closes
 * later.
 */
enum dsml_closing answer_closing(const struct answer *a, struct buf *out);

bool answer_in_thinking(const struct answer *a);

/*
 * Ends the answer.  `cut`: it may be resumed, so a character that is not whole is kept back.
 * *n_calls: how many calls ended well.  ERR_NOMEM where memory ran out at any time.
 */
int answer_finish(struct answer *a, bool cut, int *n_calls, struct err *err);

#endif
