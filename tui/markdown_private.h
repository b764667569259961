/*
 * A Markdown piece on its way to lines, shared by markdown.c (blocks) and mdinline.c (text
 * inside them).  md4c calls both; its callbacks have the struct md as their context and never
 * stop it.
 */
#ifndef TUI_MARKDOWN_PRIVATE_H
#define TUI_MARKDOWN_PRIVATE_H

#include <md4c.h>

#include "tui/highlight.h"
#include "tui/markdown.h"
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
	size_t link_from;    /* where the link's text began, in `to` */
	struct buf clear;    /* scratch: text without masks, see mdmask.h */
};

/* A line of a code block is complete: lays out m->line and empties it. */
void md_code_line(struct md *m);

int md_enter_span(MD_SPANTYPE type, void *detail, void *md);
int md_leave_span(MD_SPANTYPE type, void *detail, void *md);
int md_text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *md);

#endif
