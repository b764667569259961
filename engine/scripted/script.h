/*
 * A script for the scripted engine, read and checked: turns made of steps.
 * The format is described in engine/scripted/scripted.c.  Plain data once opened.
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
	size_t n_params;
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
	struct buf expect_calls, expect_results; /* ids: see scripted.c */
	int64_t expect_messages, expect_resume;        /* -1: any */
	int expect_effort;                             /* -1: any, else an enum chat_effort */
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
