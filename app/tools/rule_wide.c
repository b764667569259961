/* Rules that allow more than they seem to. */
#include "app/tools/rule.h"

#include <string.h>

static const char *const many[] = {"git", "npm", "cargo", "docker", "systemctl", NULL};

const char *rules_wide(struct str rule)
{
	const struct str allow = STR_LIT("allow = ");
	const char *why = NULL;
	struct rule r;
	struct err ignored;

	if (rule.n < allow.n || memcmp(rule.p, allow.p, allow.n) != 0)
		return NULL;
	rule = (struct str){rule.p + allow.n, rule.n - allow.n};
	if (!rule_read(&r, RULE_ALLOW, rule, &ignored) && r.about == RULE_SHELL && r.rest) {
		unsigned runs = r.n_words ? rule_runs(r.words[0]) : 0;

		if (!r.n_words)
			why = "allows every command";
		else if (((runs & RUNS_WORDS) && !(runs & RUNS_CODE)) ||
			 str_is(rule_base(r.words[0]), "find"))
			why = "allows every other program behind that one";
		else if (r.n_words == 1 && (runs & (RUNS_CODE | RUNS_READ)))
			why = "allows whatever code stands behind it";
		else if (r.n_words == 1 && rule_is_program(r.words[0], many))
			why = "allows all that the program can do, with every option: say which "
			      "subcommands";
	}
	rule_release(&r);
	return why;
}
