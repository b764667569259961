/*
 * rename(2) in its forms: NOREPLACE for what is new, EXCHANGE for what is there, and where a
 * file system has neither, link(2), and rename(2) behind one more look.
 */
#include "app/tools/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/base/file.h"

#define BLOCK_BYTES (64u << 10)
#define XATTR_BYTES (64u << 10)
#define TRIES       16

struct temp {
	char name[24];
	int fd;
	struct stat st;
};

bool swap_hash(int fd, XXH128_hash_t *hash)
{
	XXH3_state_t *state = XXH3_createState();
	char *block = malloc(BLOCK_BYTES);
	off_t at = 0;
	ssize_t n = -1;

	errno = ENOMEM;
	if (state && block) {
		XXH3_128bits_reset(state);
		while ((n = pread(fd, block, BLOCK_BYTES, at)) > 0 ||
		       (n < 0 && errno == EINTR)) {
			if (n > 0)
				XXH3_128bits_update(state, block, (size_t)n);
			at += n > 0 ? n : 0;
		}
		*hash = XXH3_128bits_digest(state);
	}
	XXH3_freeState(state);
	free(block);
	return n == 0;
}

/* ---- the new one ---- */

static bool name_temp(struct temp *t)
{
	uint32_t n;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return false;
	snprintf(t->name, sizeof(t->name), ".dsv4-%08x~", n);
	return true;
}

static bool make_temp(const struct swap *s, struct temp *t)
{
	mode_t mode = s->old < 0 ? s->mode : 0600;

	t->fd = -1;
	for (int i = 0; i < TRIES && t->fd < 0; i++) {
		if (!name_temp(t))
			return false;
		t->fd = openat(s->dir, t->name,
			       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (t->fd < 0 && errno != EEXIST)
			return false;
	}
	return t->fd >= 0 && fstat(t->fd, &t->st) == 0;
}

/* What a program may be given by its file goes with its old content. */
static bool is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "system.posix_acl_access") == 0;
}

/* As far as they may be. */
static void copy_attributes(int from, int to)
{
	char *names = malloc(XATTR_BYTES), *value = malloc(XATTR_BYTES);
	ssize_t n = names && value ? flistxattr(from, names, XATTR_BYTES) : -1;

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		ssize_t len = is_kept(names + i)
				      ? fgetxattr(from, names + i, value, XATTR_BYTES)
				      : -1;

		if (len >= 0)
			fsetxattr(to, names + i, value, (size_t)len, 0);
	}
	free(names);
	free(value);
}

static bool fill_temp(const struct swap *s, const struct temp *t, const struct stat *old)
{
	if (file_write_all(t->fd, s->content) != 0)
		return false;
	if (s->old >= 0) {
		if (old->st_gid != t->st.st_gid && fchown(t->fd, (uid_t)-1, old->st_gid) != 0)
			return false;
		copy_attributes(s->old, t->fd);
		if (fchmod(t->fd, s->mode & 0777) != 0)
			return false;
	}
	return fsync(t->fd) == 0;
}

/* ---- its name ---- */

static bool lacks(int number)
{
	return number == EINVAL || number == ENOSYS || number == ENOTSUP;
}

/* Is what has this name the old file, with the bytes that it had? */
static bool is_old(const struct swap *s, const char *name, const struct stat *old)
{
	int fd =
		openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	XXH128_hash_t hash;
	struct stat st;
	bool is = fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == old->st_dev &&
		  st.st_ino == old->st_ino && swap_hash(fd, &hash) &&
		  XXH128_isEqual(hash, s->hash);

	if (fd >= 0)
		close(fd);
	return is;
}

static enum swap_end place_new(const struct swap *s, const struct temp *t)
{
	int rc = renameat2(s->dir, t->name, s->dir, s->name, RENAME_NOREPLACE);

	if (rc != 0 && lacks(errno)) {
		rc = linkat(s->dir, t->name, s->dir, s->name, 0);
		if (rc == 0)
			unlinkat(s->dir, t->name, 0);
	}
	if (rc == 0)
		return SWAP_DONE;
	return errno == EEXIST ? SWAP_CHANGED : SWAP_FAILED;
}

static enum swap_end place_over(const struct swap *s, const struct temp *t,
				const struct stat *old)
{
	if (!is_old(s, s->name, old))
		return SWAP_CHANGED;
	if (renameat2(s->dir, t->name, s->dir, s->name, RENAME_EXCHANGE) == 0) {
		if (is_old(s, t->name, old)) {
			unlinkat(s->dir, t->name, 0);
			return SWAP_DONE;
		}
		/* Somebody was faster: theirs gets its name back. */
		if (renameat2(s->dir, t->name, s->dir, s->name, RENAME_EXCHANGE) != 0)
			renameat2(s->dir, t->name, s->dir, s->name, RENAME_NOREPLACE);
		return SWAP_CHANGED;
	}
	if (!lacks(errno))
		return errno == ENOENT ? SWAP_CHANGED : SWAP_FAILED;
	return renameat(s->dir, t->name, s->dir, s->name) == 0 ? SWAP_DONE : SWAP_FAILED;
}

/* What is left of it; what else has its name meanwhile stays. */
static void drop_temp(const struct swap *s, const struct temp *t)
{
	struct stat st;

	if (fstatat(s->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == t->st.st_dev && st.st_ino == t->st.st_ino)
		unlinkat(s->dir, t->name, 0);
}

static void sync_folder(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

enum swap_end swap_file(const struct swap *s)
{
	enum swap_end end = SWAP_FAILED;
	struct stat old = {0};
	struct temp t;
	int number;

	if (s->old >= 0 && fstat(s->old, &old) != 0)
		return SWAP_FAILED;
	if (!make_temp(s, &t)) {
		number = errno;
	} else if (!fill_temp(s, &t, &old)) {
		number = errno;
	} else {
		end = s->old >= 0 ? place_over(s, &t, &old) : place_new(s, &t);
		number = errno;
	}
	if (t.fd >= 0) {
		if (end != SWAP_DONE)
			drop_temp(s, &t);
		close(t.fd);
	}
	if (end == SWAP_DONE)
		sync_folder(s->dir);
	errno = number;
	return end;
}

/* Its name goes first: so what is removed is what was looked at. */
static enum swap_end remove_old(const struct swap *s, const struct stat *old)
{
	struct temp t;
	int rc = -1;

	if (!is_old(s, s->name, old))
		return SWAP_CHANGED;
	for (int i = 0; i < TRIES && rc != 0; i++) {
		if (!name_temp(&t))
			return SWAP_FAILED;
		rc = renameat2(s->dir, s->name, s->dir, t.name, RENAME_NOREPLACE);
		if (rc != 0 && errno != EEXIST)
			break;
	}
	if (rc != 0 && lacks(errno))
		return unlinkat(s->dir, s->name, 0) == 0 ? SWAP_DONE : SWAP_FAILED;
	if (rc != 0)
		return errno == ENOENT ? SWAP_CHANGED : SWAP_FAILED;
	if (is_old(s, t.name, old) && unlinkat(s->dir, t.name, 0) == 0)
		return SWAP_DONE;
	renameat2(s->dir, t.name, s->dir, s->name, RENAME_NOREPLACE);
	return SWAP_CHANGED;
}

enum swap_end swap_remove(const struct swap *s)
{
	enum swap_end end = SWAP_FAILED;
	struct stat old;
	int number;

	if (fstat(s->old, &old) == 0)
		end = remove_old(s, &old);
	number = errno;
	if (end == SWAP_DONE)
		sync_folder(s->dir);
	errno = number;
	return end;
}
