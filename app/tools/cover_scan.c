/*
 * Looking through a root: folder by folder, those of one depth before the next, and last those
 * that programs fill, so that it is these which are sealed where there is too much.
 */
#include "app/tools/cover.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "app/tools/protect.h"
#include "app/tools/secrets.h"
#include "app/tools/walk.h"

struct scan {
	struct cover *c;
	const struct workspace *w;
	const struct workspace_root *root;
	struct names
		folders;     /* below the root, "" for itself; those from `at` on are to come */
	struct names filled; /* of those that programs fill, likewise, for later */
	size_t at, *left;
	struct buf path; /* of the name at hand, whole */
	size_t n_root;   /* of it is the root and a '/' */
};

static int depth_of(const char *rel)
{
	int n = *rel != 0;

	for (; *rel; rel++)
		n += *rel == '/';
	return n;
}

/* Most names have nothing of this; the few that do are judged as a file tool judges them. */
static bool may_be_hidden(const struct scan *k, struct str rel)
{
	return k->w->hide.n > 0 || secret_by_name(rel);
}

/* The folder at hand has what a repository's own has in it. */
static bool is_repository(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool is = fd >= 0 && protect_is_repository(fd);

	if (fd >= 0)
		close(fd);
	return is;
}

static int keep(struct scan *k, bool folder, struct err *err)
{
	const char *path = buf_z(&k->path);

	if (k->c->git && folder && is_repository(path))
		return cover_add_git(k->c, path, err);
	return cover_add(k->c, COVER_KEPT, path, err);
}

/* One name of a folder; *enter: it is a folder that is to be looked through. */
static int look_at(struct scan *k, const char *name, bool folder, bool *enter, struct err *err)
{
	struct str path = buf_str(&k->path);
	struct str rel = {path.p + k->n_root, path.n - k->n_root};

	*enter = folder;
	if (may_be_hidden(k, rel) && workspace_hides(k->w, path)) {
		int rc = cover_add(k->c, COVER_HIDDEN, path.p, err);

		if (rc)
			return rc;
	}
	if (!protect_from_commands(str_of(name)))
		return 0;
	/* What a version control keeps may have any names; in the others secrets may lie. */
	*enter = folder && !protect_by_name(str_of(name));
	return keep(k, folder, err);
}

static bool is_folder(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Their turn, or that of being sealed. */
static bool take_filled(struct scan *k)
{
	bool ok = true;

	for (size_t i = 0; i < k->filled.n; i++) {
		ok = names_add(&k->folders, k->filled.v[i]) == 0 && ok;
		k->filled.v[i] = NULL;
	}
	k->filled.n = 0;
	return ok;
}

static int read_folder(struct scan *k, DIR *dir, struct err *err)
{
	size_t n = k->path.len;
	struct dirent *e;
	int rc = 0;

	while (!rc && *k->left && (e = folder_next(dir))) {
		bool folder = is_folder(dirfd(dir), e), enter = false;

		--*k->left;
		buf_addz(&k->path, e->d_name);
		rc = buf_failed(&k->path) ? err_nomem(err, "paths", n)
					  : look_at(k, e->d_name, folder, &enter, err);
		if (!rc && enter &&
		    names_add(walk_skip_of(e->d_name) < 0 ? &k->folders : &k->filled,
			      strdup(buf_z(&k->path) + k->n_root)) != 0)
			rc = err_nomem(err, "paths", k->path.len);
		buf_truncate(&k->path, n);
	}
	return rc;
}

static int enter(struct scan *k, const char *rel, struct err *err)
{
	DIR *dir;
	int rc = 0;

	buf_truncate(&k->path, k->n_root);
	buf_addz(&k->path, rel);
	if (buf_failed(&k->path))
		return err_nomem(err, "paths", k->path.len);
	dir = folder_open(AT_FDCWD, buf_z(&k->path));
	if (!dir) /* not ours to read, or gone */
		return 0;
	if (protect_is_repository(dirfd(dir))) {
		if (!*rel)
			buf_truncate(&k->path, k->n_root - 1);
		rc = keep(k, true, err);
	} else {
		if (*rel)
			buf_addc(&k->path, '/');
		rc = read_folder(k, dir, err);
	}
	closedir(dir);
	return rc;
}

/* ---- what there is too much of ---- */

/* The first so many names of a path. */
static size_t part(const char *rel, int depth)
{
	size_t n = 0;

	for (; rel[n]; n++)
		if (rel[n] == '/' && --depth == 0)
			break;
	return n;
}

/* How many folders of that depth the rest lies in; one list is in order, so equals meet. */
static size_t count_parts(const struct names *l, int depth)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += i == 0 || part(l->v[i], depth) != part(l->v[i - 1], depth) ||
		     memcmp(l->v[i], l->v[i - 1], part(l->v[i], depth)) != 0;
	return n;
}

static int seal_parts(struct scan *k, const struct names *l, int depth, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < l->n; i++) {
		buf_truncate(&k->path, k->n_root);
		buf_add(&k->path, l->v[i], depth ? part(l->v[i], depth) : 0);
		if (!depth)
			buf_truncate(&k->path, k->n_root - 1);
		rc = buf_failed(&k->path) ? err_nomem(err, "paths", k->path.len)
					  : cover_add(k->c, COVER_SEALED, buf_z(&k->path), err);
		if (!depth)
			break;
	}
	return rc;
}

/* The folders that are left are sealed, or, where they are many, those that they lie in. */
static int seal_rest(struct scan *k, struct err *err)
{
	struct names rest = {0};
	int rc = 0, depth = k->c->depth + 1;

	for (size_t i = k->at; !rc && i < k->folders.n; i++)
		if (names_add(&rest, strdup(k->folders.v[i])) != 0)
			rc = err_nomem(err, "paths", strlen(k->folders.v[i]));
	names_sort(&rest);
	while (depth > 0 && count_parts(&rest, depth) > COVER_UNSEEN)
		depth--;
	/* The root itself was begun, and not finished. */
	if (rest.n && !*rest.v[0])
		depth = 0;
	if (!rc && rest.n)
		rc = seal_parts(k, &rest, depth, err);
	names_release(&rest);
	return rc;
}

/* The next folder; one too deep is sealed by itself. */
static int go_on(struct scan *k, struct err *err)
{
	const char *rel = k->folders.v[k->at];
	int rc;

	if (depth_of(rel) < k->c->depth) {
		rc = enter(k, rel, err);
	} else {
		buf_truncate(&k->path, k->n_root);
		buf_addz(&k->path, rel);
		rc = buf_failed(&k->path) ? err_nomem(err, "paths", k->path.len)
					  : cover_add(k->c, COVER_SEALED, buf_z(&k->path), err);
	}
	/* One that was not read to its end is one that is left. */
	k->at += *k->left != 0;
	return rc;
}

int cover_scan(struct cover *c, const struct workspace *w, const struct workspace_root *root,
	       size_t *left, struct err *err)
{
	struct scan k = {.c = c, .w = w, .root = root, .left = left};
	int rc = names_add(&k.folders, strdup("")) ? err_nomem(err, "paths", 1) : 0;

	buf_addf(&k.path, "%s/", root->path);
	k.n_root = k.path.len;
	while (!rc && *left) {
		if (k.at == k.folders.n && (!k.filled.n || !take_filled(&k)))
			break;
		rc = go_on(&k, err);
	}
	if (!rc && !take_filled(&k))
		rc = err_nomem(err, "paths", k.filled.n);
	if (!rc)
		rc = seal_rest(&k, err);
	names_release(&k.folders);
	names_release(&k.filled);
	buf_release(&k.path);
	return rc;
}
