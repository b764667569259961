/* The folder is opened first; the file is what has the name in it, through no link. */
#include "app/tools/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/tools/glob.h"
#include "app/tools/place.h"
#include "app/tools/protect.h"
#include "app/tools/secrets.h"

/* Takes the last name off a path; what is left has no slash behind it. */
static struct str take_last(struct str *path)
{
	size_t end = path->n, n;

	while (end && path->p[end - 1] == '/')
		end--;
	for (n = end; n && path->p[n - 1] != '/';)
		n--;
	path->n = n;
	while (path->n > 1 && path->p[path->n - 1] == '/')
		path->n--;
	return (struct str){path->p + n, end - n};
}

static bool is_dots(struct str name)
{
	return str_is(name, ".") || str_is(name, "..");
}

/* ---- the folder ---- */

/* In front of those that are missing already. */
static void add_missing(struct target *t, struct str name)
{
	struct buf more = {0};

	buf_adds(&more, name);
	if (t->missing.len)
		buf_addc(&more, '/');
	buf_adds(&more, buf_str(&t->missing));
	more.failed |= buf_failed(&t->missing);
	buf_release(&t->missing);
	t->missing = more;
}

/* The deepest folder of `rel` that is there; what is not is missing. */
static int open_folder(const struct workspace *w, const struct workspace_root *root,
		       struct str rel, struct target *t)
{
	for (;;) {
		struct str name;

		t->dir = place_open_below(w, root->fd, rel);
		if (t->dir >= 0)
			return buf_failed(&t->missing) ? ENOMEM : 0;
		if (errno != ENOENT || !rel.n)
			return errno;
		name = take_last(&rel);
		/* What is not there has nothing above it. */
		if (!name.n || is_dots(name))
			return ENOENT;
		if (name.n > NAME_MAX)
			return ENAMETOOLONG;
		add_missing(t, name);
	}
}

/* The names that a path has below its root, the last apart. */
static int open_written(const struct workspace *w, struct str path, struct target *t,
			struct buf *why)
{
	struct buf written = {0};
	const struct workspace_root *root;
	struct str rel, name;
	int rc = 0, number;

	place_write_out(w, path, &written);
	root = place_lexical_root(w, buf_str(&written), &rel);
	name = take_last(&rel);
	if (buf_failed(&written))
		rc = ERR_NOMEM;
	else if (!root)
		rc = place_refuse(why, path, TOOLS_OUTSIDE);
	else if (!name.n || is_dots(name) || path.p[path.n - 1] == '/')
		rc = place_refuse(why, path, " is a directory");
	else if (name.n > NAME_MAX)
		rc = place_refuse_errno(why, path, ENAMETOOLONG);
	if (!rc && root) {
		memcpy(t->name, name.p, name.n);
		t->name[name.n] = '\0';
		number = open_folder(w, root, rel, t);
		if (number)
			rc = number == ENOMEM ? ERR_NOMEM
					      : place_refuse_errno(why, path, number);
	}
	buf_release(&written);
	return rc;
}

/* Its true path, and that of the file. */
static int name_truly(struct str path, struct target *t, struct buf *why)
{
	if (fstat(t->dir, &t->dir_st) != 0 || place_read_back(t->dir, &t->path) != 0)
		return place_refuse(why, path, ": where it leads to cannot be told");
	if (!S_ISDIR(t->dir_st.st_mode))
		return place_refuse_errno(why, path, ENOTDIR);
	t->n_dir = t->path.len;
	if (t->missing.len)
		buf_addf(&t->path, "/%s", buf_z(&t->missing));
	buf_addf(&t->path, "/%s", t->name);
	return buf_failed(&t->path) ? ERR_NOMEM : 0;
}

static int judge(const struct workspace *w, struct str path, struct target *t, struct buf *why)
{
	struct str dir = {buf_z(&t->path), t->n_dir}, rel;

	t->root = workspace_root_of(w, dir, &rel);
	if (!t->root)
		return place_refuse(why, path, TOOLS_OUTSIDE);
	if (workspace_hides(w, buf_str(&t->path)))
		return place_refuse(why, path, " is hidden (it may hold secrets)");
	if (protect_by_name(buf_str(&t->path)) || protect_by_content(t->root->fd, rel))
		return place_refuse(why, path, TOOLS_PROTECTED);
	if (t->root->read_only)
		return place_refuse(why, path, " is in a folder that is only read");
	return 0;
}

/* ---- the file ---- */

