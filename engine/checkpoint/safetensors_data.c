/*
 * The data of an open checkpoint: brought into memory, read beside its mapping, and
 * given up.
 */
#include "engine/checkpoint/safetensors_private.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mapped.h"

void shard_file_unmap(struct shard_file *s)
{
	mapped_remove(s->mapped);
	s->mapped = -1;
	if (s->map)
		munmap(s->map, s->size);
	s->map = NULL;
}

void safetensors_unmap(struct safetensors *st)
{
	for (size_t i = 0; i < st->n_shards; i++)
		shard_file_unmap(&st->shards[i]);
	for (size_t i = 0; i < st->n_tensors; i++)
		st->tensors[i].data = NULL;
}

int safetensors_read(const struct safetensors *st, int shard, uint64_t at, void *out, size_t n,
		     struct err *err)
{
	const struct shard_file *s = &st->shards[shard];
	unsigned char *to = out;

	while (n) {
		ssize_t got = pread(s->fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, s->path, "cannot read");
		if (!got)
			return err_set(err, ERR_MODEL,
				       "%s: ends at byte %llu, expected %zu as when it was opened",
				       s->name, (unsigned long long)at, s->size);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int safetensors_fetch(const struct safetensors *st, const void *data, void *out, size_t n,
		      struct err *err)
{
	for (size_t i = 0; i < st->n_shards; i++) {
		const struct shard_file *s = &st->shards[i];
		size_t at = (size_t)((uintptr_t)data - (uintptr_t)s->map);

		/* below the mapping `at` has wrapped round, beyond every size */
		if (s->map && at < s->size && n <= s->size - at)
			return safetensors_read(st, (int)i, at, out, n, err);
	}
	return 1;
}

int safetensors_check(const struct safetensors *st, struct err *err)
{
	for (size_t i = 0; i < st->n_shards; i++) {
		const struct shard_file *s = &st->shards[i];
		struct stat now;

		if (!s->map)
			continue;
		if (fstat(s->fd, &now) < 0)
			return err_errno(err, s->path, "cannot stat");
		if (now.st_size < 0 || (uint64_t)now.st_size < s->size)
			return err_set(err, ERR_MODEL,
				       "%s: %lld bytes now, expected %zu as when it was opened",
				       s->name, (long long)now.st_size, s->size);
	}
	return 0;
}

#define LOAD_STEP ((size_t)32 << 20)

/* MADV_POPULATE_READ reports what a plain touch would raise; kernels before 5.14 lack it. */
static int populate(const struct shard_file *s, size_t at, size_t n, struct err *err)
{
	char *from = (char *)s->map + at;

	while (madvise(from, n, MADV_POPULATE_READ) < 0) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		if (errno == EINVAL || errno == ENOSYS) {
			(void)madvise(from, n, MADV_WILLNEED);
			return 0;
		}
		return err_set(err, ERR_MODEL, "%s: cannot read bytes %zu to %zu: %s", s->name,
			       at, at + n,
			       errno == EFAULT ? "not there any more" : strerror(errno));
	}
	return 0;
}

int safetensors_load(const struct safetensors *st,
		     int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
		     struct err *err)
{
	uint64_t done = 0, all = 0;
	int rc = safetensors_check(st, err);

	for (size_t i = 0; i < st->n_shards; i++)
		all += st->shards[i].size;
	for (size_t i = 0; i < st->n_shards && !rc; i++) {
		const struct shard_file *s = &st->shards[i];

		for (size_t at = 0; at < s->size && !rc; at += LOAD_STEP) {
			size_t n = s->size - at < LOAD_STEP ? s->size - at : LOAD_STEP;

			rc = populate(s, at, n, err);
			done += n;
			if (!rc && progress && progress(ctx, done, all))
				rc = err_set(err, ERR_CANCELLED, "loading was interrupted");
		}
	}
	return rc;
}
