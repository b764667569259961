/*
 * A masked character c is two bytes, MASK and c | 0x80, none of which makes a character of
 * UTF-8; md4c takes both for letters.  MASK and LINE_END behind a line of a displayed formula
 * say that the line ends there for the reader, too.
 *
 * The scan goes over the text once.  An end that was looked for in vain is not looked for again
 * before the place where the search gave up.
 */
#include "tui/mdmask.h"

#include <string.h>

#define MASK     '\xFF'
#define LINE_END '\x8A'

/* Markdown knows no longer label, and no longer run of backticks that begins code. */
#define LABEL_MAX 1000
#define TICKS_MAX 32
/* A formula between single dollars is no longer: they are prices far more often. */
#define DOLLAR_MAX 1000

enum math { PARENS, BRACKETS, DOLLAR, DOLLARS, N_MATH };

struct scan {
	struct str s;
	struct buf *out;
	size_t at, copied;
	size_t block_end;  /* of the paragraph at `at`: a blank line, a fence, the end */
	bool quoted, row;  /* the line begins with '>'; with '|' */
	char fence;        /* mark of the open fence, 0 = none */
	bool fence_quoted; /* … which ends with the quote */
	size_t n_fence;    /* … how many */
	size_t no_math[N_MATH]
		      [2]; /* no end of such a formula before here; [1]: of a displayed one */
	size_t no_code[TICKS_MAX + 1]; /* … of code by so many backticks */
};

static bool is_punct(char c)
{
	return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') ||
	       (c > 'z' && c < 0x7F);
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static char byte(const struct scan *m, size_t i)
{
	return i < m->s.n ? m->s.p[i] : '\0';
}

static size_t line_end(const struct scan *m, size_t at)
{
	const char *nl = at < m->s.n ? memchr(m->s.p + at, '\n', m->s.n - at) : NULL;

	return nl ? (size_t)(nl - m->s.p) : m->s.n;
}

/* Behind blanks and the marks of quotes. */
static size_t skip_lead(const struct scan *m, size_t at)
{
	while (byte(m, at) == ' ' || byte(m, at) == '\t' || byte(m, at) == '>')
		at++;
	return at;
}

/* Behind the mark of a list's item; `at` where there is none. */
static size_t skip_item(const struct scan *m, size_t at)
{
	size_t i = at;

	if (byte(m, i) == '-' || byte(m, i) == '*' || byte(m, i) == '+') {
		i++;
	} else {
		while (byte(m, i) >= '0' && byte(m, i) <= '9')
			i++;
		if (i == at || (byte(m, i) != '.' && byte(m, i) != ')'))
			return at;
		i++;
	}
	return i < m->s.n && is_blank(byte(m, i)) ? i : at;
}

static size_t run_at(const struct scan *m, size_t at)
{
	size_t n = 0;

	while (at + n < m->s.n && m->s.p[at + n] == m->s.p[at])
		n++;
	return n;
}

/* How many marks begin a fence at `at`; 0: it is none. */
static size_t fence_at(const struct scan *m, size_t at)
{
	size_t n, end;

	if (byte(m, at) != '`' && byte(m, at) != '~')
		return 0;
	n = run_at(m, at);
	if (n < 3)
		return 0;
	end = line_end(m, at);
	/* "```x```" is code inside a line. */
	return byte(m, at) == '`' && memchr(m->s.p + at + n, '`', end - at - n) ? 0 : n;
}

static size_t find_block_end(const struct scan *m, size_t at)
{
	size_t line = line_end(m, at);

	while (line < m->s.n) {
		size_t lead = skip_lead(m, line + 1);

		if (lead == m->s.n || byte(m, lead) == '\n' || fence_at(m, lead) > 0)
			break;
		line = line_end(m, lead);
	}
	return line;
}

static void copy_to(struct scan *m, size_t to)
{
	if (to > m->copied)
		buf_add(m->out, m->s.p + m->copied, to - m->copied);
	m->copied = to;
}

static void mask(struct scan *m, char c)
{
	char two[2] = {MASK, (char)(c | '\x80')};

	buf_add(m->out, two, sizeof(two));
}

/* Masks [at, to); a displayed formula keeps its lines, and the next begins behind it. */
static void mask_to(struct scan *m, size_t to, bool displayed)
{
	copy_to(m, m->at);
	for (size_t i = m->at; i < to; i++) {
		char c = m->s.p[i];

		if (c == '\n') {
			size_t lead = m->quoted ? skip_lead(m, i + 1) : i + 1;

			if (displayed)
				mask(m, '\n');
			buf_add(m->out, m->s.p + i, lead - i);
			i = lead - 1;
		} else if (is_punct(c) && (c != '|' || byte(m, i - 1) == '\\')) {
			mask(m, c);
		} else {
			buf_addc(m->out, c);
		}
	}
	if (displayed && to < m->block_end && m->s.p[to] == '\n')
		mask(m, '\n');
	m->at = m->copied = to;
}

/* ---- formulas ---- */

static bool is_dollar_end(const struct scan *m, size_t from, size_t i)
{
	return i > from && !is_blank(byte(m, i - 1)) && !is_alnum(byte(m, i + 1)) &&
	       byte(m, i + 1) != '$';
}

/* A line that Markdown reads as a block of its own ends a formula inside a paragraph. */
static bool begins_block(const struct scan *m, size_t line)
{
	size_t at = skip_lead(m, line);

	return skip_item(m, at) != at || byte(m, at) == '#';
}

/* The end of the formula whose inside begins at `from`; 0: there is none. */
static size_t math_end(struct scan *m, enum math kind, size_t from, bool displayed)
{
	size_t i;

	if (from < m->no_math[kind][displayed])
		return 0;
	for (i = from; i < m->block_end; i++) {
		char c = m->s.p[i];

		if ((c == '|' && m->row) ||
		    (kind == DOLLAR && (c == '\n' || i - from > DOLLAR_MAX)) ||
		    (c == '\n' && !displayed && begins_block(m, i + 1)))
			break;
		if (c == '\\') {
			i++;
			if ((kind == PARENS && byte(m, i) == ')') ||
			    (kind == BRACKETS && byte(m, i) == ']'))
				return i + 1;
		} else if (c == '$' && kind == DOLLARS && byte(m, i + 1) == '$') {
			return i + 2;
		} else if (c == '$' && kind == DOLLAR) {
			if (is_dollar_end(m, from, i))
				return i + 1;
			i += run_at(m, i) - 1;
		}
	}
	m->no_math[kind][displayed] = i;
	return 0;
}

/* "$5 for one and 6$": it begins with a number, and has words that are no commands. */
static bool is_price(struct str s)
{
	size_t word = 0;

	if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9')
		return false;
	for (size_t i = 1; i <= s.n; i++) {
		bool letter = i < s.n && is_alnum(s.p[i]) && s.p[i] > '9';

		if (letter) {
			word++;
			continue;
		}
		if (word > 1 && is_blank(s.p[i - word - 1]))
			return true;
		word = 0;
	}
	return false;
}

static bool is_all_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_blank(s.p[i]))
			return false;
	}
	return true;
}

