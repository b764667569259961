/*
 * Experts of few rows that the host's processors compute (hosted.h): what the GPU asks, and
 * what it makes of the answer.
 *
 *   ask  puts the choices that are the host's and, if there are any, the rows into the mail.
 *        What the GPU's own kernels are given instead of such a choice is weight 0 of an expert
 *        that the row needs anyway, so that memory gives nothing more; where the row has none
 *        of the GPU's, of some other; one block
 *   add  y += the host's sums, once they are there: a thread four columns of a row
 *
 * A row's sum is the GPU's, in the order of its slots, plus the host's, in theirs.
 *
 * Floor: 8 bytes for each value of x over the bus, and a crossing each way; between the two the
 * host reads its experts while the GPU reads its own.
 */
#ifndef KERNELS_CUDA_HOSTED_CUH
#define KERNELS_CUDA_HOSTED_CUH

#include "kernels/cuda/experts.cuh"
#include "kernels/cuda/hosted.h"
#include "kernels/cuda/hosted_table.h"

#define HOSTED_THREADS     512
#define HOSTED_TRIES       64 /* looks at the answer between two at the clock */
#define HOSTED_PATIENCE_NS UINT64_C(10000000000)

struct hosted_view {
	struct hosted_mail *mail; /* host memory */
	struct hosted_state *state;
	const int32_t *place, *own; /* struct hosted_table */
	uint32_t job;
};

/* What the GPU's kernels see instead of the host's choice in slot i of this row. */
static __device__ __forceinline__ int hosted_other(const struct hosted_view &v,
						   const int32_t *row, int n_used)
{
	for (int i = 0; i < n_used; i++) {
		if (v.place[row[i]] < 0)
			return row[i];
	}
	return *v.own;
}

/* All threads; true where one of the choices at least is the host's. */
static __device__ __forceinline__ bool hosted_split(const struct experts_job &j,
						    const struct hosted_view &v,
						    int32_t *chosen, float *weight)
{
	int any = 0;

	for (int i = (int)threadIdx.x; i < j.n_tok * j.n_used; i += HOSTED_THREADS) {
		const int32_t *row = j.chosen + i / j.n_used * j.n_used;
		int e = j.chosen[i], is_hosted = v.place[e] >= 0;

		v.mail->expert[i] = is_hosted ? e : -1;
		v.mail->weight[i] = j.weight[i];
		chosen[i] = is_hosted ? hosted_other(v, row, j.n_used) : e;
		weight[i] = is_hosted ? 0.0f : j.weight[i];
		any |= is_hosted;
	}
	return __syncthreads_or(any);
}

static __global__ void __launch_bounds__(HOSTED_THREADS)
	hosted_ask(struct experts_job j, struct hosted_view v, int32_t *chosen, float *weight)
{
	kernel_begin();
	bool any = hosted_split(j, v, chosen, weight);
	const uint2 *x = (const uint2 *)(const void *)j.x;
	float4 *to = (float4 *)(void *)v.mail->x;

	for (int i = (int)threadIdx.x; any && i < j.n_tok * j.d / 4; i += HOSTED_THREADS)
		to[i] = make_float4(f32_of_bf16_low(x[i].x), f32_of_bf16_high(x[i].x),
				    f32_of_bf16_low(x[i].y), f32_of_bf16_high(x[i].y));
	__threadfence_system();
	__syncthreads();
	if (threadIdx.x == 0) {
		uint32_t number = v.state->number + 1, rows = any ? (uint32_t)j.n_tok : 0;
		uint64_t word = (uint64_t)number << 32 | v.job << 8 | rows;

		v.state->number = number;
		v.state->rows = rows;
		asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(&v.mail->asked),
			     "l"(word)
			     : "memory");
	}
}

/* Ends also where the host is too late, this time or an earlier one that nobody has been told
 * of. */
