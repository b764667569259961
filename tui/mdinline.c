/* The text inside Markdown's blocks: emphasis, links, code, entities. */
#include "tui/markdown_private.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"
#include "tui/mdmask.h"

static uint16_t attr_of(MD_SPANTYPE type)
{
	switch (type) {
	case MD_SPAN_EM:
		return STYLE_ITALIC;
	case MD_SPAN_STRONG:
		return STYLE_BOLD;
	case MD_SPAN_DEL:
		return STYLE_STRIKE;
	case MD_SPAN_U:
		return STYLE_UNDERLINE;
	case MD_SPAN_A:
	case MD_SPAN_IMG:
	case MD_SPAN_CODE:
	case MD_SPAN_LATEXMATH:
	case MD_SPAN_LATEXMATH_DISPLAY:
	case MD_SPAN_WIKILINK:
		break;
	}
	return 0;
}

int md_enter_span(MD_SPANTYPE type, void *detail, void *ctx)
{
	struct md *m = ctx;

	(void)detail;
	m->style |= attr_of(type);
	if (type == MD_SPAN_IMG) {
		rich_addz(m->to, "[image: ", STYLE_FAINT);
	} else if (type == MD_SPAN_A) {
		m->link_from = m->to->text.len;
		m->style = style_with_role(m->style, STYLE_LINK);
	} else if (type == MD_SPAN_CODE) {
		m->style = style_with_role(m->style, STYLE_CODE);
	}
	return 0;
}

/* The address behind a link's text, unless the text says it already. */
static void add_address(struct md *m, const MD_ATTRIBUTE *href)
{
	struct str text = {buf_z(&m->to->text) + m->link_from, m->to->text.len - m->link_from};
	struct str url, bare;

	buf_reset(&m->clear);
	mdmask_undo(&m->clear, (struct str){href->text, href->size}, false);
	url = bare = buf_str(&m->clear);
	if (url.n > 7 && memcmp(url.p, "mailto:", 7) == 0)
		bare = (struct str){url.p + 7, url.n - 7};
	if (url.n == 0 || str_eq(text, url) || str_eq(text, bare))
		return;
	rich_addz(m->to, " (", STYLE_FAINT);
	rich_add(m->to, url, STYLE_FAINT);
	rich_addz(m->to, ")", STYLE_FAINT);
}

int md_leave_span(MD_SPANTYPE type, void *detail, void *ctx)
{
	struct md *m = ctx;
	enum style_role back = m->heading ? STYLE_HEADING : STYLE_TEXT;

	m->style &= (uint16_t)~attr_of(type);
	if (type == MD_SPAN_IMG) {
		rich_addz(m->to, "]", STYLE_FAINT);
		m->link_from = m->to->text.len;
		add_address(m, &((MD_SPAN_IMG_DETAIL *)detail)->src);
	} else if (type == MD_SPAN_A) {
		m->style = style_with_role(m->style, back);
		add_address(m, &((MD_SPAN_A_DETAIL *)detail)->href);
	} else if (type == MD_SPAN_CODE) {
		m->style = style_with_role(m->style, back);
	}
	return 0;
}

static const struct {
	const char *name, *text;
} entities[] = {
	{"&amp;", "&"},    {"&lt;", "<"},        {"&gt;", ">"},    {"&quot;", "\""},
	{"&apos;", "'"},   {"&nbsp;", "\u00A0"}, {"&copy;", "©"},  {"&reg;", "®"},
	{"&hellip;", "…"}, {"&mdash;", "—"},     {"&ndash;", "–"}, {"&lsquo;", "‘"},
	{"&rsquo;", "’"},  {"&ldquo;", "“"},     {"&rdquo;", "”"}, {"&times;", "×"},
	{"&divide;", "÷"}, {"&plusmn;", "±"},    {"&deg;", "°"},   {"&larr;", "←"},
	{"&rarr;", "→"},   {"&uarr;", "↑"},      {"&darr;", "↓"},  {"&ne;", "≠"},
	{"&le;", "≤"},     {"&ge;", "≥"},        {"&infin;", "∞"}, {"&middot;", "·"},
	{"&bull;", "•"},   {"&euro;", "€"},      {"&pound;", "£"}, {"&sect;", "§"},
};

