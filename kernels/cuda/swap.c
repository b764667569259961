/*
 * Two experts change places: what stands in each one's memory, then who is said to be where.
 * The one's memory is the host's, so that an exchange takes its bytes twice over the bus.  Where
 * the host computes what lies there, hosted_place.c sees to the order that each is in.
 */
#include "kernels/cuda/private.h"

static int exchange_bytes(struct cuda *c, dbuf a, dbuf b, size_t bytes, struct err *err)
{
	void *between;
	int rc = cuda_scratch(c, bytes, "swap_experts", &between, err);

	if (!rc)
		rc = memory_copy(&c->base, between, a, bytes, err);
	if (!rc)
		rc = memory_copy(&c->base, a, b, bytes, err);
	return rc ? rc : memory_copy(&c->base, b, between, bytes, err);
}

static int exchange(struct cuda *c, struct weight *a, struct weight *b, struct err *err)
{
	size_t values = 0, scales = 0;
	struct weight w = *a;
	int rc;

	place_sizes(a, &values, &scales);
	rc = exchange_bytes(c, a->w, b->w, values, err);
	if (!rc && scales)
		rc = exchange_bytes(c, a->scale, b->scale, scales, err);
	if (rc)
		return rc;
	*a = *b;
	*b = w;
	return 0;
}

int swap_bytes(struct cuda *c, struct expert_weights *a, struct expert_weights *b,
	       struct err *err)
{
	int rc = exchange(c, &a->w1, &b->w1, err);

	if (!rc)
		rc = exchange(c, &a->w2, &b->w2, err);
	return rc ? rc : exchange(c, &a->w3, &b->w3, err);
}

static int put_row(struct backend *be, const struct expert_weights *e, int i, dbuf table,
		   struct err *err)
{
	struct cuda_expert row = cuda_expert_of(&e[i]);

	return be->put(be, table + (size_t)i * sizeof(row), &row, sizeof(row), err);
}

int swap_experts(struct backend *be, struct expert_weights *e, int n, int a, int b, dbuf table,
		 struct err *err)
{
	struct cuda *c = cuda_of(be);
	int rc;

	if (a == b || !table || c->recording)
		return cuda_refuse(err, "swap_experts", "BUG: %d and %d", a, b);
	if (e[a].w1.layout != e[b].w1.layout)
		return hosted_swap(c, e, n, a, b, table, err);
	rc = swap_bytes(c, &e[a], &e[b], err);
	if (!rc)
		rc = put_row(be, e, a, table, err);
	return rc ? rc : put_row(be, e, b, table, err);
}
