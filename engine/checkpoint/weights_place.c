/*
 * Weights on their way to where a backend reads them.
 *
 * What is mapped is brought into memory piece by piece before the backend is told
 * of it: so a file is read once and in order, its trouble is an error and no signal,
 * and the bytes that are counted are those that came in.
 */
#include "engine/checkpoint/weights.h"

#define STEP_BYTES ((size_t)32 << 20)

struct placing {
	struct backend *be;
	const struct safetensors *st; /* NULL: what is placed lies in memory */
	int (*progress)(void *ctx, uint64_t done, uint64_t all);
	void *ctx;
	uint64_t done, all, told; /* bytes */
	int n_hosted;
	struct err *err;
};

static int tell(struct placing *p)
{
	p->told = p->done;
	if (p->progress && p->progress(p->ctx, p->done, p->all))
		return err_set(p->err, ERR_CANCELLED, "loading was interrupted");
	return 0;
}

/* Brings n bytes in; says so now and then. */
static int bring(struct placing *p, const unsigned char *from, size_t n)
{
	int rc = 0;

	while (n && !rc) {
		size_t step = n < STEP_BYTES ? n : STEP_BYTES;

		if (p->st)
			rc = safetensors_touch(p->st, from, step, p->err);
		p->done += step;
		if (!rc && p->done - p->told >= STEP_BYTES)
			rc = tell(p);
		from += step;
		n -= step;
	}
	return rc;
}

static int bring_linear(struct placing *p, const struct weight *w)
{
	size_t values, scales;
	int rc;

	weight_sizes(w, &values, &scales);
	rc = bring(p, w->w, values);
	return rc ? rc : bring(p, w->scale, scales);
}

static int bring_experts(struct placing *p, const struct expert_weights *e, int n)
{
	int rc = 0;

	for (int i = 0; i < n && !rc; i++) {
		rc = bring_linear(p, &e[i].w1);
		if (!rc)
			rc = bring_linear(p, &e[i].w2);
		if (!rc)
			rc = bring_linear(p, &e[i].w3);
	}
	return rc;
}

/* How many of a part's experts the host keeps: of the draft layers', which each step reads, none. */
static int hosted(const struct weight_part *part, int n_hosted)
{
	return part->is_main ? n_hosted : 0;
}

static int place(struct placing *p, const struct weight_part *part)
{
	struct backend *be = p->be;
	int rc;

	switch (part->kind) {
	case PART_BYTES:
		rc = bring(p, *part->at, part->bytes);
		return rc ? rc : be->place_bytes(be, part->at, part->bytes, p->err);
	case PART_LINEAR:
		rc = bring_linear(p, part->linear);
		return rc ? rc : be->place(be, part->linear, part->n, p->err);
	case PART_EXPERTS:
		rc = bring_experts(p, part->experts, part->n);
		return rc ? rc
			  : be->place_experts(be, part->experts, part->n,
					      hosted(part, p->n_hosted), part->table,
					      p->err);
	}
	BUG("a part of no kind");
}

/* What lies in the host's memory then. */
static uint64_t hosted_bytes(const struct weights *w, int n_hosted)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->n_parts; i++) {
		const struct weight_part *part = &w->parts[i];

		if (part->kind == PART_EXPERTS)
			sum += part->bytes / (size_t)part->n * (size_t)hosted(part, n_hosted);
	}
	return sum;
}

int weights_place(struct weights *w, struct backend *be, const struct safetensors *st, int n_hosted,
		  int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
		  struct err *err)
{
	struct placing p = {.be = be, .st = st, .progress = progress, .ctx = ctx, .all = w->bytes,
			    .n_hosted = n_hosted, .err = err};
	struct err ignored;
	int rc, ended;

	if (!be->place_begin)
		return 0;
	rc = st ? safetensors_check(st, err) : 0;
	if (!rc)
		rc = be->place_begin(be, w->bytes - hosted_bytes(w, n_hosted), err);
	if (rc)
		return rc;
	for (size_t i = 0; i < w->n_parts && !rc; i++)
		rc = place(&p, &w->parts[i]);
	/* Also after a failure: until then the backend may read what the caller wants to free. */
	ended = be->place_end(be, rc ? &ignored : err);
	if (!rc)
		rc = ended;
	if (!rc)
		rc = tell(&p);
	if (!rc)
		hostmem_release(&w->copies);
	return rc;
}
