/* One reader goes over the text; each function takes what begins at its place. */
#include "engine/text/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "engine/text/unicode.h"

struct reader {
	struct pattern *out;
	struct str text;
	size_t at;
	int depth; /* of open groups */
	struct err *err;
};

static int refuse(const struct reader *r, size_t at, const char *what)
{
	return err_set(r->err, ERR_MODEL, "at byte %zu: %s", at, what);
}

static bool follows(const struct reader *r, const char *words)
{
	size_t n = strlen(words);

	return r->text.n - r->at >= n && memcmp(r->text.p + r->at, words, n) == 0;
}

static bool take(struct reader *r, const char *words)
{
	if (!follows(r, words))
		return false;
	r->at += strlen(words);
	return true;
}

static uint32_t take_char(struct reader *r)
{
	uint32_t c = 0;
	int n = utf8_decode(r->text.p + r->at, r->text.n - r->at, &c);

	r->at += n > 0 ? (size_t)n : 1;
	return c;
}

static void add_syntax(struct reader *r, struct str syntax)
{
	r->out->parts[r->out->n_parts++] = (struct pattern_part){.syntax = syntax};
}

/* Sets are made one at a time: the ranges of the last one are at the end. */
static struct char_set *begin_set(struct reader *r)
{
	struct pattern_part *part = &r->out->parts[r->out->n_parts++];

	*part = (struct pattern_part){.set.ranges = r->out->ranges + r->out->n_ranges};
	return &part->set;
}

static void add_range(struct reader *r, struct char_set *set, uint32_t first, uint32_t last)
{
	r->out->ranges[r->out->n_ranges++] = (struct char_range){first, last};
	set->n_ranges++;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly n digits, or, with n = 0, any number of them up to a brace. */
static int take_hex(struct reader *r, size_t n, uint32_t *out)
{
	size_t from = r->at, i = 0;

	for (*out = 0; r->at < r->text.n && (!n || i < n); i++, r->at++) {
		int digit = hex_value(r->text.p[r->at]);

		if (digit < 0)
			break;
		*out = *out * 16 + (uint32_t)digit;
		if (*out > UNICODE_LAST)
			return refuse(r, from, "a character above U+10FFFF");
	}
	if (n ? i < n : !i || !take(r, "}"))
		return refuse(r, from, "expected the hexadecimal digits of a character");
	return 0;
}

static int take_property(struct reader *r, size_t from, bool negated, uint32_t *out)
{
	const char *end;
	struct str name;

	if (!take(r, "{"))
		return refuse(r, from, "a property without its braces");
	if (take(r, "^"))
		negated = !negated;
	name = (struct str){r->text.p + r->at, r->text.n - r->at};
	end = memchr(name.p, '}', name.n);
	name.n = end ? (size_t)(end - name.p) : 0;
	*out = unicode_property(name);
	if (!*out)
		return refuse(r, from, "a property that is no general category (L, Lu, …)");
	r->at += name.n + 1;
	if (negated)
		*out ^= UNICODE_ALL;
	return 0;
}

/* An escape is a character (*categories = 0) or some categories. */
static int take_escape(struct reader *r, uint32_t *c, uint32_t *categories)
{
	static const char controls[][2] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'v', '\v'},
					   {'f', '\f'}, {'a', '\a'}, {'e', 0x1b}};
	size_t from = r->at;
	int rc;

	r->at++;
	*categories = 0;
	if (r->at == r->text.n)
		return refuse(r, from, "a \\ that escapes nothing");
	*c = take_char(r);
	switch (*c) {
	case 'p':
	case 'P':
		return take_property(r, from, *c == 'P', categories);
	case 's':
	case 'S':
		*categories = unicode_white_space() ^ (*c == 'S' ? UNICODE_ALL : 0);
		return 0;
	case 'd':
	case 'D':
		*categories = unicode_property(STR_LIT("Nd")) ^ (*c == 'D' ? UNICODE_ALL : 0);
		return 0;
	case 'u':
		return take_hex(r, 4, c);
	case 'x':
		rc = take(r, "{") ? take_hex(r, 0, c) : take_hex(r, 2, c);
		/* Two digits are a byte there, not a character. */
		return !rc && *c >= 0x80 && r->text.p[r->at - 1] != '}'
			       ? refuse(r, from, "a byte that is no character")
			       : rc;
	}
	for (size_t i = 0; i < sizeof(controls) / sizeof(*controls); i++) {
		if (*c == (unsigned char)controls[i][0]) {
			*c = (unsigned char)controls[i][1];
			return 0;
		}
	}
	if ((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z'))
		return refuse(r, from, "an escape that is not supported");
	return 0;
}

/* A character or an escape within a class. */
static int take_member(struct reader *r, uint32_t *c, uint32_t *categories)
{
	*categories = 0;
	if (follows(r, "\\"))
		return take_escape(r, c, categories);
	if (follows(r, "[") || follows(r, "&&"))
		return refuse(r, r->at, "a class within a class is not supported");
	*c = take_char(r);
	return 0;
}

/* What stands before the - of a range has been taken, and was no property. */
static int take_range_end(struct reader *r, size_t from, uint32_t first, uint32_t *last)
{
	uint32_t categories;
	int rc;

	r->at++;
	if (r->at == r->text.n)
		return refuse(r, from, "a range without its end");
	rc = take_member(r, last, &categories);
	if (!rc && (categories || *last < first))
		rc = refuse(r, from, "a range that ends before it begins");
	return rc;
}

static int take_class(struct reader *r)
{
	struct char_set *set = begin_set(r);
	size_t from = r->at++;

	set->negated = take(r, "^");
	if (follows(r, "]"))
		return refuse(r, from, "an empty class");
	while (!take(r, "]")) {
		size_t at = r->at;
		uint32_t first = 0, last, categories;
		int rc;

		if (at == r->text.n)
			return refuse(r, from, "a class without its ]");
		rc = take_member(r, &first, &categories);
		last = first;
		if (!rc && follows(r, "-") && !follows(r, "-]"))
			rc = categories ? refuse(r, at, "a range from a property")
					: take_range_end(r, at, first, &last);
		if (rc)
			return rc;
		set->categories |= categories;
		if (!categories)
			add_range(r, set, first, last);
	}
	return 0;
}

static int take_group(struct reader *r)
{
	static const char *const openings[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};

	r->depth++;
	for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++) {
		if (take(r, openings[i])) {
			add_syntax(r, str_of(openings[i]));
			return 0;
		}
	}
	if (follows(r, "(?"))
		return refuse(r, r->at, "a group of a kind that is not supported");
	r->at++;
	add_syntax(r, STR_LIT("(?:"));
	return 0;
}

