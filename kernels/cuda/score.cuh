/*
 * The indexer's scores.
 *
 *   score(b) = sum_h w[h] scale max(0, q[h] · row[b])
 *
 * A warp takes 32 rows (a page) of one token, and 8 heads at a time on tensor cores.  FP4 codes
 * are exact as f16 and so are the sums of a block of 32 columns; scales, blocks and heads are
 * added in the CPU's order, so scores have its bits.  Mostly that costs nothing: where the four
 * scales of a row lie within 2^5 and those of a query within 2^4, and no weight is out of the
 * ordinary, codes take them along (`even`), and a whole dot product is a sum of multiples of
 * one power of two below 2^24 of it, so exact in any order, while its power of two can wait for
 * the end.  Else blocks are scaled and added one by one.
 *
 * Lane t of a quad holds the t-th word of each block of rows and queries alike: which columns
 * meet is the same on both sides.  It adds heads 2 t and 2 t + 1 of each 8 to its totals, and
 * the quad adds these in the end.
 *
 * Floor, one token of 256K rows: 17.8 MB, 3.9 µs; its products take 6.4 µs.
 */
#ifndef KERNELS_CUDA_SCORE_CUH
#define KERNELS_CUDA_SCORE_CUH

#include "kernels/cuda/round.h"
#include "kernels/cuda/tensor.cuh"

#define PAGE_ROWS     (PAGE_TOKENS / 4) /* a warp's tile */
#define ROW_WORDS     (INDEX_ROW_BYTES / 4)
#define SCORE_WARPS   12
#define SCORE_THREADS (SCORE_WARPS * WARP)
#define GROUP_ROWS    8 /* whose greatest key is kept: four of a page */

struct scores {
	struct index_select_args a;
	int t0;                /* token of scores[0] */
	int64_t stride, pages; /* scores and pages of a token */
	float *scores;
	uint4 *best; /* [tokens, pages]: greatest keys of the page's groups; 0: none there */
};

/* Queries of one token, shared: fragments, scales · 2^28 [4][heads], weights, and weights with
 * the query's power of two. */
struct queries {
	uint4 *codes; /* [tiles of 8 heads][4 blocks][32 lanes] */
	float *scale, *w, *w_even;
	int n; /* heads, in 8s */
};

static __host__ __device__ __forceinline__ int heads_of(int n_head)
{
	return (n_head + 7) / 8 * 8;
}

static __host__ __device__ __forceinline__ size_t query_bytes(int heads)
{
	return (size_t)heads * (16 * sizeof(uint4) + 6 * sizeof(float));
}

static __device__ __forceinline__ uint32_t scale_byte(uint32_t e, int block)
{
	return e >> (8 * block) & 255;
}

/* The least of four scales; *even: they lie within 2^spread, and within 2^±20. */
static __device__ __forceinline__ uint32_t least_scale(uint32_t e, uint32_t spread, bool *even)
{
	uint32_t low = min(min(e & 255, e >> 8 & 255), min(e >> 16 & 255, e >> 24));
	uint32_t high = max(max(e & 255, e >> 8 & 255), max(e >> 16 & 255, e >> 24));

	*even = high - low <= spread && low >= 107 && high <= 147;
	return low;
}

/* Both f16 times 2^n, n ≤ 5: exact. */
static __device__ __forceinline__ uint32_t f16_pair_shift(uint32_t pair, uint32_t n)
{
	uint32_t d;

	asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(pair), "r"((15 + n) * 0x04000400u));
	return d;
}

static __device__ __forceinline__ bool even_weight(float w)
{
	return w == 0.0f || (fabsf(w) >= 0x1p-50f && fabsf(w) <= 0x1p20f);
}

#define QUERY_WORDS 3 /* of a thread at once: 64 heads' in all */

/* Words of queries on their way: each with its scales, the first of a query with its weight. */
struct query_words {
	uint32_t w[QUERY_WORDS], e[QUERY_WORDS];
	float weight[QUERY_WORDS];
};

