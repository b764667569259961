/*
 * Device memory: buffers, scratch, and the way in and out through pinned host memory.
 *
 * Puts pass through two halves of pinned memory in turn, so that the host goes on at once, and
 * fills one with the next piece of what is large while the other one is on the bus; a get waits
 * for the stream, behind which both are free again, and the driver brings what is large faster
 * than pieces through pinned memory would.  A small MEMORY_RESULT buffer is pinned host memory
 * that kernels write straight into: reading it costs the wait alone.
 */
#include "kernels/cuda/private.h"
#include "kernels/cuda/tile_policy.h"

#include <stdlib.h>
#include <string.h>

/* Beyond this, results lie on the device: kernels that read them again would cross the bus. */
#define RESULT_PINNED_BYTES ((size_t)64 << 10)

/* One half of the way in, and behind both the place that gets land in. */
#define HALF_BYTES ((size_t)1 << 20)
#define GET_BYTES  ((size_t)1 << 20)

struct allocation {
	unsigned char *p;
	size_t bytes;
	int pinned;
};

static int remember(struct memory *m, struct allocation a, struct err *err)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct allocation *grown = realloc(m->list, cap * sizeof(*grown));

		if (!grown)
			return err_nomem(err, "list of GPU buffers", cap * sizeof(*grown));
		m->list = grown;
		m->cap = cap;
	}
	m->list[m->n++] = a;
	return 0;
}

static const struct allocation *pinned_at(const struct memory *m, dbuf p)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct allocation *a = &m->list[i];

		if (a->pinned && p >= a->p && p < a->p + a->bytes)
			return a;
	}
	return NULL;
}

static void release(const struct allocation *a)
{
	if (a->pinned)
		(void)cudaFreeHost(a->p);
	else
		(void)cudaFree(a->p);
}

int memory_open(struct cuda *c, struct err *err)
{
	struct memory *m = &c->memory;
	int rc = cuda_fail(cudaMallocHost((void **)&m->staging, 2 * HALF_BYTES + GET_BYTES),
			   "pinned memory", err);

	for (int i = 0; i < 2 && !rc; i++)
		rc = cuda_fail(cudaEventCreateWithFlags(&m->left[i], cudaEventDisableTiming),
			       "pinned memory", err);
	if (!rc)
		rc = cuda_fail(
			cudaMalloc((void **)&c->counters, CUDA_COUNTERS * sizeof(*c->counters)),
			"counters", err);
	if (!rc)
		rc = cuda_fail(cudaMemsetAsync(c->counters, 0,
					       CUDA_COUNTERS * sizeof(*c->counters), c->stream),
			       "counters", err);
	return rc;
}

void memory_close(struct cuda *c)
{
	struct memory *m = &c->memory;

	for (size_t i = 0; i < m->n; i++)
		release(&m->list[i]);
	free(m->list);
	scratch_forget(c);
	(void)cudaFree(c->scratch.p);
	(void)cudaFree(c->counters);
	for (int i = 0; i < 2; i++) {
		if (m->left[i])
			(void)cudaEventDestroy(m->left[i]);
	}
	(void)cudaFreeHost(m->staging);
}

/* ------------------------------------------------------------------ buffers */

int memory_alloc(struct backend *be, size_t bytes, enum memory_kind kind, dbuf *out,
		 struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct allocation a = {NULL, bytes ? bytes : 1, 0};
	void *p = NULL;
	int rc;

	*out = NULL;
	a.pinned = kind == MEMORY_HOSTED ||
		   (kind == MEMORY_RESULT && bytes <= RESULT_PINNED_BYTES);
	rc = cuda_fail(a.pinned ? cudaHostAlloc(&p, a.bytes, cudaHostAllocMapped)
				: cudaMalloc(&p, a.bytes),
		       "buffer", err);
	if (rc == ERR_NOMEM)
		return err_nomem(err, "buffer on the GPU", bytes);
	if (rc)
		return rc;
	a.p = p;
	if (a.pinned)
		memset(p, 0, a.bytes);
	else
		rc = cuda_fail(cudaMemsetAsync(p, 0, a.bytes, c->stream), "buffer", err);
	c->behind_other = 1;
	if (!rc)
		rc = remember(&c->memory, a, err);
	if (rc) {
		release(&a);
		return rc;
	}
	*out = a.p;
	return 0;
}

void memory_release(struct backend *be, dbuf p)
{
	struct memory *m = &cuda_of(be)->memory;

	if (!p)
		return;
	for (size_t i = 0; i < m->n; i++) {
		if (m->list[i].p != p)
			continue;
		/* cudaFree() waits for the device; pinned memory has to be waited for. */
		(void)cudaStreamSynchronize(cuda_of(be)->stream);
		release(&m->list[i]);
		m->list[i] = m->list[--m->n];
		return;
	}
	BUG("freed a GPU buffer that is none");
}

