/*
 * The indexer's scores, and the choice of the best rows.
 *
 *   score(b) = sum_h w[h] scale max(0, q[h] · row[b])
 *
 * Scores: a warp takes 32 rows (a page) of one token.  FP4 codes are exact as f16 and so are
 * the sums of a block of 32 columns on tensor cores; scales, blocks and heads are added one
 * after another as on the CPU, so scores have its bits.  Lane t of a quad holds the t-th word
 * of each block of rows and queries alike: which columns meet is the same on both sides.
 *
 * Choice: a block of threads for a token.  Up to LIST rows stand in shared memory.  Of more,
 * the top_k-th of 2048 groups' greatest is a bound that top_k rows reach: those beyond it are
 * listed, ties with it taken from the lowest row on; a list that overflows is done without.
 *
 * Floor, one token of 8K rows: 0.5 MB, 0.1 µs; launches and the rounds of the choice cost more.
 */
#include "kernels/cuda/round.h"
#include "kernels/cuda/tensor.cuh"

#define PAGE_ROWS   (PAGE_TOKENS / 4) /* a warp's tile */
#define ROW_WORDS   (INDEX_ROW_BYTES / 4)
#define SCORE_WARPS 4
#define SUM_PITCH   36 /* floats: rows g + 4 t and so on meet no bank twice */
#define MAX_HEAD    128
#define SCORE_BYTES ((size_t)64 << 20) /* of scratch for scores of many rows */

/* ------------------------------------------------------------------- scores */

struct scores {
	struct index_select_args a;
	int t0; /* token of scores[0] */
	int64_t stride;
	float *scores;
};

/* Queries of one token, shared: fragments, scales · 2^28 [4][heads], weights [heads]. */
struct queries {
	uint4 *codes; /* [tiles of 8 heads][4 blocks][32 lanes] */
	float *scale, *w;
	int n; /* heads, in 8s */
};

static __host__ __device__ __forceinline__ int heads_of(int n_head)
{
	return (n_head + 7) / 8 * 8;
}

static __host__ __device__ __forceinline__ size_t query_bytes(int heads)
{
	return (size_t)heads * (16 * sizeof(uint4) + 5 * sizeof(float));
}

static __device__ void load_queries(const struct scores &p, int64_t t, const struct queries &q)
{
	const struct index_select_args &a = p.a;
	const uint32_t *from = (const uint32_t *)a.q + t * a.n_head * ROW_WORDS;

	for (int i = (int)threadIdx.x; i < q.n * 16; i += SCORE_WARPS * WARP) {
		int h = i / 16, b = i % 16 / 4, lane = h % 8 * 4 + i % 4;
		uint32_t w = h < a.n_head ? from[h * ROW_WORDS + i % 16] : 0;

		q.codes[(h / 8 * 4 + b) * WARP + lane] =
			make_uint4(round_fp4_pair(w, 0), round_fp4_pair(w, 1),
				   round_fp4_pair(w, 2), round_fp4_pair(w, 3));
	}
	for (int h = (int)threadIdx.x; h < q.n; h += SCORE_WARPS * WARP) {
		uint32_t e = h < a.n_head ? from[h * ROW_WORDS + 16] : 0;

		for (int b = 0; b < 4; b++)
			q.scale[b * q.n + h] = round_scale(e >> (8 * b) & 255) * 0x1p28f;
		q.w[h] = h < a.n_head ? ((const float *)a.w)[t * a.n_head + h] * a.scale : 0.0f;
	}
}

/* 16 rows as the first operand: rows g and g + 8, and their scales. */
struct operand {
	uint32_t a[4][2][4]; /* [block][step of 16 columns] */
	float scale[2][4];
};

static __device__ __forceinline__ void load_rows(struct operand *r, const uint32_t *rows,
						 int lane)
{
#pragma unroll
	for (int i = 0; i < 2; i++) {
		const uint32_t *row = rows + (lane / 4 + 8 * i) * ROW_WORDS;
		uint32_t e = row[16];

#pragma unroll
		for (int b = 0; b < 4; b++) {
			uint32_t w = row[4 * b + lane % 4];

			r->a[b][0][i] = round_fp4_pair(w, 0);
			r->a[b][0][2 + i] = round_fp4_pair(w, 1);
			r->a[b][1][i] = round_fp4_pair(w, 2);
			r->a[b][1][2 + i] = round_fp4_pair(w, 3);
			r->scale[i][b] = round_scale(e >> (8 * b) & 255);
		}
	}
}

