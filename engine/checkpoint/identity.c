#include "engine/checkpoint/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "engine/base/buf.h"

#define WHOLE_BYTES ((int64_t)64 << 20)
#define PART_BYTES  ((int64_t)1 << 20)

static const struct {
	const char *name;
	bool weights; /* beyond WHOLE_BYTES only the first part counts, the header's */
} parts[] = {
	{"config.json", false},
	{"tokenizer.json", false},
	{"model.safetensors.index.json", false},
	{"model.safetensors", true},
};

static int add_bytes(XXH3_state_t *h, int fd, int64_t n, const char *path, struct err *err)
{
	char *chunk = malloc((size_t)PART_BYTES);
	int rc = 0;

	if (!chunk)
		return err_nomem(err, path, (unsigned long long)PART_BYTES);
	while (n > 0 && !rc) {
		ssize_t got = read(fd, chunk, (size_t)(n < PART_BYTES ? n : PART_BYTES));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			rc = err_errno(err, path, "cannot read");
		} else if (got == 0) {
			rc = err_set(err, ERR_IO, "%s: found cut short, expected %" PRId64
				     " bytes more", path, n);
		} else {
			XXH3_128bits_update(h, chunk, (size_t)got);
		}
		n -= got;
	}
	free(chunk);
	return rc;
}

static int add_file(XXH3_state_t *h, const char *path, const char *name, bool weights,
		    struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char head[96];
	int64_t n = -1;
	int rc = 0;

	if (fd < 0 && errno != ENOENT)
		return err_errno(err, path, "cannot open");
	if (fd >= 0) {
		if (fstat(fd, &st) < 0)
			rc = err_errno(err, path, "cannot stat");
		else
			n = st.st_size;
	}
	/* Name and size go in first, so that no two rows of files look alike. */
	snprintf(head, sizeof(head), "%s %" PRId64 "\n", name, n);
	XXH3_128bits_update(h, head, strlen(head));
	if (!rc && n > 0)
		rc = add_bytes(h, fd, weights && n > WHOLE_BYTES ? PART_BYTES : n, path, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

int session_identity(const char *model_dir, char hex[65], struct err *err)
{
	XXH3_state_t *h = XXH3_createState();
	struct buf path = {0};
	XXH128_hash_t sum;
	int rc = h ? 0 : err_nomem(err, "identity", 0);

	if (h)
		XXH3_128bits_reset(h);
	for (size_t i = 0; !rc && i < sizeof(parts) / sizeof(parts[0]); i++) {
		buf_reset(&path);
		buf_addf(&path, "%s/%s", model_dir, parts[i].name);
		if (buf_failed(&path))
			rc = err_nomem(err, "identity", path.len);
		else
			rc = add_file(h, buf_z(&path), parts[i].name, parts[i].weights, err);
	}
	if (!rc) {
		sum = XXH3_128bits_digest(h);
		snprintf(hex, 65, "%016" PRIx64 "%016" PRIx64, (uint64_t)sum.high64,
			 (uint64_t)sum.low64);
	}
	buf_release(&path);
	XXH3_freeState(h);
	return rc;
}
