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

/* The score of a key; NaN of 0. */
static __device__ __forceinline__ float value_of(uint32_t key)
{
	return round_of_bits(key & 0x80000000u ? key ^ 0x80000000u : ~key);
}

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
	return line_from(value_of(low), value_of(high));
}

/* Counts everybody's entries and finds the bin of the k-th; counts are clear before. */
static __device__ __forceinline__ void find_nth(struct chooser *c, const struct line &l,
						const float *v, int n, int32_t k)
{
#pragma unroll
	for (int j = 0; j < EACH; j++)
		if (j < n)
			atomicAdd(&c->count[bin_of(l, v[j])], 1);
	__syncthreads();
	find_bin(c, k);
}

static __device__ __forceinline__ void mark(struct chooser *c, int32_t at)
{
	atomicOr(&c->marks[at / 32], 1u << (at % 32));
}

/*
 * Marks the k best of everybody's entries: v[j] with mark at[j], j < n; of equal values the
 * lower mark is the better one.  False: too many in one bin, nothing is marked.  Counts, marks
 * and n_ranked are clear before.
 */
static __device__ __forceinline__ bool mark_best(struct chooser *c, const struct line &l,
						 const float *v, const int32_t *at, int n,
						 int32_t k)
{
	int32_t need, n_bin;

	find_nth(c, l, v, n, k);
	need = k - c->above;
	n_bin = c->count[c->bin];
	if (n_bin > RANKED)
		return false;
#pragma unroll
	for (int j = 0; j < EACH; j++) {
		int bin = j < n ? bin_of(l, v[j]) : -1;

		if (bin > c->bin) {
			mark(c, at[j]);
		} else if (bin == c->bin) {
			int32_t i = atomicAdd(&c->n_ranked, 1);

			c->key[i] = round_key(v[j]);
			c->at[i] = at[j];
		}
	}
	__syncthreads();
	if ((int)threadIdx.x < n_bin) {
		uint32_t key = c->key[threadIdx.x];
		int32_t mine = c->at[threadIdx.x], rank = 0;

		for (int i = 0; i < n_bin; i++)
			rank += c->key[i] > key || (c->key[i] == key && c->at[i] < mine);
		if (rank < need)
			mark(c, mine);
	}
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
	at = sum_upto(n);
	at += sum_before(c, __shfl_sync(ALL_LANES, at, WARP - 1), 0) - n;
	for (; bits; bits &= bits - 1) {
		int32_t i = from + __ffsll((long long)bits) - 1;

		sel[at++] =
			shift < 0 ? i
				  : (c->group[i >> shift] << shift) + (i & ((1 << shift) - 1));
	}
}

static __device__ __forceinline__ void clear(struct chooser *c)
{
	clear_counts(c);
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
	if (mine > 0) {
		*(float4 *)v = *(const float4 *)(score + first);
		*(float4 *)(v + 4) = *(const float4 *)(score + first + 4);
	}
#pragma unroll
	for (int j = 0; j < EACH; j++)
		at[j] = first + j;
	l = line_over(c, v, mine);
	if (!mark_best(c, l, v, at, mine, k))
		return false;
	write_marked(c, NEAR / CHOOSERS, -1, sel);
	return true;
}

/* ------------------------------------------------------------------ by groups */

/* The greatest values of the thread's EACH groups of GROUP_ROWS << S rows; returns how many. */
template <int S>
static __device__ __forceinline__ int load_groups(const uint4 *best, int n_pages, float *v)
{
	constexpr int pages = EACH * (1 << S) / 4; /* of a thread */
	int first = (int)threadIdx.x * pages;

#pragma unroll
	for (int i = 0; i < pages; i++) {
		uint4 b = first + i < n_pages ? best[first + i] : make_uint4(0, 0, 0, 0);
		uint32_t low = max(b.x, b.y), high = max(b.z, b.w);

		if (S == 0) {
			v[4 * i] = value_of(b.x);
			v[4 * i + 1] = value_of(b.y);
			v[4 * i + 2] = value_of(b.z);
			v[4 * i + 3] = value_of(b.w);
		} else if (S == 1) {
			v[2 * i] = value_of(low);
			v[2 * i + 1] = value_of(high);
		} else {
			v[i] = value_of(max(low, high));
		}
	}
	return max(0, min(EACH, (n_pages - first) * 4 >> S));
}