/* The end of a formula of this kind, which n signs at `at` open; 0: they open none. */
static size_t find_math(struct scan *m, enum math kind, size_t at, size_t n, bool displayed)
{
	size_t from = at + n, end = math_end(m, kind, from, displayed);
	struct str in;

	if (end == 0)
		return 0;
	in = (struct str){m->s.p + from, end - from - n};
	return is_all_blank(in) || (kind == DOLLAR && is_price(in)) ? 0 : end;
}

/* Masks the formula that n signs at m->at open, or passes over them. */
static void take_math(struct scan *m, enum math kind, size_t n, size_t line_start)
{
	bool displayed = (kind == BRACKETS || kind == DOLLARS) && line_start == m->at;
	size_t end = find_math(m, kind, m->at, n, displayed);

	if (end > 0)
		mask_to(m, end, displayed);
	else
		m->at += n;
}

/* The paragraph goes on with a displayed formula on the line behind m->at. */
static bool display_follows(struct scan *m)
{
	size_t at = skip_lead(m, m->at + 1);

	if (at >= m->block_end)
		return false;
	if (byte(m, at) == '\\' && byte(m, at + 1) == '[')
		return find_math(m, BRACKETS, at, 2, true) > 0;
	return byte(m, at) == '$' && run_at(m, at) == 2 &&
	       find_math(m, DOLLARS, at, 2, true) > 0;
}

static void take_dollars(struct scan *m, size_t line_start)
{
	size_t n = run_at(m, m->at);
	bool word = m->at > 0 && is_alnum(m->s.p[m->at - 1]);

	if (n == 2)
		take_math(m, DOLLARS, 2, line_start);
	else if (n == 1 && !word && m->at + 1 < m->s.n && !is_blank(m->s.p[m->at + 1]))
		take_math(m, DOLLAR, 1, line_start);
	else
		m->at += n;
}