static __device__ __forceinline__ void hosted_wait(const struct hosted_view &v, uint32_t number)
{
	const uint64_t since = now_ns();

	for (unsigned n = 1;; n++) {
		uint32_t answered;

		asm volatile("ld.acquire.sys.global.u32 %0, [%1];"
			     : "=r"(answered)
			     : "l"(&v.mail->answered)
			     : "memory");
		if (answered == number)
			return;
		if (n % HOSTED_TRIES)
			continue;
		if (*(const volatile uint32_t *)&v.mail->late)
			return;
		if (now_ns() - since > HOSTED_PATIENCE_NS)
			*(volatile uint32_t *)&v.mail->late = number;
	}
}

static __global__ void __launch_bounds__(HOSTED_THREADS)
	hosted_add(struct hosted_view v, int d, float *y)
{
	kernel_begin();
	int column = ((int)blockIdx.x * HOSTED_THREADS + (int)threadIdx.x) * 4;
	size_t at = (size_t)blockIdx.y * (size_t)d + (size_t)column;

	if (!v.state->rows)
		return;
	if (threadIdx.x == 0)
		hosted_wait(v, v.state->number);
	__syncthreads();
	if (column >= d)
		return;
	/* the host's memory, past every cache */
	float4 more = __ldcv((const float4 *)(const void *)(v.mail->y + at));
	float4 *sum = (float4 *)(void *)(y + at), s = *sum;

	*sum = make_float4(s.x + more.x, s.y + more.y, s.z + more.z, s.w + more.w);
}

/* ------------------------------------------------------------------ launches */

/* Does the host compute some of these? */
static inline int hosted_here(const struct cuda *c, const struct experts_args *a)
{
	int n = 0;

	for (int i = 0; c->hosted.host && i < a->n_expert; i++)
		n += a->experts[i].w1.layout != PACKED_LAYOUT;
	return n;
}

/* Before the GPU's own experts, which *j is about then. */
static int launch_hosted_ask(struct cuda *c, const struct experts_args *a,
			     struct experts_job *j, struct hosted_view *v, int32_t *chosen,
			     float *weight, struct err *err)
{
	const struct hosted_table t = hosted_table_at(a->table, a->n_expert);
	int rc = hosted_job(c->hosted.host, a, &v->job, err);

	if (rc)
		return rc;
	v->mail = c->hosted.mail;
	v->state = c->hosted.state;
	v->place = (const int32_t *)(const void *)t.place;
	v->own = (const int32_t *)(const void *)t.own;
	launch_kernel(c, hosted_ask, 1, HOSTED_THREADS, 0, *j, *v, chosen, weight);
	j->chosen = chosen;
	j->weight = weight;
	rc = cuda_check_launch(c, "experts on the host", err);
	if (!rc && c->hosted.records)
		c->hosted.asks++;
	else if (!rc)
		hosted_due(c->hosted.host, 1);
	return rc;
}

static int launch_hosted_add(struct cuda *c, const struct experts_args *a,
			     const struct hosted_view *v, struct err *err)
{
	unsigned blocks = (unsigned)(a->d / 4 + HOSTED_THREADS - 1) / HOSTED_THREADS;

	launch_kernel(c, hosted_add, dim3(blocks, (unsigned)a->n_tok), HOSTED_THREADS, 0, *v,
		      a->d, (float *)(void *)a->y);
	return cuda_check_launch(c, "experts on the host", err);
}

/* For many rows: what is chosen of the host's is brought and packed, and *j finds it there. */
static int launch_hosted_bring(struct cuda *c, const struct experts_args *a,
			       struct experts_job *j, struct err *err)
{
	const struct hosted_table t = hosted_table_at(a->table, a->n_expert);
	int n_choice = a->n_tok * a->n_used;
	struct pack_experts p = {};

	p.table = (const struct cuda_expert *)(const void *)t.rows;
	p.to = (const struct cuda_expert *)(const void *)t.brought;
	p.n = a->n_expert;
	p.type = j->type;
	p.d = a->d;
	p.inner = a->inner;
	p.only = (const int32_t *)(const void *)t.place;
	/* of so many choices hardly an expert is left out, and each block looks through all */
	if (n_choice < 8 * a->n_expert) {
		p.named = j->chosen;
		p.n_named = n_choice;
	}
	j->experts = p.to;
	return c->target->pack(c, &p, err);
}

#endif
