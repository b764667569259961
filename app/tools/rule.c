/* The text of a rule. */
#include "app/tools/rule.h"

#include <string.h>

#include "app/tools/glob.h"

static const char *const says_names[] = {"allow", "ask", "deny"};

static int bad(const struct rule *r, const char *at, struct str found, const char *expected,
	       struct err *err)
{
	const char *value = r->text.data + strlen(says_names[r->says]) + strlen(" = ");

	return err_set(err, ERR_USAGE, "column %zu: '%.*s', expected %s",
		       (size_t)(at - value) + 1, (int)(found.n < 40 ? found.n : 40), found.p,
		       expected);
}

/* Takes the next word off s, NULL at the end of text. */
static struct str next_word(struct str *s)
{
	struct str w;

	while (s->n && (*s->p == ' ' || *s->p == '\t'))
		*s = (struct str){s->p + 1, s->n - 1};
	w = (struct str){s->p, 0};
	while (w.n < s->n && w.p[w.n] != ' ' && w.p[w.n] != '\t')
		w.n++;
	*s = (struct str){s->p + w.n, s->n - w.n};
	return w;
}

/* ---- a command's ---- */

static int read_grade(struct rule *r, struct str with, struct err *err)
{
	static const struct {
		const char *name;
		unsigned grade;
	} grades[] = {{"network", GRADE_NET}, {"git", GRADE_GIT}, {"outside", GRADE_OUTSIDE}};
	struct str name = r->words[r->n_words - 1];

	if (r->says != RULE_ALLOW)
		return bad(r, with.p, with, "no 'with' in a rule that asks or denies", err);
	while (name.n) {
		const char *plus = memchr(name.p, '+', name.n);
		struct str one = {name.p, plus ? (size_t)(plus - name.p) : name.n};
		size_t i = 0;

		while (i < 3 && !str_is(one, grades[i].name))
			i++;
		if (i == 3)
			return bad(r, one.p, one, "network, git or outside, joined by +", err);
		r->grade |= grades[i].grade;
		name = plus ? (struct str){plus + 1, name.n - one.n - 1} : (struct str){"", 0};
	}
	r->n_words -= 2;
	return 0;
}

const char *rule_odd_byte(struct str word)
{
	for (size_t i = 0; i < word.n; i++)
		if ((unsigned char)word.p[i] <= ' ' || word.p[i] == 0x7F ||
		    strchr("'\"\\;|&<>$`()", word.p[i]))
			return word.p + i;
	return NULL;
}

static int add_word(struct rule *r, struct str w, struct err *err)
{
	const char *odd = rule_odd_byte(w);

	if (odd)
		return bad(r, odd, (struct str){odd, 1}, "words without quotes and operators", err);
	if (r->n_words == RULE_WORDS)
		return bad(r, w.p, w, "16 words at most", err);
	r->words[r->n_words++] = w;
	return 0;
}

static int read_shell(struct rule *r, struct str rest, struct err *err)
{
	struct str w;
	int rc = 0;

	while (!rc && (w = next_word(&rest)).n)
		rc = add_word(r, w, err);
	if (!rc && r->n_words > 1 && str_is(r->words[r->n_words - 2], "with"))
		rc = read_grade(r, r->words[r->n_words - 2], err);
	if (rc)
		return rc;
	if (!r->n_words)
		return bad(r, rest.p, rest, "a program, and its words", err);
	r->rest = str_is(r->words[r->n_words - 1], "*");
	r->n_words -= r->rest;
	return 0;
}

/* ---- a file's ---- */

static int read_edit(struct rule *r, struct str rest, struct err *err)
{
	struct str w = next_word(&rest), more = next_word(&rest), names = w, name;

	if (!w.n || more.n)
		return bad(r, w.n ? more.p : w.p, more, "one pattern of a path, like src/**",
			   err);
	if (w.p[0] == '~' || w.p[w.n - 1] == '/')
		return bad(r, w.p, w,
			   "a path from the workspace; of a folder's files, like src/**", err);
	while (path_next(&names, &name))
		if (str_is(name, ".") || str_is(name, ".."))
			return bad(r, name.p, name, "a path without . and ..", err);
	r->words[r->n_words++] = w;
	return 0;
}

/* "NAME", or (n 2) "SERVER NAME" */
static int read_tool(struct rule *r, struct str rest, size_t n, struct err *err)
{
	struct str w;
	int rc = 0;

	while (!rc && (w = next_word(&rest)).n)
		rc = add_word(r, w, err);
	if (!rc && r->n_words != n)
		rc = bad(r, w.p, w,
			 n == 2 ? "a server and one of its tools" : "the name of a tool", err);
	return rc;
}

int rule_read(struct rule *r, enum rule_says says, struct str text, struct err *err)
{
	struct str rest, about;

	*r = (struct rule){.says = says};
	buf_addf(&r->text, "%s = ", says_names[says]);
	rest.n = r->text.len;
	buf_adds(&r->text, text);
	if (buf_failed(&r->text))
		return err_nomem(err, "rule", text.n);
	rest = (struct str){r->text.data + rest.n, text.n};
	about = next_word(&rest);
	if (str_is(about, "shell")) {
		r->about = RULE_SHELL;
		return read_shell(r, rest, err);
	}
	if (str_is(about, "edit")) {
		r->about = RULE_EDIT;
		return read_edit(r, rest, err);
	}
	if (str_is(about, "read")) {
		r->about = RULE_READ;
		return read_edit(r, rest, err);
	}
	if (str_is(about, "tool") || str_is(about, "mcp")) {
		r->about = RULE_TOOL;
		return read_tool(r, rest, str_is(about, "mcp") ? 2 : 1, err);
	}
	return bad(r, about.p, about, "shell, edit, read, tool or mcp, and what it is about", err);
}

void rule_release(struct rule *r)
{
	buf_release(&r->text);
	*r = (struct rule){0};
}
