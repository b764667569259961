/*
 * The CPU backend's own state: what its operations (ops_*.c) share.
 */
#ifndef KERNELS_CPU_CPU_H
#define KERNELS_CPU_CPU_H

#include "kernels/backend.h"
#include "kernels/cpu/leaf.h"
#include "kernels/cpu/pool.h"
#include "kernels/ops.h"

/* Scratch that grows to the largest use and stays.  Content is undefined at each use. */
struct scratch {
	void *p;
	size_t bytes;
};

struct cpu {
	struct backend base; /* first: a struct backend * is a struct cpu * */
	const struct leaf *leaf;
	struct pool *pool;
	struct scratch *own;   /* [pool size], one for each worker */
	struct scratch shared; /* of the operation at hand */
	int n_sharing;         /* backends that have this machine's memory together */
	char name[64];
};

static inline struct cpu *cpu_of(struct backend *be)
{
	return (struct cpu *)be;
}

/* 0, or ERR_NOMEM.  cpu_own makes every worker's scratch at least `bytes`. */
int cpu_own(struct cpu *c, size_t bytes, struct err *err);
int cpu_shared(struct cpu *c, size_t bytes, struct err *err);

/* y[i] = W[o0…o1) x[i] with the work shared out; xs, ys: n row pointers that stay valid. */
void cpu_matmul(struct cpu *c, const struct weight *w, int o0, int o1, int n,
		const float *const *xs, float *const *ys);
int cpu_matmul_scratch(struct cpu *c, struct err *err); /* before cpu_matmul */

/* Rotates the last 64 of `dim` values by the 32 (cos, sin) pairs; sign -1 turns back. */
void cpu_rotate(float *x, int dim, const float *cs, float sign);
void cpu_rope_row(int64_t pos, const double *freq, float *cs);

static inline const struct step *cpu_step(dbuf step)
{
	return (const struct step *)(const void *)step;
}

/* The part of a ring or page table of every slot, `bytes` each, that is this step's. */
static inline dbuf cpu_slot(dbuf all, dbuf step, size_t bytes)
{
	return all + (size_t)cpu_step(step)->slot * bytes;
}

static inline const int32_t *cpu_pages(dbuf pages, dbuf step, int64_t max_pages)
{
	return (const int32_t *)(const void *)cpu_slot(pages, step,
						       (size_t)max_pages * sizeof(int32_t));
}

/* Where row b of a paged cache lies; per_page rows to a page. */
static inline size_t cpu_row_at(const int32_t *pages, int64_t b, int per_page)
{
	return (size_t)pages[b / per_page] * (size_t)per_page + (size_t)(b % per_page);
}

/* The operations, for the table in cpu.c. */
int cpu_embed(struct backend *, const struct embed_args *, struct err *);
int cpu_rope(struct backend *, const struct rope_args *, struct err *);
int cpu_mhc_pre(struct backend *, const struct mhc_pre_args *, struct err *);
int cpu_mhc_post(struct backend *, const struct mhc_post_args *, struct err *);
int cpu_mhc_head(struct backend *, const struct mhc_head_args *, struct err *);
int cpu_linear(struct backend *, const struct linear_args *, struct err *);
int cpu_rms_norm(struct backend *, const struct rms_norm_args *, struct err *);
int cpu_query(struct backend *, const struct query_args *, struct err *);
int cpu_window_row(struct backend *, const struct window_row_args *, struct err *);
int cpu_compress(struct backend *, const struct compress_args *, struct err *);
int cpu_index_query(struct backend *, const struct index_query_args *, struct err *);
int cpu_index_select(struct backend *, const struct index_select_args *, struct err *);
int cpu_attention(struct backend *, const struct attention_args *, struct err *);
int cpu_route(struct backend *, const struct route_args *, struct err *);
int cpu_experts(struct backend *, const struct experts_args *, struct err *);
int cpu_stream_recall(struct backend *, const struct stream_ring_args *, struct err *);
int cpu_stream_keep(struct backend *, const struct stream_ring_args *, struct err *);
int cpu_draft_join(struct backend *, const struct draft_join_args *, struct err *);
int cpu_stream_mean(struct backend *, const struct stream_mean_args *, struct err *);
int cpu_block_attention(struct backend *, const struct attention_args *, struct err *);
int cpu_mhc_head_sum(struct backend *, const struct mhc_head_args *, struct err *);
int cpu_markov(struct backend *, const struct markov_args *, struct err *);
int cpu_sample(struct backend *, const struct sample_args *, struct err *);
int cpu_advance(struct backend *, const struct advance_args *, struct err *);
int cpu_draft_take(struct backend *, const struct draft_take_args *, struct err *);
int cpu_accept(struct backend *, const struct accept_args *, struct err *);

#endif
