/* Rules that the user's answers make: which they would be, and keeping them. */
#include "app/tools/rules_inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

bool rules_next(struct str *list, struct str *text)
{
	do {
		const char *end = list->n ? memchr(list->p, ';', list->n) : NULL;
		size_t n = end ? (size_t)(end - list->p) : list->n, taken = n + (end != NULL);

		if (!list->n)
			return false;
		*text = str_trimmed((struct str){list->p, n});
		*list = (struct str){list->p + taken, list->n - taken};
	} while (!text->n);
	return true;
}

int rules_check(struct str list, struct err *err)
{
	struct str text;
	int n = 0, rc = 0;

	for (; !rc && rules_next(&list, &text); n++) {
		struct rule rule;

		rc = rule_read(&rule, RULE_ALLOW, text, err);
		rule_release(&rule);
	}
	return rc || n ? rc
		       : err_set(err, ERR_USAGE, "nothing, expected a rule, like shell make");
}

int rules_learn(struct rules *r, enum rules_from from, struct str list, struct err *err)
{
	size_t before = r->n;
	struct str text;
	int rc = rules_check(list, err);

	while (!rc && rules_next(&list, &text)) {
		rc = rules_add(r, RULE_ALLOW, text, err);
		if (!rc)
			r->v[r->n - 1].from = from;
	}
	while (rc && r->n > before)
		rule_release(&r->v[--r->n]);
	return rc;
}

void rules_forget(struct rules *r, size_t i)
{
	if (i >= r->n || r->v[i].from == RULES_OPTIONS)
		return;
	rule_release(&r->v[i]);
	memmove(&r->v[i], &r->v[i + 1], (r->n - i - 1) * sizeof(*r->v));
	r->n--;
}

/* ---- suggesting ---- */

/*
 * Does the program that stands at `at` run what it is given, as an argument or to read?  Then the
 * same words are another thing the next time.
 */
static bool runs_what_it_is_given(const struct shell_command *c, size_t at)
{
	const struct shell_word *next = &c->words[at + 1];
	unsigned runs = rule_runs(c->words[at].text);

	if (runs & RUNS_READ)
		return true;
	if (!(runs & RUNS_CODE))
		return false;
	/* A file that they run, or a module, is named first. */
	return c->n_words < at + 2 || (next->text.n && next->text.p[0] == '-' &&
				       !(str_is(next->text, "-m") && c->n_words > at + 2));
}

static bool runs_any(const struct shell_command *c)
{
	bool runs = runs_what_it_is_given(c, 0);

	for (size_t at = rule_runs_from(c); at < c->n_words && !runs; at++)
		runs = runs_what_it_is_given(c, at);
	return runs;
}

/* False: no rule means these very words. */
static bool add_exact(const struct shell_command *c, struct buf *out)
{
	if (c->n_words > RULE_WORDS || runs_any(c) ||
	    (c->n_words > 1 && str_is(c->words[c->n_words - 2].text, "with")))
		return false;
	buf_addz(out, out->len ? "; shell" : "shell");
	for (size_t i = 0; i < c->n_words; i++) {
		struct str w = c->words[i].text;

		if (!w.n || c->words[i].glob || rule_odd_byte(w) || memchr(w.p, '*', w.n))
			return false;
		buf_addc(out, ' ');
		buf_adds(out, w);
	}
	return true;
}

static bool add_line(const struct rules *r, const struct shell_line *l, struct buf *out)
{
	bool looks[SHELLWORDS_COMMANDS];

	reads_look(r->reads, l, rules_let_read, r, looks);
	for (size_t i = 0; i < l->n; i++) {
		const struct shell_command *c = &l->commands[i];

		if (looks[i] || (rules_allowing(r, c) && rules_redirects(r, c, i > 0)))
			continue;
		if (!rules_redirects(r, c, i > 0) || !add_exact(c, out))
			return false;
	}
	return l->n > 0;
}

/* With these, would it run?  Then they are appended. */
static void add_if_it_runs(struct rules *r, const struct buf *list,
			   void (*judge)(const struct rules *r, struct str what,
					 struct rules_verdict *v),
			   struct str what, struct buf *out)
{
	size_t before = r->n;
	struct rules_verdict v = {.kind = RULES_ASK};
	struct err err;

	if (!buf_failed(list) && rules_learn(r, RULES_SESSION, buf_str(list), &err) == 0)
		judge(r, what, &v);
	if (v.kind == RULES_RUN)
		buf_adds(out, buf_str(list));
	while (r->n > before)
		rule_release(&r->v[--r->n]);
}

void rules_suggest(struct rules *r, struct str command, struct buf *out)
{
	struct shell_line *l = malloc(sizeof(*l));
	struct buf list = {0};

	if (!l)
		return;
	if (shellwords_parse(command, l) == SHELL_UNDERSTOOD && add_line(r, l, &list))
		add_if_it_runs(r, &list, rules_judge_command, command, out);
	buf_release(&list);
	shellwords_release(l);
	free(l);
}

/* "edit PATH", "read PATH" */
static void suggest_path(struct rules *r, const char *kind,
			 void (*judge)(const struct rules *r, struct str path,
				       struct rules_verdict *v),
			 struct str path, struct buf *out)
{
	struct buf text = {0};

	buf_addf(&text, "%s ", kind);
	buf_adds(&text, path);
	/* As a pattern, and in a list, it is to mean itself. */
	if (path.n && strcspn(buf_z(&text), ";*?[\\") == text.len)
		add_if_it_runs(r, &text, judge, path, out);
	buf_release(&text);
}

void rules_suggest_edit(struct rules *r, struct str path, struct buf *out)
{
	suggest_path(r, "edit", rules_judge_edit, path, out);
}

void rules_suggest_read(struct rules *r, struct str path, struct buf *out)
{
	suggest_path(r, "read", rules_judge_read, path, out);
}
