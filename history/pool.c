/* Chunks of memory, handed out from front to back. */
#include "history/pool.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/err.h"

#define CHUNK_BYTES 65536

struct pool_chunk {
	struct pool_chunk *next;
	alignas(max_align_t) char bytes[];
};

void pool_release(struct pool *p)
{
	while (p->chunks) {
		struct pool_chunk *next = p->chunks->next;

		free(p->chunks);
		p->chunks = next;
	}
	*p = (struct pool){0};
}

static struct pool_chunk *add_chunk(struct pool *p, size_t bytes)
{
	struct pool_chunk *c = malloc(sizeof(*c) + bytes);

	if (!c)
		return NULL;
	c->next = p->chunks;
	p->chunks = c;
	return c;
}

void *pool_get(struct pool *p, size_t size)
{
	struct pool_chunk *c;
	void *got;

	if (size > SIZE_MAX / 2)
		return NULL;
	/* Nothing at all gets an address too: NULL means that there is no memory. */
	size = ((size ? size : 1) + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	/* What is large gets a chunk of its own, so that the current one goes on. */
	if (size > CHUNK_BYTES / 4) {
		c = add_chunk(p, size);
		return c ? memset(c->bytes, 0, size) : NULL;
	}
	if (size > p->left) {
		c = add_chunk(p, CHUNK_BYTES);
		if (!c)
			return NULL;
		p->at = c->bytes;
		p->left = CHUNK_BYTES;
	}
	got = p->at;
	p->at += size;
	p->left -= size;
	return memset(got, 0, size);
}

void *pool_array(struct pool *p, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / 2 / size)
		return NULL;
	return pool_get(p, n * size);
}

int pool_str(struct pool *p, struct str s, struct str *out)
{
	char *copy = s.n < SIZE_MAX / 2 ? pool_get(p, s.n + 1) : NULL;

	if (!copy)
		return ERR_NOMEM;
	if (s.n)
		memcpy(copy, s.p, s.n);
	*out = (struct str){copy, s.n};
	return 0;
}