/* An entity that is not in the table is shown as it is written. */
static void add_entity(struct md *m, struct str s)
{
	char text[32], bytes[4];
	unsigned cp;

	if (s.n < sizeof(text)) {
		memcpy(text, s.p, s.n);
		text[s.n] = '\0';
		for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
			if (strcmp(text, entities[i].name) == 0) {
				rich_addz(m->to, entities[i].text, m->style);
				return;
			}
		}
		if ((sscanf(text, "&#x%x;", &cp) == 1 || sscanf(text, "&#X%x;", &cp) == 1 ||
		     sscanf(text, "&#%u;", &cp) == 1) &&
		    cp >= 0x20) {
			size_t n = termsafe_drops(cp) ? 0 : utf8_encode(cp, bytes);

			rich_add(m->to, (struct str){bytes, n}, m->style);
			return;
		}
	}
	rich_add(m->to, s, m->style);
}

static bool in_cell(const struct md *m)
{
	return m->to != &m->para;
}

/* The length of a "<br>" that s begins with, 0 = none. */
static size_t br_at(struct str s)
{
	size_t i = 3;

	if (s.n < 4 || strncasecmp(s.p, "<br", 3) != 0)
		return 0;
	while (i < s.n && s.p[i] == ' ')
		i++;
	if (i < s.n && s.p[i] == '/')
		i++;
	return i < s.n && s.p[i] == '>' ? i + 1 : 0;
}

/* In a cell, which can't hold a line's end, "<br>" is one. */
static void add_words(struct md *m, struct str s)
{
	const char *lt;

	buf_reset(&m->clear);
	mdmask_undo(&m->clear, s, true);
	s = buf_str(&m->clear);
	while (in_cell(m) && s.n > 0 && (lt = memchr(s.p, '<', s.n))) {
		size_t before = (size_t)(lt - s.p);
		size_t n = br_at((struct str){lt, s.n - before});

		rich_add(m->to, (struct str){s.p, before}, m->style);
		rich_add(m->to, n > 0 ? STR_LIT("\n") : STR_LIT("<"), m->style);
		n += n == 0;
		s = (struct str){lt + n, s.n - before - n};
	}
	rich_add(m->to, s, m->style);
}

/* Code inside a line.  In a cell a bar had to be written "\|" there, too. */
static void add_code(struct md *m, struct str s)
{
	const char *bar;

	buf_reset(&m->clear);
	mdmask_undo(&m->clear, s, false);
	s = buf_str(&m->clear);
	while (in_cell(m) && s.n > 0 && (bar = memmem(s.p, s.n, "\\|", 2))) {
		size_t before = (size_t)(bar - s.p);

		rich_add(m->to, (struct str){s.p, before}, m->style);
		rich_addz(m->to, "|", m->style);
		s = (struct str){bar + 2, s.n - before - 2};
	}
	rich_add(m->to, s, m->style);
}

/* Part of a code block, of as many lines as it has. */
static void add_code_lines(struct md *m, struct str s)
{
	while (s.n > 0) {
		const char *nl = memchr(s.p, '\n', s.n);
		size_t k = nl ? (size_t)(nl - s.p) : s.n;

		mdmask_undo(&m->line, (struct str){s.p, k}, false);
		if (!nl)
			break;
		md_code_line(m);
		s = (struct str){nl + 1, s.n - k - 1};
	}
}

/* A displayed formula's line has ended already where Markdown sees a line's end. */
static bool ends_line(const struct rich *r)
{
	return r->text.len > 0 && r->text.data[r->text.len - 1] == '\n';
}

int md_text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *ctx)
{
	struct md *m = ctx;
	struct str s = {p, n};

	switch (type) {
	case MD_TEXT_NULLCHAR:
		rich_addz(m->to, "\uFFFD", m->style);
		break;
	case MD_TEXT_BR:
		if (!ends_line(m->to))
			rich_addz(m->to, "\n", m->style);
		break;
	case MD_TEXT_SOFTBR:
		if (!ends_line(m->to))
			rich_addz(m->to, " ", m->style);
		break;
	case MD_TEXT_ENTITY:
		add_entity(m, s);
		break;
	case MD_TEXT_CODE:
		if (m->code)
			add_code_lines(m, s);
		else
			add_code(m, s);
		break;
	case MD_TEXT_NORMAL:
	case MD_TEXT_HTML:
	case MD_TEXT_LATEXMATH:
		add_words(m, s);
		break;
	}
	return 0;
}