/* max(0, q · row) of 16 rows and 8 heads from h on, to sum[head][row]. */
static __device__ __forceinline__ void
score_heads(const struct operand *r, const struct queries &q, int h, int lane, float *sum)
{
	float dot[4] = {0.0f, 0.0f, 0.0f, 0.0f};

#pragma unroll
	for (int b = 0; b < 4; b++) {
		uint4 f = q.codes[(h / 8 * 4 + b) * WARP + lane];
		float2 s = *(const float2 *)(q.scale + b * q.n + h + lane % 4 * 2);
		float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};

		tensor_f16(c, r->a[b][0], f.x, f.y);
		tensor_f16(c, r->a[b][1], f.z, f.w);
		dot[0] = fmaf(c[0], s.x * r->scale[0][b], dot[0]);
		dot[1] = fmaf(c[1], s.y * r->scale[0][b], dot[1]);
		dot[2] = fmaf(c[2], s.x * r->scale[1][b], dot[2]);
		dot[3] = fmaf(c[3], s.y * r->scale[1][b], dot[3]);
	}
	sum += lane % 4 * 2 * SUM_PITCH + lane / 4;
	sum[0] = fmaxf(dot[0], 0.0f);
	sum[SUM_PITCH] = fmaxf(dot[1], 0.0f);
	sum[8] = fmaxf(dot[2], 0.0f);
	sum[SUM_PITCH + 8] = fmaxf(dot[3], 0.0f);
}

/* Grid: shares of the pages, tokens. */
static __global__ void __launch_bounds__(SCORE_WARPS *WARP) score_rows(struct scores p)
{
	kernel_begin();
	extern __shared__ uint4 shared[];
	__shared__ float sums[SCORE_WARPS][8 * SUM_PITCH];
	const struct index_select_args &a = p.a;
	const struct step *step = step_of(a.step);
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t t = p.t0 + (int64_t)blockIdx.y, n = (step->pos0 + t + 1) / 4;
	const int32_t *pages = (const int32_t *)a.pages + step->slot * a.max_pages;
	struct queries q;
	float *sum = sums[warp];

	if (n <= a.top_k)
		return;
	q.n = heads_of(a.n_head);
	q.codes = shared;
	q.scale = (float *)(shared + q.n * 16);
	q.w = q.scale + 4 * q.n;
	load_queries(p, t, q);
	__syncthreads();
	for (int64_t page = blockIdx.x + (int64_t)warp * gridDim.x; page * PAGE_ROWS < n;
	     page += (int64_t)SCORE_WARPS * gridDim.x) {
		const uint32_t *rows =
			(const uint32_t *)a.rows + (int64_t)pages[page] * PAGE_ROWS * ROW_WORDS;
		struct operand r[2];
		float total = 0.0f;

		load_rows(&r[0], rows, lane);
		load_rows(&r[1], rows + 16 * ROW_WORDS, lane);
		for (int h = 0; h < q.n; h += 8) {
			score_heads(&r[0], q, h, lane, sum);
			score_heads(&r[1], q, h, lane, sum + 16);
			__syncwarp();
#pragma unroll
			for (int k = 0; k < 8; k++)
				total = fmaf(q.w[h + k], sum[k * SUM_PITCH + lane], total);
			__syncwarp();
		}
		if (page * PAGE_ROWS + lane < n)
			p.scores[(int64_t)blockIdx.y * p.stride + page * PAGE_ROWS + lane] =
				total;
	}
}

/* ------------------------------------------------------------------- choice */

#define CHOOSERS     1024
#define CHOOSE_WARPS (CHOOSERS / WARP)
#define GROUPS       (2 * CHOOSERS)
#define BINS         2048
#define BIN_BITS     11
#define LIST         8192

struct chooser {
	uint32_t key[LIST];
	int32_t row[LIST];
	int32_t count[BINS];
	int32_t part[CHOOSE_WARPS][2];
	uint32_t low, high;
	int32_t bin, above;
};

/* Keys in memory, each row its own number. */
struct all_rows {
	const float *score;

