/* Inside rules*.c: the rules, and what of them is shared. */
#ifndef APP_TOOLS_RULES_INSIDE_H
#define APP_TOOLS_RULES_INSIDE_H

#include "app/tools/rule.h"

struct rules {
	char *workspace;
	const struct reads *reads;
	struct rule *v;
	size_t n;
	bool guards; /* one asks about or denies commands */
};

/* The one that allows the command, by its words alone; NULL. */
const struct rule *rules_allowing(const struct rules *r, const struct shell_command *c);
void rules_say(struct rules_verdict *v, enum rules_kind kind, const struct rule *rule,
	       const char *why); /* unless what was said is stricter */
enum rules_kind rules_kind_of(enum rule_says says);

/* rules_path.c */

bool rules_is_inside(const struct rules *r, struct str path);
/* For reads_look(): does a rule allow it?  ctx: the rules. */
bool rules_let_read(const void *ctx, struct str path);
/* What the command's words name, and may not be read. */
void rules_guard_reads(const struct rules *r, const struct shell_command *c, bool moved, bool sure,
		       struct rules_verdict *v);

/* rules.c */

/* May each of its redirections be? `moved`: behind a cd. */
bool rules_redirects(const struct rules *r, const struct shell_command *c, bool moved);

#endif
