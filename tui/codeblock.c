/* Taking the code out of what md4c reads, which makes blanks of the tabs that lines begin with.
 */
#include "tui/codeblock.h"

#include <stdint.h>
#include <stdlib.h>

#include <md4c.h>

#include "engine/base/err.h"

struct reader {
	struct codeblocks *out;
	struct codeblock *open; /* NULL: what comes is no code block's */
	struct str src;
	size_t indent; /* columns of the line that comes */
};

static struct codeblock *add(struct codeblocks *c)
{
	if (c->n == c->cap) {
		size_t cap = c->cap > 0 ? c->cap * 2 : 8;
		struct codeblock *v = realloc(c->v, cap * sizeof(*v));

		if (!v)
			return NULL;
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n] = (struct codeblock){0};
	return &c->v[c->n++];
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	const MD_BLOCK_CODE_DETAIL *d = detail;
	struct reader *r = ctx;

	if (type != MD_BLOCK_CODE)
		return 0;
	r->open = add(r->out);
	if (!r->open)
		return ERR_NOMEM;
	if (d->lang.size > 0)
		buf_add(&r->open->lang, d->lang.text, d->lang.size);
	return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	struct reader *r = ctx;

	(void)detail;
	if (type != MD_BLOCK_CODE || !r->open)
		return 0;
	if (r->open->text.len > 0 && r->open->text.data[r->open->text.len - 1] == '\n')
		buf_truncate(&r->open->text, r->open->text.len - 1);
	r->out->failed |= buf_failed(&r->open->text) || buf_failed(&r->open->lang);
	r->open = NULL;
	return 0;
}

static int ignore_span(MD_SPANTYPE type, void *detail, void *ctx)
{
	(void)type, (void)detail, (void)ctx;
	return 0;
}

static size_t next_column(char c, size_t column)
{
	return c == '\t' ? (column / 4 + 1) * 4 : column + 1;
}

/*
 * The blanks and tabs before `at`, which are the line's indentation in its block: md4c says how
 * many columns of them are its own, and what is left of them is its block's.
 */
static void add_indent(struct reader *r, const char *at)
{
	const char *line = at, *p, *blank;
	size_t column = 0, from, skip;

	while (line > r->src.p && line[-1] != '\n')
		line--;
	for (blank = at; blank > line && (blank[-1] == ' ' || blank[-1] == '\t');)
		blank--;
	for (p = line; p < blank; p++)
		column = next_column(*p, column);
	from = column;
	for (; p < at; p++)
		column = next_column(*p, column);
	skip = column - from > r->indent ? column - r->indent : from;
	/* A tab that only its beginning would be cut off stays whole. */
	for (p = blank, column = from; p < at && next_column(*p, column) <= skip; p++)
		column = next_column(*p, column);
	buf_add(&r->open->text, p, (size_t)(at - p));
	r->indent = 0;
}

static bool is_of_source(const struct reader *r, const char *p)
{
	return (uintptr_t)p >= (uintptr_t)r->src.p &&
	       (uintptr_t)p < (uintptr_t)r->src.p + r->src.n;
}

static int text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *ctx)
{
	struct reader *r = ctx;

	if (!r->open || type != MD_TEXT_CODE || n == 0)
		return 0;
	/* Indentation, or a line's end. */
	if (!is_of_source(r, p) && p[0] != '\n') {
		r->indent += n;
		return 0;
	}
	if (p[0] == '\n')
		r->indent = 0;
	else if (r->indent > 0)
		add_indent(r, p);
	buf_add(&r->open->text, p, n);
	return 0;
}

void codeblocks_read(struct codeblocks *c, struct str markdown)
{
	static const MD_PARSER parser = {
		.flags = MD_FLAG_TABLES | MD_FLAG_NOHTML,
		.enter_block = enter_block,
		.leave_block = leave_block,
		.enter_span = ignore_span,
		.leave_span = ignore_span,
		.text = text,
	};
	struct reader r = {.out = c, .src = markdown};

	if (markdown.n > UINT32_MAX / 2 ||
	    md_parse(markdown.p, (MD_SIZE)markdown.n, &parser, &r) != 0)
		c->failed = true;
}

void codeblocks_release(struct codeblocks *c)
{
	for (size_t i = 0; i < c->n; i++) {
		buf_release(&c->v[i].text);
		buf_release(&c->v[i].lang);
	}
	free(c->v);
	*c = (struct codeblocks){0};
}
