/* What the rules say of files: changed, read, and named by commands. */
#include "app/tools/rules_inside.h"

#include <limits.h>
#include <string.h>

#include "app/tools/glob.h"

struct path {
	char text[PATH_MAX]; /* absolute, without . and .. */
	struct str whole;    /* it, without the first / */
	struct str rel;      /* from the workspace … */
	bool inside;         /* … where it lies in it */
};

static bool add_names(struct path *p, size_t *n, struct str names)
{
	struct str name;

	while (path_next(&names, &name)) {
		if (!name.n || str_is(name, "."))
			continue;
		if (str_is(name, "..")) {
			while (*n && p->text[--*n] != '/')
				;
			continue;
		}
		if (*n + 1 + name.n >= sizeof(p->text))
			return false;
		p->text[(*n)++] = '/';
		memcpy(p->text + *n, name.p, name.n);
		*n += name.n;
	}
	return true;
}

/* False: it is too long for a path. */
static bool path_of(const struct rules *r, struct str text, struct path *p)
{
	size_t n = 0, root = strlen(r->workspace);
	bool absolute = text.n && text.p[0] == '/';

	p->inside = false;
	if ((!absolute && !add_names(p, &n, str_of(r->workspace))) || !add_names(p, &n, text))
		return false;
	p->whole = n ? (struct str){p->text + 1, n - 1} : (struct str){"", 0};
	root -= root == 1;
	if (n > root + 1 && memcmp(p->text, r->workspace, root) == 0 && p->text[root] == '/') {
		p->inside = true;
		p->rel = (struct str){p->text + root + 1, n - root - 1};
	}
	return true;
}

/* A rule that allows means the file itself, another one also what lies below. */
static bool is_of_path(const struct rule *rule, const struct path *p)
{
	struct str pattern = rule->words[0], path = p->rel;

	if (pattern.p[0] == '/') {
		pattern = (struct str){pattern.p + 1, pattern.n - 1};
		path = p->whole;
	} else if (!p->inside) {
		return false;
	}
	return rule->says == RULE_ALLOW ? glob_match(pattern, path, false)
					: glob_covers(pattern, path, false);
}

/* The rules of that kind. */
static void judge(const struct rules *r, enum rule_about about, struct str path, struct path *p,
		  struct rules_verdict *v)
{
	bool known = path_of(r, path, p);

	*v = (struct rules_verdict){.rule = {"", 0}, .why = "no rule is about it"};
	for (size_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->v[i];

		if (rule->about != about)
			continue;
		if (!known && rule->says != RULE_ALLOW)
			rules_say(v, RULES_ASK, rule, "the path is too long to be judged");
		else if (known && is_of_path(rule, p))
			rules_say(v, rules_kind_of(rule->says), rule, "a rule");
	}
}

/* What allows it must allow where it leads, too; what asks about or denies that counts. */
void rules_judge_read(const struct rules *r, struct str path, struct rules_verdict *v)
{
	struct rules_verdict there;
	char led[PATH_MAX];
	struct path p;

	judge(r, RULE_READ, path, &p, v);
	if (r->reads && reads_true_path(r->reads, path, led)) {
		judge(r, RULE_READ, str_of(led), &p, &there);
		if (v->kind == RULES_RUN ||
		    (there.kind > RULES_RUN && there.kind > v->kind))
			*v = there;
	}
	v->cls = r->reads ? reads_judge_path(r->reads, path) : TOOL_READ;
}

bool rules_hidden(const struct rules *r, size_t i, struct str *pattern)
{
	for (size_t k = 0; k < r->n; k++) {
		if (r->v[k].about != RULE_READ || r->v[k].says != RULE_DENY || i--)
			continue;
		*pattern = r->v[k].words[0];
		return true;
	}
	return false;
}

void rules_judge_edit(const struct rules *r, struct str path, struct rules_verdict *v)
{
	struct path p;

	judge(r, RULE_EDIT, path, &p, v);
	if (v->kind == RULES_RUN && (!p.inside || tools_always_ask(p.rel)))
		*v = (struct rules_verdict){.rule = {"", 0},
					    .why = "such a file is always asked about"};
}

bool rules_is_outside(const struct rules *r, struct str path)
{
	struct path p;

	/* "~/" is the home, which may be anywhere. */
	return path.n && path.p[0] != '~' && path_of(r, path, &p) && !p.inside;
}

bool rules_is_inside(const struct rules *r, struct str path)
{
	struct path p;

	return path_of(r, path, &p) && p.inside;
}

bool rules_let_read(const void *ctx, struct str path)
{
	struct rules_verdict v;
	struct path p;

	judge(ctx, RULE_READ, path, &p, &v);
	return v.kind == RULES_RUN;
}

/* ---- what commands name ---- */

/* Behind an option's '=' there may be a file, too. */
static struct str value_of(struct str word)
{
	const char *eq = word.n && word.p[0] == '-' ? memchr(word.p, '=', word.n) : NULL;

	return eq ? (struct str){eq + 1, word.n - (size_t)(eq + 1 - word.p)} : word;
}

/* As it is written, or where that leads. */
static bool names_path(const struct rules *r, const struct rule *rule, struct str text)
{
	char led[PATH_MAX];
	struct path p;

	if (path_of(r, text, &p) && is_of_path(rule, &p))
		return true;
	return r->reads && reads_true_path(r->reads, text, led) &&
	       path_of(r, str_of(led), &p) && is_of_path(rule, &p);
}

/* What is denied is hidden from commands besides; of what a pattern stands for it is. */
static void guard_word(const struct rules *r, const struct rule *rule,
		       const struct shell_word *w, bool sure, struct rules_verdict *v)
{
	if (w->glob && rule->says == RULE_ASK)
		rules_say(v, RULES_ASK, rule, "a pattern that may be about it");
	else if (names_path(r, rule, value_of(w->text)))
		rules_say(v, sure ? rules_kind_of(rule->says) : RULES_ASK, rule, "a rule");
}

void rules_guard_reads(const struct rules *r, const struct shell_command *c, bool moved,
		       bool sure, struct rules_verdict *v)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->v[i];

		if (rule->about != RULE_READ || rule->says == RULE_ALLOW)
			continue;
		if (moved && rule->says == RULE_ASK)
			rules_say(v, RULES_ASK, rule, "a file that may be read behind cd");
		for (size_t k = 1; k < c->n_words; k++)
			guard_word(r, rule, &c->words[k], sure && !moved, v);
		for (size_t k = 0; k < c->n_redirects; k++)
			if (c->redirects[k].how == SHELL_FROM)
				guard_word(r, rule,
					   &(struct shell_word){.text = c->redirects[k].target},
					   sure && !moved, v);
	}
}

/* ---- tools ---- */

void rules_add_tool(const struct rules *r, struct str tool, bool asks, struct rules_verdict *v)
{
	struct rules_verdict named;

	rules_judge_tool(r, tool, &named);
	if (named.kind <= v->kind || (asks && named.kind == RULES_RUN))
		return;
	named.cls = v->cls;
	*v = named;
}

void rules_judge_tool(const struct rules *r, struct str tool, struct rules_verdict *v)
{
	*v = (struct rules_verdict){.rule = {"", 0}, .why = "no rule is about it"};
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].about == RULE_TOOL && rule_is_tool(&r->v[i], tool))
			rules_say(v, rules_kind_of(r->v[i].says), &r->v[i], "a rule");
}
