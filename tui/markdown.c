#include "tui/markdown.h"

#include <md4c.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "tui/glyph.h"
#include "tui/highlight.h"
#include "tui/mdtable.h"

/* Nesting beyond this is laid out at the same depth. */
#define MAX_DEPTH 16

enum container_kind { QUOTE, ITEM };

struct container {
	enum container_kind kind;
	char marker[24]; /* of an item, with its blank */
	int columns;
	bool marked; /* the marker stands already */
};

struct list {
	bool ordered, tight;
	unsigned next;
};

struct md {
	struct lines *out;
	int width;
	struct rich para;
	struct rich *to; /* where inline text goes: para, or a table's cell */
	uint16_t style;  /* of inline text now */
	struct container in[MAX_DEPTH];
	int depth; /* may exceed MAX_DEPTH: those are not drawn */
	struct list lists[MAX_DEPTH];
	int n_lists;
	size_t begun; /* out->n when this piece began */
	bool gap;     /* a blank line is due before the next block */
	bool code, heading;
	const struct language *lang;
	struct highlight_state hl;
	struct buf line; /* of code, unfinished */
	struct mdtable tab;
	int column;
	struct rich dropped; /* cells past the last column go here */
	size_t link_from;
};

static int shown_depth(const struct md *m)
{
	return m->depth < MAX_DEPTH ? m->depth : MAX_DEPTH;
}

/* Bars, indents and markers that begin a line; with `mark` a due marker is used up. */
static void lead(struct md *m, struct rich *r, bool mark)
{
	int used = 0;

	for (int i = 0; i < shown_depth(m); i++) {
		struct container *c = &m->in[i];

		if (used + c->columns > m->width / 2)
			break;
		used += c->columns;
		if (c->kind == QUOTE) {
			rich_addz(r, "▏ ", STYLE_QUOTE);
		} else if (mark && !c->marked) {
			rich_addz(r, c->marker, STYLE_MARKER);
			c->marked = true;
		} else {
			for (int k = 0; k < c->columns; k++)
				rich_addz(r, " ", STYLE_TEXT);
		}
	}
}

static bool in_tight_list(const struct md *m)
{
	return m->n_lists > 0 && m->n_lists <= MAX_DEPTH && m->lists[m->n_lists - 1].tight;
}

static void blank_line(struct md *m)
{
	struct rich r = {0};

	if (m->gap && m->out->n > m->begun) {
		lead(m, &r, false);
		while (r.text.len > 0 && r.text.data[r.text.len - 1] == ' ') {
			buf_truncate(&r.text, r.text.len - 1);
			if (r.n_runs > 1 && r.runs[r.n_runs - 2].end >= r.text.len)
				r.n_runs--;
			r.runs[r.n_runs - 1].end = (uint32_t)r.text.len;
		}
		lines_add(m->out, &r, NULL, 0, 0, LINE_OWN);
	}
	m->gap = false;
	rich_release(&r);
}

/* Ends the paragraph that collected, if any. */
static void flush(struct md *m)
{
	struct rich first = {0}, rest = {0};

	if (m->para.text.len > 0) {
		lead(m, &first, true);
		lead(m, &rest, false);
		lines_wrap(m->out, &m->para, m->width, &first, &rest, true);
	}
	rich_reset(&m->para);
	rich_release(&first);
	rich_release(&rest);
}

static void push(struct md *m, enum container_kind kind, const char *marker)
{
	if (m->depth < MAX_DEPTH) {
		struct container *c = &m->in[m->depth];

		c->kind = kind;
		snprintf(c->marker, sizeof(c->marker), "%s", marker);
		c->columns = kind == QUOTE ? 2 : glyph_columns(c->marker, strlen(c->marker));
		c->marked = false;
	}
	m->depth++;
}

static void pop(struct md *m)
{
	int top = --m->depth;

	/* An empty item still shows its marker. */
	if (top < MAX_DEPTH && m->in[top].kind == ITEM && !m->in[top].marked) {
		struct rich r = {0};

		m->depth++;
		lead(m, &r, true);
		m->depth--;
		lines_add(m->out, &r, NULL, 0, 0, LINE_OWN);
		rich_release(&r);
	}
}

static void begin_item(struct md *m, const MD_BLOCK_LI_DETAIL *d)
{
	struct list *l = &m->lists[(m->n_lists < MAX_DEPTH ? m->n_lists : MAX_DEPTH) - 1];
	char marker[24];

	if (d->is_task)
		snprintf(marker, sizeof(marker), "%s ", d->task_mark == ' ' ? "☐" : "☑");
	else if (l->ordered)
		snprintf(marker, sizeof(marker), "%u. ", l->next++);
	else
		snprintf(marker, sizeof(marker), "%s ", m->n_lists % 2 == 1 ? "•" : "◦");
	push(m, ITEM, marker);
}

