/*
 * The tools that a model calls: how a call is given to the process that runs it, and what comes
 * back.  The room knows neither engine nor history nor screen.
 *
 * A runner is asked for one job after another.  What it does with them comes as news, through a
 * descriptor that can be polled.  UI thread only; nothing here blocks but runner_close().
 */
#ifndef APP_TOOLS_TOOLS_H
#define APP_TOOLS_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* What a call could do, and so who has to be asked. */
enum tool_class {
	TOOL_READ,         /* looks, within the workspace           */
	TOOL_READ_OUTSIDE, /* looks elsewhere                       */
	TOOL_EDIT,         /* changes files of the workspace        */
	TOOL_RUN,          /* runs a command, in the sandbox        */
	TOOL_LEAVE,        /* reaches beyond workspace and sandbox  */
	TOOL_FORBIDDEN,    /* nobody can allow it                   */
};

/* What a job may do beside reading: bits. */
enum tool_grade {
	GRADE_READ = 0,
	GRADE_WRITE = 1,   /* the workspace               */
	GRADE_GIT = 2,     /* .git, within its rules      */
	GRADE_NET = 4,     /* the network                 */
	GRADE_OUTSIDE = 8, /* no sandbox around it at all */
};

/* What became of a call. */
enum tool_state {
	TOOL_OK,
	TOOL_ERROR,   /* it said so, or a command exited with another code than 0 */
	TOOL_DENIED,  /* by a rule, or by the user                                */
	TOOL_REFUSED, /* nobody could be asked                                    */
	TOOL_STOPPED, /* by the user, while it ran                                */
	TOOL_TIMEOUT,
	TOOL_LOST,    /* whoever ran it is gone: what it did is not known         */
	TOOL_SKIPPED, /* never begun                                              */
};

/* "read", "read-outside", …; "ok", "error", … */
const char *tool_class_name(enum tool_class cls);
const char *tool_state_name(enum tool_state state);
/* Appends "read", or "write", "git" …, joined by '+'. */
void tool_grade_add(struct buf *out, unsigned grade);
#define TOOL_GRADES_ALL (GRADE_WRITE | GRADE_GIT | GRADE_NET | GRADE_OUTSIDE)

struct tool_set;

struct tool_set_config {
	const char *const *names; /* of the built-in tools that are offered, NULL: all */
	size_t n_names;
};

/*
 * The tools that a conversation offers; it never changes.  ERR_USAGE: a name is none of theirs.
 * ERR_NOMEM.  tool_set_free(NULL) is fine.  Any thread.
 */
int tool_set_new(struct tool_set **out, const struct tool_set_config *c, struct err *err);
void tool_set_free(struct tool_set *s);

/* Is there a tool of that name? */
bool tool_set_has(const struct tool_set *s, struct str name);
/* What the prompt and the store get: a JSON array of functions.  Borrowed. */
struct str tool_set_json(const struct tool_set *s);

/*
 * Is it a call of these tools?  0: *args has its arguments, a JSON object, with their types as
 * the tool has them: what is to be judged, shown and run.  ERR_USAGE: *why is a sentence for the
 * model: an unknown tool, no object, a parameter missing, unknown, twice or of a wrong type.
 * ERR_NOMEM.
 */
int tool_set_check(const struct tool_set *s, struct str name, struct str arguments,
		   struct buf *args, struct buf *why);

/* A folder that tools may read beside the workspace, and write where it is not read-only. */
struct workspace_more {
	struct str dir;
	bool read_only;
};

/* Where tools work.  Borrowed. */
struct workspace_config {
	struct str dir;  /* "": where the program was started */
	bool named;      /* by the user: it may be HOME or above it, but not "/" */
	struct str home; /* "": there is none */
	const struct workspace_more *more;
	size_t n_more;
	const struct str *own; /* the program's own folders: always hidden */
	size_t n_own;
	const struct str *hide, *show; /* patterns that add to what is hidden; that take away */
	size_t n_hide, n_show;
};

/*
 * A file is changed in two jobs: the first finds out what would be changed and changes nothing;
 * the second, after that was allowed and what the file had was stored, changes exactly that, or
 * nothing if the file is not what it was.
 */
enum job_phase {
	JOB_WHOLE, /* a tool that changes no file */
	JOB_PREPARE,
	JOB_APPLY,
};