	__device__ __forceinline__ uint32_t key(int64_t i) const
	{
		return round_key(score[i]);
	}
	__device__ __forceinline__ int32_t row(int64_t i) const
	{
		return (int32_t)i;
	}
};

/* Those listed. */
struct listed_rows {
	const struct chooser *c;

	__device__ __forceinline__ uint32_t key(int64_t i) const
	{
		return c->key[i];
	}
	__device__ __forceinline__ int32_t row(int64_t i) const
	{
		return c->row[i];
	}
};

/* The bin of the need-th of all counted, from the highest on, and how many are above. */
static __device__ void find_bin(struct chooser *c, int32_t need)
{
	int i = (int)threadIdx.x, lane = i % WARP, warp = i / WARP;
	int32_t high = c->count[BINS - 1 - 2 * i], both = high + c->count[BINS - 2 - 2 * i];
	int32_t upto = both, before = 0;

	for (int o = 1; o < WARP; o *= 2) {
		int32_t v = __shfl_up_sync(ALL_LANES, upto, o);

		upto += lane >= o ? v : 0;
	}
	if (lane == WARP - 1)
		c->part[warp][0] = upto;
	__syncthreads();
	for (int w = 0; w < warp; w++)
		before += c->part[w][0];
	upto += before;
	if (upto >= need && upto - both < need) {
		bool first = upto - both + high >= need;

		c->bin = BINS - 1 - 2 * i - (first ? 0 : 1);
		c->above = upto - both + (first ? 0 : high);
	}
	__syncthreads();
}

/* Sets c->low and c->high to the least and the greatest key. */
template <class rows>
static __device__ void key_range(struct chooser *c, const rows &r, int64_t n)
{
	uint32_t low = 0xffffffffu, high = 0;

	if (threadIdx.x == 0) {
		c->low = low;
		c->high = high;
	}
	for (int64_t i = threadIdx.x; i < n; i += CHOOSERS) {
		uint32_t k = r.key(i);

		low = k < low ? k : low;
		high = k > high ? k : high;
	}
	low = __reduce_min_sync(ALL_LANES, low);
	high = __reduce_max_sync(ALL_LANES, high);
	__syncthreads();
	if (threadIdx.x % WARP == 0) {
		atomicMin(&c->low, low);
		atomicMax(&c->high, high);
	}
	__syncthreads();
}

/*
 * The key of the need-th greatest of n (1 ≤ need ≤ n): the range of keys is cut in bins, and
 * the right bin again, until it holds one key.  *ties: how many of that key are among the first
 * need.
 */
template <class rows>
static __device__ uint32_t nth_key(struct chooser *c, const rows &r, int64_t n, int32_t need,
				   int32_t *ties)
{
	uint32_t low;
	int bits;

	key_range(c, r, n);
	low = c->low;
	bits = 32 - __clz((int)(c->high - low));
	while (bits > 0) {
		int shift = bits > BIN_BITS ? bits - BIN_BITS : 0;

		for (int i = (int)threadIdx.x; i < BINS; i += CHOOSERS)
			c->count[i] = 0;
		__syncthreads();
		for (int64_t i = threadIdx.x; i < n; i += CHOOSERS) {
			uint32_t k = r.key(i), d = k - low;

			if (k >= low && (bits == 32 || d >> bits == 0))
				atomicAdd(&c->count[d >> shift], 1);
		}
		__syncthreads();
		find_bin(c, need);
		low += (uint32_t)c->bin << shift;
		need -= c->above;
		bits = shift;
	}
	*ties = need;
	return low;
}

/* A warp's own run of n rows: a whole number of warps' widths. */
static __device__ __forceinline__ int64_t run_of(int64_t n)
{
	return (n + CHOOSERS - 1) / CHOOSERS * WARP;
}

/* How many keys are above the limit and how many equal to it, before this warp's run and in
 * all. */
template <class rows>
static __device__ void count_keys(struct chooser *c, const rows &r, int64_t n, uint32_t limit,
				  int32_t before[2], int32_t all[2])
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t from = warp * run_of(n), to = from + run_of(n);
	int32_t above = 0, equal = 0;

