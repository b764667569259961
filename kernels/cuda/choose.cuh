/*
 * The choice of the best rows: the top_k greatest keys, of equal ones the lower row.
 *
 * A block of threads for a token.  Scores stand on a line: BINS bins of equal width between the
 * least and the greatest.  Counting finds the bin of the top_k-th; what is above is chosen, and
 * the few in that bin are ranked one against the other.  What was chosen is marked, and marks
 * are counted into places, so that rows come out in ascending order.
 *
 * Up to NEAR rows: all of them, eight a thread.  More: first the same with the greatest keys of
 * groups of 8, 16 or 32 rows, as many as NEAR at most; the groups from the top_k-th's bin on
 * hold all of the best rows, and few others.
 *
 * Where a bin or a list overflows (scores that are all alike, or infinite), choose_exact.cuh
 * serves, with a few times as many passes.
 *
 * Floor: launch, and about a dozen steps that wait for each other.
 */
#ifndef KERNELS_CUDA_CHOOSE_CUH
#define KERNELS_CUDA_CHOOSE_CUH

#include "kernels/cuda/choose_exact.cuh"

/* Where scores stand: never a greater one in a lower bin.  NaN in the lowest; all of them where
 * low or high is infinite. */
struct line {
	float low, per;
};

static __device__ __forceinline__ int bin_of(const struct line &l, float v)
{
	return v > l.low ? min((int)((v - l.low) * l.per), BINS - 1) : 0;
}

static __device__ __forceinline__ struct line line_from(float low, float high)
{
	return {low, (float)BINS / (high - low)};
}

/* From the least to the greatest of everybody's n ≤ EACH values that are numbers. */
static __device__ __forceinline__ struct line line_over(struct chooser *c, const float *v,
							int n)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	uint32_t low = 0xffffffffu, high = 0;

#pragma unroll
	for (int j = 0; j < EACH; j++) {
		uint32_t key = j < n ? round_key(v[j]) : 0;

		low = key ? min(low, key) : low;
		high = max(high, key);
	}
	low = __reduce_min_sync(ALL_LANES, low);
	high = __reduce_max_sync(ALL_LANES, high);
	if (lane == 0) {
		c->part[warp][0] = (int32_t)low;
		c->part[warp][1] = (int32_t)high;
	}
	__syncthreads();
	low = __reduce_min_sync(ALL_LANES, (uint32_t)c->part[lane][0]);
	high = __reduce_max_sync(ALL_LANES, (uint32_t)c->part[lane][1]);
	__syncthreads();
	return line_from(round_of_key(low), round_of_key(high));
}

/* Counts everybody's entries and finds the bin of the k-th, c->bin; bin[j] is that of v[j], -1
 * from n on.  Counts are clear before. */
static __device__ __forceinline__ void find_nth(struct chooser *c, const struct line &l,
						const float *v, int n, int32_t k, int *bin)
{
#pragma unroll
	for (int j = 0; j < EACH; j++) {
		bin[j] = j < n ? bin_of(l, v[j]) : -1;
		if (j < n)
			atomicAdd(&c->count[bin[j]], 1);
	}
	__syncthreads();
	find_bin(c, k);
}

static __device__ __forceinline__ void mark(struct chooser *c, int32_t at)
{
	atomicOr(&c->marks[at / 32], 1u << (at % 32));
}

/* Marks the `need` best of the n that are listed. */
static __device__ __forceinline__ void mark_ranked(struct chooser *c, int n, int32_t need)
{
	uint64_t mine;
	int32_t rank = 0;

	if ((int)threadIdx.x >= n)
		return;
	mine = c->ranked[threadIdx.x];
#pragma unroll 4
	for (int i = 0; i < n; i++)
		rank += c->ranked[i] > mine;
	if (rank < need)
		mark(c, (int32_t) ~(uint32_t)mine);
}

/*
 * Marks the k best of everybody's entries: v[j] with mark at[j], j < n; of equal values the
 * lower mark is the better one.  RUN: marks are EACH · threadIdx.x … in order.  False: too many
 * in one bin.  Counts, marks and n_ranked are clear before.
 */
template <bool RUN>
static __device__ __forceinline__ bool mark_best(struct chooser *c, const struct line &l,
						 const float *v, const int32_t *at, int n,
						 int32_t k)
{
	int bin[EACH], n_bin;
	uint32_t sure = 0;

	find_nth(c, l, v, n, k, bin);
	n_bin = c->count[c->bin];
	if (n_bin > RANKED)
		return false;
#pragma unroll
	for (int j = 0; j < EACH; j++) {
		sure |= (uint32_t)(bin[j] > c->bin) << j;
		if (!RUN && bin[j] > c->bin)
			mark(c, at[j]);
		if (bin[j] == c->bin)
			c->ranked[atomicAdd(&c->n_ranked, 1)] =
				(uint64_t)round_key(v[j]) << 32 | (uint32_t)~at[j];
	}
	if (RUN)
		((unsigned char *)c->marks)[threadIdx.x] = (unsigned char)sure;
	__syncthreads();
	mark_ranked(c, n_bin, k - c->above);
	__syncthreads();
	return true;
}

