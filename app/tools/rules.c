/* All rules, and what they say together: deny, then ask, then allow. */
#include "app/tools/rules.h"

#include <stdlib.h>
#include <string.h>

#include "app/tools/rules_inside.h"

#define NESTED 4 /* command lines that are a word of a command line */

int rules_new(struct rules **out, struct str workspace, struct err *err)
{
	struct rules *r = calloc(1, sizeof(*r));

	if (r)
		r->workspace =
			strndup(workspace.n ? workspace.p : "/", workspace.n ? workspace.n : 1);
	if (!r || !r->workspace) {
		free(r);
		return err_nomem(err, "rules", sizeof(*r));
	}
	*out = r;
	return 0;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		rule_release(&r->v[i]);
	free(r->v);
	free(r->workspace);
	free(r);
}

int rules_add(struct rules *r, enum rule_says says, struct str text, struct err *err)
{
	struct rule *grown = realloc(r->v, (r->n + 1) * sizeof(*grown));
	int rc;

	if (!grown)
		return err_nomem(err, "rule", (r->n + 1) * sizeof(*grown));
	r->v = grown;
	rc = rule_read(&r->v[r->n], says, text, err);
	if (rc) {
		rule_release(&r->v[r->n]);
		return rc;
	}
	r->guards = r->guards || (says != RULE_ALLOW && r->v[r->n].about == RULE_SHELL) ||
		    (says == RULE_ASK && r->v[r->n].about == RULE_READ);
	r->n++;
	return 0;
}

void rules_set_reads(struct rules *r, const struct reads *reads)
{
	r->reads = reads;
}

enum rules_from rules_from(const struct rules *r, size_t i)
{
	return r->v[i].from;
}

struct str rules_at(const struct rules *r, size_t i, enum rule_says *says)
{
	if (i >= r->n)
		return (struct str){"", 0};
	*says = r->v[i].says;
	return buf_str(&r->v[i].text);
}

static bool is_about(const struct rule *rule, enum tool_class cls)
{
	return rule->about == (cls == TOOL_EDIT ? RULE_EDIT : RULE_SHELL) &&
	       (cls == TOOL_EDIT || cls == TOOL_RUN);
}

static bool is_of_all(const struct rule *rule)
{
	if (rule->about == RULE_SHELL)
		return !rule->n_words && rule->rest;
	return str_is(rule->words[0], "**");
}

struct str rules_deny_all(const struct rules *r, enum tool_class cls)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].says == RULE_DENY && is_about(&r->v[i], cls) && is_of_all(&r->v[i]))
			return buf_str(&r->v[i].text);
	}
	return (struct str){"", 0};
}

bool rules_allow_any(const struct rules *r, enum tool_class cls)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].says == RULE_ALLOW && is_about(&r->v[i], cls))
			return true;
	}
	return false;
}

/* ---- verdicts ---- */

void rules_say(struct rules_verdict *v, enum rules_kind kind, const struct rule *rule,
		const char *why)
{
	if (kind <= v->kind)
		return;
	v->kind = kind;
	v->rule = rule ? buf_str(&rule->text) : (struct str){"", 0};
	v->why = why;
}

enum rules_kind rules_kind_of(enum rule_says says)
{
	return says == RULE_DENY ? RULES_DENY : says == RULE_ASK ? RULES_ASK : RULES_RUN;
}

/* ---- commands ---- */

static bool is_relative(struct str path)
{
	return !path.n || path.p[0] != '/';
}

static bool moves(const struct shell_command *c)
{
	struct str program = c->words[0].text;

	return str_is(program, "cd") || str_is(program, "pushd") || str_is(program, "popd");
}

static void guard_redirects(const struct rules *r, const struct shell_command *c, bool moved,
			    struct rules_verdict *v)
{
	for (size_t i = 0; i < c->n_redirects; i++) {
		struct rules_verdict one;

		if (c->redirects[i].how == SHELL_FROM)
			continue;
		rules_judge_edit(r, c->redirects[i].target, &one);
		if (one.kind >= RULES_ASK && one.kind > v->kind)
			*v = one;
	}
	for (size_t i = 0; moved && c->n_redirects && i < r->n; i++)
		if (r->v[i].about == RULE_EDIT && r->v[i].says != RULE_ALLOW)
			rules_say(v, RULES_ASK, &r->v[i], "a file that is written behind cd");
}

