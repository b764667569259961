/* Rules that allow more than they seem to. */
#include <string.h>

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

/* "*", "**" … */
static bool is_any(struct str word)
{
	size_t n = 0;

	while (n < word.n && word.p[n] == '*')
		n++;
	return n == word.n;
}

static bool has_wild(struct str word)
{
	return memchr(word.p, '*', word.n) != NULL;
}

/*
 * From word k on, behind an interpreter: may code stand there that the rule does not say?  It
 * stands behind options, unless a file comes first.
 */
static bool takes_code(const struct rule *r, size_t k)
{
	static const char *const take_word[] = {"-o", "+o", "-O", "+O", "-X",
						"-W", "-I", "-r", NULL};
	bool is_code = false; /* the next word is what an option like -c takes */

	for (; k < r->n_words; k++) {
		struct str w = r->words[k];

		if (w.p[0] == '*')
			return true;
		if (w.p[0] != '-' && w.p[0] != '+')
			return is_code && has_wild(w);
		if (has_wild(w))
			return true;
		if (rule_is_program(w, take_word))
			k++;
		else
			is_code = true;
	}
	return r->rest;
}

/* The first interpreter among its words, which may be any program: that takes any code. */
static bool runs_code(const struct rule *r)
{
	if (r->n_words && r->words[0].p[0] == '*')
		return takes_code(r, 1);
	for (size_t k = 0; k < r->n_words; k++) {
		unsigned runs = rule_runs(r->words[k]);

		if (runs & RUNS_CODE)
			return takes_code(r, k + 1);
		if (runs & RUNS_READ && !(runs & RUNS_WORDS))
			return r->rest || has_wild(r->words[r->n_words - 1]);
		if (!k && !(runs & RUNS_WORDS))
			return false;
	}
	return false;
}

const char *rules_wide(const struct rules *rules, size_t i)
{
	const struct rule *r = &rules->v[i];
	unsigned runs;

	if (r->says == RULE_ALLOW && r->about == RULE_TOOL)
		return wide_tool(r);
	if (r->says != RULE_ALLOW || r->about != RULE_SHELL)
		return NULL;
	if (!r->n_words || (r->rest && r->n_words == 1 && is_any(r->words[0])))
		return "allows every command";
	runs = rule_runs(r->words[0]);
	if (r->rest && (runs & (RUNS_WORDS | RUNS_EXEC)) && !(runs & RUNS_CODE))
		return "allows every other program behind that one";
	if (runs_code(r))
		return "allows whatever code stands behind it";
	if (!r->rest || r->n_words > 1)
		return NULL;
	if (rule_is_program(r->words[0], many))
		return "allows all that the program can do, with every option: say which "
		       "subcommands";
	return NULL;
}