static void begin_list(struct md *m, bool ordered, bool tight, unsigned start)
{
	flush(m);
	if (m->n_lists < MAX_DEPTH)
		m->lists[m->n_lists] = (struct list){ordered, tight, start};
	m->n_lists++;
}

static void rule(struct md *m)
{
	struct rich r = {0};

	lead(m, &r, true);
	for (int w = glyph_columns(buf_z(&r.text), r.text.len); w < m->width; w++)
		rich_addz(&r, "─", STYLE_BORDER);
	lines_add(m->out, NULL, &r, 0, r.text.len, LINE_OWN);
	rich_release(&r);
}

static void code_line(struct md *m)
{
	struct rich first = {0}, rest = {0}, text = {0};

	lead(m, &first, true);
	lead(m, &rest, false);
	rich_addz(&first, "│ ", STYLE_BORDER);
	rich_addz(&rest, "│ ", STYLE_BORDER);
	highlight_line(m->lang, &m->hl, buf_str(&m->line), &text);
	lines_wrap(m->out, &text, m->width, &first, &rest, false);
	buf_reset(&m->line);
	rich_release(&first);
	rich_release(&rest);
	rich_release(&text);
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	struct md *m = ctx;

	switch (type) {
	case MD_BLOCK_DOC:
		break;
	case MD_BLOCK_QUOTE:
		flush(m);
		blank_line(m);
		push(m, QUOTE, "");
		break;
	case MD_BLOCK_UL:
		if (m->n_lists == 0)
			blank_line(m);
		begin_list(m, false, ((MD_BLOCK_UL_DETAIL *)detail)->is_tight != 0, 0);
		break;
	case MD_BLOCK_OL:
		if (m->n_lists == 0)
			blank_line(m);
		begin_list(m, true, ((MD_BLOCK_OL_DETAIL *)detail)->is_tight != 0,
			   ((MD_BLOCK_OL_DETAIL *)detail)->start);
		break;
	case MD_BLOCK_LI:
		blank_line(m);
		begin_item(m, detail);
		break;
	case MD_BLOCK_HR:
		blank_line(m);
		rule(m);
		m->gap = true;
		break;
	case MD_BLOCK_H:
		blank_line(m);
		m->heading = true;
		m->style = STYLE_HEADING |
			   (((MD_BLOCK_H_DETAIL *)detail)->level == 1 ? STYLE_UNDERLINE : 0u);
		break;
	case MD_BLOCK_CODE: {
		const MD_ATTRIBUTE *info = &((MD_BLOCK_CODE_DETAIL *)detail)->info;

		flush(m);
		blank_line(m);
		m->code = true;
		m->lang = language_find((struct str){info->text, info->size});
		m->hl = (struct highlight_state){0};
		buf_reset(&m->line);
		break;
	}
	case MD_BLOCK_HTML:
		break;
	case MD_BLOCK_P:
		blank_line(m);
		break;
	case MD_BLOCK_TABLE: {
		MD_BLOCK_TABLE_DETAIL *d = detail;

		flush(m);
		blank_line(m);
		m->tab.n_columns = d->col_count < MDTABLE_MAX_COLUMNS ? (int)d->col_count
								      : MDTABLE_MAX_COLUMNS;
		m->tab.n_head = d->head_row_count;
		break;
	}
	case MD_BLOCK_THEAD:
	case MD_BLOCK_TBODY:
		break;
	case MD_BLOCK_TR:
		m->column = 0;
		break;
	case MD_BLOCK_TH:
	case MD_BLOCK_TD: {
		MD_ALIGN a = ((MD_BLOCK_TD_DETAIL *)detail)->align;
		struct rich *cell = NULL;

		if (m->column < m->tab.n_columns) {
			m->tab.align[m->column] = a == MD_ALIGN_RIGHT    ? MDALIGN_RIGHT
						  : a == MD_ALIGN_CENTER ? MDALIGN_CENTER
									 : MDALIGN_LEFT;
			cell = mdtable_add_cell(&m->tab);
		}
		m->column++;
		m->to = cell ? cell : &m->dropped;
		m->style = type == MD_BLOCK_TH ? STYLE_TEXT | STYLE_BOLD : STYLE_TEXT;
		break;
	}
	}
	return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	struct md *m = ctx;

	(void)detail;
	switch (type) {
	case MD_BLOCK_DOC:
	case MD_BLOCK_HTML:
	case MD_BLOCK_HR:
	case MD_BLOCK_THEAD:
	case MD_BLOCK_TBODY:
		break;
	case MD_BLOCK_QUOTE:
		flush(m);
		m->gap = false;
		pop(m);
		m->gap = true;
		break;
	case MD_BLOCK_UL:
	case MD_BLOCK_OL:
		flush(m);
		m->n_lists--;
		m->gap = m->n_lists == 0 || !in_tight_list(m);
		break;
	case MD_BLOCK_LI:
		flush(m);
		pop(m);
		m->gap = !in_tight_list(m);
		break;
	case MD_BLOCK_H:
	case MD_BLOCK_P:
		flush(m);
		m->heading = false;
		m->style = STYLE_TEXT;
		m->gap = true;
		break;
	case MD_BLOCK_CODE:
		if (m->line.len > 0)
			code_line(m);
		m->code = false;
		m->gap = true;
		break;
	case MD_BLOCK_TABLE: {
		struct rich r = {0};

		/* Rows that a cut text leaves short are filled. */
		while (m->tab.n_columns > 0 && m->tab.n % (size_t)m->tab.n_columns != 0) {
			if (!mdtable_add_cell(&m->tab))
				break;
		}
		lead(m, &r, true);
		mdtable_render(&m->tab, m->out, m->width, &r);
		rich_release(&r);
		mdtable_release(&m->tab);
		m->gap = true;
		break;
	}
	case MD_BLOCK_TR:
		break;
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		m->to = &m->para;
		m->style = STYLE_TEXT;
		break;
	}
	return 0;
}

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

