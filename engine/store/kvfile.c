/* Writing, and distrusting, the files of the disk tier. */
#include "engine/store/kvfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "engine/base/buf.h"
#include "engine/base/file.h"

/* The last byte is no text, and a file of another byte order has another version. */
static const char magic[8] = {'d', 's', 'v', '4', 'k', 'v', '\r', '\n'};

/* No block is larger, whatever a file says. */
#define BLOCK_MAX ((uint64_t)1 << 32)

_Static_assert(sizeof(struct kv_head) == 56 + KV_IDENTITY, "the head has no holes");
_Static_assert(sizeof(token_id) == 4, "ids are stored as they are");

static struct kv_sum sum_of(const void *data, size_t n)
{
	XXH128_hash_t h = XXH3_128bits(data, n);

	return (struct kv_sum){h.low64, h.high64};
}

static bool same_sum(struct kv_sum a, struct kv_sum b)
{
	return a.low == b.low && a.high == b.high;
}

static uint32_t n_blocks(const struct kv_head *h)
{
	return kv_n_pages(h) + (h->frontier_bytes != 0);
}

static size_t block_bytes(const struct kv_head *h, uint32_t i)
{
	return i < kv_n_pages(h) ? h->page_bytes : h->frontier_bytes;
}

/* Bytes before the sum of all of them. */
static size_t front_bytes(const struct kv_head *h)
{
	return sizeof(*h) + h->n_ids * sizeof(token_id) + n_blocks(h) * sizeof(struct kv_sum);
}

/* -------------------------------------------------------------------- writing */

static void add_front(struct buf *out, const struct kv_head *h, const token_id *ids,
		      const unsigned char *data)
{
	struct kv_sum all;

	buf_add(out, (const char *)h, sizeof(*h));
	buf_add(out, (const char *)ids, h->n_ids * sizeof(*ids));
	for (uint32_t i = 0; i < n_blocks(h); i++) {
		struct kv_sum sum = sum_of(data, block_bytes(h, i));

		buf_add(out, (const char *)&sum, sizeof(sum));
		data += block_bytes(h, i);
	}
	if (buf_failed(out))
		return;
	all = sum_of(out->data, out->len);
	buf_add(out, (const char *)&all, sizeof(all));
}

static int write_all(int fd, const char *path, const void *data, size_t n, struct err *err)
{
	return file_write_all(fd, (struct str){data, n}) ? err_errno(err, path, "write") : 0;
}

static int write_file(int fd, const char *temp, const struct buf *front,
		      const unsigned char *data, size_t n, struct err *err)
{
	int rc = write_all(fd, temp, front->data, front->len, err);

	return rc ? rc : write_all(fd, temp, data, n, err);
}

