/* Depth first; a folder's names are read and sorted before any is entered. */
#include "app/tools/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "app/tools/glob.h"

static const char *const skips[WALK_SKIPS] = {
	".git", "node_modules", "target", "build", ".venv", "__pycache__",
};

int walk_skip_of(const char *name)
{
	for (int i = 0; i < WALK_SKIPS; i++)
		if (strcmp(name, skips[i]) == 0)
			return i;
	return -1;
}

/* ---- names ---- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int names_add(struct names *l, char *name)
{
	if (!name)
		return ERR_NOMEM;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		char **v = realloc(l->v, cap * sizeof(*v));

		if (!v) {
			free(name);
			return ERR_NOMEM;
		}
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = name;
	return 0;
}

void names_sort(struct names *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_bytes);
}

int names_read(struct names *l, int fd, size_t most, bool *more)
{
	DIR *dir = folder_open(fd, ".");
	struct dirent *e;
	int rc = 0;

	*l = (struct names){0};
	*more = false;
	if (!dir)
		return errno == ENOMEM ? ERR_NOMEM : ERR_IO;
	while (!rc && !*more && (e = folder_next(dir))) {
		if (l->n == most)
			*more = true;
		else
			rc = names_add(l, strdup(e->d_name));
	}
	closedir(dir);
	names_sort(l);
	return rc;
}

void names_release(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct names){0};
}

/* ---- walking ---- */

static int enter(struct walk *k, int fd, int depth);

static bool is_skipped(struct walk *k, const char *name)
{
	int i = walk_skip_of(name);

	if (i >= 0)
		k->skipped[i] = true;
	return i >= 0;
}

static struct str ignored_path(const struct walk *k)
{
	return (struct str){k->path.data + k->n_base, k->path.len - k->n_base};
}

/* A folder that is to be entered, too; it was no link when it was looked at, and is none now.
 */
static int descend(struct walk *k, int dir, const char *name, int depth)
{
	int fd, rc;

	if (workspace_hides(k->w, buf_str(&k->path))) {
		k->n_hidden++;
		return 0;
	}
	if (depth == WALK_DEPTH) {
		k->n_deep++;
		return 0;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	rc = enter(k, fd, depth + 1);
	close(fd);
	return rc;
}

static int look_at(struct walk *k, int dir, const char *name, int depth)
{
	struct walk_entry e = {.dir = dir, .name = name};
	struct stat st;
	int rc;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	e.type = st.st_mode & S_IFMT;
	e.rel = (struct str){k->path.data + k->n_start, k->path.len - k->n_start};
	if (S_ISDIR(st.st_mode) && is_skipped(k, name))
		return 0;
	if (ignore_has(&k->ignore, ignored_path(k), S_ISDIR(st.st_mode))) {
		k->n_ignored++;
		return 0;
	}
	rc = k->visit(k->ctx, &e);
	return rc || !S_ISDIR(st.st_mode) ? rc : descend(k, dir, name, depth);
}

static int enter_names(struct walk *k, int fd, const struct names *l, int depth)
{
	size_t len = k->path.len;
	int rc = 0;

	for (size_t i = 0; !rc && i < l->n; i++) {
		if (k->n_entries == WALK_ENTRIES) {
			k->full = true;
			break;
		}
		k->n_entries++;
		buf_addc(&k->path, '/');
		buf_addz(&k->path, l->v[i]);
		rc = buf_failed(&k->path) ? ERR_NOMEM : look_at(k, fd, l->v[i], depth);
		buf_truncate(&k->path, len);
	}
	return rc;
}

static int enter(struct walk *k, int fd, int depth)
{
	size_t mark = ignore_mark(&k->ignore);
	struct str here = {"", 0};
	struct names l;
	bool more;
	int rc = names_read(&l, fd, WALK_ENTRIES, &more);

	if (k->path.len > k->n_base)
		here = ignored_path(k);
	k->full = k->full || more;
	ignore_enter_folder(&k->ignore, here, fd);
	if (rc == ERR_IO) /* not ours to read: as if it were empty */
		rc = 0;
	if (!rc)
		rc = enter_names(k, fd, &l, depth);
	if (k->ignore.failed)
		rc = ERR_NOMEM;
	names_release(&l);
	ignore_leave(&k->ignore, mark);
	return rc;
}

/* The rules of the folders between the root and the beginning hold there, too. */
static void enter_parents(struct walk *k, const struct workspace_root *root, struct str rel)
{
	int fd = openat(root->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct str rest = rel, name;

	while (fd >= 0 && path_next(&rest, &name)) {
		struct str here = {rel.p, name.p == rel.p ? 0 : (size_t)(name.p - rel.p) - 1};
		char *z = strndup(name.p, name.n);
		int next;

		ignore_enter_folder(&k->ignore, here, fd);
		next = z ? openat(fd, z, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
		k->ignore.failed = k->ignore.failed || !z;
		free(z);
		close(fd);
		fd = next;
	}
	if (fd >= 0)
		close(fd);
}

int walk_run(struct walk *k, const struct place *start, int fd)
{
	buf_adds(&k->path, buf_str(&start->path));
	if (buf_failed(&k->path))
		return ERR_NOMEM;
	if (str_is(buf_str(&k->path), "/"))
		buf_truncate(&k->path, 0);
	k->n_start = k->path.len + 1;
	k->n_base = k->n_start;
	if (start->root) {
		k->n_base = strlen(start->root->path) + 1;
		enter_parents(k, start->root, place_rel(start));
	}
	return enter(k, fd, 0);
}

void walk_release(struct walk *k)
{
	ignore_release(&k->ignore);
	buf_release(&k->path);
}

bool walk_hides(const struct walk *k)
{
	return workspace_hides(k->w, buf_str(&k->path));
}

void walk_add_note(const struct walk *k, const char *what, struct buf *out)
{
	struct buf list = {0};

	for (int i = 0; i < WALK_SKIPS; i++)
		if (k->skipped[i])
			buf_addf(&list, "%s%s", list.len ? ", " : "", skips[i]);
	if (k->n_ignored)
		buf_addf(&list, "%swhat .gitignore leaves out", list.len ? ", " : "");
	if (k->n_hidden)
		buf_addf(&list, "%s%zu hidden folder%s", list.len ? ", " : "", k->n_hidden,
			 k->n_hidden == 1 ? "" : "s");
	if (k->n_deep)
		buf_addf(&list, "%s%zu folder%s more than %d deep", list.len ? ", " : "",
			 k->n_deep, k->n_deep == 1 ? "" : "s", WALK_DEPTH);
	if (list.len)
		buf_addf(out, "[%s: %s]\n", what, buf_z(&list));
	if (k->full)
		buf_addf(out, "[only the first %d entries were looked at]\n", WALK_ENTRIES);
	if (buf_failed(&list))
		out->failed = true;
	buf_release(&list);
}
