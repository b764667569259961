/*
 * A script for the scripted engine, read and checked: turns made of steps.
 * Plain data once opened.
 *
 * A script is JSON Lines; empty lines and lines that begin with # are skipped.
 * Before the first turn may stand
 *
 *   {"info": {"model_name": S, "model_path": S, "identity": S, "backend": S, "ctx_tokens": N,
 *             "vocab": N, "weight_bytes": N, "cache_bytes": N, "scratch_bytes": N}}
 *   {"load": {"bytes": N, "steps": N, "delay_ms": N, "error": TEXT}}
 *
 * Loading sends `steps` EV_LOAD events, `delay_ms` apart; with `error` it then fails.
 * A turn is a run of steps that "done" or "error" closes:
 *
 *   {"prefill": {"tokens": N, "cached": N}, "delay_ms": N, "chunk": N}
 *   {"thinking": TEXT, "delay_ms": N, "chunk": N, "repeat": N}
 *   {"text": TEXT, "delay_ms": N, "chunk": N, "repeat": N}
 *   {"call": {"name": S, "arguments": {…} or TEXT}, "delay_ms": N, "chunk": N, "repeat": N,
 *    "expect_call_ended": true}
 *   {"bad_call": TEXT or {"name": S, "why": TEXT}, "delay_ms": N, "repeat": N}
 *   {"notice": TEXT, "delay_ms": N, "repeat": N}
 *   {"pause": MS}                    (-1: until cancelled)
 *   {"error": TEXT or {"code": S, "text": TEXT}}
 *   {"done": {"stop": S, "usage": {…}}}       or {"done": S}, {"done": {}}
 *
 * `delay_ms` is waited before each piece: a text's piece is `chunk` characters (4) and counts
 * as one token, a prefill's is `chunk` tokens (512).  A call's pieces are its beginning, each
 * argument and its end, and with `chunk` so many characters of each argument that is a string;
 * arguments given as TEXT are passed on as they are, which may be no JSON.  A call that is ended
 * from outside (engine_ops.end_call) is cut there, and the turn ends; one of which that is
 * expected waits for it at its end, five seconds, and fails the turn where it does not come.
 * Ended thinking leaves out what is left of it, pauses after thinking included.
 * `repeat` plays the step so often; a flood is a large number there.  Error codes are
 * failed, usage, model, limit, nomem, io, refused, store, cancelled, timeout.  "done" without
 * "stop" means "tool_calls" after a good call, else "stop"; usage fields that are not given
 * are counted.  A turn without "prefill" prefills an invented count of tokens at once.
 * One that begins with an error of code limit is refused, before anything is read.
 *
 * A turn may be opened by a line with conditions:
 *
 *   {"turn": {"task": "title", "again": true, "expect": TEXT, "expect_tool": TEXT,
 *             "expect_system": TEXT, "expect_tools": TEXT, "expect_calls": IDS,
 *             "expect_results": IDS, "expect_messages": N, "expect_effort": S,
 *             "expect_resume": N}}
 *
 * expect…: the last user, tool or system message contains the text, or what the system message
 * offers does; the ids of the calls of the last answer that has any, and of the calls whose
 * results follow it, are these ("0 1"); so many messages; that effort; so many resume ids.  A
 * turn that finds it otherwise fails with ERR_USAGE and says what it found.  "task": the turn
 * answers requests for a title, and no others do; plain and title turns are counted apart. When
 * turns run out, play goes on at the one marked "again"; without one the request fails.
 *
 * Thinking is left out under effort none.  Ids are invented: 1 or 2 opens an answer, 3 closes
 * its thinking, 0 ends it, and the others count up from 1000 by their place in the turn.  So
 * a request with resume_ids goes on exactly where they end: it plays the turn that was played
 * last once more (the first one in a new engine), silently up to there but for its calls.
 * A prefill is told as one id before the turn's steps; who resumes such an answer gives it
 * again.
 */
#ifndef ENGINE_SCRIPTED_SCRIPT_H
#define ENGINE_SCRIPTED_SCRIPT_H

#include "engine/engine.h"

enum step_kind {
	STEP_PREFILL,
	STEP_THINKING,
	STEP_TEXT,
	STEP_CALL,
	STEP_BAD_CALL,
	STEP_NOTICE,
	STEP_PAUSE,
	STEP_ERROR,
	STEP_DONE,
};

struct script_step {
	enum step_kind kind;
	int line;
	struct buf text;    /* thinking, text, notice: itself; call: all arguments, JSON;
			       bad_call: why; error: the message */
	struct buf name;    /* call, bad_call: the tool */
	struct buf *params; /* call: `"name": value` each */
	struct buf *values; /* … and the value's text, where it is a string; as many */
	size_t n_params;
	bool expect_call_ended; /* call */
	bool of_thinking; /* pause: it follows thinking, so ended thinking leaves it out */
	int delay_ms;     /* before each piece; -1: until cancelled (pause) */
	int chunk;        /* thinking, text: characters a token; prefill: tokens an event */
	int64_t repeat;   /* how often the step is played */
	int64_t tokens, cached;   /* prefill; -1: not given */
	int code;                 /* error */
	bool has_stop, has_usage; /* done */
	enum stop_reason stop;
	struct turn_usage usage;
};

struct script_turn {
	int line;
	size_t first, n_steps; /* its steps, in script.steps */
	bool is_title;         /* answers title requests, and only those */
	bool again;            /* when the turns of its kind run out, go on from here */
	bool has_expect, has_expect_tool, has_expect_system, has_expect_tools;
	struct buf expect, expect_tool, expect_system; /* the last such message contains this */
	struct buf expect_tools;                       /* what the system message offers does */
	bool has_expect_calls, has_expect_results;
	struct buf expect_calls, expect_results; /* ids: see above */
	int64_t expect_messages, expect_resume;  /* -1: any */
	int expect_effort;                       /* -1: any, else an enum chat_effort */
};

struct script {
	struct engine_info info;
	int64_t load_bytes;
	int load_steps, load_delay_ms;
	struct err load_error; /* code != 0: loading ends with it */
	struct script_turn *turns;
	size_t n_turns;
	struct script_step *steps;
	size_t n_steps;
};

/* ERR_USAGE names the line.  On failure *s is empty. */
int script_open(struct script *s, struct str text, struct err *err);
void script_close(struct script *s);

#endif
