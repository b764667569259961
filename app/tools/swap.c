/*
 * rename(2) in its forms: NOREPLACE for what is new, EXCHANGE for what is there, and where a
 * file system has neither, link(2), and rename(2) behind one more look.
 */
#include "app/tools/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/base/file.h"

#define BLOCK_BYTES  (64u << 10)
#define XATTR_BYTES  (64u << 10)
#define TRIES        16
#define SYNC_THREADS 15
#define SYNC_STACK   (128u << 10)

/* Of all that a descriptor gives from its beginning; false: errno. */
static bool hash_file(int fd, XXH128_hash_t *hash)
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

void swap_put_hash(unsigned char out[sizeof(XXH128_canonical_t)], XXH128_hash_t hash)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(out, canonical.digest, sizeof(canonical.digest));
}

/* ---- the new one ---- */

static bool name_temp(char name[24])
{
	uint32_t n;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return false;
	snprintf(name, 24, ".dsv4-%08x~", n);
	return true;
}

/* What has no name yet goes with whoever is killed meanwhile; it gets one by way of /proc. */
static void make_nameless(struct swapping *w, mode_t mode)
{
	if (access("/proc/self/fd", X_OK) == 0)
		w->fd = openat(w->s.dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	w->nameless = w->fd >= 0;
}

static bool give_name(const struct swapping *w, const char *name)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->fd);
	return linkat(AT_FDCWD, path, w->s.dir, name, AT_SYMLINK_FOLLOW) == 0;
}

static bool name_nameless(struct swapping *w)
{
	for (int i = 0; i < TRIES && w->nameless; i++) {
		if (!name_temp(w->temp))
			return false;
		w->nameless = !give_name(w, w->temp);
		if (w->nameless && errno != EEXIST)
			return false;
	}
	return !w->nameless;
}

