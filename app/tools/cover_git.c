/* A repository's own folder that git may write: what it runs, or is told by, stays as it is. */
#include "app/tools/cover.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "app/tools/protect.h"

#define MODULES_DEPTH 8 /* folders between "modules" and a repository's own */

static int keep_part(struct cover *c, const char *folder, const char *name, struct err *err)
{
	struct buf path = {0};
	int rc;

	buf_addf(&path, "%s/%s", folder, name);
	rc = buf_failed(&path) ? err_nomem(err, "paths", path.len)
			       : cover_add(c, COVER_KEPT, buf_z(&path), err);
	buf_release(&path);
	return rc;
}

static int add_modules(struct cover *c, const char *folder, int depth, struct err *err);

/* A folder below "modules": a repository's own, or one of those that lead to it. */
static int add_module(struct cover *c, const char *path, int depth, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool repository = fd >= 0 && protect_is_repository(fd);

	if (fd < 0)
		return 0;
	close(fd);
	if (repository)
		return cover_add_git(c, path, err);
	/* What lies deeper is kept whole. */
	return depth ? add_modules(c, path, depth - 1, err)
		     : cover_add(c, COVER_KEPT, path, err);
}

static int add_modules(struct cover *c, const char *folder, int depth, struct err *err)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	int rc = 0;

	while (!rc && (e = folder_next(dir))) {
		struct buf path = {0};

		buf_addf(&path, "%s/%s", folder, e->d_name);
		rc = buf_failed(&path) ? err_nomem(err, "paths", path.len)
				       : add_module(c, buf_z(&path), depth, err);
		buf_release(&path);
	}
	if (dir)
		closedir(dir);
	return rc;
}

/* Other trees of the same repository: where each is, and what it is told by. */
static int add_worktrees(struct cover *c, const char *folder, struct err *err)
{
	static const char *const parts[] = {"config.worktree", "gitdir", "commondir"};
	DIR *dir = opendir(folder);
	struct dirent *e;
	int rc = 0;

	while (!rc && (e = folder_next(dir))) {
		for (size_t i = 0; !rc && i < sizeof(parts) / sizeof(*parts); i++) {
			char name[NAME_MAX + 32];

			snprintf(name, sizeof(name), "%s/%s", e->d_name, parts[i]);
			rc = keep_part(c, folder, name, err);
		}
	}
	if (dir)
		closedir(dir);
	return rc;
}

int cover_add_git(struct cover *c, const char *folder, struct err *err)
{
	static const char *const parts[] = {"config",          "hooks",     "config.worktree",
					    "info/attributes", "commondir", "gitdir"};
	struct buf path = {0};
	int rc = 0;

	/* A folder that is not there could be made, with hooks in it. */
	buf_addf(&path, "%s/hooks", folder);
	if (!buf_failed(&path))
		mkdir(buf_z(&path), 0777);
	for (size_t i = 0; !rc && i < sizeof(parts) / sizeof(*parts); i++)
		rc = keep_part(c, folder, parts[i], err);
	buf_reset(&path);
	buf_addf(&path, "%s/modules", folder);
	if (!rc && buf_failed(&path))
		rc = err_nomem(err, "paths", path.len);
	if (!rc)
		rc = add_modules(c, buf_z(&path), MODULES_DEPTH, err);
	buf_reset(&path);
	buf_addf(&path, "%s/worktrees", folder);
	if (!rc && buf_failed(&path))
		rc = err_nomem(err, "paths", path.len);
	if (!rc)
		rc = add_worktrees(c, buf_z(&path), err);
	buf_release(&path);
	return rc;
}
