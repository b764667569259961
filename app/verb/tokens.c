/*
 * tokens: text to ids and back.
 *
 * Plain: all of stdin is one text, its ids come on one line; with --decode the
 * other way.  --json: one {"text"} a line in, one {"ids"} a line out, or the
 * other way.  --special: text that spells a control token becomes it.  Decoding
 * spells control tokens out.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "app/linereader.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/jsonr.h"
#include "engine/base/utf8.h"
#include "engine/engine.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokens.h"

struct tokens_verb {
	struct tokenizer *tok;
	bool special, decode, json;
	size_t n_replaced;
	struct tokens ids;
	struct buf text; /* what --decode made */
	struct buf out;
};

static int encode(struct tokens_verb *v, struct str text, struct err *err)
{
	tokens_reset(&v->ids);
	return v->special ? tokenizer_encode_special(v->tok, text, &v->ids, &v->n_replaced, err)
			  : tokenizer_encode(v->tok, text, &v->ids, &v->n_replaced, err);
}

static int decode(struct tokens_verb *v, struct err *err)
{
	struct buf bytes = {0};

	buf_reset(&v->text);
	for (size_t i = 0; i < v->ids.n; i++)
		buf_adds(&bytes, tokenizer_bytes(v->tok, v->ids.ids[i]));
	v->n_replaced += utf8_add_clean(&v->text, buf_str(&bytes));
	if (buf_failed(&bytes))
		v->text.failed = true;
	buf_release(&bytes);
	return buf_failed(&v->text) ? err_nomem(err, "the text", v->text.len) : 0;
}

static int add_id(struct tokens_verb *v, const char *digits, char **end, struct err *err)
{
	int64_t n_ids = tokenizer_n_ids(v->tok);
	long long id;

	errno = 0;
	id = strtoll(digits, end, 10);
	if (*end == digits)
		return err_set(err, ERR_USAGE, "'%c', expected an id", *digits);
	if (errno || id < 0 || id >= n_ids)
		return err_set(err, ERR_USAGE, "id %lld, expected 0 to %lld", id,
			       (long long)n_ids - 1);
	tokens_add(&v->ids, (token_id)id);
	return tokens_failed(&v->ids) ? err_nomem(err, "ids", v->ids.n) : 0;
}

/* Ids between blanks, commas or brackets: our own output and JSON arrays alike. */
static int read_ids(struct tokens_verb *v, const char *p, struct err *err)
{
	int rc = 0;

	tokens_reset(&v->ids);
	while (!rc && *(p += strspn(p, " \t\r\n,[]"))) {
		char *end;

		rc = add_id(v, p, &end, err);
		p = end;
	}
	return rc;
}

static void write_ids(struct tokens_verb *v)
{
	struct jsonw w;

	jsonw_init(&w, &v->out);
	if (v->json) {
		jsonw_begin_object(&w);
		jsonw_key(&w, "ids");
		jsonw_begin_array(&w);
	}
	for (size_t i = 0; i < v->ids.n; i++) {
		if (v->json)
			jsonw_int(&w, v->ids.ids[i]);
		else
			buf_addf(&v->out, i ? " %d" : "%d", v->ids.ids[i]);
	}
	if (v->json) {
		jsonw_end_array(&w);
		jsonw_end_object(&w);
	}
	buf_addc(&v->out, '\n');
}

static int encode_row(struct tokens_verb *v, const struct json_doc *doc, struct err *err)
{
	const json_t *text = json_object_get(doc->root, "text");
	int rc;

	if (!json_is_string(text))
		return err_set(err, ERR_USAGE, "text: %s, expected a string", json_kind(text));
	rc = encode(v, json_str(text), err);
	if (!rc)
		write_ids(v);
	return rc;
}

/* A JSON number that is an id: whole, and in the vocabulary. */
static int add_json_id(struct tokens_verb *v, struct str digits, struct err *err)
{
	struct buf text = {0};
	char *end = NULL;
	int rc;

	buf_adds(&text, digits);
	rc = add_id(v, buf_z(&text), &end, err);
	if (!rc && *end)
		rc = err_set(err, ERR_USAGE, "%s, expected a whole number", buf_z(&text));
	buf_release(&text);
	return rc;
}

