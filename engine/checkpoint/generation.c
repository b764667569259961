/*
 * generation_config.json: the ids that end a text, beside the tokenizer's own.
 */
#include "engine/checkpoint/generation.h"

#include <errno.h>
#include <sys/stat.h>

#include "engine/base/buf.h"
#include "engine/base/file.h"
#include "engine/base/jsontree.h"

#define MAX_BYTES ((size_t)1 << 20)

static void add_stop(struct generation_config *g, const json_t *v)
{
	if (json_is_integer(v) && g->n_stop_ids < GENERATION_MAX_STOPS)
		g->stop_ids[g->n_stop_ids++] = json_integer_value(v);
}

static int parse(struct str text, const char *path, struct generation_config *g, struct err *err)
{
	struct json_tree tree = {0};
	struct err why;
	json_t *eos, *v;
	size_t i;
	int rc = json_tree_parse(&tree, text, JSON_REJECT_DUPLICATES, &why);

	if (rc)
		return err_set(err, rc == ERR_FAILED ? ERR_MODEL : rc, "%s: %s", path, why.text);
	eos = json_object_get(tree.root, "eos_token_id"); /* an id, or an array of them */
	add_stop(g, eos);
	json_array_foreach (eos, i, v)
		add_stop(g, v);
	json_tree_release(&tree);
	return 0;
}

int generation_config_read(const char *dir, struct generation_config *g, struct err *err)
{
	struct buf path = {0}, text = {0};
	struct err why;
	struct stat st;
	int rc = 0;

	*g = (struct generation_config){0};
	buf_addf(&path, "%s/generation_config.json", dir);
	if (buf_failed(&path)) {
		rc = err_nomem(err, "path", path.len);
		goto done;
	}
	if (lstat(buf_z(&path), &st) != 0 && errno == ENOENT)
		goto done;
	rc = file_read(&text, buf_z(&path), MAX_BYTES, &why);
	if (rc)
		rc = err_set(err, rc == ERR_IO ? ERR_MODEL : rc, "%s", why.text);
	else
		rc = parse(buf_str(&text), buf_z(&path), g, err);
done:
	buf_release(&text);
	buf_release(&path);
	return rc;
}
