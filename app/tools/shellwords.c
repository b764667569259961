/* The splitter: what it does not know for certain it refuses. */
#include "app/tools/shellwords.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

struct splitter {
	struct str in;
	size_t at;
	struct shell_line *out;
	size_t n_words, n_redirects;
	bool both;  /* the command at hand had &> F: dash ends it there, in the background */
	bool fails; /* why and at are set */
};

static bool refuse(struct splitter *s, size_t at, const char *why)
{
	if (!s->fails) {
		s->out->why = why;
		s->out->at = at;
	}
	s->fails = true;
	return false;
}

/* NUL at the end, which is nowhere else. */
static char peek(const struct splitter *s, size_t behind)
{
	return s->at + behind < s->in.n ? s->in.p[s->at + behind] : '\0';
}

/* ---- bytes ---- */

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
	       is_one_of(c, "_-./:,+=@%^]");
}

/* What a terminal would act on, or hide, is understood nowhere, not even in quotes. */
static bool check_bytes(struct splitter *s)
{
	for (size_t i = 0; i < s->in.n;) {
		uint32_t cp = (unsigned char)s->in.p[i];
		bool usual = cp >= ' ' && cp <= '~';
		int n = usual ? 1 : utf8_decode(s->in.p + i, s->in.n - i, &cp);

		if (n <= 0)
			return refuse(s, i, "bytes that are no UTF-8");
		if (!usual && cp != '\n' && cp != '\t' &&
		    (termsafe_map(cp) != cp || termsafe_drops(cp)))
			return refuse(s, i, "a control character");
		i += (size_t)n;
	}
	return true;
}

static const char *name_of(char c)
{
	if ((unsigned char)c >= 0x80)
		return "a character beyond ASCII without quotes";
	switch (c) {
	case '$':
	case '`':
		return "an expansion";
	case '(':
	case ')':
	case '{':
	case '}':
		return "a group, or a list of braces";
	case '!':
		return "a negation";
	case '~':
		return "a home directory's ~";
	case '#':
		return "a comment";
	default:
		return "a character that is none of a word's";
	}
}

/* ---- words ---- */

static bool take_single(struct splitter *s)
{
	const char *from = s->in.p + s->at + 1;
	const char *end = memchr(from, '\'', s->in.n - s->at - 1);

	if (!end)
		return refuse(s, s->at, "a quote without an end");
	buf_add(&s->out->text, from, (size_t)(end - from));
	s->at += (size_t)(end - from) + 2;
	return true;
}

static bool take_double(struct splitter *s)
{
	size_t from = s->at++;

	for (char c; (c = peek(s, 0)) != '"'; s->at++) {
		if (!c)
			return refuse(s, from, "a quote without an end");
		if (is_one_of(c, "$`"))
			return refuse(s, s->at, name_of(c));
		if (c == '\\') {
			s->at++;
			c = peek(s, 0);
			if (!is_one_of(c, "\\\""))
				return refuse(s, s->at - 1, "a backslash in quotes");
		}
		buf_addc(&s->out->text, c);
	}
	s->at++;
	return true;
}

static bool take_escaped(struct splitter *s)
{
	char c = peek(s, 1);

	if (c < ' ' || c > '~')
		return refuse(s, s->at, "a backslash before no printable character");
	buf_addc(&s->out->text, c);
	s->at += 2;
	return true;
}

static bool all_digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && is_digit(s.p[n]))
		n++;
	return n && n == s.n;
}

/*
 * A ~ means a home directory at the beginning of a word, quotes or not, and behind : and = of
 * what may be an assignment, which bash takes for one as an argument, too.
 */
static bool is_home(const struct splitter *s, size_t word)
{
	const struct buf *text = &s->out->text;

	return text->len == word || is_one_of(text->data[text->len - 1], ":=");
}

/* One piece of the word whose text is from `word` on; false: none is here, or it is refused. */
static bool take_piece(struct splitter *s, struct shell_word *w, size_t word)
{
	char c = peek(s, 0);

	if (c == '\'')
		return take_single(s);
	if (c == '"')
		return take_double(s);
	if (c == '\\')
		return take_escaped(s);
	if (!is_plain(c) && !is_one_of(c, "*?[") && (c != '~' || is_home(s, word)))
		return false;
	w->glob = w->glob || is_one_of(c, "*?[");
	buf_addc(&s->out->text, c);
	s->at++;
	return true;
}

