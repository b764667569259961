/* The CPU backend: scratch, memory, its table, and the choice of an instruction set. */
#include "kernels/cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/memory.h"
#include "kernels/comm/comm.h"

#define HUGE_PAGE ((size_t)2 << 20)

/*
 * Scratch in pages of 2 MB where it is that large and the system has them: what passes over
 * many rows at once touches more small pages than the processor remembers.
 */
static void *scratch_new(size_t bytes)
{
	size_t page = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
	size_t all = (bytes + page - 1) / page * page;
	void *p = aligned_alloc(page, all);

	if (p && page == HUGE_PAGE)
		(void)madvise(p, all, MADV_HUGEPAGE);
	return p;
}

int cpu_shared(struct cpu *c, size_t bytes, struct err *err)
{
	void *p;

	if (bytes <= c->shared.bytes)
		return 0;
	p = scratch_new(bytes);
	if (!p)
		return err_nomem(err, "scratch", bytes);
	free(c->shared.p);
	c->shared.p = p;
	c->shared.bytes = bytes;
	return 0;
}

int cpu_own(struct cpu *c, size_t bytes, struct err *err)
{
	for (int i = 0; i < pool_size(c->pool); i++) {
		void *p;

		if (bytes <= c->own[i].bytes)
			continue;
		p = scratch_new(bytes);
		if (!p)
			return err_nomem(err, "scratch of a thread", bytes);
		free(c->own[i].p);
		c->own[i].p = p;
		c->own[i].bytes = bytes;
	}
	return 0;
}

/* --------------------------------------------------------------- memory */

/*
 * Every allocation is a mapping of its own, preceded by a page that holds its length.
 * Mappings are filled on first touch anyway, so lazy memory needs nothing more than not to
 * be counted against the machine's commit limit.
 */
#define HEADER 4096

static int cpu_alloc(struct backend *be, size_t bytes, enum memory_kind kind, dbuf *out,
		     struct err *err)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (kind == MEMORY_LAZY ? MAP_NORESERVE : 0);
	size_t all;
	unsigned char *p;

	(void)be;
	*out = NULL;
	if (bytes > SIZE_MAX - HEADER)
		return err_nomem(err, "buffer", bytes);
	all = bytes + HEADER;
	p = mmap(NULL, all, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		return err_nomem(err, "buffer", bytes);
	memcpy(p, &all, sizeof(all));
	*out = p + HEADER;
	return 0;
}

static void cpu_free(struct backend *be, dbuf p)
{
	size_t all;

	(void)be;
	if (!p)
		return;
	memcpy(&all, p - HEADER, sizeof(all));
	munmap(p - HEADER, all);
}

static int cpu_put(struct backend *be, dbuf dst, const void *src, size_t bytes, struct err *err)
{
	(void)be;
	(void)err;
	memcpy(dst, src, bytes);
	return 0;
}

static int cpu_get(struct backend *be, void *dst, dbuf src, size_t bytes, struct err *err)
{
	(void)be;
	(void)err;
	memcpy(dst, src, bytes);
	return 0;
}

static int cpu_copy(struct backend *be, dbuf dst, dbuf src, size_t bytes, struct err *err)
{
	(void)be;
	(void)err;
	memmove(dst, src, bytes);
	return 0;
}

static void cpu_caps(const struct backend *be, struct backend_caps *caps)
{
	const struct cpu *c = (const struct cpu *)be;

	*caps = (struct backend_caps){
		.act_bytes = 4,
		.max_rows = 512,
		.prefill_rows = 512,
		.n_devices = 1,
	};
	memcpy(caps->name, c->name, sizeof(caps->name));
}

static uint64_t cpu_memory_free(const struct backend *be)
{
	return memory_available() / (uint64_t)((const struct cpu *)be)->n_sharing;
}

/* Nearly all of it is the experts' rows between products. */
static uint64_t cpu_scratch_bytes(struct backend *be, const struct pass_shape *s)
{
	uint64_t d = (uint64_t)s->d, inner = (uint64_t)s->inner;

	(void)be;
	return (uint64_t)s->rows * (d + (uint64_t)(s->n_used + 1) * (2 * inner + d)) * sizeof(float);
}

/* ------------------------------------------------------- what bounds a step */

#define READ_BLOCK ((int64_t)1 << 20)

struct read_job {
	struct cpu *c;
	const unsigned char *p;
};

static void read_blocks(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct read_job *j = ctx;

	*(float *)j->c->own[worker].p =
		j->c->leaf->read(j->p + i0 * READ_BLOCK, (size_t)((i1 - i0) * READ_BLOCK));
}

static int cpu_read(struct backend *be, dbuf p, size_t bytes, struct err *err)
{
	struct read_job j = {cpu_of(be), p};

	if (cpu_own(j.c, sizeof(float), err))
		return err->code;
	pool_for(j.c->pool, (int64_t)bytes / READ_BLOCK, 1, (double)bytes, read_blocks, &j);
	return 0;
}

#define ROUNDS 4096 /* of one piece: some milliseconds where a multiply-add is a call */

static void multiply_pieces(void *ctx, int worker, int64_t i0, int64_t i1)
{
	struct cpu *c = ctx;

	*(float *)c->own[worker].p = c->leaf->multiply((int)(i1 - i0) * ROUNDS);
}

