/* Large blocks, filled from their beginning on. */
#include "kernels/cuda/arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kernels/cuda/private.h"

#define BLOCK_BYTES ((size_t)256 << 20)
#define HUGE_PAGE   ((size_t)2 << 20)
#define ALIGN       256

struct arena_block {
	struct arena_block *next;
	unsigned char *p;
	size_t bytes, used;
	void *map; /* NULL: the memory is CUDA's own; else ours, which CUDA has pinned */
	size_t map_bytes;
};

/*
 * A mapping of pages of 2 MB, where the system has them, with p at such a page's beginning.  A
 * child has no use for it, and would be given a copy of each page that is pinned: an editor
 * that is opened would want as much memory again.
 */
static bool map_huge(struct arena_block *b)
{
	size_t page = HUGE_PAGE, all = (b->bytes + 2 * page - 1) / page * page;
	void *map = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return false;
	(void)madvise(map, all, MADV_HUGEPAGE);
	(void)madvise(map, all, MADV_DONTFORK);
	b->map = map;
	b->map_bytes = all;
	b->p = (unsigned char *)(((uintptr_t)map + page - 1) / page * page);
	return true;
}

/* Kernels are given the host's addresses. */
static bool pin(const struct arena_block *b)
{
	void *seen = NULL;

	if (cudaHostRegister(b->p, b->bytes,
			     cudaHostRegisterMapped | cudaHostRegisterPortable) != cudaSuccess)
		return false;
	if (cudaHostGetDevicePointer(&seen, b->p, 0) == cudaSuccess && seen == b->p)
		return true;
	(void)cudaHostUnregister(b->p);
	return false;
}

/*
 * The host's processors, too, pass over what lies there, and over more small pages than they
 * remember.  Where that does not work, memory that CUDA allocates serves.
 */
static cudaError_t get_host_memory(struct arena_block *b)
{
	if (map_huge(b) && pin(b))
		return cudaSuccess;
	(void)cudaGetLastError();
	if (b->map)
		(void)munmap(b->map, b->map_bytes);
	b->map = NULL;
	return cudaHostAlloc((void **)&b->p, b->bytes,
			     cudaHostAllocMapped | cudaHostAllocPortable);
}

static void give_back(const struct arena *a, const struct arena_block *b)
{
	if (b->map) {
		(void)cudaHostUnregister(b->p);
		(void)munmap(b->map, b->map_bytes);
	} else {
		(void)(a->on_host ? cudaFreeHost(b->p) : cudaFree(b->p));
	}
}

static int get_memory(const struct arena *a, struct arena_block *b, struct err *err)
{
	cudaError_t got =
		a->on_host ? get_host_memory(b) : cudaMalloc((void **)&b->p, b->bytes);
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

		give_back(a, a->blocks);
		free(a->blocks);
		a->blocks = next;
	}
}
