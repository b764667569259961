/*
 * Blocks of anonymous memory, filled from the front: a model has more tensors than a
 * process may have mappings.
 */
#include "engine/checkpoint/hostmem.h"

#include <stdlib.h>
#include <sys/mman.h>

#define BLOCK_BYTES ((size_t)64 << 20)
#define ALIGN       ((size_t)256)

struct hostmem_block {
	struct hostmem_block *next;
	unsigned char *p;
	size_t size, used;
};

static int add_block(struct hostmem *m, size_t n, const char *what, struct err *err)
{
	struct hostmem_block *b = calloc(1, sizeof(*b));
	size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
	void *p;

	if (!b)
		return err_nomem(err, what, sizeof(*b));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		free(b);
		return err_nomem(err, what, n);
	}
	/* Gigabytes page by page take longer to make than to fill; without, it is only slower. */
	(void)madvise(p, size, MADV_HUGEPAGE);
	*b = (struct hostmem_block){.next = m->blocks, .p = p, .size = size};
	m->blocks = b;
	return 0;
}

int hostmem_take(struct hostmem *m, size_t n, const char *what, void **out, struct err *err)
{
	struct hostmem_block *b = m->blocks;
	size_t room = (n + ALIGN - 1) / ALIGN * ALIGN;
	int rc;

	*out = NULL;
	if (room < n)
		return err_nomem(err, what, n);
	if (!b || b->size - b->used < room) {
		rc = add_block(m, room, what, err);
		if (rc)
			return rc;
		b = m->blocks;
	}
	*out = b->p + b->used;
	b->used += room;
	m->bytes += n;
	return 0;
}

void hostmem_release(struct hostmem *m)
{
	while (m->blocks) {
		struct hostmem_block *b = m->blocks;

		m->blocks = b->next;
		munmap(b->p, b->size);
		free(b);
	}
	*m = (struct hostmem){0};
}
