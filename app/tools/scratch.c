/* A folder of random name; what is taken away is never more than two folders deep. */
#include "app/tools/scratch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "engine/base/buf.h"

#define PREFIX "dsv4chat-tools-"
#define LEFT_S 60 /* that nothing was made in one that is taken for left behind */

static int open_whole(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int scratch_hold(const char *path)
{
	int fd = open_whole(path);

	if (fd >= 0)
		flock(fd, LOCK_SH | LOCK_NB);
	return fd;
}

/* ---- removing ---- */

/* A folder that its owner may not use can be made one that may be. */
static void make_usable(int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		fchmodat(at, name, 0700, 0);
}

static bool remove_one(int at, const char *name)
{
	return unlinkat(at, name, 0) == 0 || unlinkat(at, name, AT_REMOVEDIR) == 0;
}

/* Folders in it that have something in them go to `top`, so that nothing gets deep. */
static void flatten(int top, const char *name, unsigned *n_moved)
{
	DIR *dir = folder_open(top, name);
	struct dirent *e;

	while ((e = folder_next(dir))) {
		char other[32];

		if (remove_one(dirfd(dir), e->d_name))
			continue;
		snprintf(other, sizeof(other), ".%u", ++*n_moved);
		make_usable(dirfd(dir), e->d_name);
		renameat(dirfd(dir), e->d_name, top, other);
	}
	if (dir)
		closedir(dir);
}

/* True: something was taken away. */
static bool sweep(int top, unsigned *n_moved)
{
	DIR *dir = folder_open(top, ".");
	bool any = false;
	struct dirent *e;

	while ((e = folder_next(dir))) {
		if (!remove_one(top, e->d_name)) {
			make_usable(top, e->d_name);
			flatten(top, e->d_name, n_moved);
			any = remove_one(top, e->d_name) || any;
		} else {
			any = true;
		}
	}
	if (dir)
		closedir(dir);
	return any;
}

void scratch_remove(const char *path)
{
	int top = path ? open_whole(path) : -1;
	unsigned n_moved = 0;

	if (top < 0)
		return;
	while (sweep(top, &n_moved))
		;
	close(top);
	rmdir(path);
}

/* ---- making ---- */

static void remove_left(const char *tmp)
{
	time_t old = time(NULL) - LEFT_S;
	DIR *dir = opendir(tmp);
	struct dirent *e;

	while ((e = folder_next(dir))) {
		struct buf path = {0};
		struct stat st;
		int hold;

		if (strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1) != 0 ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mtime > old)
			continue;
		buf_addf(&path, "%s/%s", tmp, e->d_name);
		hold = buf_failed(&path) ? -1 : open_whole(buf_z(&path));
		if (hold >= 0 && flock(hold, LOCK_EX | LOCK_NB) == 0)
			scratch_remove(buf_z(&path));
		if (hold >= 0)
			close(hold);
		buf_release(&path);
	}
	if (dir)
		closedir(dir);
}

char *scratch_make(int *hold, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	struct buf path = {0};
	char *made;

	tmp = tmp && tmp[0] == '/' ? tmp : "/tmp";
	remove_left(tmp);
	*hold = -1;
	buf_addf(&path, "%s/" PREFIX "XXXXXX", tmp);
	if (buf_failed(&path)) {
		err_nomem(err, "temporary folder", path.len);
		return NULL;
	}
	made = mkdtemp(path.data) ? realpath(path.data, NULL) : NULL;
	if (made)
		*hold = scratch_hold(made);
	if (*hold < 0 || mkdirat(*hold, "tmp", 0700) != 0 || mkdirat(*hold, "var", 0700) != 0) {
		err_errno(err, buf_z(&path), "cannot be made");
		free(made);
		made = NULL;
	}
	buf_release(&path);
	return made;
}
