/*
 * Whose the pages of a model's pool are: counted, since sequences that begin alike and whoever
 * keeps a beginning for later share its pages.
 *
 * Rows are only ever added to a page.  One sequence at a time, its writer, may do so, and only
 * behind what is claimed: what others rely on.  Everybody else goes on in a copy.
 * Engine thread only.
 */
#ifndef ENGINE_PASS_PAGES_H
#define ENGINE_PASS_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

struct page {
	int32_t refs;    /* 0: free */
	int16_t writer;  /* a slot; PAGE_NO_WRITER: whoever comes first */
	int16_t claimed; /* tokens of it that stay as they are while it is not free */
};

#define PAGE_NO_WRITER (-1)

struct pages {
	struct page *v;
	int32_t *free; /* a stack, the lowest number on top at first */
	int32_t n, n_free;
};

int pages_init(struct pages *p, int32_t n, struct err *err);
void pages_release(struct pages *p); /* a zeroed struct is fine */

/* A free page, held once, with nothing claimed.  ERR_LIMIT where there is none. */
int pages_take(struct pages *p, int writer, int32_t *out, struct err *err);
void pages_share(struct pages *p, int32_t page);
/* `writer`: who drops it; PAGE_NO_WRITER for those that never write. */
void pages_drop(struct pages *p, int32_t page, int writer);

void pages_claim(struct pages *p, int32_t page, int tokens);
/* Whether the slot may go on in it behind `tokens`; then it is its writer. */
bool pages_may_write(struct pages *p, int32_t page, int slot, int tokens);

#endif
