/*
 * parse: completions of the model to messages, by the official grammar.
 *
 * All of stdin is one completion, or with --jsonl one {"completion"} a line.
 * Out comes the message as JSON, or {"error"}; one that stands alone and is
 * rejected makes the program fail, too.
 */
#include <getopt.h>
#include <string.h>

#include "app/linereader.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/jsonr.h"
#include "engine/base/utf8.h"
#include "engine/engine.h"
#include "engine/text/dsml.h"
#include "engine/text/prompt.h"

/* Writes the message or the error; *rejected tells which. */
static int run_completion(struct str text, enum dsml_mode mode, struct buf *out, bool *rejected,
			  struct err *err)
{
	struct dsml_message m = {0};
	struct err why = {0};
	struct jsonw w;
	int rc = dsml_message_parse(text, mode, &m, &why);

	buf_reset(out);
	jsonw_init(&w, out);
	*rejected = rc == ERR_FAILED;
	if (*rejected) {
		jsonw_begin_object(&w);
		jsonw_kv_string(&w, "error", str_of(why.text));
		jsonw_end_object(&w);
		rc = 0;
	} else if (!rc) {
		dsml_message_write(&m, &w);
	}
	buf_addc(out, '\n');
	dsml_message_release(&m);
	if (rc) {
		*err = why;
		return rc;
	}
	return verb_write_json(out, err);
}

static int run_row(struct str line, int mode, struct buf *out, struct err *err)
{
	struct json_doc doc = {0};
	const json_t *completion;
	const char *said;
	bool rejected;
	int rc = json_doc_parse(&doc, line, err);

	if (rc) {
		err->code = rc = rc == ERR_FAILED ? ERR_USAGE : rc;
		goto done;
	}
	completion = json_object_get(doc.root, "completion");
	said = json_string_value(json_object_get(doc.root, "thinking_mode"));
	if (mode < 0 && said && strcmp(said, "thinking") == 0)
		mode = DSML_THINKING;
	else if (mode < 0 && said && strcmp(said, "chat") == 0)
		mode = DSML_CHAT;
	if (mode < 0)
		rc = err_set(err, ERR_USAGE, "give --thinking or --chat, or \"thinking_mode\"");
	else if (!json_is_string(completion))
		rc = err_set(err, ERR_USAGE, "completion: %s, expected a string",
			     json_kind(completion));
	else
		rc = run_completion(json_str(completion), (enum dsml_mode)mode, out, &rejected,
				    err);
done:
	json_doc_release(&doc);
	return rc;
}

static int run_rows(int mode, size_t *n_replaced, struct err *err)
{
	struct linereader in = linereader_stdin();
	struct buf out = {0};
	struct str line;
	int rc;

	in.json = true;
	while ((rc = linereader_next(&in, &line, err)) > 0) {
		rc = run_row(line, mode, &out, err);
		if (rc) {
			err_prefix(err, "line %zu", in.n);
			break;
		}
	}
	buf_release(&out);
	*n_replaced = in.n_replaced;
	linereader_release(&in);
	return rc;
}

static int run_one(int mode, bool *rejected, size_t *n_replaced, struct err *err)
{
	struct str end = STR_LIT(TOKEN_EOS "\n");
	struct buf raw = {0}, in = {0}, out = {0};
	int rc = verb_rest(&raw, err);

	*n_replaced = utf8_add_clean(&in, buf_str(&raw));
	buf_release(&raw);
	if (!rc && buf_failed(&in))
		rc = err_nomem(err, "a completion", in.len);

	/* The newline that shells and editors put at the end. */
	if (in.len >= end.n && memcmp(in.data + in.len - end.n, end.p, end.n) == 0)
		buf_truncate(&in, in.len - 1);
	if (!rc)
		rc = run_completion(buf_str(&in), (enum dsml_mode)mode, &out, rejected, err);
	buf_release(&in);
	buf_release(&out);
	return rc;
}

int verb_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"thinking", no_argument, NULL, 't'},
		{"chat", no_argument, NULL, 'c'},
		{"jsonl", no_argument, NULL, 'j'},
		{0},
	};
	bool jsonl = false, rejected = false;
	size_t n_replaced = 0;
	struct err err = {0};
	int c, rc, mode = -1;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return verb_refuse(argv);
		jsonl = jsonl || c == 'j';
		if (c == 't' || c == 'c')
			mode = c == 't' ? DSML_THINKING : DSML_CHAT;
	}
	if (optind < argc || (mode < 0 && !jsonl))
		return verb_usage(argv[0]);
	rc = jsonl ? run_rows(mode, &n_replaced, &err)
		   : run_one(mode, &rejected, &n_replaced, &err);
	verb_say_replaced(argv[0], n_replaced);
	if (!rc && rejected)
		return 1;
	return verb_status(argv[0], rc, &err);
}