/* One call, judged.  Borrowed: runner_run() copies what it needs. */
struct job {
	struct str tool;
	struct str arguments; /* a JSON object: what was judged and shown is what runs */
	unsigned grade;       /* enum tool_grade, bits */
	int64_t timeout_ms;   /* 0: the tool's own */
	size_t limit;         /* bytes of the result; 0: as many as a result may have */
	bool outside;         /* what it reads may lie outside of the workspace */
	enum job_phase phase;
	/* Of a change: a JSON array of the `info` of jobs whose results the model has; ""; */
	struct str shown;
	/* What is to be applied, as the news of the preparation had it; of an undo, in both. */
	struct str plan;
	/* The conversation's folder in spill_root: OUT:N is the file N in it.  A name, and made
	 * when something is kept there; "": none. */
	struct str spill_folder;
};

/* What a plan says, for who keeps it.  The texts are borrowed from it. */
struct file_plan {
	struct str root, path; /* of the workspace, and of the file below it: bytes */
	bool existed;
	uint64_t dir_dev, dir_ino; /* the deepest folder that is there */
	uint64_t made_dirs;        /* folders that are made below that */
	uint64_t dev, ino, mode;   /* of a file that existed, with: */
	struct str hash;           /* XXH128, 16 bytes */
	uint64_t mode_after;
	struct str hash_after;
};

#define FILE_CHANGE_BYTES (8u << 20) /* that a file may have to be changed */
#define FILE_WRITE_BYTES  (1u << 20) /* of a new content */

/* False: it is no plan. */
bool file_plan_take(struct str plan, struct file_plan *p);

/*
 * Is a file one that other programs run, or are told by: a build, CI, a hook, instructions of
 * models?  Whoever changes it reaches beyond the file, so that it is asked about in every mode.  By
 * the names in its path, whatever the case of ASCII.  Pure.
 */
bool tools_always_ask(struct str path);
/* Is it one that no tool writes, by a name in its path: what a version control keeps?  Pure. */
bool tools_never_write(struct str path);
/* Why a path is refused: what is said behind it. */
#define TOOLS_PROTECTED " is protected (it belongs to version control)"
#define TOOLS_OUTSIDE   " leads outside the workspace"
/*
 * Is a command line one command, surely of these words, with nothing around them?  Then they are
 * appended, as a JSON array.  Pure.
 */
bool tools_plain_words(struct str command, struct buf *out);

enum job_news_kind {
	JOB_OUTPUT, /* it goes on: text is the last of what it printed since (4 KiB at most) */
	JOB_DONE,   /* its only end: text is what the model is told, clean and cut to size   */
};

struct job_news {
	enum job_news_kind kind;
	uint64_t id;
	struct buf text;       /* UTF-8; no control characters but \n and \t */
	uint64_t bytes, lines; /* printed so far */
	/* of JOB_DONE: */
	enum tool_state state; /* OK, ERROR, STOPPED, TIMEOUT or LOST */
	int exit;              /* of a command; -1: none */
	int signal;            /* that ended it; 0: none */
	int64_t ms;
	bool cut;         /* the tool had more to say than text has room for */
	struct buf spill; /* … and the name of all of it, "OUT:3"; "": it is not kept */
	struct buf info;  /* JSON: of a file, which it was and which lines were shown; else "" */
	/* of a preparation that is OK: */
	struct buf plan;   /* for its application */
	struct buf diff;   /* what would change, for the user; as clean as the text */
	struct buf before; /* the bytes that the file has */
	struct buf files;  /* of an undo: what was found (undo.h) */
};

void job_news_release(struct job_news *n); /* frees and zeroes; a zeroed struct is fine */

/* What is around a command, strongest first. */
enum sandbox_layer {
	SANDBOX_BWRAP,      /* bubblewrap, with a /proc of its own                   */
	SANDBOX_BWRAP_PROC, /* the same, with the machine's /proc, which is read-only */
	SANDBOX_LANDLOCK,   /* the kernel's Landlock and a filter of system calls    */
	SANDBOX_OFF,        /* nothing, as the user wants it                         */
	SANDBOX_NONE,       /* nothing here holds: no command runs                   */
};

/* "bubblewrap", "bubblewrap-proc", "landlock", "off", "none" */
const char *sandbox_layer_name(enum sandbox_layer layer);

#define SANDBOX_ATTACKS 8 /* that a layer was tried with */

/* What this machine has of them. */
struct sandbox_found {
	enum sandbox_layer layer; /* BWRAP … LANDLOCK: all attacks were refused; NONE */
	int64_t ms;               /* that a command takes longer in it */
	struct buf why;           /* why it is no stronger one, a line for each; "" */
};

void sandbox_found_release(struct sandbox_found *f);