/* A word is here, and whole. */
static bool take_word(struct splitter *s, struct shell_word *w)
{
	size_t from = s->out->text.len, began = s->at;

	*w = (struct shell_word){0};
	while (take_piece(s, w, from))
		;
	if (s->fails)
		return false;
	if (s->at == began)
		return refuse(s, began, peek(s, 0) ? name_of(peek(s, 0)) : "a word is missing");
	/* There is room for all: it never moves. */
	w->text = (struct str){s->out->text.data + from, s->out->text.len - from};
	if (is_one_of(peek(s, 0), "<>") && all_digits(w->text))
		return refuse(s, began, "a descriptor's number");
	if (peek(s, 0) && !is_one_of(peek(s, 0), " \t\n;&|<>"))
		return refuse(s, s->at, name_of(peek(s, 0)));
	return true;
}

static void skip(struct splitter *s, const char *set)
{
	while (is_one_of(peek(s, 0), set))
		s->at++;
}

/* ---- redirections ---- */

/* That text, and the end of a word behind it; then it is taken. */
static bool take_exactly(struct splitter *s, const char *text)
{
	size_t n = strlen(text);

	if (s->in.n - s->at < n || memcmp(s->in.p + s->at, text, n) != 0 ||
	    (peek(s, n) && !is_one_of(peek(s, n), " \t\n;|&")))
		return false;
	s->at += n;
	return true;
}

static bool is_redirect(const struct splitter *s)
{
	return is_one_of(peek(s, 0), "<>") || (peek(s, 0) == '&' && peek(s, 1) == '>') ||
	       (peek(s, 0) == '2' && peek(s, 1) == '>');
}

static bool take_redirect(struct splitter *s, struct shell_command *c)
{
	struct shell_redirect *r = &s->out->redirects[s->n_redirects];
	struct shell_word target;
	size_t began = s->at;
	bool numbered = peek(s, 0) == '2', both = peek(s, 0) == '&';

	if (take_exactly(s, "2>&1") || take_exactly(s, ">&2"))
		return true;
	r->how = peek(s, 0) == '<' ? SHELL_FROM : SHELL_TO;
	if (both && !c->n_words)
		return refuse(s, began, "&> before the program");
	s->both = s->both || both;
	s->at += numbered || both ? 2 : 1;
	if (!numbered && !both && r->how == SHELL_TO && peek(s, 0) == '>') {
		r->how = SHELL_APPEND;
		s->at++;
	}
	if (is_one_of(peek(s, 0), "<>&|("))
		return refuse(s, began, "a redirection of another kind");
	skip(s, " \t");
	if (!take_word(s, &target))
		return false;
	if (target.glob || !target.text.n)
		return refuse(s, began, "a redirection to a pattern, or to no name");
	r->target = target.text;
	s->n_redirects++;
	c->n_redirects++;
	return true;
}

/* ---- commands ---- */

static bool is_in(struct str word, const char *const *list)
{
	while (*list && !str_is(word, *list))
		list++;
	return *list != NULL;
}

/* What they run or change is not in their words' order: the split holds, and no more. */
static const char *const do_anything[] = {"eval",    "exec",    "source", ".",
					  "builtin", "command", "trap",   "enable",
					  "alias",   "unalias", "time",   NULL};

static bool check_program(struct splitter *s, const struct shell_word *w, size_t at)
{
	static const char *const reserved[] = {"if",     "then", "else", "elif",   "fi",
					       "do",     "done", "case", "esac",   "while",
					       "until",  "for",  "in",   "select", "function",
					       "coproc", NULL};

	if (w->glob)
		return refuse(s, at, "a pattern for a program");
	if (!w->text.n || w->text.p[0] == '%')
		return refuse(s, at, "a program without a name");
	if (memchr(w->text.p, '=', w->text.n))
		return refuse(s, at, "an assignment");
	if (is_in(w->text, reserved))
		return refuse(s, at, "a reserved word");
	if (is_in(w->text, do_anything) && !s->out->why) {
		s->out->why = "a program that does anything";
		s->out->at = at;
	}
	return true;
}