static int cpu_multiply(struct backend *be, double *n_op, struct err *err)
{
	struct cpu *c = cpu_of(be);
	int64_t pieces = 32 * pool_size(c->pool);

	if (cpu_own(c, sizeof(float), err))
		return err->code;
	*n_op = 2.0 * FMA_ROUND * ROUNDS * (double)pieces;
	pool_for(c->pool, pieces, 1, *n_op, multiply_pieces, c);
	return 0;
}

static int cpu_comm_new(struct backend *const *ranks, int n, struct comm **out, struct err *err)
{
	(void)ranks;
	return loopback_new(out, n, COMM_PATIENCE_MS, err);
}

static void cpu_close(struct backend *be)
{
	struct cpu *c = cpu_of(be);

	if (c->own) {
		for (int i = 0; i < pool_size(c->pool); i++)
			free(c->own[i].p);
	}
	free(c->own);
	free(c->shared.p);
	pool_free(c->pool);
	free(c);
}

static const struct ops cpu_ops = {
	.embed = cpu_embed,
	.rope = cpu_rope,
	.mhc_pre = cpu_mhc_pre,
	.mhc_post = cpu_mhc_post,
	.mhc_head = cpu_mhc_head,
	.linear = cpu_linear,
	.rms_norm = cpu_rms_norm,
	.query = cpu_query,
	.window_row = cpu_window_row,
	.compress = cpu_compress,
	.index_query = cpu_index_query,
	.index_select = cpu_index_select,
	.attention = cpu_attention,
	.route = cpu_route,
	.experts = cpu_experts,
	.stream_recall = cpu_stream_recall,
	.stream_keep = cpu_stream_keep,
	.draft_join = cpu_draft_join,
	.stream_mean = cpu_stream_mean,
	.block_attention = cpu_block_attention,
	.mhc_head_sum = cpu_mhc_head_sum,
	.markov = cpu_markov,
	.sample = cpu_sample,
	.advance = cpu_advance,
	.draft_take = cpu_draft_take,
	.accept = cpu_accept,
};

/* ------------------------------------------------------ instruction sets */

struct isa {
	const char *name;
	const struct leaf *leaf;
	const char *shown;
};

/* best first */
static const struct isa isas[] = {
#if defined(__x86_64__)
	{"v4", &leaf_v4, "x86-64-v4"},
	{"v3", &leaf_v3, "x86-64-v3"},
	{"v2", &leaf_v2, "x86-64-v2"},
#else
	{"generic", &leaf_generic, "generic"},
#endif
};

static int isa_runs_here(const struct isa *isa)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (strcmp(isa->name, "v4") == 0)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") &&
		       __builtin_cpu_supports("bmi2");
	if (strcmp(isa->name, "v3") == 0)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
		       __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
#else
	(void)isa;
	return 1;
#endif
}

static const struct isa *isa_choose(const char *name, struct err *err)
{
	for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
		if (name && strcmp(name, isas[i].name) != 0)
			continue;
		if (isa_runs_here(&isas[i]))
			return &isas[i];
		if (name)
			break;
	}
	err_set(err, ERR_MODEL, "cpu backend: instruction set %s: not on this processor",
		name ? name : "x86-64-v2");
	return NULL;
}

static int n_threads(const struct backend_options *o)
{
	int all = o->n_threads ? o->n_threads : pool_physical_cores() - o->n_left;
	int n = o->n_sharing > 1 ? all / o->n_sharing : all;

	return n > 0 ? n : 1;
}

int backend_open_cpu(struct backend **out, const struct backend_options *o, struct err *err)
{
	const struct isa *isa = isa_choose(o->isa, err);
	struct cpu *c;
	int rc;

	*out = NULL;
	if (!isa)
		return ERR_MODEL;
	if (o->n_threads < 0 || o->n_threads > 1024)
		return err_set(err, ERR_USAGE, "threads: %d, expected 0 to 1024", o->n_threads);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(err, "cpu backend", sizeof(*c));
	rc = pool_new(&c->pool, n_threads(o), o->n_left > 0, err);
	if (rc) {
		free(c);
		return rc;
	}
	c->base = (struct backend){
		.ops = &cpu_ops,
		.caps = cpu_caps,
		.memory_free = cpu_memory_free,
		.scratch_bytes = cpu_scratch_bytes,
		.alloc = cpu_alloc,
		.free = cpu_free,
		.put = cpu_put,
		.get = cpu_get,
		.copy = cpu_copy,
		.read = cpu_read,
		.multiply = cpu_multiply,
		.comm_new = cpu_comm_new,
		.close = cpu_close,
	};
	c->leaf = isa->leaf;
	c->n_sharing = o->n_sharing > 1 ? o->n_sharing : 1;
	snprintf(c->name, sizeof(c->name), "cpu %s, %d thread%s", isa->shown, pool_size(c->pool),
		 pool_size(c->pool) == 1 ? "" : "s");
	c->own = calloc((size_t)pool_size(c->pool), sizeof(*c->own));
	if (!c->own) {
		rc = err_nomem(err, "cpu backend", sizeof(*c->own));
		cpu_close(&c->base);
		return rc;
	}
	*out = &c->base;
	return 0;
}
