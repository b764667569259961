/* The count of each page's holders, and the stack of free ones. */
#include "engine/pass/pages.h"

#include <stdlib.h>

int pages_init(struct pages *p, int32_t n, struct err *err)
{
	*p = (struct pages){.n = n, .n_free = n};
	p->v = calloc((size_t)n, sizeof(*p->v));
	p->free = malloc((size_t)n * sizeof(*p->free));
	if (!p->v || !p->free) {
		pages_release(p);
		return err_nomem(err, "pool of cache pages", (size_t)n * sizeof(*p->v));
	}
	for (int32_t i = 0; i < n; i++)
		p->free[i] = n - 1 - i;
	return 0;
}

void pages_release(struct pages *p)
{
	free(p->v);
	free(p->free);
	*p = (struct pages){0};
}

int pages_take(struct pages *p, int writer, int32_t *out, struct err *err)
{
	if (p->n_free == 0)
		return err_set(err, ERR_LIMIT, "cache: all %d pages are held", (int)p->n);
	*out = p->free[--p->n_free];
	p->v[*out] = (struct page){.refs = 1, .writer = (int16_t)writer};
	return 0;
}

static struct page *held(struct pages *p, int32_t page)
{
	BUG_ON(page < 0 || page >= p->n || p->v[page].refs < 1);
	return &p->v[page];
}

void pages_share(struct pages *p, int32_t page)
{
	held(p, page)->refs++;
}

void pages_drop(struct pages *p, int32_t page, int writer)
{
	struct page *it = held(p, page);

	if (writer != PAGE_NO_WRITER && it->writer == writer)
		it->writer = PAGE_NO_WRITER;
	if (--it->refs == 0)
		p->free[p->n_free++] = page;
}

void pages_claim(struct pages *p, int32_t page, int tokens)
{
	struct page *it = held(p, page);

	if (tokens > it->claimed)
		it->claimed = (int16_t)tokens;
}

bool pages_may_write(struct pages *p, int32_t page, int slot, int tokens)
{
	struct page *it = held(p, page);

	if (it->claimed > tokens || (it->writer != PAGE_NO_WRITER && it->writer != slot))
		return false;
	it->writer = (int16_t)slot;
	return true;
}