static void guard_text(const struct rules *r, struct str text, int depth, bool sure,
		       struct rules_verdict *v);

static bool takes_lines(struct str word)
{
	return rule_runs(word) & RUNS_LINES;
}

/* Words that are command lines themselves: behind a shell, or whatever gives them to one. */
static void guard_nested(const struct rules *r, const struct shell_command *c, int depth,
			 bool sure, struct rules_verdict *v)
{
	size_t at = 0;

	while (at < c->n_words && !takes_lines(c->words[at].text))
		at++;
	for (at++; at < c->n_words; at++) {
		struct str w = c->words[at].text;
		bool is_line = false;

		for (size_t i = 0; i < w.n; i++)
			is_line = is_line || strchr(" \t\n;|&<>$`'\"\\", w.p[i]);
		if (is_line)
			guard_text(r, w, depth + 1, sure && takes_lines(c->words[0].text), v);
	}
}

static void guard_command(const struct rules *r, const struct shell_command *c, bool sure,
			  struct rules_verdict *v)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->v[i];
		enum rule_match m;

		if (rule->about != RULE_SHELL || rule->says == RULE_ALLOW)
			continue;
		m = rule_finds(rule, c);
		if (m == RULE_SURE && sure)
			rules_say(v, rules_kind_of(rule->says), rule, "a rule");
		else if (m != RULE_NO)
			rules_say(v, RULES_ASK, rule, "a rule that may be about it");
	}
}

/* The rules that ask and deny.  What is not understood is asked about where there is one. */
static void guard_line(const struct rules *r, const struct shell_line *l, int depth, bool sure,
		       struct rules_verdict *v)
{
	bool moved = false;

	for (size_t i = 0; i < l->n; i++) {
		guard_command(r, &l->commands[i], sure, v);
		guard_redirects(r, &l->commands[i], moved, v);
		rules_guard_reads(r, &l->commands[i], moved, sure, v);
		guard_nested(r, &l->commands[i], depth, sure, v);
		moved = moved || moves(&l->commands[i]);
	}
	if (l->why && r->guards)
		rules_say(v, RULES_ASK, NULL,
		    "it is not understood, and there are rules that ask or deny");
}

static void guard_text(const struct rules *r, struct str text, int depth, bool sure,
		       struct rules_verdict *v)
{
	struct shell_line *l = depth < NESTED ? malloc(sizeof(*l)) : NULL;

	if (!l) {
		if (r->guards)
			rules_say(v, RULES_ASK, NULL, "it is nested too deeply to be judged");
		return;
	}
	shellwords_parse(text, l);
	guard_line(r, l, depth, sure, v);
	shellwords_release(l);
	free(l);
}

/* ---- allowing ---- */

static bool may_redirect(const struct rules *r, const struct shell_redirect *to, bool moved)
{
	struct rules_verdict v;

	if (str_is(to->target, "/dev/null"))
		return true;
	if (moved && is_relative(to->target))
		return false;
	if (to->how == SHELL_FROM)
		return rules_is_inside(r, to->target);
	rules_judge_edit(r, to->target, &v);
	return v.kind == RULES_RUN;
}

const struct rule *rules_allowing(const struct rules *r, const struct shell_command *c)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->v[i];

		if (rule->about == RULE_SHELL && rule->says == RULE_ALLOW && rule_is(rule, c))
			return rule;
	}
	return NULL;
}

bool rules_redirects(const struct rules *r, const struct shell_command *c, bool moved)
{
	for (size_t k = 0; k < c->n_redirects; k++)
		if (!may_redirect(r, &c->redirects[k], moved))
			return false;
	return true;
}

/* A program of the workspace: behind a cd it is another. */
static bool is_found_here(struct str program)
{
	return is_relative(program) && memchr(program.p, '/', program.n);
}

