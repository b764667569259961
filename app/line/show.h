/*
 * A turn's events on stdout and stderr, as text for people or as JSON Lines.
 */
#ifndef APP_LINE_SHOW_H
#define APP_LINE_SHOW_H

#include "app/agent/undo.h"
#include "app/app.h"
#include "app/talk/turn.h"
#include "engine/base/jsonw.h"

#define SHOW_ID_BYTES 16

struct show {
	const struct app *app;
	bool json, hide_thinking;
	bool is_terminal; /* stdout */
	bool color_err;   /* stderr may be dimmed */
	bool in_thinking; /* stderr's last line is thinking, without its newline */
	bool midline;     /* stdout's last line lacks its newline */
	bool bar;         /* a progress line stands on stderr */
	int64_t bar_ms;   /* when it was last drawn */
	/* The call that is written, on stderr's progress line: */
	struct buf writes;
	uint64_t written;
	bool tells_price; /* of the next turn, once it is known, on stderr */
	bool tells_edits; /* what calls changed in files, where no question has shown it */
	bool lost;        /* stdout did not take what was written: */
	int lost_errno;   /* why, 0 = unknown */
	/* An agent session: */
	bool tools;
	bool holds;             /* a round's text waits in `held` until it is known what it is */
	struct buf held;
	int n_calls, calls_before; /* of this answer; of those before it */
	struct buf changed;        /* files, with JSON: "\nPATH\n" each … */
	int64_t n_changed;         /* … of this question */
	struct event last;      /* the last answer's end: without text or ids */
};

void show_init(struct show *s, const struct app *app);

/* A turn shown by s, which signals and the deadline (0 = none) end. */
struct turn_watch show_watch(struct show *s, int64_t deadline_ms);
/* turn_run(), with what was said kept also while nobody reads stdout. */
int show_turn(struct turn *t, const struct turn_watch *watch, struct turn_outcome *out,
	      struct err *err);
/*
 * With JSON: the session's first event, once the engine is ready; uid: the conversation's, NULL
 * where it is not kept.
 */
void show_session(struct show *s, uint64_t seed, const char *uid);
/* What the agent has to tell; and the end of its turn. */
void show_agent(struct show *s, const struct agent_news *n);
void show_agent_end(struct show *s, const struct agent_counts *counts);
/* With JSON: a call is asked about; id: how it is called there. */
void show_request(struct show *s, const struct approval *p, char id[SHOW_ID_BYTES]);
/* With JSON: so many messages were told to the model behind its calls' results. */
void show_joined(struct show *s, size_t n);
/* What became of files whose edits were taken back, or made again; with JSON an event. */
void show_undo(struct show *s, const struct undo *u, bool again);
/* What went wrong, on stderr; with JSON an error event too. */
void show_error(struct show *s, const struct err *err);
/* Ends open lines.  ERR_IO if anything written to stdout was lost. */
int show_finish(struct show *s, struct err *err);

/* -- for show_tools.c ---------------------------------------------------------------- */

/* On stdout; and that it did not take what was written: the first reason stands. */
void show_put(struct show *s, struct str text);
void show_lose(struct show *s, int why);
/* Our next words on stderr begin a line of their own. */
void show_make_way(struct show *s);
/* An event's line, and the end of it. */
void show_begin(struct jsonw *w, struct buf *line, const char *type);
void show_send(struct show *s, struct jsonw *w);
/* A progress line may be drawn, where one stood: on a terminal, ten times a second at most. */
bool show_begin_bar(struct show *s);
/* A call that the model writes: a terminal is told how far it is. */
void show_writing(struct show *s, const struct event *ev);
/* The end of one answer of the model, in an agent session. */
void show_answer_end(struct show *s, const struct event *ev);
/* "c7": a call of this answer, by its index. */
void show_name_call(const struct show *s, int index, char id[SHOW_ID_BYTES]);
void show_call_id(const struct show *s, int index, struct jsonw *w);

#endif