/* Writes the rows that are marked, of `width` · CHOOSERS marks; shift < 0: a mark is a row,
 * else one of those 1 << shift of a group. */
static __device__ __forceinline__ void write_marked(struct chooser *c, int width, int shift,
						    int32_t *sel)
{
	int from = (int)threadIdx.x * width;
	uint64_t bits = ((const uint64_t *)c->marks)[from / 64] >> (from % 64);
	int32_t n, at;

	if (width < 64)
		bits &= ((uint64_t)1 << width) - 1;
	n = __popcll(bits);
	at = warp_sum_upto(n);
	at += sum_before(c, __shfl_sync(ALL_LANES, at, WARP - 1), 0) - n;
	for (; bits; bits &= bits - 1) {
		int32_t i = from + __ffsll((long long)bits) - 1;

		sel[at++] =
			shift < 0 ? i
				  : (c->group[i >> shift] << shift) + (i & ((1 << shift) - 1));
	}
}

/* Shared memory alone, so before kernel_begin(). */
static __device__ __forceinline__ void clear(struct chooser *c)
{
	clear_counts(c);
	if (threadIdx.x < NEAR / 32)
		c->flags[threadIdx.x] = 0;
	((int2 *)c->marks)[threadIdx.x] = make_int2(0, 0);
	if (threadIdx.x == 0)
		c->n = c->n_ranked = 0;
}

/* k < n ≤ NEAR rows */
static __device__ __forceinline__ bool choose_near(struct chooser *c, const float *score, int n,
						   int32_t k, int32_t *sel)
{
	int first = (int)threadIdx.x * EACH, mine = max(0, min(EACH, n - first));
	__align__(16) float v[EACH] = {};
	int32_t at[EACH];
	struct line l;

	static_assert(EACH == 8, "scores come in whole eights, a row of them in 16s");
	if (mine == EACH) {
		*(float4 *)v = *(const float4 *)(score + first);
		*(float4 *)(v + 4) = *(const float4 *)(score + first + 4);
	} else {
#pragma unroll
		for (int j = 0; j < EACH; j++)
			v[j] = j < mine ? score[first + j] : 0.0f;
	}
#pragma unroll
	for (int j = 0; j < EACH; j++)
		at[j] = first + j;
	l = line_over(c, v, mine);
	if (!mark_best<true>(c, l, v, at, mine, k))
		return false;
	write_marked(c, NEAR / CHOOSERS, -1, sel);
	return true;
}

/* ------------------------------------------------------------------ by groups */

/* Which page entry j of a thread's groups of GROUP_ROWS << S rows is of, and which group. */
template <int S> static __device__ __forceinline__ int page_of(int j)
{
	return (j << S) / 4 * CHOOSERS + (int)threadIdx.x;
}

template <int S> static __device__ __forceinline__ int group_of(int j)
{
	return page_of<S>(j) * (4 >> S) + j % (4 >> S);
}

/* The greatest values of the thread's EACH groups; NaN beyond the last page. */
template <int S>
static __device__ __forceinline__ void load_groups(const uint4 *best, int n_pages, float *v)
{
#pragma unroll
	for (int j = 0; j < EACH; j += 4 >> S) {
		int page = page_of<S>(j);
		uint4 b = page < n_pages ? best[page] : make_uint4(0, 0, 0, 0);
		uint32_t low = max(b.x, b.y), high = max(b.z, b.w);

		if (S == 0) {
			v[j] = round_of_key(b.x);
			v[j + 1] = round_of_key(b.y);
			v[j + 2] = round_of_key(b.z);
			v[j + 3] = round_of_key(b.w);
		} else if (S == 1) {
			v[j] = round_of_key(low);
			v[j + 1] = round_of_key(high);
		} else {
			v[j] = round_of_key(max(low, high));
		}
	}
}

/* Lists the groups from bin c->bin on, ascending; c->n is how many. */
template <int S>
static __device__ __forceinline__ void list_groups(struct chooser *c, const int *bin)
{
	uint32_t bits;
	int32_t at;

#pragma unroll
	for (int j = 0; j < EACH; j++) {
		int group = group_of<S>(j);

		if (bin[j] >= c->bin)
			atomicOr(&c->flags[group / 32], 1u << (group % 32));
	}
	__syncthreads();
	bits = ((const unsigned char *)c->flags)[threadIdx.x];
	at = warp_sum_upto(__popc(bits));
	at += sum_before(c, __shfl_sync(ALL_LANES, at, WARP - 1), 0) - __popc(bits);
	if (threadIdx.x == CHOOSERS - 1)
		c->n = at + __popc(bits);
	for (; bits; bits &= bits - 1, at++)
		if (at < MOST)
			c->group[at] = (int32_t)threadIdx.x * EACH + __ffs((int)bits) - 1;
	__syncthreads();
}

