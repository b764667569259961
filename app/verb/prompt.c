/*
 * prompt: conversations to prompts.  One JSON document a line in (or one
 * document over many lines), {"prompt", "ids"} a line out.
 */
#include <getopt.h>

#include "app/linereader.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/jsonr.h"
#include "engine/engine.h"
#include "engine/text/prompt.h"
#include "engine/text/prompt_json.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokens.h"

struct prompt_verb {
	struct tokenizer *tok;
	enum prompt_flavour flavour;
	struct tokens ids;
	struct buf text, out;
	size_t n_replaced;
};

static int run_document(struct prompt_verb *v, struct str json, struct err *err)
{
	struct chat_doc *doc = NULL;
	struct jsonw w;
	int rc = chat_doc_parse(&doc, json, err);

	buf_reset(&v->text);
	buf_reset(&v->out);
	tokens_reset(&v->ids);
	if (!rc)
		rc = prompt_text(chat_doc_chat(doc), v->flavour, &v->text, err);
	if (!rc)
		rc = prompt_encode(chat_doc_chat(doc), v->flavour, v->tok, &v->ids, NULL, err);
	v->n_replaced += doc ? chat_doc_replaced(doc) : 0;
	chat_doc_free(doc);
	if (rc)
		return rc;
	jsonw_init(&w, &v->out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "prompt", buf_str(&v->text));
	jsonw_key(&w, "ids");
	jsonw_begin_array(&w);
	for (size_t i = 0; i < v->ids.n; i++)
		jsonw_int(&w, v->ids.ids[i]);
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	buf_addc(&v->out, '\n');
	return verb_write_json(&v->out, err);
}

static bool is_document(struct str text)
{
	struct json_doc doc = {0};
	int rc = json_doc_parse(&doc, text, NULL);

	json_doc_release(&doc);
	return rc == 0;
}

/* A first line that is no document of its own begins one that all of stdin makes up. */
static int run(struct prompt_verb *v, struct err *err)
{
	struct linereader in = linereader_stdin();
	struct buf all = {0};
	struct str line;
	bool first = true;
	int rc;

	in.json = true;
	while ((rc = linereader_next(&in, &line, err)) > 0) {
		if (first && !is_document(line)) {
			buf_adds(&all, line);
			buf_addc(&all, '\n');
			rc = linereader_rest(&in, &all, err);
			if (!rc)
				rc = run_document(v, buf_str(&all), err);
			break;
		}
		first = false;
		rc = run_document(v, line, err);
		if (rc) {
			err_prefix(err, "line %zu", in.n);
			break;
		}
	}
	buf_release(&all);
	v->n_replaced += in.n_replaced;
	linereader_release(&in);
	return rc;
}

int verb_prompt(int argc, char **argv)
{
	static const struct option options[] = {{"model", required_argument, NULL, 'm'}, {0}};
	struct prompt_verb v = {0};
	const char *given = NULL;
	struct buf dir = {0};
	struct err err = {0};
	int c, rc;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		if (c == '?')
			return verb_refuse(argv);
		given = optarg;
	}
	if (optind < argc)
		return verb_usage(argv[0]);
	rc = verb_model_dir(given, &dir, &err);
	if (!rc)
		rc = tokenizer_open(&v.tok, buf_z(&dir), &err);
	if (!rc)
		rc = prompt_flavour_read(buf_z(&dir), &v.flavour, &err);
	if (!rc)
		rc = run(&v, &err);
	verb_say_replaced(argv[0], v.n_replaced);
	tokens_release(&v.ids);
	buf_release(&v.text);
	buf_release(&v.out);
	buf_release(&dir);
	tokenizer_close(v.tok);
	return verb_status(argv[0], rc, &err);
}