uint64_t memory_free_bytes(const struct backend *be)
{
	const struct cuda *c = (const struct cuda *)be;
	size_t left = 0, all = 0;

	if (cudaMemGetInfo(&left, &all) != cudaSuccess)
		return 0;
	return tile_policy_free(left, all, c->most_memory) / (uint64_t)c->n_here;
}

/* ------------------------------------------------------------------- in, out */

/* The other half's turn, once what passed through it last has left it. */
static int change_halves(struct cuda *c, struct err *err)
{
	struct memory *m = &c->memory;
	int rc = cuda_fail(cudaEventRecord(m->left[m->half], c->stream), "put", err);

	if (!rc)
		rc = cuda_fail(cudaEventSynchronize(m->left[!m->half]), "put", err);
	if (rc)
		return rc;
	m->half = !m->half;
	m->put_at = 0;
	return 0;
}

/* At most HALF_BYTES. */
static int put_piece(struct cuda *c, dbuf dst, const unsigned char *src, size_t bytes,
		     struct err *err)
{
	struct memory *m = &c->memory;
	int rc = m->put_at + bytes > HALF_BYTES ? change_halves(c, err) : 0;
	unsigned char *part = m->staging + (m->half ? HALF_BYTES : 0) + m->put_at;

	if (rc)
		return rc;
	m->put_at += (bytes + 63) / 64 * 64;
	memcpy(part, src, bytes);
	return cuda_fail(cudaMemcpyAsync(dst, part, bytes, cudaMemcpyDefault, c->stream), "put",
			 err);
}

int memory_put(struct backend *be, dbuf dst, const void *src, size_t bytes, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int rc = 0;

	c->behind_other = 1;
	for (size_t at = 0; at < bytes && !rc; at += HALF_BYTES) {
		size_t left = bytes - at;

		rc = put_piece(c, dst + at, (const unsigned char *)src + at,
			       left < HALF_BYTES ? left : HALF_BYTES, err);
	}
	return rc;
}

int memory_get(struct backend *be, void *dst, dbuf src, size_t bytes, struct err *err)
{
	static const char what[] = "waiting for results";
	struct cuda *c = cuda_of(be);
	struct memory *m = &c->memory;
	unsigned char *part = m->staging + 2 * HALF_BYTES;
	const unsigned char *from = src;
	int rc = 0;

	c->behind_other = 1;
	if (!pinned_at(m, src)) {
		int fits = bytes <= GET_BYTES;

		from = fits ? part : NULL;
		rc = cuda_fail(cudaMemcpyAsync(fits ? part : dst, src, bytes, cudaMemcpyDefault,
					       c->stream),
			       "get", err);
	}
	if (!rc)
		rc = c->comm ? comm_wait(c->comm, what, err)
			     : cuda_fail(cudaStreamSynchronize(c->stream), what, err);
	if (!rc)
		rc = hosted_settle(c, err);
	if (rc)
		return rc;
	m->put_at = 0;
	if (from)
		memcpy(dst, from, bytes);
	return 0;
}

int memory_copy(struct backend *be, dbuf dst, dbuf src, size_t bytes, struct err *err)
{
	struct cuda *c = cuda_of(be);

	c->behind_other = 1;
	return cuda_fail(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, c->stream), "copy",
			 err);
}

/* ------------------------------------------------------------------ scratch */

void scratch_forget(struct cuda *c)
{
	for (int i = 0; i < c->scratch.n_old; i++)
		(void)cudaFree(c->scratch.old[i]);
	c->scratch.n_old = 0;
}

/*
 * A recording's capture is of the relaxed kind, in which memory may be allocated.  The old area
 * stays until the recordings are forgotten, also where one is being made that names both;
 * beyond what was planned, each is at least twice as large as the last.
 */
int cuda_scratch(struct cuda *c, size_t bytes, const char *op, void **out, struct err *err)
{
	struct scratch *s = &c->scratch;
	void *grown = NULL;
	size_t want;

	*out = s->p;
	if (bytes <= s->bytes)
		return 0;
	if (s->n_old == SCRATCH_OLD)
		return cuda_refuse(err, op, "BUG: scratch grew %d times", SCRATCH_OLD);
	want = bytes > 2 * s->bytes ? bytes : 2 * s->bytes;
	want = bytes <= s->planned ? s->planned : want;
	if (cudaMalloc(&grown, want) != cudaSuccess) {
		(void)cudaGetLastError();
		want = bytes;
		if (cudaMalloc(&grown, want) != cudaSuccess) {
			(void)cudaGetLastError();
			err_nomem(err, "scratch on the GPU", bytes);
			return err_prefix(err, "cuda %s", op);
		}
	}
	if (s->p)
		s->old[s->n_old++] = s->p;
	s->p = grown;
	s->bytes = want;
	*out = grown;
	return 0;
}