static size_t digits(const struct reader *r, size_t at)
{
	size_t n = 0;

	while (at + n < r->text.n && r->text.p[at + n] >= '0' && r->text.p[at + n] <= '9')
		n++;
	return n;
}

/* {n}, {n,}, {n,m}, {,m}; other braces are characters. */
static int take_braces(struct reader *r, bool *taken)
{
	size_t from = r->at, at = from + 1;
	size_t n_least = digits(r, at), n_most = 0;
	bool comma;

	at += n_least;
	comma = at < r->text.n && r->text.p[at] == ',';
	if (comma) {
		n_most = digits(r, ++at);
		at += n_most;
	}
	*taken = n_least + n_most > 0 && at < r->text.n && r->text.p[at] == '}';
	if (!*taken)
		return 0;
	r->at = at + 1;
	if (follows(r, "+") || follows(r, "?"))
		return refuse(r, from, "a quantifier of a quantifier is not supported");
	/* {,m} is a quantifier to newer PCRE2 only. */
	add_syntax(r, n_least ? STR_LIT("{") : STR_LIT("{0"));
	add_syntax(r, (struct str){r->text.p + from + 1, at - from});
	return 0;
}

static int take_part(struct reader *r)
{
	size_t from = r->at;
	struct char_set *set;
	uint32_t c, categories = 0;
	bool taken = false;
	int rc = 0;

	switch (r->text.p[from]) {
	case '[':
		return take_class(r);
	case '(':
		return take_group(r);
	case ')':
		if (!r->depth--)
			return refuse(r, from, "a ) that closes nothing");
		/* fall through */
	case '|':
	case '*':
	case '+':
	case '?':
		r->at++;
		add_syntax(r, (struct str){r->text.p + from, 1});
		return 0;
	case '^':
	case '$':
		return refuse(r, from, "an anchor is not supported");
	case '{':
		rc = take_braces(r, &taken);
		if (rc || taken)
			return rc;
		break;
	}
	set = begin_set(r);
	if (take(r, ".")) {
		set->negated = true;
		c = '\n';
	} else if (follows(r, "\\")) {
		rc = take_escape(r, &c, &categories);
	} else {
		c = take_char(r);
	}
	set->categories = categories;
	if (!rc && !categories)
		add_range(r, set, c, c);
	return rc;
}

int pattern_read(struct pattern *p, struct str text, bool literal, struct err *err)
{
	struct reader r = {.out = p, .text = text, .err = err};
	int rc = 0;

	*p = (struct pattern){0};
	if (text.n > PATTERN_MAX_BYTES)
		return err_set(err, ERR_MODEL, "%zu bytes, expected at most %d", text.n,
			       PATTERN_MAX_BYTES);
	/* A byte makes at most one range, and two parts where it is a brace. */
	p->parts = calloc(2 * text.n + 1, sizeof(*p->parts));
	p->ranges = calloc(text.n + 1, sizeof(*p->ranges));
	if (!p->parts || !p->ranges)
		return err_nomem(err, "a split pattern", text.n);
	while (!rc && r.at < text.n) {
		if (literal) {
			uint32_t c = take_char(&r);

			add_range(&r, begin_set(&r), c, c);
		} else {
			rc = take_part(&r);
		}
	}
	if (!rc && r.depth)
		rc = refuse(&r, text.n, "a group without its )");
	return rc;
}

void pattern_release(struct pattern *p)
{
	free(p->parts);
	free(p->ranges);
	*p = (struct pattern){0};
}