static int enter_span(MD_SPANTYPE type, void *detail, void *ctx)
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
	struct str url = {href->text, href->size};
	struct str text = {buf_z(&m->to->text) + m->link_from, m->to->text.len - m->link_from};
	struct str bare = url;

	if (url.n > 7 && memcmp(url.p, "mailto:", 7) == 0)
		bare = (struct str){url.p + 7, url.n - 7};
	if (url.n == 0 || str_eq(text, url) || str_eq(text, bare))
		return;
	rich_addz(m->to, " (", STYLE_FAINT);
	rich_add(m->to, url, STYLE_FAINT);
	rich_addz(m->to, ")", STYLE_FAINT);
}

static int leave_span(MD_SPANTYPE type, void *detail, void *ctx)
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
			size_t n = utf8_encode(cp, bytes);

			rich_add(m->to, (struct str){bytes, n}, m->style);
			return;
		}
	}
	rich_add(m->to, s, m->style);
}

static int text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *ctx)
{
	struct md *m = ctx;
	struct str s = {p, n};

	switch (type) {
	case MD_TEXT_NULLCHAR:
		rich_addz(m->to, "\uFFFD", m->style);
		break;
	case MD_TEXT_BR:
		rich_addz(m->to, "\n", m->style);
		break;
	case MD_TEXT_SOFTBR:
		rich_addz(m->to, " ", m->style);
		break;
	case MD_TEXT_ENTITY:
		add_entity(m, s);
		break;
	case MD_TEXT_CODE:
		if (!m->code) {
			rich_add(m->to, s, m->style);
			break;
		}
		while (s.n > 0) {
			const char *nl = memchr(s.p, '\n', s.n);
			size_t k = nl ? (size_t)(nl - s.p) : s.n;

			buf_add(&m->line, s.p, k);
			if (!nl)
				break;
			code_line(m);
			s = (struct str){nl + 1, s.n - k - 1};
		}
		break;
	case MD_TEXT_NORMAL:
	case MD_TEXT_HTML:
	case MD_TEXT_LATEXMATH:
		rich_add(m->to, s, m->style);
		break;
	}
	return 0;
}

void markdown_render(struct lines *out, struct str src, int width)
{
	static const MD_PARSER parser = {
		.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS |
			 MD_FLAG_PERMISSIVEURLAUTOLINKS | MD_FLAG_NOHTML,
		.enter_block = enter_block,
		.leave_block = leave_block,
		.enter_span = enter_span,
		.leave_span = leave_span,
		.text = text,
	};
	struct md m = {.out = out, .width = width, .begun = out->n, .style = STYLE_TEXT};
	struct buf own = {0};

	m.to = &m.para;
	/* md4c looks at the byte behind its text: a copy has a NUL there, a slice anything. */
	buf_adds(&own, src);
	if (src.n > UINT32_MAX / 2 || buf_failed(&own) ||
	    md_parse(buf_z(&own), (MD_SIZE)own.len, &parser, &m) != 0)
		out->failed = true;
	flush(&m);
	buf_release(&own);
	rich_release(&m.para);
	rich_release(&m.dropped);
	buf_release(&m.line);
	mdtable_release(&m.tab);
}
