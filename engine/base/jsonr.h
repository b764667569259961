/*
 * Reading JSON with jansson, numbers kept as they were written.
 *
 * jansson turns numbers into machine integers and doubles; text that is only
 * passed on (tool schemas, arguments) must keep 1.50, 1e5 and integers beyond
 * 64 bits.  So each number goes into the document as its place in a table of
 * source texts: in a json_doc every number is a JSON integer that only
 * json_doc_number() and json_doc_write() can interpret.
 *
 * Input is hostile: any bytes, any depth (jansson stops at 2048), any size.
 */
#ifndef ENGINE_BASE_JSONR_H
#define ENGINE_BASE_JSONR_H

#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/jsontree.h"
#include "engine/base/jsonw.h"

struct json_doc {
	json_t *root; /* the tree's */
	struct json_tree tree;
	struct buf digits; /* the source texts of all numbers, end to end */
	size_t *ends;      /* where each one ends; n_numbers of them */
	size_t n_numbers, cap_numbers;
};

/*
 * Any JSON value.  ERR_FAILED as json_tree_parse() has it; ERR_NOMEM; `err` may be NULL.  `doc`
 * is to be released either way.
 */
int json_doc_parse(struct json_doc *doc, struct str text, struct err *err);
/* The same, and an object that has a key twice is wrong: no two readers can differ on it. */
int json_doc_parse_unique(struct json_doc *doc, struct str text, struct err *err);
void json_doc_release(struct json_doc *doc);

/* The bytes of the JSON number that the text begins with; 0: it begins with none. */
size_t json_number_length(struct str s);

/* The source text of a number, borrowed; "" for what is none. */
struct str json_doc_number(const struct json_doc *doc, const json_t *v);

/* Writes v, numbers in their source text. */
void json_doc_write(const struct json_doc *doc, const json_t *v, struct jsonw *w);

/* The same, numbers as Python prints what it read: 1.50 as 1.5, 1E5 as 100000.0, -0 as 0. */
void json_doc_write_python(const struct json_doc *doc, const json_t *v, struct jsonw *w);

#endif
