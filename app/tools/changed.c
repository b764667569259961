/* The call is made once more, on bytes. */
#include "app/tools/changed.h"

#include <string.h>

#include "app/tools/diff.h"
#include "app/tools/replace.h"
#include "app/tools/swap.h"
#include "engine/base/err.h"
#include "engine/base/jsontree.h"

/* Of a parameter that is missing: what it is then. */
static struct str argument(const struct json_tree *tree, const char *name)
{
	const json_t *v = json_object_get(tree->root, name);

	return json_is_string(v) ? json_str(v) : (struct str){"", 0};
}

static int make(const struct changed *c, const struct json_tree *tree, struct buf *after)
{
	struct str content = argument(tree, "content");
	struct buf why = {0};
	int rc = ERR_USAGE;

	if (str_is(c->tool, "edit_file") && c->existed) {
		rc = replace_once(c->tool, c->before, argument(tree, "old"),
				  argument(tree, "new"), after, &why);
	} else if (str_is(c->tool, "write_file") && c->existed) {
		rc = replace_whole(c->tool, c->before, content, after, &why);
	} else if (str_is(c->tool, "write_file")) {
		buf_adds(after, content);
		rc = 0;
	}
	buf_release(&why);
	return !rc && buf_failed(after) ? ERR_NOMEM : rc;
}

static bool comes_to(struct str after, struct str hash)
{
	unsigned char is[sizeof(XXH128_canonical_t)];

	swap_put_hash(is, XXH3_128bits(after.p, after.n));
	return hash.n == sizeof(is) && memcmp(hash.p, is, sizeof(is)) == 0;
}

int changed_add_diff(struct buf *out, const struct changed *c)
{
	struct json_tree tree = {0};
	struct buf after = {0};
	int rc = json_tree_parse(&tree, c->arguments, 0, NULL);

	if (!rc)
		rc = make(c, &tree, &after);
	if (!rc && comes_to((struct str){buf_z(&after), after.len}, c->hash_after))
		rc = diff_add_shown(out, c->before, buf_str(&after));
	json_tree_release(&tree);
	buf_release(&after);
	return rc == ERR_NOMEM ? rc : 0;
}
