/* Before and after, held against each other. */
#include "app/tools/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/file_tool.h"
#include "app/tools/plain.h"
#include "app/tools/protect.h"
#include "app/tools/secrets.h"

#define ROUNDS     64 /* of looking again, since no more is found at once than COVER_MOST */
#define MARK       ".from-sandbox-"
#define NAMES      1000
#define LINES      10
#define PATH_BYTES 400

struct audit {
	const struct workspace *w;
	struct buf *lines;
	size_t n_told, n_moved;
	bool failed;
};

static bool is_same(const struct cover_item *a, const struct cover_item *b)
{
	return a->type == b->type && a->dev == b->dev && a->ino == b->ino;
}

/* It was there, here or, by a folder that was renamed, elsewhere; or was not looked for. */
static bool is_known(const struct cover *before, const struct cover_item *item)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct cover_item *b = &before->v[i];

		if (b->kind == COVER_SEALED &&
		    path_is_within(str_of(item->path), str_of(b->path)))
			return true;
		if (b->kind == COVER_KEPT && is_same(b, item))
			return true;
	}
	return false;
}

static bool is_plain(const struct cover_item *item)
{
	int fd = S_ISDIR(item->type)
			 ? open(item->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			 : -1;
	bool plain = fd >= 0 && protect_is_repository(fd) && plain_repository(fd);

	if (fd >= 0)
		close(fd);
	return plain;
}

/* The first name of that kind that is free. */
static bool put_away(const char *path, struct buf *to)
{
	for (int i = 1; i <= NAMES; i++) {
		buf_reset(to);
		buf_addf(to, "%s" MARK "%d", path, i);
		if (buf_failed(to))
			return false;
		if (renameat2(AT_FDCWD, path, AT_FDCWD, buf_z(to), RENAME_NOREPLACE) == 0)
			return true;
		if (errno != EEXIST && errno != ENOTEMPTY)
			return false;
	}
	return false;
}

/* Of the workspace as the model has it; the end of one that is long. */
static void add_path(const struct audit *a, const char *path)
{
	struct str rel;

	if (workspace_root_of(a->w, str_of(path), &rel) != &a->w->roots[0])
		rel = str_of(path);
	if (rel.n > PATH_BYTES) {
		buf_addz(a->lines, "…");
		rel = (struct str){rel.p + rel.n - PATH_BYTES, PATH_BYTES};
	}
	file_add_name(a->lines, rel);
}

static void tell(struct audit *a, const char *path, const char *what, const char *to)
{
	if (++a->n_told > LINES)
		return;
	buf_addz(a->lines, "[");
	add_path(a, path);
	buf_addz(a->lines, what);
	if (to)
		add_path(a, to);
	buf_addz(a->lines, "]\n");
}

static void judge(struct audit *a, const struct cover_item *item)
{
	struct buf to = {0};

	if (is_plain(item)) {
		tell(a, item->path, " is a new repository", NULL);
	} else if (put_away(item->path, &to)) {
		a->n_moved++;
		tell(a, item->path, " is not a command's to make: it is now ", buf_z(&to));
	} else {
		a->failed = true;
		tell(a, item->path,
		     " is not a command's to make, and could not be renamed: look at it before "
		     "it is used",
		     NULL);
	}
	buf_release(&to);
}

/* One that was put away stays what it is, and is told once. */
static bool is_put_away(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && strstr(name, MARK);
}

/* Of a repository that was there before. */
static bool is_part_of(const struct cover *whole, const char *path)
{
	for (size_t i = 0; i < whole->n; i++)
		if (whole->v[i].kind == COVER_KEPT &&
		    path_is_within(str_of(path), str_of(whole->v[i].path)))
			return true;
	return false;
}

/* `whole`: the repositories, where it is their parts that are looked at; else NULL.  True:
 * there is more. */
static bool look(struct audit *a, const struct cover *before, const struct cover *whole)
{
	struct cover after = {0};
	size_t n_moved = a->n_moved;
	struct err err;
	bool more;

	if (cover_find_all(&after, a->w, whole != NULL, &err) != 0) {
		a->failed = true;
		buf_addz(a->lines, "[what the command made could not be looked through]\n");
	}
	for (size_t i = 0; i < after.n && !a->failed; i++) {
		const struct cover_item *item = &after.v[i];

		if (item->kind == COVER_SEALED && !whole && !is_known(before, item))
			tell(a, item->path, " was not looked through: there is too much in it",
			     NULL);
		if (item->kind == COVER_KEPT && !is_known(before, item) &&
		    !is_put_away(item->path) && (!whole || is_part_of(whole, item->path)))
			judge(a, item);
	}
	more = after.full && a->n_moved > n_moved;
	cover_release(&after);
	return more;
}

bool audit_command(const struct workspace *w, const struct cover *before,
		   const struct cover *before_git, struct buf *lines)
{
	struct audit a = {.w = w, .lines = lines};

	for (int i = 0; i < ROUNDS && !a.failed && look(&a, before, NULL); i++)
		;
	if (before_git && !a.failed)
		look(&a, before_git, before);
	if (a.n_told > LINES)
		buf_addf(lines, "[and %zu more]\n", a.n_told - LINES);
	return !a.failed;
}