/* Begins to load words first + threadIdx.x and so on of a token's queries. */
static __device__ __forceinline__ void fetch_queries(const struct index_select_args &a, int t,
						     int first, struct query_words *r)
{
	const uint32_t *from = (const uint32_t *)a.q + (int64_t)t * a.n_head * ROW_WORDS;
	const float *weight = (const float *)a.w + (int64_t)t * a.n_head;

#pragma unroll
	for (int k = 0; k < QUERY_WORDS; k++) {
		int i = first + k * SCORE_THREADS + (int)threadIdx.x, h = i / 16;
		bool there = h < a.n_head;

		r->w[k] = there ? from[h * ROW_WORDS + i % 16] : 0;
		r->e[k] = there ? from[h * ROW_WORDS + 16] : 0x7f7f7f7fu;
		r->weight[k] = there && i % 16 == 0 ? weight[h] : 0.0f;
	}
}

/* One word to shared memory; returns whether query and weight are even. */
static __device__ __forceinline__ bool store_query(const struct queries &q, int i, uint32_t w,
						   uint32_t e, float weight)
{
	int h = i / 16, b = i % 16 / 4;
	bool even;
	uint32_t low = least_scale(e, 4, &even), n = even ? scale_byte(e, b) - low : 0;

	q.codes[(h / 8 * 4 + b) * WARP + h % 8 * 4 + i % 4] =
		make_uint4(f16_pair_shift(round_fp4_pair(w, 0), n),
			   f16_pair_shift(round_fp4_pair(w, 1), n),
			   f16_pair_shift(round_fp4_pair(w, 2), n),
			   f16_pair_shift(round_fp4_pair(w, 3), n));
	if (i % 4 == 0)
		q.scale[b * q.n + h] = round_scale(even ? low : scale_byte(e, b)) * 0x1p28f;
	if (i % 16)
		return even;
	q.w[h] = weight;
	q.w_even[h] = weight * round_scale(low) * 0x1p28f;
	return even && even_weight(weight);
}

/* All queries of a token, of which the thread's first words are on their way; returns whether
 * all of its are even. */
static __device__ __forceinline__ bool store_queries(const struct index_select_args &a, int t,
						     const struct queries &q,
						     struct query_words *r)
{
	bool all = true;

	for (int first = 0; first < q.n * 16; first += QUERY_WORDS * SCORE_THREADS) {
		if (first)
			fetch_queries(a, t, first, r);
#pragma unroll
		for (int k = 0; k < QUERY_WORDS; k++) {
			int i = first + k * SCORE_THREADS + (int)threadIdx.x;

			if (i < q.n * 16)
				all = store_query(q, i, r->w[k], r->e[k],
						  r->weight[k] * a.scale) &&
				      all;
		}
	}
	return all;
}

/* What a lane has of a page: rows g, g + 8, g + 16, g + 24, four words and the scales. */
struct page_words {
	uint32_t w[4][5];
};

static __device__ __forceinline__ void load_page(struct page_words *r, const uint32_t *rows,
						 int lane)
{
	const unsigned char *p = (const unsigned char *)rows + lane / 4 * INDEX_ROW_BYTES;
	const unsigned char *q = p + lane % 4 * 4;

#pragma unroll
	for (int i = 0; i < 4; i++) {
#pragma unroll
		for (int b = 0; b < 4; b++)
			r->w[i][b] = *(const uint32_t *)(q + 8 * i * INDEX_ROW_BYTES + 16 * b);
		r->w[i][4] = *(const uint32_t *)(p + 8 * i * INDEX_ROW_BYTES + 64);
	}
}

/* A page as the first operand, its scales, and, where it is even, the least of each row. */
struct operand {
	uint32_t a[2][4][2][4]; /* [rows 16 m …][block][step of 16 columns] */
	uint32_t e[4];
	bool even;
};

