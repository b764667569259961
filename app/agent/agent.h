/*
 * The loop of calls: the model asks for tools, each call is judged, asked about and run, its
 * result is kept, and the model is asked again, until it answers without a call.
 *
 *   idle → answering → (waiting for the user → running)… → answering … → idle
 *                      any → stopping → idle
 *
 * Nothing waits any more while an answer takes effect: it is running then.
 *
 * The machine does no I/O of its own.  Its owner tells it what happened, and it calls back with
 * what is to be done; a callback calls nothing of this header but agent_state() and
 * agent_counts(), and `ended` agent_begin() besides.  UI thread only.
 *
 * Calls run one at a time, in order, and each result is kept before it is shown or the next
 * call begins.  Nothing is run twice by itself.  Where one call of an answer is malformed, none
 * runs.
 */
#ifndef APP_AGENT_AGENT_H
#define APP_AGENT_AGENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "app/app.h"
#include "app/talk/talk.h"
#include "app/tools/rules.h"
#include "app/tools/tools.h"
#include "engine/event.h"

enum agent_state {
	AGENT_IDLE,
	AGENT_ANSWERING, /* the model's turn runs: agent_answered() ends it      */
	AGENT_WAITS,     /* for the user: agent_decide()                         */
	AGENT_RUNS,      /* a call does: agent_poll()                            */
	AGENT_STOPS,     /* the model's turn, or the call that runs, is to end   */
};

enum agent_end {
	AGENT_DONE,    /* the model answered without a call                        */
	AGENT_STOPPED, /* by the user                                              */
	AGENT_CUT,     /* the answer reached its limit of tokens or of the context */
	AGENT_LIMIT,   /* of rounds, or the model goes in circles                  */
	AGENT_REFUSED, /* too much was refused, with nobody to ask                 */
	AGENT_FAILED,
};

/* What runs without a question. */
enum agent_mode {
	AGENT_ASK,   /* what only looks, commands too, where a sandbox holds them */
	AGENT_EDITS, /* … and changes of files, but of those that other programs believe */
	AGENT_AUTO,  /* … and commands, where a sandbox holds them */
	AGENT_NEVER, /* what only looks, and nothing else is even asked about */
	AGENT_PLAN,  /* so, whatever rules allow, and the model is told to plan */
};

/* Why a change is, of what tools_always_ask() says. */
#define APPROVAL_ALWAYS "always asked about: other programs run it, or are told by it"

enum agent_question {
	AGENT_ASKS_CALL,   /* may it run?                                      */
	AGENT_ASKS_WIDER,  /* it failed for want of the network: again, with that? */
	AGENT_ASKS_ROUNDS, /* so many rounds were used: may there be as many more? */
};

/* What the user is asked; borrowed for the callback. */
struct approval {
	uint64_t number; /* for agent_decide() */
	enum agent_question question;
	struct str tool, arguments; /* of the call; arguments: the JSON object that would run */
	enum tool_class cls;
	unsigned grade;
	struct str diff; /* of a change of a file: what would change; "" */
	bool always;     /* … which is asked about in every mode: APPROVAL_ALWAYS */
	enum sandbox_layer layer; /* of a command: what is around it; else OFF */
	struct str rule; /* that wants it asked; "" */
	struct str suggest; /* rules that would let it be, for DECIDE_SESSION and _ALWAYS; "": none */
	bool widens;     /* a command in a sandbox: agent_widen() would take it */
	size_t place, n; /* which call of how many in the answer; from 1 */
	int64_t rounds;
};

enum decision {
	DECIDE_YES,
	DECIDE_NO,
	DECIDE_STOP, /* no, and the turn ends */
	DECIDE_NOBODY, /* to a call: whoever was asked did not answer; it is refused */
	DECIDE_SESSION, /* yes, and its rules hold until the program ends */
	DECIDE_ALWAYS,  /* yes, and they hold in this workspace from now on */
};

enum agent_news_kind {
	AGENT_STARTS, /* a call begins to run */
	AGENT_PRINTS, /* text: what its tool printed since */
	AGENT_RESULT, /* text: the result, which is kept */
	AGENT_ROUND,  /* all calls of the answer have theirs: the model is asked again */
	AGENT_NOTICE, /* text */
};

