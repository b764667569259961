/* Numbers are taken out of the text before jansson sees it, and put back when it is written. */
#include "engine/base/jsonr.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_digits(struct str s, size_t i)
{
	while (i < s.n && is_digit(s.p[i]))
		i++;
	return i;
}

size_t json_number_length(struct str s)
{
	size_t i = s.n && s.p[0] == '-', at = i;

	i = skip_digits(s, i);
	if (i == at || (s.p[at] == '0' && i > at + 1))
		return 0;
	if (i < s.n && s.p[i] == '.') {
		at = i + 1;
		i = skip_digits(s, at);
		if (i == at)
			return 0;
	}
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		at = i + 1;
		if (at < s.n && (s.p[at] == '+' || s.p[at] == '-'))
			at++;
		i = skip_digits(s, at);
		if (i == at)
			return 0;
	}
	return i;
}

static bool in_number(char c)
{
	return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t string_length(struct str s)
{
	size_t i = 1;

	while (i < s.n && s.p[i] != '"')
		i += s.p[i] == '\\' && i + 1 < s.n ? 2 : 1;
	return i < s.n ? i + 1 : s.n;
}

static bool note_number(struct json_doc *doc, struct str number)
{
	if (doc->n_numbers == doc->cap_numbers) {
		size_t cap = doc->cap_numbers ? doc->cap_numbers * 2 : 32;
		size_t *ends = cap > SIZE_MAX / sizeof(*ends)
				       ? NULL
				       : realloc(doc->ends, cap * sizeof(*ends));

		if (!ends)
			return false;
		doc->ends = ends;
		doc->cap_numbers = cap;
	}
	buf_adds(&doc->digits, number);
	doc->ends[doc->n_numbers++] = doc->digits.len;
	return true;
}

/* Copies JSON text with each number as its index.  What is not JSON jansson will find. */
static bool number_all(struct json_doc *doc, struct str text, struct buf *out)
{
	size_t n;

	for (size_t i = 0; i < text.n; i += n) {
		struct str rest = {text.p + i, text.n - i};

		n = rest.p[0] == '"' ? string_length(rest) : 1;
		if (!is_digit(rest.p[0]) && rest.p[0] != '-') {
			buf_add(out, rest.p, n);
			continue;
		}
		while (n < rest.n && in_number(rest.p[n]))
			n++;
		rest.n = n;
		if (json_number_length(rest) != n) { /* "1.2.3" stays what it is: no number */
			buf_adds(out, rest);
			continue;
		}
		buf_addf(out, "%zu", doc->n_numbers);
		if (!note_number(doc, rest))
			return false;
	}
	return !buf_failed(out) && !buf_failed(&doc->digits);
}

static int parse(struct json_doc *doc, struct str text, size_t flags, struct err *err)
{
	struct buf numbered = {0};
	int rc;

	*doc = (struct json_doc){0};
	if (number_all(doc, text, &numbered))
		rc = json_tree_parse(&doc->tree, buf_str(&numbered),
				     JSON_DECODE_ANY | JSON_ALLOW_NUL | flags, err);
	else
		rc = err_nomem(err, "JSON text", text.n);
	doc->root = doc->tree.root;
	buf_release(&numbered);
	return rc;
}

int json_doc_parse(struct json_doc *doc, struct str text, struct err *err)
{
	return parse(doc, text, 0, err);
}

int json_doc_parse_unique(struct json_doc *doc, struct str text, struct err *err)
{
	return parse(doc, text, JSON_REJECT_DUPLICATES, err);
}

void json_doc_release(struct json_doc *doc)
{
	json_tree_release(&doc->tree);
	buf_release(&doc->digits);
	free(doc->ends);
	*doc = (struct json_doc){0};
}

struct str json_doc_number(const struct json_doc *doc, const json_t *v)
{
	json_int_t i = json_integer_value(v);
	size_t from;

	if (!json_is_integer(v) || i < 0 || (size_t)i >= doc->n_numbers)
		return (struct str){"", 0};
	from = i ? doc->ends[i - 1] : 0;
	return (struct str){doc->digits.data + from, doc->ends[i] - from};
}

static void write_source(struct jsonw *w, struct str number)
{
	jsonw_raw(w, number);
}

/* Integers of any size stay exact there; what has a point or an exponent is a double. */
static void write_python(struct jsonw *w, struct str number)
{
	bool real = false;
	size_t at = w->out->len;
	double v;

	for (size_t i = 0; i < number.n && !real; i++)
		real = number.p[i] == '.' || (number.p[i] | 0x20) == 'e';
	if (!real) {
		jsonw_raw(w, str_is(number, "-0") ? STR_LIT("0") : number);
		return;
	}
	buf_adds(w->out, number); /* for its end: strtod() wants one */
	if (buf_failed(w->out))
		return;
	v = strtod(w->out->data + at, NULL);
	buf_truncate(w->out, at);
	jsonw_double(w, v);
}

static void write_value(const struct json_doc *doc, const json_t *v, struct jsonw *w,
			void (*write_number)(struct jsonw *w, struct str number))
{
	const char *key;
	json_t *item;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		jsonw_begin_object(w);
		json_object_foreach ((json_t *)(uintptr_t)v, key, item) {
			jsonw_key(w, key);
			write_value(doc, item, w, write_number);
		}
		jsonw_end_object(w);
		return;
	case JSON_ARRAY:
		jsonw_begin_array(w);
		json_array_foreach (v, i, item)
			write_value(doc, item, w, write_number);
		jsonw_end_array(w);
		return;
	case JSON_STRING:
		jsonw_string(w, json_str(v));
		return;
	case JSON_INTEGER:
	case JSON_REAL:
		write_number(w, json_doc_number(doc, v));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		jsonw_bool(w, json_is_true(v));
		return;
	case JSON_NULL:
		jsonw_null(w);
	}
}

void json_doc_write(const struct json_doc *doc, const json_t *v, struct jsonw *w)
{
	write_value(doc, v, w, write_source);
}

void json_doc_write_python(const struct json_doc *doc, const json_t *v, struct jsonw *w)
{
	write_value(doc, v, w, write_python);
}