static __device__ __forceinline__ void unpack_page(struct operand *r,
						   const struct page_words *from, bool even)
{
	uint32_t low[4];

#pragma unroll
	for (int i = 0; i < 4; i++) {
		bool row_even;

		r->e[i] = from->w[i][4];
		low[i] = least_scale(r->e[i], 5, &row_even);
		even = even && row_even;
	}
	r->even = __all_sync(ALL_LANES, even);
#pragma unroll
	for (int i = 0; i < 4; i++) {
#pragma unroll
		for (int b = 0; b < 4; b++) {
			uint32_t w = from->w[i][b];
			uint32_t n = r->even ? scale_byte(r->e[i], b) - low[i] : 0;
			uint32_t *a = r->a[i / 2][b][0] + i % 2,
				 *next = r->a[i / 2][b][1] + i % 2;

			a[0] = f16_pair_shift(round_fp4_pair(w, 0), n);
			a[2] = f16_pair_shift(round_fp4_pair(w, 1), n);
			next[0] = f16_pair_shift(round_fp4_pair(w, 2), n);
			next[2] = f16_pair_shift(round_fp4_pair(w, 3), n);
		}
	}
}

/* max(0, q · row) of 8 heads, without the powers of two. */
static __device__ __forceinline__ void dots_even(const struct operand *r, const uint4 *codes,
						 float (*dot)[4], int lane)
{
#pragma unroll
	for (int b = 0; b < 4; b++) {
		uint4 f = codes[b * WARP + lane];

#pragma unroll
		for (int m = 0; m < 2; m++) {
			tensor_f16(dot[m], r->a[m][b][0], f.x, f.y);
			tensor_f16(dot[m], r->a[m][b][1], f.z, f.w);
		}
	}
}

/* The same with them, block by block; scale: of the lane's two heads. */
static __device__ __forceinline__ void dots_uneven(const struct operand *r, const uint4 *codes,
						   const float *scale, int heads,
						   float (*dot)[4], int lane)
{
#pragma unroll
	for (int b = 0; b < 4; b++) {
		uint4 f = codes[b * WARP + lane];
		float2 s = *(const float2 *)(scale + b * heads);

#pragma unroll
		for (int m = 0; m < 2; m++) {
			float low = round_scale(scale_byte(r->e[2 * m], b));
			float high = round_scale(scale_byte(r->e[2 * m + 1], b));
			float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};

			tensor_f16(c, r->a[m][b][0], f.x, f.y);
			tensor_f16(c, r->a[m][b][1], f.z, f.w);
			dot[m][0] = fmaf(c[0], s.x * low, dot[m][0]);
			dot[m][1] = fmaf(c[1], s.y * low, dot[m][1]);
			dot[m][2] = fmaf(c[2], s.x * high, dot[m][2]);
			dot[m][3] = fmaf(c[3], s.y * high, dot[m][3]);
		}
	}
}

/* Adds two heads of each of the lane's four rows to their totals. */
static __device__ __forceinline__ void add_heads(float total[4], const float (*dot)[4],
						 float2 w)
{
#pragma unroll
	for (int i = 0; i < 4; i++) {
		total[i] = fmaf(w.x, fmaxf(dot[i / 2][i % 2 * 2], 0.0f), total[i]);
		total[i] = fmaf(w.y, fmaxf(dot[i / 2][i % 2 * 2 + 1], 0.0f), total[i]);
	}
}

/* Totals of the lane's heads, of the rows that it has. */
static __device__ __forceinline__ void
score_heads(const struct operand *r, const struct queries &q, float total[4], int lane)
{
	int pair = lane % 4 * 2;

	if (r->even) {
#pragma unroll 2
		for (int h = 0; h < q.n; h += 8) {
			float dot[2][4] = {};

			dots_even(r, q.codes + h * 16, dot, lane);
			add_heads(total, dot, *(const float2 *)(q.w_even + h + pair));
		}
	} else {
#pragma unroll 1
		for (int h = 0; h < q.n; h += 8) {
			float dot[2][4] = {};

			dots_uneven(r, q.codes + h * 16, q.scale + h + pair, q.n, dot, lane);
			add_heads(total, dot, *(const float2 *)(q.w + h + pair));
		}
	}
}

