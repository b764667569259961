/*
 * Rules: what of a model's calls needs no question, always needs one, or is never done.
 *
 *   allow = shell npm ci with network    words as they are; a last * is any rest
 *   ask   = shell rm                     ask and deny: also behind env, sudo, xargs, sh -c …,
 *   deny  = shell git push               with other words between
 *   allow = edit src/ **                 (without the blank) files, from the workspace
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

#include "app/tools/tools.h"

enum rule_says { RULE_ALLOW, RULE_ASK, RULE_DENY };

struct rules;

/* `workspace`: an absolute path without links, copied.  ERR_NOMEM.  rules_free(NULL) is fine.
 */
int rules_new(struct rules **out, struct str workspace, struct err *err);
void rules_free(struct rules *r);

/* `text`: what stands behind "allow =".  ERR_USAGE: it is no rule: the column, what was found
 * and what was expected.  ERR_NOMEM. */
int rules_add(struct rules *r, enum rule_says says, struct str text, struct err *err);

/* The rule at i, "allow = shell make", borrowed from r; "" behind the last. */
struct str rules_at(const struct rules *r, size_t i, enum rule_says *says);

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
};

void rules_judge_command(const struct rules *r, struct str command, struct rules_verdict *v);
/* Of a file: as it is written, or its true path; relative ones are the workspace's.  Nothing
 * allows what is always asked about (tools_always_ask()). */
void rules_judge_edit(const struct rules *r, struct str path, struct rules_verdict *v);

/* Whatever they are: the rule that denies all commands (RUN) or edits (EDIT), "": none does; and
 * does a rule allow any of them? */
struct str rules_deny_all(const struct rules *r, enum tool_class cls);
bool rules_allow_any(const struct rules *r, enum tool_class cls);

/*
 * Appends, for people, how a command is split, its class, and what the rules say of it: lines.
 * Text of the command stands in it as it is.
 */
void rules_explain(const struct rules *r, struct str command, enum tool_class cls,
		   struct buf *out);

#endif