/* Code inside a line stays as it is; backticks without an end are text. */
static void take_code(struct scan *m)
{
	size_t n = run_at(m, m->at), i = m->at + n;

	m->at = i;
	if (n > TICKS_MAX || i < m->no_code[n])
		return;
	while (i < m->block_end) {
		size_t k;

		if (m->s.p[i] != '`') {
			i++;
			continue;
		}
		k = run_at(m, i);
		i += k;
		if (k == n) {
			m->at = i;
			return;
		}
	}
	m->no_code[n] = m->block_end;
}

/* ---- lines ---- */

/* "[label]:" at the beginning of a line: Markdown would keep it for itself. */
static bool is_definition(const struct scan *m, size_t at)
{
	size_t end = m->block_end < at + LABEL_MAX ? m->block_end : at + LABEL_MAX;

	for (size_t i = at + 1; byte(m, at) == '[' && i < end; i++) {
		char c = m->s.p[i];

		if (c == '[')
			return false;
		if (c == ']')
			return byte(m, i + 1) == ':';
		if (c == '\\')
			i++;
	}
	return false;
}

/* A line of code, or one that begins or ends it, is passed over. */
static bool take_fence(struct scan *m, size_t lead)
{
	size_t n = fence_at(m, lead);

	if (m->fence && m->fence_quoted && !m->quoted)
		m->fence = 0;
	if (m->fence) {
		if (byte(m, lead) == m->fence && n >= m->n_fence)
			m->fence = 0;
	} else if (n > 0) {
		m->fence = m->s.p[lead];
		m->n_fence = n;
		m->fence_quoted = m->quoted;
	} else {
		return false;
	}
	m->at = line_end(m, lead);
	if (m->at < m->s.n)
		m->at++;
	return true;
}

/* Stands at the beginning of a line; returns where its text begins. */
static size_t begin_line(struct scan *m)
{
	size_t lead = skip_lead(m, m->at), item;

	m->quoted = memchr(m->s.p + m->at, '>', lead - m->at);
	item = skip_item(m, lead);
	if (item != lead)
		lead = skip_lead(m, item);
	if (take_fence(m, lead))
		return m->at;
	m->at = lead;
	m->row = byte(m, lead) == '|';
	if (lead >= m->block_end)
		m->block_end = find_block_end(m, lead);
	if (is_definition(m, lead))
		mask_to(m, lead + 1, false);
	return lead;
}

/* At the end of a line: a displayed formula behind it stands on lines of its own. */
static void end_line(struct scan *m, size_t line_start)
{
	if (m->at > line_start && !m->row && byte(m, line_start) != '#' && display_follows(m)) {
		copy_to(m, m->at);
		mask(m, '\n');
	}
	m->at++;
}

void mdmask_add(struct buf *out, struct str src)
{
	struct scan m = {.s = src, .out = out};
	size_t line_start = 0;
	bool begins = true;

	while (m.at < src.n) {
		if (begins) {
			size_t was = m.at;

			line_start = begin_line(&m);
			/* A line of a fence is done; an empty one ends below. */
			if (m.at > was && src.p[m.at - 1] == '\n')
				continue;
			begins = false;
			continue;
		}
		switch (src.p[m.at]) {
		case '\n':
			end_line(&m, line_start);
			begins = true;
			break;
		case '\\':
			if (byte(&m, m.at + 1) == '(')
				take_math(&m, PARENS, 2, line_start);
			else if (byte(&m, m.at + 1) == '[')
				take_math(&m, BRACKETS, 2, line_start);
			else if (byte(&m, m.at + 1) == '\n' || m.at + 1 == src.n)
				m.at++;
			else
				m.at += 2;
			break;
		case '$':
			take_dollars(&m, line_start);
			break;
		case '`':
			take_code(&m);
			break;
		default:
			m.at++;
		}
	}
	copy_to(&m, src.n);
}

void mdmask_undo(struct buf *out, struct str masked, bool displays)
{
	while (masked.n > 0) {
		const char *p = memchr(masked.p, (unsigned char)MASK, masked.n);
		size_t n = p ? (size_t)(p - masked.p) : masked.n;

		buf_add(out, masked.p, n);
		if (!p || n + 1 == masked.n)
			break;
		if (p[1] != LINE_END)
			buf_addc(out, (char)(p[1] & 0x7F));
		else if (displays)
			buf_addc(out, '\n');
		masked = (struct str){p + 2, masked.n - n - 2};
	}
}
