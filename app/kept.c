/* Removing what was computed of a conversation, and what its tools printed. */
#include "app/kept.h"

#include "app/paths.h"
#include "app/tools/tools.h"
#include "engine/store/kvdir.h"

void kept_remove(struct engine *e, const char *uid)
{
	struct buf root = {0};

	if (!uid || !kv_owner_valid(str_of(uid)))
		return;
	/* What it is about to write it removes itself. */
	if (e)
		e->ops->forget(e, str_of(uid));
	if (path_of(PATH_CACHE, &root, NULL) == 0)
		kvdir_remove_owner(buf_z(&root), uid);
	buf_release(&root);
}

int kept_outputs(struct buf *out, struct err *err)
{
	int rc = path_folder(PATH_CACHE, out, err);

	if (rc)
		return rc;
	buf_addz(out, "/tools");
	return buf_failed(out) ? err_nomem(err, "path", out->len) : 0;
}

int kept_remove_outputs(const char *uid, struct err *err)
{
	struct buf root = {0};
	int rc = 0;

	/* Without a home nothing could be kept. */
	if (uid && *uid && kept_outputs(&root, err) == 0)
		rc = tools_forget_outputs(buf_z(&root), uid, err);
	buf_release(&root);
	return rc;
}

int kept_share_output(const char *from, const char *to, struct str name, struct err *err)
{
	struct buf root = {0};
	int rc = 0;

	if (from && to && kept_outputs(&root, err) == 0)
		rc = tools_share_output(buf_z(&root), from, to, name, err);
	buf_release(&root);
	return rc;
}
