/* From a path as the model wrote it to what it leads to. */
#include "app/tools/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "app/tools/glob.h"
#include "app/tools/secrets.h"
#include "app/tools/spill.h"

const char *const workspace_system[] = {
	"/usr", "/lib",  "/lib32", "/lib64",     "/libx32", "/libo32",
	"/bin", "/sbin", "/opt",   "/nix/store", NULL,
};

/* Of the system's own, which anybody may look at. */
static bool is_system(struct str path)
{
	for (size_t i = 0; workspace_system[i]; i++)
		if (path_is_within(path, str_of(workspace_system[i])))
			return true;
	return false;
}

void place_write_out(const struct workspace *w, struct str path, struct buf *out)
{
	bool home = w->home && path.n && path.p[0] == '~' && (path.n == 1 || path.p[1] == '/');

	if (home)
		buf_addz(out, w->home);
	buf_add(out, path.p + home, path.n - home);
}

const struct workspace_root *place_lexical_root(const struct workspace *w, struct str path,
						struct str *rel)
{
	const struct workspace_root *root = &w->roots[0];

	*rel = path;
	if (!path.n || path.p[0] != '/')
		return root;
	root = workspace_root_of(w, path, rel);
	if (!root)
		*rel = path;
	return root;
}

enum tool_class workspace_judge(const struct workspace *w, struct str path)
{
	struct buf written = {0}, whole = {0};
	enum tool_class cls = TOOL_READ;
	const struct workspace_root *root;
	struct str rel;

	if (spill_number(path))
		return TOOL_READ;
	place_write_out(w, path, &written);
	root = place_lexical_root(w, buf_str(&written), &rel);
	if (root)
		buf_addf(&whole, "%s/", root->path);
	buf_adds(&whole, rel);
	if (buf_failed(&written) || buf_failed(&whole))
		cls = TOOL_FORBIDDEN;
	else if (!path_climbs(rel) && workspace_hides(w, buf_str(&whole)))
		cls = TOOL_FORBIDDEN;
	else if (!root)
		cls = is_system(rel) && !path_climbs(rel) ? TOOL_READ : TOOL_READ_OUTSIDE;
	buf_release(&written);
	buf_release(&whole);
	return cls;
}

/* ---- opening ---- */

/* Name by name, through no link at all.  -1 with errno: EXDEV where it would lead outside. */
static int open_plain(int root, struct str rel)
{
	int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
	struct str name;

	while (fd >= 0 && path_next(&rel, &name)) {
		char z[NAME_MAX + 1];
		struct stat st;
		int next;

		if (str_is(name, "."))
			continue;
		if (str_is(name, "..") || name.n > NAME_MAX) {
			close(fd);
			errno = name.n > NAME_MAX ? ENAMETOOLONG : EXDEV;
			return -1;
		}
		memcpy(z, name.p, name.n);
		z[name.n] = '\0';
		next = openat(fd, z, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
			close(fd);
			errno = EXDEV;
			return -1;
		}
	}
	return fd;
}

int place_open_below(const struct workspace *w, int root, struct str rel)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	char z[PATH_MAX];
	int fd = -1;

	if (w->plain)
		return open_plain(root, rel);
	if (rel.n >= sizeof(z)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(z, rel.n ? rel.p : ".", rel.n ? rel.n : 1);
	z[rel.n ? rel.n : 1] = '\0';
	/* EAGAIN: something was renamed meanwhile, and the kernel cannot tell. */
	for (int i = 0; i < 16; i++) {
		fd = (int)syscall(SYS_openat2, root, z, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

int place_read_back(int fd, struct buf *path)
{
	char link[32], z[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, z, sizeof(z));
	if (n <= 0 || (size_t)n == sizeof(z) || z[0] != '/')
		return -1;
	buf_add(path, z, (size_t)n);
	return 0;
}

/* ---- sentences ---- */

int place_refuse(struct buf *why, struct str path, const char *what)
{
	buf_reset(why);
	buf_adds(why, path);
	buf_addz(why, what);
	return buf_failed(why) ? ERR_NOMEM : ERR_USAGE;
}

int place_refuse_errno(struct buf *why, struct str path, int number)
{
	buf_reset(why);
	buf_adds(why, path);
	switch (number) {
	case ENOENT:
		buf_addz(why, ": no such file or directory");
		break;
	case EACCES:
	case EPERM:
		buf_addz(why, ": permission denied");
		break;
	case EXDEV:
	case ELOOP:
		buf_addz(why, TOOLS_OUTSIDE);
		break;
	default:
		buf_addf(why, ": %s", strerror(number));
	}
	return buf_failed(why) ? ERR_NOMEM : ERR_USAGE;
}

/* ---- finding ---- */

static int open_written(const struct workspace *w, struct str path, bool outside, int *number)
{
	struct buf written = {0};
	const struct workspace_root *root;
	struct str rel;
	int fd = -1;

	place_write_out(w, path, &written);
	root = place_lexical_root(w, buf_str(&written), &rel);
	if (buf_failed(&written))
		errno = ENOMEM;
	else if (root)
		fd = place_open_below(w, root->fd, rel);
	else if (outside || (is_system(rel) && !path_climbs(rel)))
		fd = open(buf_z(&written), O_PATH | O_CLOEXEC);
	else
		errno = EXDEV;
	*number = errno;
	buf_release(&written);
	return fd;
}

static bool is_in_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) != 0 || fs.f_type == PROC_SUPER_MAGIC;
}

/* Where it led to may be elsewhere than it said. */
static int judge_true(const struct workspace *w, struct str path, bool outside, struct place *p,
		      struct buf *why)
{
	struct str rel;

	if (fstat(p->fd, &p->st) != 0 || place_read_back(p->fd, &p->path) != 0)
		return place_refuse(why, path, ": where it leads to cannot be told");
	if (buf_failed(&p->path))
		return ERR_NOMEM;
	p->root = workspace_root_of(w, buf_str(&p->path), &rel);
	if (workspace_hides(w, buf_str(&p->path)))
		return place_refuse(why, path, " is hidden (it may hold secrets)");
	if (is_in_proc(p->fd))
		return place_refuse(why, path, " is in /proc, where nothing is read");
	if (!p->root && !outside && !is_system(buf_str(&p->path)))
		return place_refuse(why, path, TOOLS_OUTSIDE);
	return 0;
}

int workspace_find(const struct workspace *w, struct str path, bool outside, struct place *p,
		   struct buf *why)
{
	struct str bare = str_trimmed(path);
	int number = 0;

	*p = (struct place){.fd = -1};
	if (!path.n)
		return place_refuse(why, STR_LIT("the path"), " is empty");
	if (memchr(path.p, '\0', path.n))
		return place_refuse(why, STR_LIT("the path"), " has a NUL in it");
	p->fd = open_written(w, path, outside, &number);
	if (p->fd < 0 && number == ENOENT && bare.n && bare.n < path.n)
		p->fd = open_written(w, bare, outside, &number);
	if (p->fd < 0)
		return number == ENOMEM ? ERR_NOMEM : place_refuse_errno(why, path, number);
	return judge_true(w, path, outside, p, why);
}

void place_close(struct place *p)
{
	if (p->fd >= 0)
		close(p->fd);
	buf_release(&p->path);
	p->fd = -1;
}

struct str place_rel(const struct place *p)
{
	return p->root ? path_below(buf_str(&p->path), str_of(p->root->path))
		       : buf_str(&p->path);
}
