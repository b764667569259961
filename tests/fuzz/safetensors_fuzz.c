/* Any bytes as a shard. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/checkpoint/safetensors.h"
#include "tests/fuzz/fuzz.h"

/* Reads every byte of every tensor, so that one outside the file is found. */
static unsigned int touch(const struct safetensors *st)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < safetensors_count(st); i++) {
		const struct tensor *t = safetensors_at(st, i);
		const unsigned char *p = t->data;

		BUG_ON(safetensors_find(st, t->name) != t);
		for (size_t j = 0; j < t->n_bytes; j++)
			sum += p[j];
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static volatile unsigned int sink;
	struct safetensors *st;
	struct err err = {0};
	char path[64];
	int fd = memfd_create("model.safetensors", 0);

	BUG_ON(fd < 0);
	BUG_ON(write(fd, data, size) != (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!safetensors_open_file(&st, path, &err)) {
		sink += touch(st);
		BUG_ON(safetensors_load(st, NULL, NULL, &err) != 0);
		safetensors_close(st);
	} else {
		BUG_ON(err.code == 0 || err.text[0] == '\0');
	}
	close(fd);
	return 0;
}
