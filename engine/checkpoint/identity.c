/*
 * The name of a checkpoint: one hash over its small files, whole, and over its shards' headers
 * and samples.  Before each part go its name and size, so that no two rows of parts look alike.
 */
#include "engine/checkpoint/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "engine/base/buf.h"
#include "engine/base/file.h"

#define N_SAMPLES    64
#define SAMPLE_BYTES ((size_t)64 << 10)
#define HEAD_BYTES   ((size_t)1 << 10) /* of each tensor of a shard that does not count whole */
#define FILE_MAX     ((size_t)1 << 30)

struct naming {
	XXH3_state_t *hash;
	const struct safetensors *st;
	struct err *err;
	unsigned char piece[SAMPLE_BYTES];
};

static void add_label(struct naming *k, const char *name, int64_t n)
{
	char text[320];

	snprintf(text, sizeof(text), "%s %" PRId64 "\n", name, n);
	XXH3_128bits_update(k->hash, text, strlen(text));
}

static int add_file(struct naming *k, const char *dir, const char *name)
{
	struct buf path = {0}, text = {0};
	struct stat st;
	int rc;

	buf_addf(&path, "%s/%s", dir, name);
	if (buf_failed(&path)) {
		rc = err_nomem(k->err, "path", path.len);
	} else if (lstat(buf_z(&path), &st) != 0 && errno == ENOENT) {
		add_label(k, name, -1);
		rc = 0;
	} else {
		rc = file_read(&text, buf_z(&path), FILE_MAX, k->err);
		if (!rc) {
			add_label(k, name, (int64_t)text.len);
			XXH3_128bits_update(k->hash, text.data, text.len);
		}
	}
	buf_release(&text);
	buf_release(&path);
	return rc;
}

/* Bytes at … at + n of a shard's file. */
static int add_run(struct naming *k, int shard, uint64_t at, uint64_t n)
{
	int rc = 0;

	while (n && !rc) {
		size_t step = n < SAMPLE_BYTES ? (size_t)n : SAMPLE_BYTES;

		rc = safetensors_read(k->st, shard, at, k->piece, step, k->err);
		if (!rc)
			XXH3_128bits_update(k->hash, k->piece, step);
		at += step;
		n -= step;
	}
	return rc;
}

static int add_samples(struct naming *k, int shard, uint64_t at, uint64_t n)
{
	uint64_t span = n - SAMPLE_BYTES; /* from the first sample's beginning to the last's */
	int rc = 0;

	for (uint64_t i = 0; i < N_SAMPLES && !rc; i++) {
		uint64_t from = span / (N_SAMPLES - 1) * i +
				span % (N_SAMPLES - 1) * i / (N_SAMPLES - 1);

		rc = add_run(k, shard, at + from, SAMPLE_BYTES);
	}
	return rc;
}

/* *next: the first tensor of this shard; left at the first of the next one. */
static int add_shard(struct naming *k, int shard, size_t *next)
{
	uint64_t size = safetensors_shard_bytes(k->st, shard), header = 0, data;
	bool whole;
	int rc;

	add_label(k, safetensors_shard_name(k->st, shard), (int64_t)size);
	rc = safetensors_read(k->st, shard, 0, &header, sizeof(header), k->err);
	if (rc)
		return rc;
	if (header > size - sizeof(header))
		return err_set(k->err, ERR_MODEL,
			       "%s: header of %" PRIu64 " bytes in a file of %" PRIu64
			       ", expected it as when it was opened",
			       safetensors_shard_name(k->st, shard), header, size);
	data = sizeof(header) + header;
	whole = size - data <= N_SAMPLES * SAMPLE_BYTES;
	rc = add_run(k, shard, 0, whole ? size : data);
	if (!rc && !whole)
		rc = add_samples(k, shard, data, size - data);
	for (; *next < safetensors_count(k->st) && !rc; ++*next) {
		const struct tensor *t = safetensors_at(k->st, *next);

		if (t->shard != shard)
			break;
		if (!whole)
			rc = add_run(k, shard, t->at,
				     t->n_bytes < HEAD_BYTES ? t->n_bytes : HEAD_BYTES);
	}
	return rc;
}

static int add_all(struct naming *k, const char *dir)
{
	static const char *const files[] = {"config.json", "tokenizer.json",
					    "model.safetensors.index.json"};
	size_t tensor = 0;
	int rc = 0;

	XXH3_128bits_reset(k->hash);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !rc; i++)
		rc = add_file(k, dir, files[i]);
	for (size_t i = 0; i < safetensors_n_shards(k->st) && !rc; i++)
		rc = add_shard(k, (int)i, &tensor);
	return rc;
}

int checkpoint_identity(const char *dir, const struct safetensors *st, char name[IDENTITY_BYTES],
			struct err *err)
{
	struct naming k = {.hash = XXH3_createState(), .st = st, .err = err};
	XXH128_hash_t sum;
	int rc;

	if (!k.hash)
		return err_nomem(err, "identity", 0);
	rc = add_all(&k, dir);
	if (!rc) {
		sum = XXH3_128bits_digest(k.hash);
		snprintf(name, IDENTITY_BYTES, IDENTITY_VERSION "%016" PRIx64 "%016" PRIx64,
			 (uint64_t)sum.high64, (uint64_t)sum.low64);
	}
	XXH3_freeState(k.hash);
	return rc;
}