static bool begins_word(char c)
{
	return is_plain(c) || is_one_of(c, "*?['\"\\");
}

static bool take_argument(struct splitter *s, struct shell_command *c)
{
	struct shell_word *w = &s->out->words[s->n_words];
	size_t began = s->at;

	if (s->both)
		return refuse(s, began, "a word behind &>");
	if (!take_word(s, w))
		return false;
	if (!c->n_words && !check_program(s, w, began))
		return false;
	s->n_words++;
	c->n_words++;
	return true;
}

static bool take_command(struct splitter *s, struct shell_command *c)
{
	bool fine = true;

	c->words = s->out->words + s->n_words;
	c->redirects = s->out->redirects + s->n_redirects;
	s->both = false;
	for (;;) {
		skip(s, " \t");
		if (is_redirect(s))
			fine = take_redirect(s, c);
		else if (begins_word(peek(s, 0)))
			fine = take_argument(s, c);
		else
			break;
		if (!fine)
			return false;
	}
	if (c->n_words)
		return true;
	return refuse(s, s->at,
		      !peek(s, 0) || is_one_of(peek(s, 0), ";&|\n") ? "a command is missing"
								    : name_of(peek(s, 0)));
}

/* What joins the next command to this one.  False: refused, or (at the end) there is none. */
static bool take_joint(struct splitter *s, enum shell_joint *joint)
{
	char c = peek(s, 0);
	bool twice = peek(s, 1) == c;

	if (!c)
		return false;
	if (c != ';' && c != '\n' && c != '|' && !(c == '&' && twice))
		return refuse(s, s->at, c == '&' ? "a command in the background" : name_of(c));
	if (c == '|' && peek(s, 1) == '&')
		return refuse(s, s->at, "|&");
	*joint = c == '&' ? SHELL_AND : c == '|' ? (twice ? SHELL_OR : SHELL_PIPE) : SHELL_THEN;
	if (s->both && *joint != SHELL_THEN)
		return refuse(s, s->at, "&> that is not the last of its list");
	s->at += *joint == SHELL_AND || *joint == SHELL_OR ? 2 : 1;
	skip(s, " \t\n");
	if (peek(s, 0))
		return true;
	if (*joint != SHELL_THEN)
		refuse(s, s->at, "a command is missing");
	return false;
}

static void take_all(struct splitter *s)
{
	struct shell_line *l = s->out;
	enum shell_joint joint = SHELL_THEN;

	skip(s, " \t\n");
	do {
		struct shell_command *c = &l->commands[l->n];

		if (l->n == SHELLWORDS_COMMANDS) {
			refuse(s, s->at, "more than 64 commands");
			return;
		}
		*c = (struct shell_command){.joint = joint};
		if (!take_command(s, c))
			return;
		l->n++;
	} while (take_joint(s, &joint));
}

static bool make_room(struct splitter *s)
{
	struct shell_line *l = s->out;
	size_t most =
		s->in.n / 2 + 2; /* a word, or a redirection, has two bytes but the last */

	if (s->in.n > SHELLWORDS_BYTES)
		return refuse(s, SHELLWORDS_BYTES, "more than 32 KiB");
	l->words = malloc(most * sizeof(*l->words));
	l->redirects = malloc(most * sizeof(*l->redirects));
	if (!l->words || !l->redirects || !buf_reserve(&l->text, s->in.n + 1))
		return refuse(s, 0, "there is no memory for it");
	return true;
}

enum shellwords shellwords_parse(struct str text, struct shell_line *line)
{
	struct splitter s = {.in = text, .out = line};

	line->n = 0;
	line->why = NULL;
	line->at = 0;
	line->text = (struct buf){0};
	line->words = NULL;
	line->redirects = NULL;
	if (make_room(&s) && check_bytes(&s))
		take_all(&s);
	if (s.fails)
		line->n = 0;
	return line->why ? SHELL_NOT_UNDERSTOOD : SHELL_UNDERSTOOD;
}

void shellwords_release(struct shell_line *line)
{
	buf_release(&line->text);
	free(line->words);
	free(line->redirects);
	*line = (struct shell_line){0};
}
