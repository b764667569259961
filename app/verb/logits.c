/*
 * logits: what the model makes of given ids, for comparing implementations.
 * Ids come as a JSON array on stdin; the answer is a safetensors file.
 */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

#include "app/options.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/jsontree.h"
#include "engine/engine.h"
#include "engine/measure/logits.h"

struct logits_verb {
	struct engine_config config;
	struct logits_request request;
	const char *model, *prefill;
};

static int read_options(struct logits_verb *v, int argc, char **argv, struct err *err)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'},
		{"chunk", required_argument, NULL, 'c'},
		{"mtp", no_argument, NULL, 't'},
		{"prefill", required_argument, NULL, 'p'},
		VERB_ENGINE_FLAGS,
		{0},
	};
	struct options how;
	long n = 0;
	int c, at, rc = 0;

	options_default(&how);
	optind = 0;
	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, "m:o:", options, &at)) != -1) {
		switch (c) {
		case 'm':
			v->model = optarg;
			break;
		case 'c':
			/* how many are too many, the backend says when it is opened */
			rc = verb_number("--chunk", optarg, INT_MAX, &n, err);
			v->config.prefill_chunk = (int)n;
			break;
		case 't':
			v->request.mtp = true;
			break;
		case 'p':
			v->prefill = optarg;
			rc = verb_number("--prefill", optarg, 1048576, &n, err);
			v->request.n_prefill = n;
			break;
		case VERB_ENGINE:
			rc = option_set(&how, option_find(options[at].name), optarg, err);
			break;
		case 'o':
			v->request.out = optarg;
			break;
		default:
			rc = err_set(err, ERR_USAGE,
				     "option %s: not known, or without its value",
				     argv[optind - 1]);
		}
	}
	n = v->config.prefill_chunk;
	options_engine(&how, &v->config);
	v->config.prefill_chunk = (int)n;
	if (!rc && (optind < argc || !v->prefill || !v->request.out))
		rc = err_set(err, ERR_USAGE,
			     "--prefill N and -o FILE, and nothing more, expected");
	return rc;
}

static int read_ids(token_id **ids, int64_t *n, struct err *err)
{
	struct buf text = {0};
	struct json_tree tree = {0};
	struct err why = {0};
	json_t *value;
	size_t i;
	int rc = verb_rest(&text, err);

	if (rc)
		goto done;
	rc = json_tree_parse(&tree, buf_str(&text), 0, &why);
	if (rc == ERR_NOMEM) {
		rc = err_set(err, rc, "stdin: %s", why.text);
		goto done;
	}
	if (!json_is_array(tree.root) || json_array_size(tree.root) == 0) {
		rc = err_set(err, ERR_USAGE, "stdin: a JSON array of token ids expected%s%s",
			     rc ? ": " : "", rc ? why.text : "");
		goto done;
	}
	*n = (int64_t)json_array_size(tree.root);
	*ids = malloc((size_t)*n * sizeof(**ids));
	if (!*ids) {
		rc = err_nomem(err, "token ids", (size_t)*n * sizeof(**ids));
		goto done;
	}
	json_array_foreach (tree.root, i, value) {
		json_int_t id = json_integer_value(value);

		if (!json_is_integer(value) || id < 0 || id > INT32_MAX) {
			rc = err_set(err, ERR_USAGE, "stdin: element %zu: a token id expected",
				     i);
			goto done;
		}
		(*ids)[i] = (token_id)id;
	}
done:
	json_tree_release(&tree);
	buf_release(&text);
	return rc;
}

int verb_logits(int argc, char **argv)
{
	struct logits_verb v = {0};
	struct buf dir = {0};
	struct err err = {0};
	token_id *ids = NULL;
	int rc = read_options(&v, argc, argv, &err);

	if (rc) {
		verb_status("logits", rc, &err);
		return verb_usage("logits");
	}
	rc = verb_model_dir(v.model, &dir, &err);
	v.config.model_dir = buf_z(&dir);
	if (!rc)
		rc = read_ids(&ids, &v.request.n_ids, &err);
	v.request.ids = ids;
	if (!rc)
		rc = logits_run(&v.config, &v.request, &err);
	free(ids);
	buf_release(&dir);
	return verb_status("logits", rc, &err);
}