/* Scores of the lane's row: `lane` of the page. */
static __device__ __forceinline__ float score_page(const struct operand *r,
						   const struct queries &q, int lane)
{
	float total[4] = {0.0f, 0.0f, 0.0f, 0.0f}, mine = 0.0f;

	score_heads(r, q, total, lane);
#pragma unroll
	for (int i = 0; i < 4; i++) {
		bool unused;
		float v = total[i];

		v += __shfl_xor_sync(ALL_LANES, v, 1);
		v += __shfl_xor_sync(ALL_LANES, v, 2);
		if (r->even)
			v *= round_scale(least_scale(r->e[i], 5, &unused));
		v = __shfl_sync(ALL_LANES, v, lane % 8 * 4);
		mine = lane / 8 == i ? v : mine;
	}
	return mine;
}

/* A page's scores, and the greatest keys of its groups. */
static __device__ __forceinline__ void store_page(const struct scores &p, int token, int page,
						  int n, float score, int lane)
{
	int row = page * PAGE_ROWS + lane;
	uint32_t key = row < n ? round_key(score) : 0;

	if (row < n)
		p.scores[token * p.stride + row] = score;
#pragma unroll
	for (int i = 1; i < GROUP_ROWS; i *= 2)
		key = max(key, __shfl_xor_sync(ALL_LANES, key, i));
	if (lane % GROUP_ROWS == 0)
		((uint32_t *)(p.best + token * p.pages + page))[lane / GROUP_ROWS] = key;
}

/* Grid: shares of the pages, tokens. */
static __global__ void __launch_bounds__(SCORE_THREADS, 1)
	score_rows(const __grid_constant__ struct scores p)
{
	kernel_begin();
	extern __shared__ uint4 shared[];
	const struct index_select_args &a = p.a;
	const struct step *step = step_of(a.step);
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int t = p.t0 + (int)blockIdx.y, each = SCORE_WARPS * (int)gridDim.x;
	int page = (int)blockIdx.x + warp * (int)gridDim.x, n, n_pages, at;
	const uint32_t *rows = (const uint32_t *)a.rows;
	struct query_words query_words;
	struct page_words words = {};
	struct queries q;
	bool even;

	fetch_queries(a, t, 0, &query_words);
	n = ((int)step->pos0 + t + 1) / 4;
	n_pages = (n + PAGE_ROWS - 1) / PAGE_ROWS;
	if (n <= a.top_k || (int)blockIdx.x >= n_pages)
		return;
	const int32_t *pages = (const int32_t *)a.pages + step->slot * a.max_pages;
	if (page < n_pages)
		load_page(&words, rows + (int64_t)pages[page] * PAGE_ROWS * ROW_WORDS, lane);
	at = page + each < n_pages ? pages[page + each] : 0;
	q.n = heads_of(a.n_head);
	q.codes = shared;
	q.scale = (float *)(shared + q.n * 16);
	q.w = q.scale + 4 * q.n;
	q.w_even = q.w + q.n;
	even = __syncthreads_and(store_queries(a, t, q, &query_words));

	for (; page < n_pages; page += each) {
		struct operand r;

		unpack_page(&r, &words, even);
		if (page + each < n_pages)
			load_page(&words, rows + (int64_t)at * PAGE_ROWS * ROW_WORDS, lane);
		at = page + 2 * each < n_pages ? pages[page + 2 * each] : 0;
		store_page(p, (int)blockIdx.y, page, n, score_page(&r, q, lane), lane);
	}
}

#endif