int kvfile_write(const char *path, struct kv_head head, const token_id *ids,
		 const unsigned char *data, struct err *err)
{
	struct buf front = {0}, temp = {0};
	int fd = -1, rc = 0;

	memcpy(head.magic, magic, sizeof(magic));
	head.version = KV_VERSION;
	add_front(&front, &head, ids, data);
	buf_addf(&temp, "%s.%ld.tmp", path, (long)getpid());
	if (buf_failed(&front) || buf_failed(&temp))
		rc = err_nomem(err, "cache file", front.len);
	if (!rc) {
		fd = open(buf_z(&temp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			  0600);
		rc = fd < 0 ? err_errno(err, buf_z(&temp), "create")
			    : write_file(fd, buf_z(&temp), &front, data, kv_data_bytes(&head),
					 err);
	}
	if (fd >= 0 && close(fd) != 0 && !rc)
		rc = err_errno(err, buf_z(&temp), "close");
	if (!rc && rename(buf_z(&temp), path) != 0)
		rc = err_errno(err, path, "rename");
	if (rc && fd >= 0)
		unlink(buf_z(&temp));
	buf_release(&front);
	buf_release(&temp);
	return rc;
}

/* -------------------------------------------------------------------- reading */

static int bad(const struct kvfile *f, struct err *err, const char *what)
{
	return err_set(err, ERR_MODEL, "%s: %s", f->path, what);
}

static int read_all(const struct kvfile *f, void *data, size_t n, struct err *err)
{
	unsigned char *p = data;

	while (n > 0) {
		ssize_t k = read(f->fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_errno(err, f->path, "read");
		if (k == 0)
			return bad(f, err, "ends too early");
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int check_head(const struct kvfile *f, const struct kv_head *want, uint64_t size,
		      struct err *err)
{
	const struct kv_head *h = &f->head;

	if (memcmp(h->magic, magic, sizeof(magic)) != 0)
		return bad(f, err, "no cache file");
	if (h->version != KV_VERSION)
		return err_set(err, ERR_MODEL, "%s: version %u, expected %u", f->path,
			       h->version, KV_VERSION);
	if (h->n_ids > KV_RUN_IDS || h->page_bytes > BLOCK_MAX ||
	    h->frontier_bytes > BLOCK_MAX || h->first % KV_RUN_IDS || h->first > INT32_MAX ||
	    h->identity[KV_IDENTITY - 1])
		return bad(f, err, "sizes that make no sense");
	if (front_bytes(h) + sizeof(struct kv_sum) + kv_data_bytes(h) != size)
		return err_set(err, ERR_MODEL, "%s: %llu bytes, expected %llu", f->path,
			       (unsigned long long)size,
			       (unsigned long long)(front_bytes(h) + sizeof(struct kv_sum) +
						    kv_data_bytes(h)));
	if (!want)
		return 0;
	if (strcmp(h->identity, want->identity) != 0)
		return err_set(err, ERR_MODEL, "%s: of model %s, expected %s", f->path,
			       h->identity, want->identity);
	if (h->page_bytes != want->page_bytes ||
	    (h->frontier_bytes && h->frontier_bytes != want->frontier_bytes))
		return bad(f, err, "pages of another size");
	return 0;
}

/* Ids and sums, by the sum of all that stands before it. */
static int read_front(struct kvfile *f, struct err *err)
{
	size_t n = front_bytes(&f->head), ids = f->head.n_ids * sizeof(*f->ids);
	unsigned char *front = malloc(n + sizeof(struct kv_sum));
	struct kv_sum all;
	int rc;

	if (!front)
		return err_nomem(err, "cache file", n);
	memcpy(front, &f->head, sizeof(f->head));
	rc = read_all(f, front + sizeof(f->head), n - sizeof(f->head) + sizeof(all), err);
	memcpy(&all, front + n, sizeof(all));
	if (!rc && !same_sum(all, sum_of(front, n)))
		rc = bad(f, err, "its head is damaged");
	if (!rc) {
		f->ids = malloc(ids ? ids : 1);
		f->sums = malloc((n_blocks(&f->head) + 1) * sizeof(*f->sums));
		if (!f->ids || !f->sums)
			rc = err_nomem(err, "cache file", n);
	}
	if (!rc) {
		memcpy(f->ids, front + sizeof(f->head), ids);
		memcpy(f->sums, front + sizeof(f->head) + ids,
		       n_blocks(&f->head) * sizeof(*f->sums));
	}
	free(front);
	return rc;
}

int kvfile_open(struct kvfile *f, const char *path, const struct kv_head *want, struct err *err)
{
	struct stat st;
	int rc = 0;

	*f = (struct kvfile){.fd = -1};
	snprintf(f->path, sizeof(f->path), "%s", path);
	/* Whatever else has the name (a pipe) is not waited for. */
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (f->fd < 0 || fstat(f->fd, &st) != 0)
		rc = err_errno(err, path, "open");
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(f->head))
		rc = bad(f, err, "no cache file");
	if (!rc)
		rc = read_all(f, &f->head, sizeof(f->head), err);
	if (!rc)
		rc = check_head(f, want, (uint64_t)st.st_size, err);
	if (!rc)
		rc = read_front(f, err);
	if (rc)
		kvfile_close(f);
	return rc;
}

void kvfile_close(struct kvfile *f)
{
	if (f->fd >= 0 && f->path[0])
		close(f->fd);
	free(f->ids);
	free(f->sums);
	f->fd = -1;
	f->ids = NULL;
	f->sums = NULL;
}

int kvfile_read(struct kvfile *f, unsigned char *block, struct err *err)
{
	size_t n;
	int rc;

	BUG_ON(f->at >= n_blocks(&f->head));
	n = block_bytes(&f->head, f->at);
	rc = read_all(f, block, n, err);
	if (!rc && !same_sum(sum_of(block, n), f->sums[f->at]))
		rc = err_set(err, ERR_MODEL, "%s: block %u is damaged", f->path, f->at);
	f->at++;
	return rc;
}

void kvfile_skip(struct kvfile *f)
{
	BUG_ON(f->at >= n_blocks(&f->head));
	(void)lseek(f->fd, (off_t)block_bytes(&f->head, f->at), SEEK_CUR);
	f->at++;
}
