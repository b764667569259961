/* The blocks of a Markdown piece: paragraphs, lists, quotes, code, tables. */
#include "tui/markdown_private.h"

#include <stdio.h>
#include <string.h>

#include "tui/glyph.h"
#include "tui/mdmask.h"

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
	if (m->n_lists == 0)
		blank_line(m);
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

void md_code_line(struct md *m)
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

static void begin_heading(struct md *m, unsigned level)
{
	m->heading = true;
	m->style = STYLE_HEADING;
	if (level == 1)
		m->style |= STYLE_UNDERLINE;
}

static void begin_code(struct md *m, const MD_ATTRIBUTE *info)
{
	flush(m);
	blank_line(m);
	m->code = true;
	m->lang = language_find((struct str){info->text, info->size});
	m->hl = (struct highlight_state){0};
	buf_reset(&m->line);
}

static void end_code(struct md *m)
{
	if (m->line.len > 0)
		md_code_line(m);
	m->code = false;
	m->gap = true;
}

static void begin_table(struct md *m, const MD_BLOCK_TABLE_DETAIL *d)
{
	flush(m);
	blank_line(m);
	m->tab.n_columns =
		d->col_count < MDTABLE_MAX_COLUMNS ? (int)d->col_count : MDTABLE_MAX_COLUMNS;
	m->tab.n_head = d->head_row_count;
}

static void begin_cell(struct md *m, MD_ALIGN align, bool head)
{
	struct rich *cell = NULL;

	if (m->column < m->tab.n_columns) {
		m->tab.align[m->column] = align == MD_ALIGN_RIGHT    ? MDALIGN_RIGHT
					  : align == MD_ALIGN_CENTER ? MDALIGN_CENTER
								     : MDALIGN_LEFT;
		cell = mdtable_add_cell(&m->tab);
	}
	m->column++;
	m->to = cell ? cell : &m->dropped;
	m->style = STYLE_TEXT;
	if (head)
		m->style |= STYLE_BOLD;
}

static void end_cell(struct md *m)
{
	m->to = &m->para;
	m->style = STYLE_TEXT;
}

static void end_table(struct md *m)
{
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
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	struct md *m = ctx;

	switch (type) {
	case MD_BLOCK_DOC:
	case MD_BLOCK_HTML:
	case MD_BLOCK_THEAD:
	case MD_BLOCK_TBODY:
		break;
	case MD_BLOCK_QUOTE:
		flush(m);
		blank_line(m);
		push(m, QUOTE, "");
		break;
	case MD_BLOCK_UL:
		begin_list(m, false, ((MD_BLOCK_UL_DETAIL *)detail)->is_tight != 0, 0);
		break;
	case MD_BLOCK_OL:
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
		begin_heading(m, ((MD_BLOCK_H_DETAIL *)detail)->level);
		break;
	case MD_BLOCK_CODE:
		begin_code(m, &((MD_BLOCK_CODE_DETAIL *)detail)->info);
		break;
	case MD_BLOCK_P:
		blank_line(m);
		break;
	case MD_BLOCK_TABLE:
		begin_table(m, detail);
		break;
	case MD_BLOCK_TR:
		m->column = 0;
		break;
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		begin_cell(m, ((MD_BLOCK_TD_DETAIL *)detail)->align, type == MD_BLOCK_TH);
		break;
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
	case MD_BLOCK_TR:
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
		end_code(m);
		break;
	case MD_BLOCK_TABLE:
		end_table(m);
		break;
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		end_cell(m);
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
		.enter_span = md_enter_span,
		.leave_span = md_leave_span,
		.text = md_text,
	};
	struct md m = {.out = out, .width = width, .begun = out->n, .style = STYLE_TEXT};
	struct buf own = {0};

	m.to = &m.para;
	/* md4c looks at the byte behind its text: here a NUL stands there, behind `src`
	 * anything. */
	mdmask_add(&own, src);
	if (src.n > UINT32_MAX / 2 || buf_failed(&own) ||
	    md_parse(buf_z(&own), (MD_SIZE)own.len, &parser, &m) != 0)
		out->failed = true;
	flush(&m);
	buf_release(&own);
	rich_release(&m.para);
	rich_release(&m.dropped);
	buf_release(&m.line);
	buf_release(&m.clear);
	mdtable_release(&m.tab);
}
