/*
 * The word is a doubly linked list of symbols in an array; possible merges wait
 * in a binary heap ordered by (rank, place).  A merge makes at most two new
 * candidates, so the heap sees at most 3n pushes.  Candidates are never taken
 * out when a neighbour changes; they are checked when they come up.
 */
#include "engine/text/bpe.h"

#include <stdbool.h>
#include <stdlib.h>

#define BPE_EMPTY UINT64_MAX /* no pair: ids are not negative */

struct bpe_symbol {
	token_id id;        /* -1: merged into its left neighbour */
	int32_t prev, next; /* -1 at the ends */
};

struct bpe_candidate {
	uint32_t rank;
	int32_t at; /* the left symbol */
	token_id merged;
};

int bpe_init(struct bpe *b, size_t n_merges, struct err *err)
{
	size_t n = 16;

	*b = (struct bpe){0};
	if (n_merges > SIZE_MAX / 8 / sizeof(*b->slots))
		return err_nomem(err, "merge table", n_merges);
	while (n < n_merges * 2)
		n *= 2;
	b->slots = malloc(n * sizeof(*b->slots));
	if (!b->slots)
		return err_nomem(err, "merge table", n * sizeof(*b->slots));
	for (size_t i = 0; i < n; i++)
		b->slots[i].pair = BPE_EMPTY;
	b->n_slots = n;
	return 0;
}

void bpe_release(struct bpe *b)
{
	free(b->slots);
	*b = (struct bpe){0};
}

static struct bpe_slot *slot_of(const struct bpe *b, token_id left, token_id right)
{
	uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
	size_t i = (size_t)((pair * 0x9e3779b97f4a7c15u) >> 20) & (b->n_slots - 1);

	while (b->slots[i].pair != BPE_EMPTY && b->slots[i].pair != pair)
		i = (i + 1) & (b->n_slots - 1);
	return &b->slots[i];
}

void bpe_add_merge(struct bpe *b, token_id left, token_id right, uint32_t rank, token_id merged)
{
	struct bpe_slot *slot = slot_of(b, left, right);

	if (slot->pair != BPE_EMPTY)
		return;
	slot->pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
	slot->rank = rank;
	slot->merged = merged;
}

void bpe_scratch_release(struct bpe_scratch *s)
{
	free(s->symbols);
	free(s->heap);
	*s = (struct bpe_scratch){0};
}

static bool before(struct bpe_candidate a, struct bpe_candidate b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(struct bpe_scratch *s, struct bpe_candidate c)
{
	size_t i = s->n_heap++;

	while (i > 0 && before(c, s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = c;
}

static struct bpe_candidate heap_pop(struct bpe_scratch *s)
{
	struct bpe_candidate top = s->heap[0];
	struct bpe_candidate last = s->heap[--s->n_heap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->n_heap)
			break;
		if (child + 1 < s->n_heap && before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!before(s->heap[child], last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

static const struct bpe_slot *merge_at(const struct bpe *b, const struct bpe_scratch *s,
				       int32_t at)
{
	int32_t next = at < 0 ? -1 : s->symbols[at].next;
	const struct bpe_slot *slot;

	if (next < 0)
		return NULL;
	slot = slot_of(b, s->symbols[at].id, s->symbols[next].id);
	return slot->pair == BPE_EMPTY ? NULL : slot;
}

static void consider(const struct bpe *b, struct bpe_scratch *s, int32_t at)
{
	const struct bpe_slot *slot = merge_at(b, s, at);

	if (slot)
		heap_push(s, (struct bpe_candidate){slot->rank, at, slot->merged});
}

static int reserve(struct bpe_scratch *s, size_t n, struct err *err)
{
	size_t want = n < 256 ? 256 : n;
	void *p;

	if (s->cap_symbols < n) {
		p = realloc(s->symbols, want * sizeof(*s->symbols));
		if (!p)
			return err_nomem(err, "a word's symbols", want * sizeof(*s->symbols));
		s->symbols = p;
		s->cap_symbols = want;
	}
	if (s->cap_heap < 3 * n) {
		p = realloc(s->heap, 3 * want * sizeof(*s->heap));
		if (!p)
			return err_nomem(err, "a word's merges", 3 * want * sizeof(*s->heap));
		s->heap = p;
		s->cap_heap = 3 * want;
	}
	return 0;
}

int bpe_encode(const struct bpe *b, struct bpe_scratch *s, const char *word, size_t n,
	       struct tokens *out, struct err *err)
{
	int rc;

	if (n == 0)
		return 0;
	if (n > INT32_MAX)
		return err_set(err, ERR_LIMIT, "a word of %zu bytes, at most %d can be encoded",
			       n, INT32_MAX);
	rc = reserve(s, n, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		s->symbols[i] = (struct bpe_symbol){b->byte_ids[(unsigned char)word[i]],
						    (int32_t)i - 1, (int32_t)i + 1};
	s->symbols[n - 1].next = -1;
	s->n_heap = 0;
	for (size_t i = 0; i + 1 < n; i++)
		consider(b, s, (int32_t)i);
	while (s->n_heap) {
		struct bpe_candidate c = heap_pop(s);
		struct bpe_symbol *left = &s->symbols[c.at], *right;
		const struct bpe_slot *slot;

		if (left->id < 0)
			continue;
		/* The neighbours may be others by now: what counts is what they make. */
		slot = merge_at(b, s, c.at);
		if (!slot || slot->merged != c.merged)
			continue;
		right = &s->symbols[left->next];
		left->id = c.merged;
		left->next = right->next;
		right->id = -1;
		if (left->next >= 0)
			s->symbols[left->next].prev = c.at;
		consider(b, s, left->prev);
		consider(b, s, c.at);
	}
	for (int32_t i = 0; i >= 0; i = s->symbols[i].next)
		tokens_add(out, s->symbols[i].id);
	return 0;
}