/*
 * Tries the layers in a folder of their own, from the strongest on, until one holds.  Starts
 * processes, and waits for them: 100 ms, a few seconds where something is wrong.  ERR_IO,
 * ERR_NOMEM.  For main(), which begins with runner_is_called().
 */
int tools_try_sandbox(struct sandbox_found *out, struct err *err);

struct runner;

/* Borrowed; runner_start() copies it. */
struct runner_config {
	struct workspace_config workspace;
	struct str spill_root; /* where whole outputs are kept; "": nowhere */
	/* OFF: nothing around commands; NONE: no command runs; else no stronger layer than that
	 * is tried. */
	enum sandbox_layer sandbox;
};

/*
 * Starts the process that runs tools: the program itself, executed again, before it holds much.
 * ERR_USAGE: the workspace cannot be one.  ERR_FAILED, ERR_IO, ERR_NOMEM.  Waits until it is
 * ready, at most 15 s.
 */
int runner_start(struct runner **out, const struct runner_config *c, struct err *err);

/* What its commands run in; *why: why in no stronger layer, borrowed.  Of a script: OFF. */
enum sandbox_layer runner_sandbox(const struct runner *r, struct str *why);

/*
 * The version of the kernel's Landlock, which confines the processes that read files; 0: it has
 * none, and they are held by their own checks alone.  Any thread.
 */
int tools_landlock(void);

/*
 * main() begins with these: is it that process, or one that tries a sandbox from inside; and if
 * so, its whole life, which gives the exit status.
 */
bool runner_is_called(char **argv);
int runner_main(char **argv);

/*
 * One that plays a script instead: JSON Lines text, a step for each job, in order; empty lines
 * and lines that begin with # are skipped.
 *
 *   {"expect": {"tool": S, "command": S, "arguments": S, "grade": "write+net"},
 *    "output": TEXT, "chunk": N, "delay_ms": N, "state": "error" or "timeout", "exit": N,
 *    "signal": N, "spill": S, "diff": S, "stubborn_ms": N, "die": true}
 *
 * Everything may be left out.  `command` is that argument of the job, `arguments` a part of
 * their text.  A job that is not as expected, or for which there is no step, is refused by
 * runner_run() with ERR_USAGE and what was found.  The output comes in pieces of `chunk` bytes
 * (4096, cut at characters), `delay_ms` before each, and before the end.  `exit` other than 0
 * is said at the output's end, as the shell tool says it; with a `spill` it is cut.  A job that is stopped ends after
 * `stubborn_ms`, at once when it is stopped again.  "die": the runner dies where the job would
 * end.  ERR_USAGE with the line where the script is wrong; ERR_NOMEM.
 */
int runner_start_scripted(struct runner **out, struct str script, struct err *err);

/* Readable while news wait, or after the runner has died; the same number for its whole life.
 */
int runner_fd(const struct runner *r);

/*
 * Begins a job; *id (> 0) names it in the news.  One at a time: ERR_USAGE while one runs.
 * ERR_FAILED: the runner is gone.
 */
int runner_run(struct runner *r, const struct job *j, uint64_t *id, struct err *err);

/*
 * TERM, after 2 s KILL; asked again, KILL at once.  Its news still ends with JOB_DONE.  A
 * number that does not run is ignored.
 */
void runner_stop(struct runner *r, uint64_t id);

/* 1: *n filled, to be released; 0: nothing waits; < 0: the runner is gone, and so is its job.
 */
int runner_next(struct runner *r, struct job_news *n);

/*
 * Waits for that job's JOB_DONE, *n, to be released; other news are dropped.  ERR_TIMEOUT: it has
 * not come within `ms` (above 0), and the job goes on; ERR_FAILED: the runner is gone; ERR_IO.
 */
int runner_await(struct runner *r, uint64_t id, int64_t ms, struct job_news *n, struct err *err);

/* After it is gone: another one in its place. */
int runner_restart(struct runner *r, struct err *err);

/* Removes the whole outputs of that conversation, but for what others have, too; none is fine.
 * ERR_IO.  Any thread. */
int tools_forget_outputs(const char *spill_root, const char *spill_folder, struct err *err);

/*
 * The whole output of that name ("OUT:3") in the conversation `from` is one of `to`, too, and stays
 * until both are removed.  Of what is no longer there none is.  ERR_IO.  Any thread.
 */
int tools_share_output(const char *spill_root, const char *from, const char *to, struct str name,
		       struct err *err);

/* All that it started is dead when this returns, or after 3 s.  NULL is fine. */
void runner_close(struct runner *r);

#endif