static bool make_temp(struct swapping *w)
{
	mode_t mode = w->s.old < 0 ? w->s.mode : 0600;

	make_nameless(w, mode);
	for (int i = 0; i < TRIES && w->fd < 0; i++) {
		if (!name_temp(w->temp))
			return false;
		w->fd = openat(w->s.dir, w->temp,
			       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (w->fd < 0 && errno != EEXIST)
			return false;
	}
	return w->fd >= 0 && fstat(w->fd, &w->st) == 0;
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

static bool fill_temp(const struct swapping *w)
{
	if (file_write_all(w->fd, w->s.content) != 0)
		return false;
	if (w->s.old < 0)
		return true;
	if (w->old.st_gid != w->st.st_gid && fchown(w->fd, (uid_t)-1, w->old.st_gid) != 0)
		return false;
	copy_attributes(w->s.old, w->fd);
	return fchmod(w->fd, w->s.mode & 0777) == 0;
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
		  st.st_ino == old->st_ino && hash_file(fd, &hash) &&
		  XXH128_isEqual(hash, s->hash);

	if (fd >= 0)
		close(fd);
	return is;
}

static enum swap_end place_new(const struct swapping *w)
{
	int dir = w->s.dir, rc;

	if (w->nameless)
		rc = give_name(w, w->s.name) ? 0 : -1;
	else
		rc = renameat2(dir, w->temp, dir, w->s.name, RENAME_NOREPLACE);
	if (rc != 0 && !w->nameless && lacks(errno)) {
		rc = linkat(dir, w->temp, dir, w->s.name, 0);
		if (rc == 0)
			unlinkat(dir, w->temp, 0);
	}
	if (rc == 0)
		return SWAP_DONE;
	return errno == EEXIST ? SWAP_CHANGED : SWAP_FAILED;
}

static enum swap_end place_over(struct swapping *w)
{
	const char *name = w->s.name;
	int dir = w->s.dir;

	if (!is_old(&w->s, name, &w->old))
		return SWAP_CHANGED;
	if (!name_nameless(w))
		return SWAP_FAILED;
	if (renameat2(dir, w->temp, dir, name, RENAME_EXCHANGE) == 0) {
		if (is_old(&w->s, w->temp, &w->old)) {
			unlinkat(dir, w->temp, 0);
			return SWAP_DONE;
		}
		/* Somebody was faster: theirs gets its name back. */
		if (renameat2(dir, w->temp, dir, name, RENAME_EXCHANGE) != 0)
			renameat2(dir, w->temp, dir, name, RENAME_NOREPLACE);
		return SWAP_CHANGED;
	}
	if (!lacks(errno))
		return errno == ENOENT ? SWAP_CHANGED : SWAP_FAILED;
	return renameat(dir, w->temp, dir, name) == 0 ? SWAP_DONE : SWAP_FAILED;
}

/* What is left of it; what else has its name meanwhile stays. */
static void drop_temp(struct swapping *w)
{
	struct stat st;

	if (w->fd < 0)
		return;
	if (!w->nameless && fstatat(w->s.dir, w->temp, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == w->st.st_dev && st.st_ino == w->st.st_ino)
		unlinkat(w->s.dir, w->temp, 0);
	close(w->fd);
}

bool swap_prepare(struct swapping *w, const struct swap *s)
{
	int number;

	*w = (struct swapping){.s = *s, .fd = -1};
	if (s->old >= 0 && fstat(s->old, &w->old) != 0)
		return false;
	if (make_temp(w) && fill_temp(w)) {
		/* It need not wait for the sync to begin. */
		sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		return true;
	}
	number = errno;
	drop_temp(w);
	errno = number;
	return false;
}

static void sync_one(struct swapping *w)
{
	w->sync_errno = fsync(w->fd) == 0 ? 0 : errno;
	w->synced = true;
}

struct syncing {
	struct swapping *const *v;
	size_t n;
	atomic_size_t next;
};

static void *sync_some(void *ctx)
{
	struct syncing *s = ctx;
	size_t i;

	while ((i = atomic_fetch_add(&s->next, 1)) < s->n)
		sync_one(s->v[i]);
	return NULL;
}

/* Each sync waits for the disk's cache; those that wait together wait once. */
void swap_sync(struct swapping *const *v, size_t n)
{
	struct syncing s = {.v = v, .n = n};
	pthread_t threads[SYNC_THREADS];
	pthread_attr_t small;
	size_t n_threads = 0;

	if (n > 1 && pthread_attr_init(&small) == 0) {
		pthread_attr_setstacksize(&small, SYNC_STACK);
		while (n_threads < SYNC_THREADS && n_threads + 1 < n &&
		       pthread_create(&threads[n_threads], &small, sync_some, &s) == 0)
			n_threads++;
		pthread_attr_destroy(&small);
	}
	sync_some(&s);
	while (n_threads)
		pthread_join(threads[--n_threads], NULL);
}

enum swap_end swap_finish(struct swapping *w)
{
	enum swap_end end = SWAP_FAILED;
	int number;

	if (!w->synced)
		sync_one(w);
	errno = w->sync_errno;
	if (!w->sync_errno)
		end = w->s.old >= 0 ? place_over(w) : place_new(w);
	number = errno;
	if (end == SWAP_DONE)
		close(w->fd);
	else
		drop_temp(w);
	errno = number;
	return end;
}

void swap_sync_folder(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

enum swap_end swap_file(const struct swap *s)
{
	struct swapping w;
	enum swap_end end = swap_prepare(&w, s) ? swap_finish(&w) : SWAP_FAILED;
	int number = errno;

	if (end == SWAP_DONE)
		swap_sync_folder(s->dir);
	errno = number;
	return end;
}

/* Its name goes first: so what is removed is what was looked at. */
static enum swap_end remove_old(const struct swap *s, const struct stat *old)
{
	char temp[24];
	int rc = -1;

	if (!is_old(s, s->name, old))
		return SWAP_CHANGED;
	for (int i = 0; i < TRIES && rc != 0; i++) {
		if (!name_temp(temp))
			return SWAP_FAILED;
		rc = renameat2(s->dir, s->name, s->dir, temp, RENAME_NOREPLACE);
		if (rc != 0 && errno != EEXIST)
			break;
	}
	if (rc != 0 && lacks(errno))
		return unlinkat(s->dir, s->name, 0) == 0 ? SWAP_DONE : SWAP_FAILED;
	if (rc != 0)
		return errno == ENOENT ? SWAP_CHANGED : SWAP_FAILED;
	if (is_old(s, temp, old) && unlinkat(s->dir, temp, 0) == 0)
		return SWAP_DONE;
	renameat2(s->dir, temp, s->dir, s->name, RENAME_NOREPLACE);
	return SWAP_CHANGED;
}

enum swap_end swap_remove(const struct swap *s)
{
	struct stat old;

	return fstat(s->old, &old) == 0 ? remove_old(s, &old) : SWAP_FAILED;
}
