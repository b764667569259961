/* A file under another name until it is whole. */
#include "app/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/file.h"

static int failed(const char *path, struct err *err)
{
	return err_errno(err, path, "cannot write it");
}

int newfile_open(struct newfile *f, const char *path, struct err *err)
{
	int fd = -1, rc = 0;

	*f = (struct newfile){.path = path};
	if (access(path, F_OK) == 0) {
		errno = EEXIST;
		return failed(path, err);
	}
	buf_addf(&f->temp, "%s.XXXXXX", path);
	if (buf_failed(&f->temp)) {
		rc = err_nomem(err, "path", 0);
		goto done;
	}
	fd = mkostemp(f->temp.data, O_CLOEXEC);
	f->to = fd < 0 ? NULL : fdopen(fd, "w");
	if (f->to)
		return 0;
	rc = failed(path, err);
	if (fd >= 0) {
		close(fd);
		unlink(f->temp.data);
	}
done:
	buf_release(&f->temp);
	return rc;
}

int newfile_close(struct newfile *f, int rc, struct err *err)
{
	if (!rc && (fflush(f->to) != 0 || fsync(fileno(f->to)) != 0))
		rc = failed(f->path, err);
	if (fclose(f->to) != 0 && !rc)
		rc = failed(f->path, err);
	if (!rc && file_place(f->temp.data, f->path) != 0)
		rc = failed(f->path, err);
	unlink(f->temp.data);
	buf_release(&f->temp);
	return rc;
}