#pragma unroll 4
	for (int64_t i = from + lane; i < to; i += WARP) {
		uint32_t k = i < n ? r.key(i) : 0;

		above += i < n && k > limit;
		equal += i < n && k == limit;
	}
	above = __reduce_add_sync(ALL_LANES, above);
	equal = __reduce_add_sync(ALL_LANES, equal);
	__syncthreads();
	if (lane == 0) {
		c->part[warp][0] = above;
		c->part[warp][1] = equal;
	}
	__syncthreads();
	for (int k = 0; k < 2; k++) {
		before[k] = 0;
		all[k] = 0;
		for (int w = 0; w < CHOOSE_WARPS; w++) {
			before[k] += w < warp ? c->part[w][k] : 0;
			all[k] += c->part[w][k];
		}
	}
}

/* Writes the rows above the limit, and the first `ties` equal to it, in ascending order. */
template <class rows>
static __device__ void choose(struct chooser *c, const rows &r, int64_t n, uint32_t limit,
			      int32_t ties, int32_t *sel)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t from = warp * run_of(n), to = from + run_of(n);
	uint32_t below = (1u << lane) - 1;
	int32_t before[2], all[2];

	count_keys(c, r, n, limit, before, all);
	for (int64_t i = from + lane; i < to; i += WARP) {
		uint32_t k = i < n ? r.key(i) : 0;
		bool above = i < n && k > limit, equal = i < n && k == limit;
		uint32_t a = __ballot_sync(ALL_LANES, above),
			 e = __ballot_sync(ALL_LANES, equal);
		int32_t n_above = before[0] + __popc(a & below);
		int32_t n_equal = before[1] + __popc(e & below);

		if (above || (equal && n_equal < ties))
			sel[n_above + (n_equal < ties ? n_equal : ties)] = r.row(i);
		before[0] += __popc(a);
		before[1] += __popc(e);
	}
}

/* Lists the rows above the limit, in ascending order. */
static __device__ void list_rows(struct chooser *c, const all_rows &r, int64_t n,
				 uint32_t limit, int32_t at)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t from = warp * run_of(n), to = from + run_of(n);
	uint32_t below = (1u << lane) - 1;

#pragma unroll 4
	for (int64_t i = from + lane; i < to; i += WARP) {
		uint32_t k = i < n ? r.key(i) : 0;
		bool above = i < n && k > limit;
		uint32_t a = __ballot_sync(ALL_LANES, above);

		if (above) {
			c->key[at + __popc(a & below)] = k;
			c->row[at + __popc(a & below)] = (int32_t)i;
		}
		at += __popc(a);
	}
	__syncthreads();
}

/* A key that at least k of n rows reach: the k-th of the groups' greatest. */
static __device__ uint32_t bound_of(struct chooser *c, const float *score, int64_t n, int32_t k)
{
	struct listed_rows groups = {c};
	uint32_t even = 0, odd = 0;
	int32_t ties;

#pragma unroll 4
	for (int64_t i = threadIdx.x; i < n; i += GROUPS) {
		even = max(even, round_key(score[i]));
		odd = i + CHOOSERS < n ? max(odd, round_key(score[i + CHOOSERS])) : odd;
	}
	c->key[2 * threadIdx.x] = even;
	c->key[2 * threadIdx.x + 1] = odd;
	__syncthreads();
	even = nth_key(c, groups, GROUPS, k, &ties);
	__syncthreads(); /* the list is written next */
	return even;
}

/* n > k rows */
static __device__ void choose_best(struct chooser *c, const float *score, int64_t n, int32_t k,
				   int32_t *sel)
{
	struct all_rows rows = {score};
	struct listed_rows list = {c};
	int32_t before[2], all[2] = {(int32_t)n, 0}, ties;
	uint32_t limit;

	if (n <= LIST) {
		for (int64_t i = threadIdx.x; i < n; i += CHOOSERS) {
			c->key[i] = rows.key(i);
			c->row[i] = (int32_t)i;
		}
		__syncthreads();
	} else {
		limit = bound_of(c, score, n, k);
		count_keys(c, rows, n, limit, before, all);
		if (all[0] < k) {
			choose(c, rows, n, limit, k - all[0], sel);
			return;
		}
		if (all[0] <= LIST)
			list_rows(c, rows, n, limit, before[0]);
	}
	if (all[0] <= LIST) {
		limit = nth_key(c, list, all[0], k, &ties);
		choose(c, list, all[0], limit, ties, sel);
	} else {
		limit = nth_key(c, rows, n, k, &ties);
		choose(c, rows, n, limit, ties, sel);
	}
}

