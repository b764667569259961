/* Inside the machine: what it has, and what its files do for each other. */
#ifndef APP_AGENT_MACHINE_H
#define APP_AGENT_MACHINE_H

#include "app/agent/agent.h"
#include "app/agent/calls.h"
#include "app/agent/limits.h"

/* Why the call that the model wrote was ended. */
enum early_word {
	EARLY_NONE,
	EARLY_UNKNOWN,   /* there is no such tool */
	EARLY_RULE,      /* a rule denies it */
	EARLY_REFUSED,   /* the mode does, or nobody can be asked */
	EARLY_PROTECTED, /* nobody can allow it: of a path, as is */
	EARLY_OUTSIDE,
	EARLY_LATE,      /* nothing runs any more in this answer, or in this turn */
};

struct early {
	enum early_word word;
	int call;         /* which of the answer's */
	enum tool_class cls; /* of the one that is written */
	bool allowed;     /* … by a rule about tools */
	struct buf path;  /* EARLY_PROTECTED, EARLY_OUTSIDE */
	struct str rule;  /* EARLY_RULE: borrowed from the configuration */
};

struct agent {
	struct agent_config config;
	const struct agent_ops *ops;
	void *ctx;

	enum agent_state state;
	struct agent_counts counts;
	struct limits limits;
	int64_t allowed;    /* rounds; each time the user says go on, as many more */
	int64_t ctx_tokens; /* 0: not known */
	int wrong_rounds;   /* in a row */
	bool retried;       /* an empty answer was */
	bool restarted;     /* the runner was */
	struct early early; /* of the answer that is written, or was last */
	/* The round: */
	struct calls calls;
	size_t at;            /* the call that is judged, asked about or run */
	struct buf arguments; /* as its tool takes them */
	int64_t used_tokens;  /* of the context, by the answer that calls */
	size_t given;         /* bytes of the results so far */
	bool good;            /* a call was not wrong */
	const char *skip;     /* why the calls that are left do not run; NULL: they do */
	bool stopped;         /* the turn ends with the round, by the user */
	enum agent_end end;   /* … or, where failed.code is set, by itself */
	struct err failed;
	uint64_t job; /* that runs; 0: none */
	/* Of a file that the call at hand changes: */
	bool prepares;            /* the job finds out what would change */
	struct job_news prepared; /* what it found */
	int64_t edit;             /* the number it is stored with; 0: none */
	/* What the model knows of files, for the next change: a JSON array, "" at first. */
	struct buf shown;
	int64_t shown_in;  /* the conversation that this was in */
	const char *by;    /* who let it */
	uint64_t question; /* the number of the last one */
	enum agent_question asks;
	/* Of the call at hand, once it was judged: */
	enum tool_class cls;
	bool looks;       /* a command that only looks, and is held to that */
	struct buf suggest; /* rules that would let it be */
	struct job_news failed_run; /* a command's, which may run again: AGENT_ASKS_WIDER */
	unsigned widened; /* by a rule: what it has beside its own grade */
	struct str rule;  /* that decided, or wants it asked: borrowed from the configuration; "" */
};

/* agent.c */

/* The turn is to end with this round, and calls that are left do not run, since `skip`; the
 * first reason stands. */
void machine_give_up(struct agent *a, enum agent_end why, const struct err *err,
		     const char *skip);
void machine_give_up_with(struct agent *a, enum agent_end why, int code, const char *text,
			  const char *skip);
/* It runs from here on; `by`: who let it.  True: it has its result already, since it could not be
 * begun. */
bool machine_run(struct agent *a, const char *by);
/* The round goes on at the call at hand, as far as it needs neither the user nor time. */
void machine_go_on(struct agent *a);
/* Its calls that are left do not run, and the turn ends with it, by the user. */
void machine_stop_round(struct agent *a);
/* The call at hand has its result: on with the next, or to the model. */
void machine_go_on_behind(struct agent *a);
bool machine_is_last_round(const struct agent *a);

/* decide.c */

/* The user is asked about the call at hand, or for more rounds. */
void machine_ask(struct agent *a, enum agent_question question);

/* early.c */

void early_reset(struct early *e);
/* The call at hand was cut: it has its result, and why. */
void machine_answer_cut(struct agent *a);

/* judge.c: of the call at hand */

/* Rules that would let it be from now on, into a->suggest. */
void machine_suggest(struct agent *a);

/* By rules and mode: it runs, is asked about, is first looked into, or (true) has its result. */
bool machine_judge(struct agent *a);
/* The same of a change of which is known what it would be. */
bool machine_judge_prepared(struct agent *a);

/* Nobody could be asked, or nobody may be. */
void machine_refuse(struct agent *a);
void machine_deny(struct agent *a, struct str rule);

/* results.c: of the call at hand */

/* What is around it; of what is no command, OFF. */
enum sandbox_layer machine_layer(const struct agent *a);
bool machine_sandboxed(const struct agent *a); /* … a sandbox that holds */
struct agent_news machine_news(const struct agent *a, enum agent_news_kind kind);
/* What it would change, once that was looked at; false: that it was not, or it changes nothing. */
bool machine_plan(const struct agent *a, struct file_plan *p);
/* It has its result, which is kept, then shown; `by`: who let it run, or did not. */
void machine_answer(struct agent *a, struct agent_news *n, const char *by);
/* It did not run: "error: WHAT[WHY]". */
void machine_answer_not_run(struct agent *a, enum tool_state state, const char *what,
			    struct str why, const char *by);
void machine_answer_skipped(struct agent *a, const char *why);

/* jobs.c: of the call at hand */

/* That it begins is stored, whatever happens then. */
int machine_store_start(struct agent *a, const struct agent_news *n, const char *by,
			struct err *err);
/* A job for it runs from here on.  False: none does, and it has its result. */
bool machine_begin_job(struct agent *a, const struct agent_news *n);
/* It has its result, as the job tells. */
void machine_answer_job(struct agent *a, struct job_news *job);
/* Its job is not heard of again: what it did is not known, since `what`. */
void machine_answer_lost(struct agent *a, const char *what);

/* wider.c: of the call at hand, a command */

/* It failed for want of the network, and the user is asked: then *job is taken over.  Where nobody
 * is, the result says why. */
bool machine_asks_wider(struct agent *a, struct job_news *job);
/* The user's word to that: no, and it has its result; yes, and it runs again.  True: it could not be
 * begun, and has its result. */
void machine_keep_narrow(struct agent *a);
bool machine_run_wider(struct agent *a);

#endif
