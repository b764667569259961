/* Where the editor's file may lie, and that it goes. */
#include "app/screen/draftfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/base/file.h"

static bool lies_in_memory(const char *folder)
{
	struct statfs fs;

	return statfs(folder, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == (__typeof__(fs.f_type))RAMFS_MAGIC);
}

static bool make_folder(struct draftfile *d, const char *in)
{
	if (!in || in[0] != '/' || (d->in_memory && !lies_in_memory(in)))
		return false;
	snprintf(d->folder, sizeof(d->folder), "%.400s/dsv4chat-XXXXXX", in);
	if (mkdtemp(d->folder))
		return true;
	d->folder[0] = '\0';
	return false;
}

static int find_folder(struct draftfile *d, struct err *err)
{
	const char *tmp = getenv("TMPDIR"), *runtime = getenv("XDG_RUNTIME_DIR");

	errno = 0;
	if (d->in_memory) {
		if (make_folder(d, runtime) || make_folder(d, "/dev/shm") ||
		    make_folder(d, tmp) || make_folder(d, "/tmp"))
			return 0;
		return err_set(err, ERR_IO,
			       "no editor with --ephemeral: neither XDG_RUNTIME_DIR, /dev/shm "
			       "nor /tmp lies in memory and can be written");
	}
	if (make_folder(d, tmp && tmp[0] == '/' ? tmp : "/tmp"))
		return 0;
	return err_errno(err, tmp && tmp[0] == '/' ? tmp : "/tmp", "make a folder in it");
}

static int write_text(const struct draftfile *d, struct str text, struct err *err)
{
	int fd = open(d->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = 0;

	if (fd < 0)
		return err_errno(err, d->path, "create");
	if (file_write_all(fd, text) != 0)
		rc = err_errno(err, d->path, "write");
	close(fd);
	return rc;
}

int draftfile_make(struct draftfile *d, bool in_memory, struct str text, struct err *err)
{
	int rc;

	*d = (struct draftfile){.in_memory = in_memory};
	rc = find_folder(d, err);
	if (rc)
		return rc;
	snprintf(d->path, sizeof(d->path), "%s/message.md", d->folder);
	rc = write_text(d, text, err);
	if (rc)
		draftfile_remove(d);
	return rc;
}

static void remove_leavings(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

void draftfile_remove(const struct draftfile *d)
{
	if (d->in_memory)
		remove_leavings(d->folder);
	unlink(d->path);
	rmdir(d->folder);
}
