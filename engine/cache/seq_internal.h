/* What the files of this room share of a sequence. */
#ifndef ENGINE_CACHE_SEQ_INTERNAL_H
#define ENGINE_CACHE_SEQ_INTERNAL_H

#include "engine/cache/seq.h"

struct seq {
	struct model *m;
	int slot;
	int64_t len;
	int64_t high; /* the longest it has been since it was empty: roll-back counts from here
		       */
	int32_t *table;  /* [max_pages]: as the device has it, of which n_pages are held */
	int64_t n_pages; /* as many as len tokens lie in */
};

/* In how many pages so many tokens lie. */
static inline int64_t seq_pages_of(int64_t tokens)
{
	return (tokens + PAGE_TOKENS - 1) / PAGE_TOKENS;
}

/* It holds nothing. */
void seq_empty(struct seq *s);

/* Drops the pages behind `len` tokens. */
void seq_drop_pages(struct seq *s, int64_t len);

/* The device learns of n entries of the page table. */
int seq_put_table(struct seq *s, int64_t from, int64_t n, struct err *err);

#endif
