/* A rule's words among those of a command. */
#include "app/tools/rule.h"

#include <string.h>

/* The word, where * stands for any part. */
static bool fits(struct str pattern, struct str s)
{
	size_t p = 0, i = 0, star = pattern.n, from = 0;

	while (i < s.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			from = i;
		} else if (p < pattern.n && pattern.p[p] == s.p[i]) {
			p++;
			i++;
		} else if (star < pattern.n) {
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool rule_is(const struct rule *r, const struct shell_command *c)
{
	if (r->rest ? c->n_words < r->n_words : c->n_words != r->n_words)
		return false;
	for (size_t i = 0; i < r->n_words; i++)
		if (c->words[i].glob || !fits(r->words[i], c->words[i].text))
			return false;
	return true;
}

/* A server's are called SERVER__TOOL. */
bool rule_is_tool(const struct rule *r, struct str tool)
{
	if (r->n_words == 1)
		return fits(r->words[0], tool);
	for (size_t i = 1; i + 2 < tool.n; i++) {
		struct str server = {tool.p, i}, name = {tool.p + i + 2, tool.n - i - 2};

		if (memcmp(tool.p + i, "__", 2) == 0 && fits(r->words[0], server) &&
		    fits(r->words[1], name))
			return true;
	}
	return false;
}

/* ---- found anywhere ---- */

/* Could a pattern of the command's become that word?  What stands before and behind its wild
 * part says no, else nobody knows. */
static bool may_become(struct str pattern, struct str word)
{
	size_t head = 0, tail = 0;

	if (memchr(word.p, '*', word.n))
		return true;
	while (head < pattern.n && !strchr("*?[", pattern.p[head]))
		head++;
	while (tail < pattern.n - head && !strchr("*?]", pattern.p[pattern.n - 1 - tail]))
		tail++;
	if (head > word.n || tail > word.n)
		return false;
	return memcmp(pattern.p, word.p, head) == 0 &&
	       memcmp(pattern.p + pattern.n - tail, word.p + word.n - tail, tail) == 0;
}

static enum rule_match match_word(struct str word, const struct shell_word *w, bool program)
{
	bool base = program && !memchr(word.p, '/', word.n);
	struct str text = base ? rule_base(w->text) : w->text;

	if (fits(word, text))
		return w->glob ? RULE_MAYBE : RULE_SURE;
	return w->glob && may_become(text, word) ? RULE_MAYBE : RULE_NO;
}

/* The rule's words behind the first, in order, at or behind `at`; at least that sure each. */
static bool follow(const struct rule *r, const struct shell_command *c, size_t at,
		   enum rule_match least)
{
	for (size_t i = 1; i < r->n_words; i++) {
		while (at < c->n_words && match_word(r->words[i], &c->words[at], false) < least)
			at++;
		if (at++ >= c->n_words)
			return false;
	}
	return true;
}

/*
 * From the first word in [at, n) on that may be the rule's program.  The first that is for
 * certain has the most words behind it: one look for each is enough.
 */
static enum rule_match find_from(const struct rule *r, const struct shell_command *c, size_t at,
				 size_t end)
{
	size_t maybe = at, sure;

	while (maybe < end && match_word(r->words[0], &c->words[maybe], true) < RULE_MAYBE)
		maybe++;
	sure = maybe;
	while (sure < end && match_word(r->words[0], &c->words[sure], true) < RULE_SURE)
		sure++;
	if (sure < end && follow(r, c, sure + 1, RULE_SURE))
		return RULE_SURE;
	return maybe < end && follow(r, c, maybe + 1, RULE_MAYBE) ? RULE_MAYBE : RULE_NO;
}

size_t rule_runs_from(const struct shell_command *c)
{
	static const char *const execs[] = {"-exec", "-execdir", "-ok", "-okdir", NULL};
	unsigned runs = rule_runs(c->words[0].text);
	size_t at = 1;

	if (runs & RUNS_WORDS)
		return 1;
	if (!(runs & RUNS_EXEC))
		return c->n_words;
	while (at < c->n_words && !rule_is_program(c->words[at].text, execs))
		at++;
	return at;
}

enum rule_match rule_finds(const struct rule *r, const struct shell_command *c)
{
	enum rule_match m, run;
	size_t behind;

	if (!r->n_words) /* "*": any command */
		return RULE_SURE;
	m = find_from(r, c, 0, 1);
	if (m == RULE_SURE || find_from(r, c, 1, c->n_words) == RULE_NO)
		return m;
	behind = rule_runs_from(c);
	run = behind < c->n_words ? find_from(r, c, behind, c->n_words) : RULE_NO;
	m = run > m ? run : m;
	return m == RULE_NO ? RULE_MAYBE : m;
}
