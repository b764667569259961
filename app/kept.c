/* Removing what was computed of a conversation. */
#include "app/kept.h"

#include "app/paths.h"
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
