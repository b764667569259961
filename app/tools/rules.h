/*
 * Rules: what of a model's calls needs no question, always needs one, or is never done.
 *
 *   allow = shell npm ci with network    words as they are; a last * is any rest
 *   ask   = shell rm                     ask and deny: also behind env, sudo, xargs, sh -c …,
 *   deny  = shell git push               with other words between
 *   allow = edit src/ **                 (without the blank) files, from the workspace
 *   deny  = read **.sql                  files that are looked at, also by commands
 *   deny  = tool write_file              a tool; mcp SERVER TOOL: one of a server's
 *
 * A * inside a word stands for a part of one.  A rule that allows has to fit every command of a
 * line for certain, and the line has to be understood (shellwords.h).  One that denies fits for
 * certain, or maybe: then it asks.  Rules over a command's text are a guard-rail: what holds is
 * the sandbox.
 *
 * Judging is pure, allocates nothing that fails loudly (without memory nothing is allowed), and
 * is linear to the text for each rule.  Any thread, while nothing is added.
 */
#ifndef APP_TOOLS_RULES_H
#define APP_TOOLS_RULES_H

#include "app/tools/reads.h"

enum rule_says { RULE_ALLOW, RULE_ASK, RULE_DENY };
enum rules_from {
	RULES_OPTIONS, /* the configuration, or a flag         */
	RULES_SESSION, /* the user said so, until it ends      */
	RULES_HERE,    /* the user said so, for this workspace */
};

struct rules;

/* `workspace`: an absolute path without links, copied.  ERR_NOMEM.  rules_free(NULL) is fine.
 */
int rules_new(struct rules **out, struct str workspace, struct err *err);
void rules_free(struct rules *r);

/* `text`: what stands behind "allow =".  ERR_USAGE: it is no rule: the column, what was found
 * and what was expected.  ERR_NOMEM. */
int rules_add(struct rules *r, enum rule_says says, struct str text, struct err *err);

/* The rule at i, "allow = shell make", borrowed from r until one is forgotten; "" behind the
 * last. */
struct str rules_at(const struct rules *r, size_t i, enum rule_says *says);
enum rules_from rules_from(const struct rules *r, size_t i);

/* What only looks is told by these, borrowed from now on; NULL: nothing. */
void rules_set_reads(struct rules *r, const struct reads *reads);

/*
 * What the user lets be done without a question from now on: rules that allow, without "allow =",
 * apart by ';'.  All of them or, ERR_USAGE, ERR_NOMEM, none.
 */
int rules_learn(struct rules *r, enum rules_from from, struct str list, struct err *err);
/* Could they be?  ERR_USAGE, ERR_NOMEM. */
int rules_check(struct str list, struct err *err);
/* Takes the first one off such a list; false: there is none left. */
bool rules_next(struct str *list, struct str *text);
/* One that was learned is there no more. */
void rules_forget(struct rules *r, size_t i);

/*
 * Appends such a list: what would allow just this command, by its very words, and nothing where
 * that is not certain, or they would be code, or read it.
 */
void rules_suggest(struct rules *r, struct str command, struct buf *out);
/* The same of a change of that file, below the workspace. */
void rules_suggest_edit(struct rules *r, struct str path, struct buf *out);
/* … and of reading it. */
void rules_suggest_read(struct rules *r, struct str path, struct buf *out);

enum rules_kind {
	RULES_SILENT, /* none is about it, or none allows all of it */
	RULES_RUN,    /* allowed, with `grade` beside what its tool has */
	RULES_ASK,
	RULES_DENY,
};

struct rules_verdict {
	enum rules_kind kind;
	struct str rule; /* as rules_at() has it; "": none, see why */
	const char *why; /* a constant */
	unsigned grade;  /* enum tool_grade, bits */
	enum tool_class cls; /* of a command, and of a read: as reads_look() and reads_judge_path() */
};

void rules_judge_command(const struct rules *r, struct str command, struct rules_verdict *v);
/* Of a file: as it is written, or its true path; relative ones are the workspace's.  Nothing
 * allows what is always asked about (tools_always_ask()). */
void rules_judge_edit(const struct rules *r, struct str path, struct rules_verdict *v);

/* Of a file that is looked at, in the same way.  What they deny lies hidden besides, where the
 * runner was told so. */
void rules_judge_read(const struct rules *r, struct str path, struct rules_verdict *v);
/* The ith pattern of what may not be read; false: there are no more. */
bool rules_hidden(const struct rules *r, size_t i, struct str *pattern);
/* Of a tool by its name, whatever its arguments are. */
void rules_judge_tool(const struct rules *r, struct str tool, struct rules_verdict *v);
/*
 * … joined to what the rules say of its arguments, *v: the stricter word, and what allows it where
 * they say nothing; not so where the call is one that is always asked about (`asks`).
 */
void rules_add_tool(const struct rules *r, struct str tool, bool asks,
		    struct rules_verdict *v);

/* Is a path, as it is written, surely not of the workspace?  Pure. */
bool rules_is_outside(const struct rules *r, struct str path);

/* Whatever they are: the rule that denies all commands (RUN) or edits (EDIT), "": none does; and
 * does a rule allow any of them? */
struct str rules_deny_all(const struct rules *r, enum tool_class cls);
bool rules_allow_any(const struct rules *r, enum tool_class cls);

/* What the rule at i, which is there, allows beyond what it seems to: a constant; NULL: nothing
 * that is known. */
const char *rules_wide(const struct rules *r, size_t i);

/*
 * Appends, for people, how a command is split, its class, and what the rules say of it: lines.
 * Text of the command stands in it as it is.
 */
void rules_explain(const struct rules *r, struct str command, struct buf *out);

#endif
