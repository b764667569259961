/*
 * Weights on their way to where a backend reads them.
 *
 * The backend's threads have them read from the files, several at once, each byte once, into
 * memory of its own; what is mapped is not touched.  So a file's trouble is an error and no
 * signal, and no table of pages is made for what is never read there.
 */
#include "engine/checkpoint/weights.h"

#include <stdatomic.h>
#include <string.h>

#include "engine/base/clock.h"

#define STEP_BYTES ((size_t)32 << 20)

struct placing {
	struct backend *be;
	const struct safetensors *st; /* NULL: what is placed lies in memory */
	int (*progress)(void *ctx, uint64_t done, uint64_t all);
	void *ctx;
	uint64_t done, all, told; /* bytes */
	_Atomic int64_t read_ns;  /* of all threads that read */
	int n_hosted;
};

static int tell(struct placing *p, struct err *err)
{
	p->told = p->done;
	if (p->progress && p->progress(p->ctx, p->done, p->all))
		return err_set(err, ERR_CANCELLED, "loading was interrupted");
	return 0;
}

/* What was copied for this rank, or is made up, lies in memory. */
static int read_weights(void *ctx, void *dst, const unsigned char *src, size_t n,
			struct err *err)
{
	struct placing *p = ctx;
	double start = clock_s();
	int rc = p->st ? safetensors_fetch(p->st, src, dst, n, err) : 1;

	if (rc > 0) {
		memcpy(dst, src, n);
		rc = 0;
	}
	atomic_fetch_add(&p->read_ns, (int64_t)(1e9 * (clock_s() - start)));
	return rc;
}

static int passed(void *ctx, size_t n, struct err *err)
{
	struct placing *p = ctx;

	p->done += n;
	return p->done - p->told < STEP_BYTES ? 0 : tell(p, err);
}

/* How many of a part's experts the host keeps: of the draft layers', which each step reads, none. */
static int hosted(const struct weight_part *part, int n_hosted)
{
	return part->is_main ? n_hosted : 0;
}

static int place(struct placing *p, const struct weight_part *part, struct err *err)
{
	struct backend *be = p->be;

	switch (part->kind) {
	case PART_BYTES:
		return be->place_bytes(be, part->at, part->bytes, err);
	case PART_LINEAR:
		return be->place(be, part->linear, part->n, err);
	case PART_EXPERTS:
		return be->place_experts(be, part->experts, part->n, hosted(part, p->n_hosted),
					 part->table, err);
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
			    .n_hosted = n_hosted};
	const struct weight_reader from = {read_weights, passed, &p};
	struct err ignored;
	int rc, ended;

	if (!be->place_begin)
		return 0;
	rc = st ? safetensors_check(st, err) : 0;
	if (!rc)
		rc = be->place_begin(be, w->bytes - hosted_bytes(w, n_hosted), &from, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < w->n_parts && !rc; i++)
		rc = place(&p, &w->parts[i], err);
	/* Also after a failure: until then the backend may read what the caller wants to free. */
	ended = be->place_end(be, rc ? &ignored : err);
	if (!rc)
		rc = ended;
	if (!rc)
		rc = tell(&p, err);
	if (!rc)
		hostmem_release(&w->copies);
	w->read_s = 1e-9 * (double)p.read_ns;
	return rc;
}
