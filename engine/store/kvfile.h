/*
 * A file of the disk tier: what was computed for a run of a prompt's ids.
 *
 *   head    magic, version, the model's identity, where the run begins, how many ids, and
 *           the sum of all ids before it
 *   ids     of the run, i32
 *   sums    XXH128 of each block
 *   sum     XXH128 of all the above
 *   blocks  a page for each KV_PAGE_IDS ids, then the frontier behind the last one, if it has
 * one
 *
 * A file is written whole under another name and then renamed, and never changed.  Everything
 * read is distrusted: what does not add up is an error, ERR_MODEL with what was found, and to
 * whoever looks for something to go on from as good as no file.  Any thread.
 */
#ifndef ENGINE_STORE_KVFILE_H
#define ENGINE_STORE_KVFILE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/chat.h"

#define KV_VERSION  1
#define KV_PAGE_IDS 128
#define KV_RUN_IDS  2048 /* most of one file */
#define KV_IDENTITY 64   /* bytes, with the end */

/* The sum of a row of ids. */
struct kv_sum {
	uint64_t low, high;
};

struct kv_head {
	char magic[8];
	uint32_t version;
	uint32_t n_ids;
	uint64_t first; /* position of the first id */
	uint64_t page_bytes;
	uint64_t frontier_bytes; /* 0: none */
	struct kv_sum before;    /* of ids[0 … first) */
	char identity[KV_IDENTITY];
};

static inline uint32_t kv_n_pages(const struct kv_head *h)
{
	return (h->n_ids + KV_PAGE_IDS - 1) / KV_PAGE_IDS;
}

static inline size_t kv_data_bytes(const struct kv_head *h)
{
	return (size_t)kv_n_pages(h) * h->page_bytes + h->frontier_bytes;
}

/*
 * Writes data, kv_data_bytes() of it, as `path`; magic and version of the head are filled in
 * here.  Where it fails nothing has that name.  ERR_IO, ERR_NOMEM.
 */
int kvfile_write(const char *path, struct kv_head head, const token_id *ids,
		 const unsigned char *data, struct err *err);

struct kvfile {
	int fd;
	struct kv_head head;
	token_id *ids;
	struct kv_sum *sums; /* [blocks] */
	uint32_t at;         /* blocks read so far */
	char path[4096];
};

/*
 * Opens a file and verifies all but its blocks.  `want`: its identity and sizes are what the
 * file must have; NULL: whatever it says.
 */
int kvfile_open(struct kvfile *f, const char *path, const struct kv_head *want,
		struct err *err);
void kvfile_close(struct kvfile *f); /* a zeroed struct is fine */

/* The next block, page or frontier, verified; or passes over it, unread. */
int kvfile_read(struct kvfile *f, unsigned char *block, struct err *err);
void kvfile_skip(struct kvfile *f);

#endif
