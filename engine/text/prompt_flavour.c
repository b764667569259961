/* Telling the flavour of a checkpoint by the keys of its config.json. */
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/jsonr.h"
#include "engine/text/prompt.h"

#define MAX_CONFIG_BYTES (16u << 20)

int prompt_flavour_read(const char *model_dir, enum prompt_flavour *out, struct err *err)
{
	static const char prefix[] = "dspark_";
	struct buf path = {0}, text = {0};
	struct json_doc doc = {0};
	struct err why = {0};
	const char *key;
	json_t *v;
	int rc = 0;

	*out = PROMPT_APRIL;
	buf_addf(&path, "%s/config.json", model_dir);
	if (buf_failed(&path)) {
		rc = err_nomem(err, "a path", strlen(model_dir));
		goto done;
	}
	if (access(buf_z(&path), F_OK) != 0)
		goto done;
	rc = file_read(&text, buf_z(&path), MAX_CONFIG_BYTES, err);
	if (rc)
		goto done;
	rc = json_doc_parse(&doc, buf_str(&text), &why);
	if (rc) {
		rc = err_set(err, rc == ERR_NOMEM ? rc : ERR_MODEL, "%s: %s", buf_z(&path),
			     why.text);
		goto done;
	}
	json_object_foreach (doc.root, key, v) {
		if (strncmp(key, prefix, sizeof(prefix) - 1) == 0)
			*out = PROMPT_DSPARK;
	}
done:
	json_doc_release(&doc);
	buf_release(&path);
	buf_release(&text);
	return rc;
}