/* Lists the groups from bin c->bin on, ascending; c->n is how many. */
static __device__ __forceinline__ void list_groups(struct chooser *c, const struct line &l,
						   const float *v, int n)
{
	uint32_t bits = 0;
	int32_t at;

#pragma unroll
	for (int j = 0; j < EACH; j++)
		bits |= (uint32_t)(j < n && bin_of(l, v[j]) >= c->bin) << j;
	at = sum_upto(__popc(bits));
	at += sum_before(c, __shfl_sync(ALL_LANES, at, WARP - 1), 0) - __popc(bits);
	if (threadIdx.x == CHOOSERS - 1)
		c->n = at + __popc(bits);
	for (; bits; bits &= bits - 1, at++)
		if (at < MOST)
			c->group[at] = (int32_t)threadIdx.x * EACH + __ffs((int)bits) - 1;
	__syncthreads();
}

/* Of the lane's next row, if it is `in`, the place in a list that all warps fill. */
static __device__ __forceinline__ int32_t next_place(struct chooser *c, bool in, int lane)
{
	uint32_t all = __ballot_sync(ALL_LANES, in);
	int32_t at = 0;

	if (lane == 0 && all)
		at = atomicAdd(&c->n_ranked, __popc(all));
	return __shfl_sync(ALL_LANES, at, 0) + __popc(all & ((1u << lane) - 1));
}

/* Lists the rows of these groups from bin c->bin on; c->n_ranked counts them. */
static __device__ __forceinline__ void list_rows(struct chooser *c, const struct line &l,
						 const float *score, int64_t n, int shift)
{
	int lane = (int)threadIdx.x % WARP, bin = c->bin, n_marks = c->n << shift;
	float v[EACH];

	for (int from = (int)threadIdx.x; from - lane < n_marks; from += EACH * CHOOSERS) {
		uint32_t there = 0;

#pragma unroll
		for (int j = 0; j < EACH; j++) {
			int i = from + j * CHOOSERS;
			int64_t row = n;

			if (i < n_marks)
				row = ((int64_t)c->group[i >> shift] << shift) +
				      (i & ((1 << shift) - 1));
			v[j] = row < n ? score[row] : 0.0f;
			there |= (uint32_t)(row < n) << j;
		}
#pragma unroll
		for (int j = 0; j < EACH; j++) {
			bool in = (there >> j & 1) && bin_of(l, v[j]) >= bin;
			int32_t at = next_place(c, in, lane);

			if (in && at < NEAR) {
				c->value[at] = v[j];
				c->mark[at] = from + j * CHOOSERS;
			}
		}
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
	int mine = load_groups<S>(best, (int)((n + PAGE_ROWS - 1) / PAGE_ROWS), v), width = 8;
	struct line l = line_over(c, v, mine);
	int64_t n_groups = (n + (1 << shift) - 1) >> shift;

	if (n_groups < k)
		return false;
	high = l.low + (float)BINS / l.per;
	find_nth(c, l, v, mine, k);
	list_groups(c, l, v, mine);
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
	if (!mark_best(c, l, v, at, mine, k))
		return false;
	write_marked(c, width, shift, sel);
	return true;
}

/* n > k rows */
static __device__ void choose_best(struct chooser *c, const float *score, const uint4 *best,
				   int64_t n, int32_t k, int32_t *sel)
{
	bool done = false;

	clear(c);
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
	kernel_begin();
	extern __shared__ uint4 shared[];
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
