/* Any text as rules, a line each ("deny shell rm"), an empty line, any command behind it. */
#include "app/tools/rules.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

#define RULES_MAX 16

static const char *const names[] = {"allow ", "ask ", "deny "}; /* enum rule_says */

/* Takes a line off; false: it is the empty one, or there is none. */
static bool next_line(struct str *text, struct str *line)
{
	const char *end = text->n ? memchr(text->p, '\n', text->n) : NULL;

	if (!end)
		return false;
	*line = (struct str){text->p, (size_t)(end - text->p)};
	*text = (struct str){end + 1, text->n - line->n - 1};
	return line->n > 0;
}

static void add(struct rules *r, struct str line)
{
	for (int says = 0; says < 3; says++) {
		size_t n = strlen(names[says]);
		struct err err = {0};

		if (line.n < n || memcmp(line.p, names[says], n) != 0)
			continue;
		if (rules_add(r, (enum rule_says)says, (struct str){line.p + n, line.n - n},
			      &err))
			BUG_ON(strncmp(err.text, "column ", 7) != 0);
	}
}

static bool is_blank(struct str s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t' || s.p[n] == '\n'))
		n++;
	return n == s.n;
}

/* A command more makes nothing run that did not, and lets nothing go that was denied. */
static void check(const struct rules *r, struct str command)
{
	struct rules_verdict v, more;
	struct buf text = {0};

	rules_judge_command(r, command, &v);
	/* before it: behind it one could make whole what was not */
	buf_addz(&text, "x; ");
	buf_adds(&text, command);
	rules_judge_command(r, buf_str(&text), &more);
	BUG_ON(!is_blank(command) && v.kind != RULES_RUN && more.kind == RULES_RUN);
	BUG_ON(v.kind == RULES_DENY && more.kind < RULES_ASK);
	rules_judge_edit(r, command, &v);
	buf_reset(&text);
	rules_explain(r, command, &text);
	BUG_ON(!text.len);
	buf_release(&text);
}

/* What an answer to the command would make lets it run, and is a rule by itself; nothing stays
 * of it before that. */
static void check_suggestion(struct rules *r, struct str command)
{
	struct buf list = {0}, again = {0};
	struct rules_verdict v;
	struct err err;

	rules_judge_read(r, command, &v);
	rules_judge_tool(r, command, &v);
	rules_suggest_edit(r, command, &list);
	BUG_ON(list.len && rules_check(buf_str(&list), &err));
	buf_reset(&list);
	rules_suggest(r, command, &list);
	rules_suggest(r, command, &again);
	BUG_ON(!str_eq(buf_str(&list), buf_str(&again)));
	if (list.len) {
		BUG_ON(rules_learn(r, RULES_SESSION, buf_str(&list), &err));
		rules_judge_command(r, command, &v);
		BUG_ON(v.kind != RULES_RUN);
	}
	buf_release(&list);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size}, line;
	struct rules *r = NULL;
	struct err err;

	if (rules_new(&r, STR_LIT("/home/u/work"), &err) != 0)
		return 0;
	for (int i = 0; i < RULES_MAX && next_line(&text, &line); i++)
		add(r, line);
	check(r, text);
	check_suggestion(r, text);
	rules_free(r);
	return 0;
}
