/*
 * The model's answer: thinking, text and DSML calls, in two ways.
 *
 * dsml_message_parse() is the official grammar over a whole completion: it
 * accepts or rejects.  struct dsml reads the same language as it is produced,
 * in pieces of any size, and never gives up: it turns what it is fed into
 * events (engine/event.h) and finds its footing after every slip.  The two meet
 * at the end: calls end well (EV_CALL_END) only if the official grammar accepts
 * the answer as a whole and finds the same calls; all others end as EV_CALL_BAD
 * with the reason.  So a call is safe to run once it has ended well.  (A value
 * that claims to be JSON and is none is passed on as a string, with a notice.)
 *
 * As for the official parser, a tag is a tag whichever tokens spelled it.
 * The one difference: a stray <think> or </think> is dropped (and reported) if
 * the model used the control token, and kept if it wrote the letters.
 */
#ifndef ENGINE_TEXT_DSML_H
#define ENGINE_TEXT_DSML_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/jsonw.h"
#include "engine/text/detok.h"
#include "engine/event.h"

enum dsml_mode {
	DSML_CHAT,     /* the prompt ended with </think>: text from the start */
	DSML_THINKING, /* the prompt ended with <think>                       */
};

/* What the official grammar makes of a completion; zeroed = empty. */
struct dsml_call {
	struct buf name;
	struct buf
		arguments; /* `{"name": value, …}`; values are passed on as they were written */
};

struct dsml_message {
	struct buf reasoning, content;
	struct dsml_call *calls;
	size_t n_calls;
};

/*
 * Reads a whole completion with its end token (without one it is accepted only right after a
 * call block).  0, or ERR_FAILED with what the grammar wanted; ERR_NOMEM.  `out` is to be
 * released either way.
 */
int dsml_message_parse(struct str completion, enum dsml_mode mode, struct dsml_message *out,
		       struct err *err);
void dsml_message_release(struct dsml_message *m);

/* {"role": "assistant", "content": …, "reasoning_content": …, "tool_calls": […]} */
void dsml_message_write(const struct dsml_message *m, struct jsonw *w);

/*
 * Receives events in order.  `kind` is one of EV_THINKING, EV_TEXT, EV_CALL_BEGIN, EV_CALL_TEXT,
 * EV_CALL_PARAM, EV_CALL_END, EV_CALL_BAD, EV_CALL_CUT, EV_NOTICE; `call` is the call's index, -1
 * for the others; `text` is borrowed for the call.  Each EV_CALL_BEGIN is followed, at the latest by
 * dsml_finish(), by one EV_CALL_END, EV_CALL_BAD or EV_CALL_CUT of the same index; the pieces of
 * EV_CALL_TEXT before an EV_CALL_PARAM make up its value as it was written.  An answer with the
 * beginning of a call block, in which no call begins and which the official grammar rejects, ends
 * with EV_CALL_BAD of index 0 alone.
 */
typedef void (*dsml_event_fn)(void *ctx, enum event_kind kind, int call, struct str text);

struct dsml_private;

struct dsml {
	struct dsml_private *p; /* heap; NULL after release */
};

/* ERR_NOMEM. */
int dsml_init(struct dsml *d, enum dsml_mode mode, dsml_event_fn fn, void *ctx,
	      struct err *err);
void dsml_release(struct dsml *d); /* a zeroed struct is fine */

/* Text of any kind; split it as you like.  What follows the end token is not read. */
void dsml_push(struct dsml *d, struct str text);

/*
 * One produced id: text through `detok`; control ids by their meaning (the end token ends,
 * <think>, </think> and ｜DSML｜ are grammar, any other is dropped).
 */
void dsml_push_id(struct dsml *d, struct detok *detok, token_id id);

/* How an answer ended. */
enum dsml_end {
	DSML_END_STOP, /* the model ended it (an end token that was pushed counts, too) */
	DSML_END_CUT,  /* limit, context or interruption: open and unended calls are cut */
};

/*
 * Decides everything held back, ends every call.  0, or ERR_NOMEM if memory ran out at any
 * time (then no call has ended well).  After it only dsml_release().
 */
int dsml_finish(struct dsml *d, enum dsml_end end, struct err *err);

bool dsml_in_thinking(const struct dsml *d);
int dsml_n_good_calls(const struct dsml *d); /* ended well or cut; known after dsml_finish() */

/* While EV_CALL_BEGIN or EV_CALL_PARAM is told: can the official grammar still accept the answer? */
bool dsml_early(const struct dsml *d);

/* A call block is open; and how many bytes there are of the value that is written, 0: of none. */
bool dsml_in_block(const struct dsml *d);
size_t dsml_value_bytes(const struct dsml *d);

enum dsml_closing {
	DSML_CLOSES,       /* with what was appended, and the end token                       */
	DSML_CLOSES_LATER, /* not within a tag or what may be the end token; or no call was begun */
	DSML_CLOSES_NEVER, /* the official grammar would not accept it; or there is no memory */
};

/*
 * Can the answer end here, with the calls that it has and what there is of the last one?  By what
 * text: the shortest that closes value, parameter, call and block.  It spells control tokens.
 */
enum dsml_closing dsml_closing(const struct dsml *d, struct buf *out);

/* The call that is open, if one is, is not whole, however it ends: EV_CALL_CUT says `why`. */
void dsml_cut_call(struct dsml *d, struct str why);

#endif
