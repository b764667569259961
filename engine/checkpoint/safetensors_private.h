/*
 * What opening and reading share of an open checkpoint.
 */
#ifndef ENGINE_CHECKPOINT_SAFETENSORS_PRIVATE_H
#define ENGINE_CHECKPOINT_SAFETENSORS_PRIVATE_H

#include "engine/checkpoint/safetensors.h"

struct shard_file {
	char *name; /* inside the directory; for messages and the index */
	char *path;
	int fd;
	void *map;
	size_t size;
	int mapped; /* handle of engine/base/mapped.h */
};

struct safetensors {
	struct shard_file *shards;
	size_t n_shards, cap_shards;
	struct tensor *tensors;
	size_t n_tensors, cap_tensors;
	uint32_t *slots; /* open addressing; 1 + index of a tensor, 0 = free */
	size_t n_slots;  /* a power of two */
	uint64_t bytes;
};

/*
 * Room for one more than the n elements of `each` bytes that `array` has: the array, moved
 * perhaps; or NULL (out of memory), and the old one stays as it was.
 */
void *safetensors_room(void *array, size_t *cap, size_t n, size_t each, struct err *err);

/* Adds the tensors of a shard that is mapped: their data lies within it, without overlap or gap. */
int shard_file_parse(struct safetensors *st, int shard, struct err *err);

/* Ends one mapping, if there is one. */
void shard_file_unmap(struct shard_file *s);

#endif
