/*
 * Experts that the host computes, beside the others: both ends of the mail, what device memory
 * knows of a layer, and how one becomes the GPU's in another one's place.
 */
#include "kernels/cuda/arena.h"
#include "kernels/cuda/hosted.h"
#include "kernels/cuda/hosted_table.h"
#include "kernels/cuda/packed.h"
#include "kernels/cuda/private.h"

#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------- both ends */

int hosted_compute(struct backend *be, struct backend *cpu, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct hosted_ends *h = &c->hosted;
	int rc = h->host ? cuda_refuse(err, "experts on the host", "BUG: asked for twice") : 0;

	if (!rc)
		rc = cuda_fail(cudaHostAlloc((void **)&h->mail, sizeof(*h->mail),
					     cudaHostAllocMapped | cudaHostAllocPortable),
			       "experts on the host: pinned memory", err);
	if (!rc)
		rc = cuda_fail(cudaMalloc((void **)&h->state, sizeof(*h->state)),
			       "experts on the host", err);
	if (!rc)
		rc = cuda_fail(cudaMemsetAsync(h->state, 0, sizeof(*h->state), c->stream),
			       "experts on the host", err);
	if (rc) {
		cpu->close(cpu);
		return rc;
	}
	c->behind_other = 1;
	memset(h->mail, 0, sizeof(*h->mail));
	return hosted_new(&h->host, cpu, h->mail, err);
}

/* Nothing of the GPU's is under way. */
void hosted_close(struct cuda *c)
{
	struct hosted_ends *h = &c->hosted;

	hosted_free(h->host);
	(void)cudaFreeHost(h->mail);
	(void)cudaFree(h->state);
	*h = (struct hosted_ends){0};
}

int hosted_settle(struct cuda *c, struct err *err)
{
	return c->hosted.host ? hosted_told(c->hosted.host, err) : 0;
}

/* -------------------------------------------------------------------- tables */

/* Where what is staged of one expert begins, and how far the next one is. */
struct staged {
	size_t w1, s1, w2, s2, w3, s3, bytes;
};

static struct staged staged_of(const struct expert_weights *e)
{
	size_t inner = 0, inner_scales = 0, down = 0, down_scales = 0;
	struct staged s = {0};

	place_sizes(&e->w1, &inner, &inner_scales);
	place_sizes(&e->w2, &down, &down_scales);
	s.w1 = cuda_part(&s.bytes, inner);
	s.s1 = cuda_part(&s.bytes, inner_scales);
	s.w2 = cuda_part(&s.bytes, down);
	s.s2 = cuda_part(&s.bytes, down_scales);
	s.w3 = cuda_part(&s.bytes, inner);
	s.s3 = cuda_part(&s.bytes, inner_scales);
	return s;
}

static struct cuda_expert staged_at(const struct staged *s, const unsigned char *p)
{
	struct cuda_expert e = {p + s->w1, p + s->s1, p + s->w2,
				p + s->s2, p + s->w3, p + s->s3};

	return e;
}

/* Room for the hosted experts of any layer: one layer at a time uses it. */
static int grow_staged(struct hosted_ends *h, struct arena *own, size_t bytes, struct err *err)
{
	int rc;

	if (bytes <= h->staged_bytes)
		return 0;
	rc = arena_take(own, bytes, &h->staged, err);
	h->staged_bytes = rc ? 0 : bytes;
	return rc;
}

/* The table's contents, in host memory. */
static void fill_table(unsigned char *host, const struct expert_weights *e, int n, int n_hosted,
		       const unsigned char *staged)
{
	const struct hosted_table t = hosted_table_at(host, n);
	const struct staged s = staged_of(e);
	const int32_t own = 0; /* the last ones are hosted */

	for (int i = 0; i < n; i++) {
		struct cuda_expert row = cuda_expert_of(&e[i]), brought = row;
		int32_t place = i - (n - n_hosted);

		if (place >= 0)
			brought = staged_at(&s, staged + (size_t)place * s.bytes);
		else
			place = -1;
		memcpy(t.rows + (size_t)i * sizeof(row), &row, sizeof(row));
		memcpy(t.brought + (size_t)i * sizeof(row), &brought, sizeof(row));
		memcpy(t.place + (size_t)i * sizeof(place), &place, sizeof(place));
	}
	memcpy(t.own, &own, sizeof(own));
}

