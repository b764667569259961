/* Rules that allow more than they seem to. */
#include "app/tools/rules_inside.h"

static const char *const many[] = {"git", "npm", "cargo", "docker", "systemctl", NULL};

static const char *wide_tool(const struct rule *r)
{
	if (rule_is_tool(r, STR_LIT("shell")))
		return "allows every command, also lines that are not understood";
	if (rule_is_tool(r, STR_LIT("read_file")) || rule_is_tool(r, STR_LIT("list_files")) ||
	    rule_is_tool(r, STR_LIT("search_files")))
		return "allows reading outside of the workspace, too";
	return NULL;
}

const char *rules_wide(const struct rules *rules, size_t i)
{
	const struct rule *r = &rules->v[i];
	unsigned runs;

	if (r->says == RULE_ALLOW && r->about == RULE_TOOL)
		return wide_tool(r);
	if (r->says != RULE_ALLOW || r->about != RULE_SHELL || !r->rest)
		return NULL;
	if (!r->n_words)
		return "allows every command";
	runs = rule_runs(r->words[0]);
	if (((runs & RUNS_WORDS) && !(runs & RUNS_CODE)) ||
	    str_is(rule_base(r->words[0]), "find"))
		return "allows every other program behind that one";
	if (r->n_words > 1)
		return NULL;
	if (runs & (RUNS_CODE | RUNS_READ))
		return "allows whatever code stands behind it";
	if (rule_is_program(r->words[0], many))
		return "allows all that the program can do, with every option: say which "
		       "subcommands";
	return NULL;
}