static __global__ void __launch_bounds__(CHOOSERS) choose_rows(struct scores p)
{
	kernel_begin();
	extern __shared__ uint4 shared[];
	const struct index_select_args &a = p.a;
	int64_t t = p.t0 + (int64_t)blockIdx.x, n = (step_of(a.step)->pos0 + t + 1) / 4;
	int32_t *sel = (int32_t *)a.sel + t * a.top_k;

	if (threadIdx.x == 0)
		((int32_t *)a.n_sel)[t] = n < a.top_k ? (int32_t)n : a.top_k;
	if (n > a.top_k) {
		choose_best((struct chooser *)shared, p.scores + (int64_t)blockIdx.x * p.stride,
			    n, a.top_k, sel);
	} else {
		for (int i = (int)threadIdx.x; i < a.top_k; i += CHOOSERS)
			sel[i] = i < n ? i : -1;
	}
}

/* ------------------------------------------------------------------ launching */

/* Tokens whose scores are held at once. */
static int tokens_at_once(int n_tok, int64_t stride)
{
	size_t fit = SCORE_BYTES / (sizeof(float) * (size_t)stride);

	return fit >= (size_t)n_tok     ? n_tok
	       : fit > INDEX_SCORE_ROWS ? (int)fit
					: INDEX_SCORE_ROWS;
}

size_t cuda_index_scratch(const struct cuda *c, const struct pass_shape *s)
{
	(void)c;
	return s->rows > INDEX_SCORE_ROWS ? SCORE_BYTES : 0;
}

static int launch(struct cuda *c, const struct scores *p, int tokens, struct err *err)
{
	const struct index_select_args *a = &p->a;
	int64_t share = (tokens > 1 ? 8 : 1) * (int64_t)c->n_sm / tokens;
	size_t bytes = query_bytes(heads_of(a->n_head));
	cudaError_t rc =
		cudaFuncSetAttribute(choose_rows, cudaFuncAttributeMaxDynamicSharedMemorySize,
				     (int)sizeof(struct chooser));

	if (rc != cudaSuccess)
		return cuda_fail(rc, "index_select", err);
	if (share > a->max_pages)
		share = a->max_pages;
	if (share < 1)
		share = 1;
	launch_kernel(c, score_rows, dim3((unsigned)share, (unsigned)tokens),
		      SCORE_WARPS * WARP, bytes, *p);
	if (cuda_check_launch(c, "index_select", err))
		return err->code;
	launch_kernel(c, choose_rows, (unsigned)tokens, CHOOSERS, sizeof(struct chooser), *p);
	return cuda_check_launch(c, "index_select", err);
}

int cuda_index_select(struct backend *be, const struct index_select_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct scores p = {*a, 0, a->scores_stride, (float *)a->scores};
	int at_once = INDEX_SCORE_ROWS;
	void *scratch;

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_head < 1 || a->n_head > MAX_HEAD ||
	    a->top_k < 1 || a->top_k > GROUPS)
		return cuda_refuse(err, "index_select",
				   "%d rows of %d heads (at most %d), the best "
				   "%d (at most %d)",
				   a->n_tok, a->n_head, MAX_HEAD, a->top_k, GROUPS);
	if (a->scores_stride < 16 || a->scores_stride % 16 ||
	    a->max_pages > INT32_MAX / PAGE_ROWS)
		return cuda_refuse(err, "index_select", "scores in rows of %lld, %lld pages",
				   (long long)a->scores_stride, (long long)a->max_pages);
	if (a->n_tok > INDEX_SCORE_ROWS) {
		at_once = tokens_at_once(a->n_tok, a->scores_stride);
		if (at_once > INDEX_SCORE_ROWS) {
			if (cuda_scratch(c, sizeof(float) * (size_t)at_once * (size_t)p.stride,
					 "index_select", &scratch, err))
				return err->code;
			p.scores = (float *)scratch;
		}
	}
	for (p.t0 = 0; p.t0 < a->n_tok; p.t0 += at_once) {
		int n = a->n_tok - p.t0 < at_once ? a->n_tok - p.t0 : at_once;

		if (launch(c, &p, n, err))
			return err->code;
	}
	return 0;
}