/*
 * Every command and every file, and all with the same grade: what one rule adds is not for
 * another's command.  What only looks needs no rule.
 */
static void allow_line(const struct rules *r, const struct shell_line *l,
		       const bool looks[SHELLWORDS_COMMANDS], struct rules_verdict *v)
{
	const struct rule *first = NULL;
	bool moved = false;

	v->why = "no rule allows all of it";
	for (size_t i = 0; i < l->n; i++) {
		const struct shell_command *c = &l->commands[i];
		const struct rule *rule = rules_allowing(r, c);

		if (rule && moved && is_found_here(c->words[0].text))
			return;
		if (rule ? !rules_redirects(r, c, moved) : !looks[i])
			return;
		moved = moved || moves(c);
		if (!rule)
			continue;
		first = first ? first : rule;
		if (first->grade != rule->grade) {
			v->why = "its rules differ in what they allow";
			return;
		}
	}
	if (!first)
		return;
	rules_say(v, RULES_RUN, first, "a rule");
	v->grade = first->grade;
}

static void judge_line(const struct rules *r, const struct shell_line *l,
		       struct rules_verdict *v)
{
	bool looks[SHELLWORDS_COMMANDS];

	*v = (struct rules_verdict){.rule = {"", 0}, .why = "it is not understood"};
	guard_line(r, l, 0, true, v);
	v->cls = reads_look(r->reads, l, rules_let_read, r, looks);
	if (v->kind == RULES_SILENT && !l->why)
		allow_line(r, l, looks, v);
}

void rules_judge_command(const struct rules *r, struct str command, struct rules_verdict *v)
{
	struct shell_line *l = malloc(sizeof(*l));

	*v = (struct rules_verdict){
		.kind = RULES_ASK, .rule = {"", 0}, .why = "there is no memory", .cls = TOOL_RUN};
	if (!l)
		return;
	shellwords_parse(command, l);
	judge_line(r, l, v);
	shellwords_release(l);
	free(l);
}

/* ---- explaining ---- */

static void explain_command(const struct shell_command *c, bool first, struct buf *out)
{
	static const char *const joints[] = {";", "&&", "||", "|"};
	static const char *const hows[] = {"<", ">", ">>"};

	buf_addf(out, "words    %s%s", first ? "" : joints[c->joint], first ? "" : " ");
	for (size_t i = 0; i < c->n_words; i++) {
		buf_addz(out, i ? " [" : "[");
		buf_adds(out, c->words[i].text);
		buf_addz(out, c->words[i].glob ? "] (pattern)" : "]");
	}
	for (size_t i = 0; i < c->n_redirects; i++) {
		buf_addf(out, " %s ", hows[c->redirects[i].how]);
		buf_adds(out, c->redirects[i].target);
	}
	buf_addc(out, '\n');
}

void rules_explain(const struct rules *r, struct str command, struct buf *out)
{
	static const char *const kinds[] = {"as --approve says", "run", "ask", "deny"};
	struct shell_line *l = malloc(sizeof(*l));
	struct rules_verdict v;

	if (!l) {
		out->failed = true;
		return;
	}
	shellwords_parse(command, l);
	for (size_t i = 0; i < l->n; i++)
		explain_command(&l->commands[i], i == 0, out);
	if (l->why)
		buf_addf(out, "words    not understood: %s, at byte %zu\n", l->why, l->at + 1);
	judge_line(r, l, &v);
	rules_add_tool(r, STR_LIT("shell"), false, &v);
	buf_addf(out, "class    %s\n", tool_class_name(v.cls));
	if (v.kind == RULES_SILENT && v.cls == TOOL_READ)
		v = (struct rules_verdict){.kind = RULES_RUN,
					   .why = "it only looks, where nothing can be written"};
	buf_addf(out, "verdict  %s: ", kinds[v.kind]);
	buf_adds(out, v.rule);
	buf_addf(out, v.rule.n ? " (%s)\n" : "%s\n", v.why);
	shellwords_release(l);
	free(l);
}
