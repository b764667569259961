/* Reading whole files, and giving them their names. */
#include "engine/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void file_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int file_open_regular(const char *path, size_t *size, struct err *err)
{
	/* O_NONBLOCK: opening a FIFO that nobody writes must not wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0)
		return err_errno(err, path, "cannot open");
	if (fstat(fd, &st) < 0) {
		rc = err_errno(err, path, "cannot stat");
	} else if (!S_ISREG(st.st_mode)) {
		rc = err_set(err, ERR_IO, "%s: not a regular file", path);
	} else if (st.st_size < 0 || (uintmax_t)st.st_size > SIZE_MAX) {
		rc = err_set(err, ERR_IO, "%s: size %jd, more than memory can address", path,
			     (intmax_t)st.st_size);
	} else {
		*size = (size_t)st.st_size;
		return fd;
	}
	close(fd);
	return rc;
}

static int read_all(struct buf *out, int fd, const char *path, size_t max_bytes,
		    struct err *err)
{
	char block[16384];
	size_t done = 0;

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, path, "cannot read");
		if (n == 0)
			return 0;
		if ((size_t)n > max_bytes - done)
			return err_set(err, ERR_IO, "%s: more than %zu bytes", path,
				       max_bytes);
		buf_add(out, block, (size_t)n);
		if (buf_failed(out))
			return err_nomem(err, path, (unsigned long long)done + sizeof(block));
		done += (size_t)n;
	}
}

int file_read(struct buf *out, const char *path, size_t max_bytes, struct err *err)
{
	size_t size = 0;
	int fd = file_open_regular(path, &size, err);
	int rc;

	if (fd < 0)
		return fd;
	if (size > max_bytes)
		rc = err_set(err, ERR_IO, "%s: %zu bytes, expected at most %zu", path, size,
			     max_bytes);
	else if (!buf_reserve(out, size))
		rc = err_nomem(err, path, size);
	else
		rc = read_all(out, fd, path, max_bytes, err);
	close(fd);
	return rc;
}

int file_read_any(struct buf *out, const char *path, size_t max_bytes, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0)
		return err_errno(err, path, "cannot open");
	rc = read_all(out, fd, path, max_bytes, err);
	if (!is_stdin)
		close(fd);
	return rc;
}

int file_write_all(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	return 0;
}

int file_place(const char *temp, const char *path)
{
	if (link(temp, path) == 0)
		return 0;
	if (errno == EEXIST)
		return -1;
	/* Not every file system has links, and not every one can rename without replacing. */
	if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return -1;
	if (access(path, F_OK) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(temp, path);
}