static int refuse_link(struct str path, const struct target *t, struct buf *why)
{
	struct buf what = {0};
	char to[PATH_MAX];
	ssize_t n = readlinkat(t->dir, t->name, to, sizeof(to));
	int rc;

	buf_addz(&what, " is a link");
	if (n > 0) {
		buf_addz(&what, " to ");
		buf_add(&what, to, (size_t)n);
		buf_addz(&what, "; write ");
		buf_add(&what, to, (size_t)n);
		buf_addz(&what, " itself");
	}
	rc = buf_failed(&what) ? ERR_NOMEM : place_refuse(why, path, buf_z(&what));
	buf_release(&what);
	return rc;
}

static int check_file(struct str path, const struct target *t, struct buf *why)
{
	if (S_ISLNK(t->st.st_mode))
		return refuse_link(path, t, why);
	if (S_ISDIR(t->st.st_mode))
		return place_refuse(why, path, " is a directory");
	if (!S_ISREG(t->st.st_mode))
		return place_refuse(why, path, " is no file");
	/* In another's place it would be one's own. */
	if (t->st.st_uid != geteuid() || !(t->st.st_mode & S_IWUSR))
		return place_refuse_errno(why, path, EACCES);
	return 0;
}

/* What was looked at is what is open. */
static int open_file(struct str path, struct target *t, struct buf *why)
{
	struct stat st;
	int rc = check_file(path, t, why);

	if (rc)
		return rc;
	t->fd = openat(t->dir, t->name,
		       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (t->fd < 0)
		return place_refuse_errno(why, path, errno);
	if (fstat(t->fd, &st) != 0 || st.st_dev != t->st.st_dev || st.st_ino != t->st.st_ino)
		return place_refuse(why, path, " changed while it was opened");
	t->st = st;
	return 0;
}

static int find(const struct workspace *w, struct str path, struct target *t, struct buf *why)
{
	int rc = open_written(w, path, t, why);

	if (!rc)
		rc = name_truly(path, t, why);
	if (!rc)
		rc = judge(w, path, t, why);
	if (rc || t->missing.len)
		return rc;
	if (fstatat(t->dir, t->name, &t->st, AT_SYMLINK_NOFOLLOW) == 0)
		rc = open_file(path, t, why);
	else if (errno != ENOENT)
		rc = place_refuse_errno(why, path, errno);
	return rc;
}

int target_find(const struct workspace *w, struct str path, struct target *t, struct buf *why)
{
	struct str bare = str_trimmed(path);
	int rc;

	*t = (struct target){.dir = -1, .fd = -1};
	if (!bare.n)
		return place_refuse(why, STR_LIT("the path"), " is empty");
	if (memchr(path.p, '\0', path.n))
		return place_refuse(why, STR_LIT("the path"), " has a NUL in it");
	rc = find(w, path, t, why);
	if (rc || t->fd >= 0 || bare.n == path.n)
		return rc;
	/* A new file has no blanks around its name that were not meant. */
	target_close(t);
	return find(w, bare, t, why);
}

void target_close(struct target *t)
{
	if (t->dir >= 0)
		close(t->dir);
	if (t->fd >= 0)
		close(t->fd);
	buf_release(&t->path);
	buf_release(&t->missing);
	*t = (struct target){.dir = -1, .fd = -1};
}

struct str target_rel(const struct target *t)
{
	return path_below(buf_str(&t->path), str_of(t->root->path));
}

size_t target_missing(const struct target *t)
{
	struct str rest = buf_str(&t->missing), name;
	size_t n = 0;

	while (path_next(&rest, &name))
		n++;
	return n;
}

int target_make_folders(const struct target *t, int *dir, size_t *made)
{
	struct str rest = buf_str(&t->missing), name;
	int at = fcntl(t->dir, F_DUPFD_CLOEXEC, 0), number = at < 0 ? errno : 0;

	*made = 0;
	while (!number && path_next(&rest, &name)) {
		char z[NAME_MAX + 1];
		int next = -1;

		memcpy(z, name.p, name.n);
		z[name.n] = '\0';
		if (mkdirat(at, z, 0777) == 0) {
			++*made;
			next = openat(at, z, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next < 0)
			number = errno;
		close(at);
		at = next;
	}
	*dir = at;
	return number;
}

void target_remove_folders(const struct target *t, size_t made)
{
	size_t deep = target_missing(t);
	struct buf left = {0};

	buf_adds(&left, buf_str(&t->missing));
	for (; left.len && !buf_failed(&left); deep--) {
		size_t n = left.len;

		if (deep <= made)
			unlinkat(t->dir, buf_z(&left), AT_REMOVEDIR);
		while (n && left.data[n - 1] != '/')
			n--;
		buf_truncate(&left, n ? n - 1 : 0);
	}
	buf_release(&left);
}