/* Borrowed for the callback. */
struct agent_news {
	enum agent_news_kind kind;
	struct str ref, tool, arguments; /* of the call */
	struct str text;
	unsigned grade;
	struct str layer;      /* of a command: what is around it; "" */
	uint64_t bytes, lines; /* printed */
	enum tool_state state; /* of a result, with: */
	int exit, signal;      /* -1, 0: none */
	int64_t ms;            /* -1: it never ran */
	bool cut;        /* text leaves something out … */
	struct str spill; /* … which this has: "OUT:3"; "" */
	struct str file; /* JSON: which file was read, and what of it; "" */
	/* Of a change of a file that was made: its path below the workspace, what changed, and
	 * whether there was none before; path "": none was. */
	struct str edited, diff;
	bool made, asked; /* asked: the user was shown the diff, and said yes */
	int64_t round;   /* the number of the one that ended */
};

struct agent_ops {
	/*
	 * Have the branch answered; `again`: the last answer said nothing, another one takes
	 * its place, with another seed.
	 */
	int (*ask_model)(void *ctx, bool again, struct err *err);
	void (*stop_model)(void *ctx); /* the turn that runs ends; any number of times */
	void (*end_call)(void *ctx);   /* the call that it writes is closed; NULL: none can be */
	void (*ask_user)(void *ctx, const struct approval *a); /* NULL: nobody can be asked */
	void (*show)(void *ctx, const struct agent_news *n);
	/* Says the result after the leaf, and stores it.  Said also where it fails. */
	int (*keep)(void *ctx, const struct talk_result *r, struct err *err);
	/* Says after the leaf what the user has said meanwhile; NULL: nobody says anything. */
	int (*join)(void *ctx, struct err *err);
	/*
	 * Stores that the call begins, before it does: where this fails, it does not run.  What is
	 * known of a call of that answer.  NULL: nothing is stored, and so none has begun.
	 */
	int (*begin)(void *ctx, const struct talk_call *c, struct err *err);
	int (*find)(void *ctx, const struct talk_message *answer, struct str ref,
		    enum history_call_begun *begun, struct err *err);
	/* The folder in which whole outputs of the conversation are kept; NULL, or such: none. */
	const char *(*outputs)(void *ctx);
	/* The turn is over; err->code is 0 but for LIMIT, REFUSED, CUT and FAILED. */
	void (*ended)(void *ctx, enum agent_end why, const struct err *err);
	/* Keeps rules for this workspace, as rules_learn() takes them; NULL: they cannot be kept. */
	int (*learn)(void *ctx, struct str rules, struct err *err);
};

/* Where an agent works; all borrowed. */
struct agent_place {
	const char *workspace; /* an absolute path without links */
	const char *home;      /* NULL: there is none */
	const char *config;    /* the folder of the program's configuration; NULL: none */
	bool agents_md;        /* AGENTS.md files are read */
	time_t now;            /* 0: as the clock says */
};

struct agent_config {
	struct agent_place place;
	struct runner *runner;        /* borrowed, as is */
	const struct tool_set *tools; /* what the model was offered */
	enum agent_mode mode;         /* where no rule says otherwise */
	struct rules *rules;          /* borrowed; NULL: none, and none is learned */
	bool read_only; /* commands write nothing, and no file is changed */
	int64_t refused; /* so many calls that nobody could be asked about end the turn */
	int64_t rounds; /* of one question; more where the user allows it */
};

struct agent;

/*
 * /approve: "" tells the mode and the rules, a mode sets it (in opt, too), "rm N" takes back the
 * Nth rule that the user's answers made.  *out: lines.  a NULL, or another word: ERR_USAGE.
 */
int agent_approve(struct agent *a, struct options *opt, const char *arg, struct buf *out,
		  struct err *err);
/* For agent_ops.learn: in the file of rules (app/allowed.h). */
int agent_keep_rules(const struct agent *a, struct str rules, struct err *err);

#define AGENT_GO_AHEAD "Go ahead with the plan."

/*
 * Before a question is asked, behind agent_prepare(): it tells the model that it is to plan from
 * here on, or that this is over, where the branch has it otherwise.  The system prompt stays as it
 * is.  ERR_NOMEM.  a NULL: nothing.
 */
int agent_tell_plan(const struct agent *a, const struct talk *t, struct talk_message *question,
		    struct err *err);
/* Does the branch end with an answer that was to be a plan? */
bool agent_has_plan(const struct talk *t);

/* Since agent_begin(). */
struct agent_counts {
	int64_t rounds, calls, failed, refused; /* calls: that ran; failed: of those */
};

/* How the model's turn came out. */
struct agent_answer {
	const struct talk_message *said; /* in the tree; NULL: nothing was */
	bool done;                       /* it ended with `stop` */
	enum stop_reason stop;
	struct err err;     /* where it did not */
	struct err kept;    /* why it could not be; code 0: it is, or nothing was said */
	int64_t ctx_tokens; /* that the model can hold; 0: not known */
};