/* Lists, of the thread's v, those whose bit in `in` is set, with their marks. */
static __device__ __forceinline__ void list_values(struct chooser *c, const float *v,
						   uint32_t in, int from, int lane)
{
	int32_t upto = warp_sum_upto(__popc(in)), at = 0;

	if (lane == WARP - 1 && upto)
		at = atomicAdd(&c->n_ranked, upto);
	at = __shfl_sync(ALL_LANES, at, WARP - 1) + upto - __popc(in);
#pragma unroll
	for (int j = 0; j < EACH; j++) {
		if (!(in >> j & 1))
			continue;
		if (at < NEAR) {
			c->value[at] = v[j];
			c->mark[at] = from + j * CHOOSERS;
		}
		at++;
	}
}

/* Lists the rows of these groups from bin c->bin on; c->n_ranked counts them. */
static __device__ __forceinline__ void list_rows(struct chooser *c, const struct line &l,
						 const float *score, int64_t n, int shift)
{
	int lane = (int)threadIdx.x % WARP, bin = c->bin, n_marks = c->n << shift;
	float v[EACH];

	for (int from = (int)threadIdx.x; from - lane < n_marks; from += EACH * CHOOSERS) {
		uint32_t in = 0;

#pragma unroll
		for (int j = 0; j < EACH; j++) {
			int i = from + j * CHOOSERS;
			int64_t row = n;

			if (i < n_marks)
				row = ((int64_t)c->group[i >> shift] << shift) +
				      (i & ((1 << shift) - 1));
			v[j] = row < n ? score[row] : 0.0f;
			in |= (uint32_t)(row < n) << j;
		}
#pragma unroll
		for (int j = 0; j < EACH; j++)
			in &= ~((uint32_t)(bin_of(l, v[j]) < bin) << j);
		list_values(c, v, in, from, lane);
	}
	__syncthreads();
}

/* More than NEAR rows, of which groups' greatest keys are known. */
template <int S>
static __device__ __forceinline__ bool choose_far(struct chooser *c, const float *score,
						  const uint4 *best, int64_t n, int32_t k,
						  int32_t *sel)
{
	constexpr int shift = 3 + S;
	float v[EACH], high;
	int32_t at[EACH];
	int mine, width = 8, bin[EACH];
	struct line l;

	if ((n + (1 << shift) - 1) >> shift < k) /* groups */
		return false;
	load_groups<S>(best, (int)((n + PAGE_ROWS - 1) / PAGE_ROWS), v);
	l = line_over(c, v, EACH);
	high = l.low + (float)BINS / l.per;
	find_nth(c, l, v, EACH, k, bin);
	list_groups<S>(c, bin);
	if (c->n > MOST || c->n << shift > MARKS)
		return false;
	list_rows(c, l, score, n, shift);
	mine = c->n_ranked;
	if (mine > NEAR)
		return false;
	l = line_from(l.low + (float)c->bin / l.per, high);
	mine = max(0, min(EACH, (mine - (int)threadIdx.x + CHOOSERS - 1) / CHOOSERS));
#pragma unroll
	for (int j = 0; j < EACH; j++) {
		int i = (int)threadIdx.x + j * CHOOSERS;

		v[j] = j < mine ? c->value[i] : 0.0f;
		at[j] = j < mine ? c->mark[i] : 0;
	}
	while (width * CHOOSERS < c->n << shift)
		width *= 2;
	__syncthreads();
	clear_counts(c);
	if (threadIdx.x == 0)
		c->n_ranked = 0;
	__syncthreads();
	if (!mark_best<false>(c, l, v, at, mine, k))
		return false;
	write_marked(c, width, shift, sel);
	return true;
}

/* n > k rows */
static __device__ void choose_best(struct chooser *c, const float *score, const uint4 *best,
				   int64_t n, int32_t k, int32_t *sel)
{
	bool done = false;

	if (n <= NEAR)
		done = choose_near(c, score, (int)n, k, sel);
	else if (n <= NEAR * 8)
		done = choose_far<0>(c, score, best, n, k, sel);
	else if (n <= NEAR * 16)
		done = choose_far<1>(c, score, best, n, k, sel);
	else if (n <= NEAR * 32)
		done = choose_far<2>(c, score, best, n, k, sel);
	if (!done)
		choose_exact(c, score, n, k, sel);
}

static __global__ void __launch_bounds__(CHOOSERS) choose_rows(struct scores p)
{
	extern __shared__ uint4 shared[];
	clear((struct chooser *)shared);
	kernel_begin();
	const struct index_select_args &a = p.a;
	int64_t t = p.t0 + (int64_t)blockIdx.x, n = (step_of(a.step)->pos0 + t + 1) / 4;
	int32_t *sel = (int32_t *)a.sel + t * a.top_k;

	if (threadIdx.x == 0)
		((int32_t *)a.n_sel)[t] = n < a.top_k ? (int32_t)n : a.top_k;
	if (n > a.top_k) {
		choose_best((struct chooser *)shared, p.scores + (int64_t)blockIdx.x * p.stride,
			    p.best + (int64_t)blockIdx.x * p.pages, n, a.top_k, sel);
	} else {
		for (int i = (int)threadIdx.x; i < a.top_k; i += CHOOSERS)
			sel[i] = i < n ? i : -1;
	}
}

#endif