int hosted_table(struct cuda *c, struct arena *own, const struct expert_weights *e, int n,
		 int n_hosted, dbuf *table, struct err *err)
{
	size_t bytes = hosted_table_bytes(n);
	unsigned char *host;
	int rc;

	if (n_hosted >= n)
		return cuda_refuse(err, "experts",
				   "all %d are to be computed by the host, expected one at "
				   "least on the GPU",
				   n);
	rc = grow_staged(&c->hosted, own, (size_t)n_hosted * staged_of(e).bytes, err);
	host = rc ? NULL : malloc(bytes);
	if (!rc && !host)
		rc = err_nomem(err, "table of experts", bytes);
	if (!rc)
		rc = arena_take(own, bytes, table, err);
	if (!rc) {
		fill_table(host, e, n, n_hosted, c->hosted.staged);
		rc = memory_put(&c->base, *table, host, bytes, err);
	}
	free(host);
	return rc;
}

/* ------------------------------------------------------------------ changing places */

/* What the table says of one expert. */
struct entry {
	struct cuda_expert row, brought;
	int32_t place;
};

static int get_entry(struct cuda *c, struct entry *out, const struct hosted_table *t, int i,
		     struct err *err)
{
	size_t at = (size_t)i;
	int rc = memory_get(&c->base, &out->brought, t->brought + at * sizeof(out->brought),
			    sizeof(out->brought), err);

	return rc ? rc
		  : memory_get(&c->base, &out->place, t->place + at * sizeof(out->place),
			       sizeof(out->place), err);
}

static int put_entry(struct cuda *c, const struct entry *in, const struct hosted_table *t,
		     int i, struct err *err)
{
	struct backend *be = &c->base;
	size_t at = (size_t)i;
	int rc = memory_put(be, t->rows + at * sizeof(in->row), &in->row, sizeof(in->row), err);

	if (!rc)
		rc = memory_put(be, t->brought + at * sizeof(in->brought), &in->brought,
				sizeof(in->brought), err);
	return rc ? rc
		  : memory_put(be, t->place + at * sizeof(in->place), &in->place,
			       sizeof(in->place), err);
}

/* One expert of the GPU's, where it lies. */
static int repack(struct cuda *c, const struct expert_weights *e, dbuf row, int back,
		  struct err *err)
{
	const struct cuda_expert *at = (const struct cuda_expert *)(const void *)row;
	const struct pack_experts what = {
		.table = at,
		.to = at,
		.n = 1,
		.type = (int)e->w1.type,
		.d = e->w1.in,
		.inner = e->w1.out,
		.back = back,
	};

	return c->target->pack(c, &what, err);
}

/* The table, once `in` has become the GPU's and `out` the host's, in its place. */
static int tell_table(struct cuda *c, const struct expert_weights *e, int n, int in, int out,
		      const struct hosted_table *t, struct err *err)
{
	struct entry a, b = {.row = cuda_expert_of(&e[in]), .place = -1};
	int32_t own = 0;
	int rc = get_entry(c, &a, t, in, err);

	while (own < n && e[own].w1.layout != PACKED_LAYOUT)
		own++;
	a.row = cuda_expert_of(&e[out]);
	b.brought = b.row;
	if (!rc)
		rc = put_entry(c, &a, t, out, err);
	if (!rc)
		rc = put_entry(c, &b, t, in, err);
	return rc ? rc : memory_put(&c->base, t->own, &own, sizeof(own), err);
}

/* What swap_bytes() is going to take: a failure then would leave one expert in no order. */
static int take_scratch(struct cuda *c, const struct expert_weights *e, struct err *err)
{
	size_t up = 0, down = 0, scales = 0;
	void *ignored;

	place_sizes(&e->w1, &up, &scales);
	place_sizes(&e->w2, &down, &scales);
	return cuda_scratch(c, up > down ? up : down, "swap_experts", &ignored, err);
}

/* The first thing it does is to wait, so that the host computes nothing meanwhile. */
int hosted_swap(struct cuda *c, struct expert_weights *e, int n, int a, int b, dbuf table,
		struct err *err)
{
	int out = e[a].w1.layout == PACKED_LAYOUT ? a : b, in = a + b - out;
	const struct hosted_table t = hosted_table_at(table, n);
	size_t row = sizeof(struct cuda_expert);
	int rc = cuda_fail(cudaStreamSynchronize(c->stream), "swap_experts", err);

	if (!rc)
		rc = take_scratch(c, &e[out], err);
	if (!rc)
		rc = repack(c, &e[out], t.rows + (size_t)out * row, 1, err);
	c->behind_other = 1;
	if (!rc)
		rc = swap_bytes(c, &e[in], &e[out], err);
	if (!rc)
		rc = tell_table(c, e, n, in, out, &t, err);
	return rc ? rc : repack(c, &e[in], t.rows + (size_t)in * row, 0, err);
}