static int decode_row(struct tokens_verb *v, const struct json_doc *doc, struct err *err)
{
	const json_t *ids = json_object_get(doc->root, "ids"), *id;
	struct jsonw w;
	size_t i;
	int rc;

	if (!json_is_array(ids))
		return err_set(err, ERR_USAGE, "ids: %s, expected an array of ids",
			       json_kind(ids));
	tokens_reset(&v->ids);
	json_array_foreach (ids, i, id) {
		if (!json_is_integer(id))
			return err_set(err, ERR_USAGE, "ids[%zu]: %s, expected a number", i,
				       json_kind(id));
		rc = add_json_id(v, json_doc_number(doc, id), err);
		if (rc)
			return err_prefix(err, "ids[%zu]", i);
	}
	rc = decode(v, err);
	jsonw_init(&w, &v->out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "text", buf_str(&v->text));
	jsonw_end_object(&w);
	buf_addc(&v->out, '\n');
	return rc;
}

static int run_row(struct tokens_verb *v, struct str line, struct err *err)
{
	struct json_doc doc = {0};
	int rc = json_doc_parse(&doc, line, err);

	if (!rc)
		rc = v->decode ? decode_row(v, &doc, err) : encode_row(v, &doc, err);
	json_doc_release(&doc);
	return rc;
}

static int run_rows(struct tokens_verb *v, struct err *err)
{
	struct linereader in = linereader_stdin();
	struct str line;
	int rc;

	in.json = true;
	while ((rc = linereader_next(&in, &line, err)) > 0) {
		buf_reset(&v->out);
		rc = run_row(v, line, err);
		if (rc) {
			rc = rc == ERR_FAILED ? ERR_USAGE : rc;
			err->code = rc;
			err_prefix(err, "line %zu", in.n);
			break;
		}
		rc = verb_write_json(&v->out, err);
		if (rc)
			break;
	}
	v->n_replaced += in.n_replaced;
	linereader_release(&in);
	return rc;
}

static int run_plain(struct tokens_verb *v, struct err *err)
{
	struct buf in = {0};
	int rc = verb_rest(&in, err);

	if (!rc)
		rc = v->decode ? read_ids(v, buf_z(&in), err) : encode(v, buf_str(&in), err);
	if (!rc && v->decode)
		rc = decode(v, err);
	if (!rc && v->decode)
		buf_adds(&v->out, buf_str(&v->text));
	else if (!rc)
		write_ids(v);
	if (!rc)
		rc = verb_write(&v->out, err);
	buf_release(&in);
	return rc;
}

int verb_tokens(int argc, char **argv)
{
	static const struct option options[] = {
		{"special", no_argument, NULL, 's'},
		{"decode", no_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'},
		{"model", required_argument, NULL, 'm'},
		{0},
	};
	struct tokens_verb v = {0};
	const char *given = NULL;
	struct buf dir = {0};
	struct err err = {0};
	int c, rc = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		v.special = v.special || c == 's';
		v.decode = v.decode || c == 'd';
		v.json = v.json || c == 'j';
		given = c == 'm' ? optarg : given;
		if (c == '?')
			return verb_refuse(argv);
	}
	if (optind < argc)
		return verb_usage(argv[0]);
	rc = verb_model_dir(given, &dir, &err);
	if (!rc)
		rc = tokenizer_open(&v.tok, buf_z(&dir), &err);
	if (!rc)
		rc = v.json ? run_rows(&v, &err) : run_plain(&v, &err);
	verb_say_replaced(argv[0], v.n_replaced);
	tokens_release(&v.ids);
	buf_release(&v.text);
	buf_release(&v.out);
	buf_release(&dir);
	tokenizer_close(v.tok);
	return verb_status(argv[0], rc, &err);
}
