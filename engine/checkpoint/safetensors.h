/*
 * Checkpoint files: mapped, never copied, and never trusted.
 *
 * A directory holds either model.safetensors, or shards that
 * model.safetensors.index.json names.  Every length, offset, type and shape is
 * checked, with overflow, before a pointer is made of it; tensors may neither
 * overlap nor leave gaps, and a name may come once.  Shards are plain names
 * inside the directory (a symbolic link to a regular file will do).
 *
 * A shard that another process shortens while it is mapped: safetensors_check()
 * finds it between uses; a touch before that is a SIGBUS, and engine/base/mapped.h
 * tells the handler which file it was.
 *
 * After opening everything is constant: any thread.
 */
#ifndef ENGINE_CHECKPOINT_SAFETENSORS_H
#define ENGINE_CHECKPOINT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#define TENSOR_MAX_DIMS 4

enum dtype {
	DTYPE_BOOL,
	DTYPE_U8,
	DTYPE_I8,
	DTYPE_F8_E4M3,
	DTYPE_F8_E5M2,
	DTYPE_F8_E8M0,
	DTYPE_I16,
	DTYPE_U16,
	DTYPE_F16,
	DTYPE_BF16,
	DTYPE_I32,
	DTYPE_U32,
	DTYPE_F32,
	DTYPE_I64,
	DTYPE_U64,
	DTYPE_F64,
};

const char *dtype_name(enum dtype dtype); /* as the format spells it: "F8_E4M3" */
size_t dtype_bytes(enum dtype dtype);     /* of one element */

struct tensor {
	const char *name; /* lives as long as the files are open */
	enum dtype dtype;
	int n_dims;       /* 0: a scalar */
	int64_t shape[TENSOR_MAX_DIMS];
	const void *data; /* aligned as its element needs */
	size_t n_bytes;
	int shard;
	uint64_t at;      /* where its data begins in the shard's file */
};

struct safetensors;

int safetensors_open(struct safetensors **out, const char *dir, struct err *err);
int safetensors_open_file(struct safetensors **out, const char *path, struct err *err);
void safetensors_close(struct safetensors *st); /* NULL is fine */

/* NULL: no tensor of that name. */
const struct tensor *safetensors_find(const struct safetensors *st, const char *name);

/* In order of shards, then of data; i < safetensors_count(). */
size_t safetensors_count(const struct safetensors *st);
const struct tensor *safetensors_at(const struct safetensors *st, size_t i);

size_t safetensors_n_shards(const struct safetensors *st);
const char *safetensors_shard_name(const struct safetensors *st, int shard);
uint64_t safetensors_shard_bytes(const struct safetensors *st, int shard); /* of the file */
uint64_t safetensors_bytes(const struct safetensors *st); /* of all tensors */

/*
 * Reads n bytes of a shard's file, not of its mapping: nothing becomes resident but what the
 * system keeps of the file.  ERR_MODEL where the file ends before at + n.
 */
int safetensors_read(const struct safetensors *st, int shard, uint64_t at, void *out, size_t n,
		     struct err *err);

/*
 * The same of n bytes that a pointer into a shard's mapping stands for, which is not touched.  1,
 * and nothing is read: it leads into none.
 */
int safetensors_fetch(const struct safetensors *st, const void *data, void *out, size_t n,
		      struct err *err);

/* ERR_MODEL where a shard that is mapped is no longer as long as when it was opened. */
int safetensors_check(const struct safetensors *st, struct err *err);

/*
 * Brings every page into memory, in file order.  `progress` (may be NULL) is called every few
 * megabytes with the bytes done and in all; non-zero stops with ERR_CANCELLED.  A shard that
 * has shrunk, or cannot be read, is ERR_MODEL here and no SIGBUS.
 */
int safetensors_load(const struct safetensors *st,
		     int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
		     struct err *err);

/*
 * Ends the mappings, where the data has gone elsewhere: every tensor's `data` is NULL from here
 * on.  Names, types, shapes and safetensors_read() stay.
 */
void safetensors_unmap(struct safetensors *st);

/*
 * Writes a file of these tensors (their `shard` and `at` are ignored) to path: under another
 * name in the same directory first, then renamed, so that a failure (a full disk too) leaves no
 * half file and an older one untouched.  ERR_IO.
 */
int safetensors_write(const char *path, const struct tensor *tensors, size_t n, struct err *err);

/* "[2, 3]", as messages show a shape; returns `text`. */
const char *shape_text(char text[100], const int64_t *shape, int n_dims);

#endif
