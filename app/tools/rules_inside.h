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
/* May each of its redirections be? `moved`: behind a cd. */
bool rules_redirects(const struct rules *r, const struct shell_command *c, bool moved);

#endif
