/* Large blocks, filled from their beginning on. */
#include "kernels/cuda/arena.h"

#include <stdlib.h>

#include "kernels/cuda/private.h"

#define BLOCK_BYTES ((size_t)256 << 20)
#define ALIGN       256

struct arena_block {
	struct arena_block *next;
	unsigned char *p;
	size_t bytes, used;
};

static int get_memory(const struct arena *a, struct arena_block *b, struct err *err)
{
	cudaError_t got = a->on_host
				  ? cudaHostAlloc((void **)&b->p, b->bytes,
						  cudaHostAllocMapped | cudaHostAllocPortable)
				  : cudaMalloc((void **)&b->p, b->bytes);
	int rc = cuda_fail(got, "weights", err);

	if (rc == ERR_NOMEM)
		err_nomem(err,
			  a->on_host ? "experts in pinned host memory" : "weights on the GPU",
			  b->bytes);
	return rc;
}

static int add_block(struct arena *a, size_t need, struct arena_block **out, struct err *err)
{
	struct arena_block *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return err_nomem(err, "arena", sizeof(*b));
	b->bytes = need > BLOCK_BYTES / 4 ? need : BLOCK_BYTES;
	rc = get_memory(a, b, err);
	if (rc) {
		free(b);
		return rc;
	}
	/* One that is full at once goes behind the one that still has room. */
	if (b->bytes == need && a->blocks) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = a->blocks;
		a->blocks = b;
	}
	*out = b;
	return 0;
}

int arena_take(struct arena *a, size_t bytes, unsigned char **out, struct err *err)
{
	struct arena_block *b = a->blocks;
	size_t need = (bytes + ALIGN - 1) / ALIGN * ALIGN + ALIGN;
	int rc = 0;

	if (!b || b->bytes - b->used < need)
		rc = add_block(a, need, &b, err);
	if (rc)
		return rc;
	*out = b->p + b->used;
	b->used += need;
	return 0;
}

void arena_release(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		(void)(a->on_host ? cudaFreeHost(a->blocks->p) : cudaFree(a->blocks->p));
		free(a->blocks);
		a->blocks = next;
	}
}