/* As the options say; borrows from app.  False: this is no agent session. */
bool agent_config_for(struct agent_config *c, const struct app *app);

/* ops and ctx are borrowed. */
int agent_open(struct agent **out, const struct agent_config *c, const struct agent_ops *ops,
	       void *ctx, struct err *err);
/* Only while idle: agent_leave() first.  NULL is fine. */
void agent_close(struct agent *a);

/* The question is asked, and the model's turn runs. */
void agent_begin(struct agent *a);
/*
 * An event of the model's turn: a call that is refused, however it goes on, is ended while it is
 * written.
 */
void agent_event(struct agent *a, const struct event *ev);
/* The model's turn is over. */
void agent_answered(struct agent *a, const struct agent_answer *m);
/*
 * What the user said to the approval of that number.  `text`: of a no the reason, which goes to
 * the model; of SESSION and ALWAYS the rules (rules_check() takes them), "": those that were
 * suggested.  Where they cannot be kept, a notice says so, and it is a yes.  Another number is
 * ignored.
 */
void agent_decide(struct agent *a, uint64_t number, enum decision d, struct str text);
/* … and before a yes: the command it is about is given `grade` besides.  False: it is another
 * number, or no command in a sandbox. */
bool agent_widen(struct agent *a, uint64_t number, unsigned grade);
/* "network", "git", "outside": enum tool_grade; 0: none of these. */
unsigned agent_grade(struct str word);
/* From any state, any number of times: the second time a command is killed at once. */
void agent_stop(struct agent *a);
/* The program ends now: what runs is left to its end by the runner, and is told as lost. */
void agent_leave(struct agent *a);

enum agent_state agent_state(const struct agent *a);
/* What runs without a question from the next call on. */
enum agent_mode agent_mode(const struct agent *a);
void agent_set_mode(struct agent *a, enum agent_mode mode);
const struct agent_counts *agent_counts(const struct agent *a);
/* ERR_REFUSED: calls were refused since nobody could be asked, in a mode that asks. */
int agent_check_refused(const struct agent *a, struct err *err);

/* Descriptors to poll for reading; returns how many, fills at most max. */
size_t agent_fds(const struct agent *a, struct pollfd *v, size_t max);
/* One of them is readable.  Anything may have happened after it. */
void agent_poll(struct agent *a);

/*
 * Before the next question.  Calls of the branch's last answer that have no result get one,
 * that says they did not run, or, of one that had begun, that what it did is not known; ERR_USAGE:
 * one runs in another process.  A branch that offers no tools yet, or
 * has another system prompt from now on, gets what the model is to know of the workspace and
 * AGENTS.md files, behind that prompt (`fresh`, in a new conversation) or else the preamble,
 * and the tools; then that stays as it is.  ctx_tokens: 0 = not known.
 */
int agent_prepare(struct agent *a, struct talk *t, const char *fresh, int64_t ctx_tokens,
		  struct err *err);
/* What that would tell and offer, without doing it: *tools "" where all stays as it is. */
int agent_look(const struct agent *a, const struct talk *t, const char *fresh,
	       int64_t ctx_tokens, struct buf *system, struct str *tools, struct err *err);

/* What a user is told of a branch of which agent_may_resume() is true. */
#define AGENT_MAY_RESUME "calls of the last answer have no result; /continue goes on with them"
/* Is the branch's last answer whole, with calls that have no result, and nothing said since? */
bool agent_may_resume(const struct talk *t);
/*
 * Where that is so: the turn goes on where the program was ended, as after agent_begin().  Calls
 * that had begun are told as lost, the others are judged anew.  ERR_USAGE: one runs in another
 * process.  On failure it is idle.
 */
int agent_resume(struct agent *a, struct talk *t, int64_t ctx_tokens, struct err *err);

/*
 * Before the branch is shown: what its calls changed in files, where that is not known any more
 * but can be found out by what is stored.  Each is sought once, the newest first.
 */
void agent_find_diffs(const struct talks *talks, struct talk *t);

/*
 * Appends what is asked, as lines: the whole call, with what a terminal would act on or hide
 * spelled out (<U+202E>), and long runs of blanks counted.
 */
void approval_add_text(struct buf *out, const struct approval *p);
/* What a call is about, in one short line: its first text, a command or a path. */
void agent_add_subject(struct buf *out, struct str arguments);

#endif
