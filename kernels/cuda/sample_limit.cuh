/*
 * sample, its middle: the alternatives, and where top_k and top_p end.  See sample.cu.
 */
#ifndef KERNELS_CUDA_SAMPLE_LIMIT_CUH
#define KERNELS_CUDA_SAMPLE_LIMIT_CUH

#include "kernels/cuda/sample_row.cuh"

#define LIMIT_THREADS 1024
#define ABREAST       8 /* logits of a thread that are on their way at once */

struct limit_shared {
	uint32_t count[DIGITS], low[DIGITS], high[DIGITS]; /* mass in two words */
	order_t warp_sum[LIMIT_THREADS / WARP];
	order_t base; /* weight of all better digits */
	int digit, n; /* the digit found (-1: none), how many tokens share it */
};

/* One row's logits as the search sees them; T: what a mass is made with. */
struct ranked {
	const float *logits;
	int n;
	float best;
	double temperature;
};

/* Adds to a mass of two words; what is lost in the lower one is carried. */
static __device__ __forceinline__ void add_mass(uint32_t *low, uint32_t *high, uint64_t mass)
{
	uint32_t add = (uint32_t)mass, old = atomicAdd(low, add);

	atomicAdd(high, (uint32_t)(mass >> 32) + (old + add < old));
}

/* The weight of a digit: tokens, or their mass. */
static __device__ __forceinline__ order_t digit_weight(const struct limit_shared *s, int digit,
						       int by_mass)
{
	return by_mass ? (order_t)s->high[digit] << 32 | s->low[digit] : s->count[digit];
}

/* Finds the first digit whose weight, with base and all before it, reaches `target`. */
static __device__ __forceinline__ void find_digit(struct limit_shared *s, order_t base,
						  order_t target, int by_mass)
{
	int b = 2 * (int)threadIdx.x, lane = (int)threadIdx.x % WARP;
	order_t one = digit_weight(s, b, by_mass), two = digit_weight(s, b + 1, by_mass);
	order_t sum = warp_sum_upto(one + two);

	if (lane == WARP - 1)
		s->warp_sum[threadIdx.x / WARP] = sum;
	if (threadIdx.x == 0)
		s->digit = -1;
	__syncthreads();
	sum += base - one - two;
	for (int w = 0; w < (int)threadIdx.x / WARP; w++)
		sum += s->warp_sum[w];
	/* sum: all that is better than digit b */
	if (sum < target && target <= sum + one + two) {
		int second = target > sum + one;

		s->digit = b + second;
		s->base = sum + (second ? one : 0);
		s->n = (int)s->count[b + second];
	}
	__syncthreads();
}

static __device__ __forceinline__ void
count_digit(struct limit_shared *s, const struct ranked &r, float logit, int digit, int by_mass)
{
	uint64_t mass;

	atomicAdd(&s->count[digit], 1u);
	if (!by_mass)
		return;
	mass = noise_mass(noise_behind(logit, r.best, r.temperature));
	if (mass)
		add_mass(&s->low[digit], &s->high[digit], mass);
}

/* Counts a digit (below `shift`, of `bits` bits) of the tokens up to `within` whose digits
 * before it are `prefix`. */
static __device__ __forceinline__ void count_digits(struct limit_shared *s,
						    const struct ranked &r, order_t within,
						    order_t prefix, int shift, int bits,
						    int by_mass)
{
	for (int i = (int)threadIdx.x; i < DIGITS; i += LIMIT_THREADS)
		s->count[i] = s->low[i] = s->high[i] = 0;
	__syncthreads();
	for (int from = (int)threadIdx.x; from < r.n; from += ABREAST * LIMIT_THREADS) {
		float v[ABREAST];

#pragma unroll
		for (int u = 0; u < ABREAST; u++) {
			int i = from + u * LIMIT_THREADS;

			v[u] = i < r.n ? r.logits[i] : 0.0f;
		}
#pragma unroll
		for (int u = 0; u < ABREAST; u++) {
			int i = from + u * LIMIT_THREADS;
			order_t o = order_of(v[u], i);

			/* the first digit has nothing before it */
			if (i < r.n && o <= within &&
			    (shift + bits == 64 || o >> (shift + bits) == prefix))
				count_digit(s, r, v[u], (int)(o >> shift) & ((1 << bits) - 1),
					    by_mass);
		}
	}
	__syncthreads();
}

/*
 * The end of the shortest prefix of the order whose weight reaches `target` (> 0): as an order
 * number that keeps just its tokens.  `within` where all up to that weigh less.  counted: the
 * first digit is.
 */
static __device__ __forceinline__ order_t find_limit(struct limit_shared *s,
						     const struct ranked &r, order_t within,
						     order_t target, int by_mass, bool counted)
{
	order_t prefix = 0, base = 0;

	for (int shift = 64; shift > 0;) {
		int bits = shift == 64 || shift > 11 ? 11 : shift;

		shift -= bits;
		if (!counted)
			count_digits(s, r, within, prefix, shift, bits, by_mass);
		counted = false;
		find_digit(s, base, target, by_mass);
		if (s->digit < 0)
			return within;
		prefix = prefix << bits | (order_t)s->digit;
		base = s->base;
		if (s->n == 1 || shift == 0)
			return min(within, ((prefix + 1) << shift) - 1);
		__syncthreads(); /* digit, base and n are read before they are set again */
	}
	return within;
}

static __device__ __forceinline__ order_t sum_of_block(struct limit_shared *s, order_t sum)
{
	for (int o = WARP / 2; o; o /= 2)
		sum += __shfl_xor_sync(ALL_LANES, sum, o);
	__syncthreads();
	if (threadIdx.x % WARP == 0)
		s->warp_sum[threadIdx.x / WARP] = sum;
	__syncthreads();
	sum = 0;
	for (int w = 0; w < LIMIT_THREADS / WARP; w++)
		sum += s->warp_sum[w];
	__syncthreads();
	return sum;
}

static __device__ __forceinline__ order_t mass_up_to(struct limit_shared *s,
						     const struct ranked &r, order_t limit)
{
	order_t sum = 0;

	for (int i = (int)threadIdx.x; i < r.n; i += LIMIT_THREADS) {
		if (order_of(r.logits[i], i) <= limit)
			sum += noise_mass(noise_behind(r.logits[i], r.best, r.temperature));
	}
	return sum_of_block(s, sum);
}

/* Takes the first digit as many blocks have counted it; returns the mass of all tokens. */
static __device__ __forceinline__ order_t take_digits(struct limit_shared *s,
						      const struct first_digits *d)
{
	order_t sum = 0;

	for (int i = (int)threadIdx.x; i < DIGITS; i += LIMIT_THREADS) {
		order_t mass = d->mass[i];

		s->count[i] = d->count[i];
		s->low[i] = (uint32_t)mass;
		s->high[i] = (uint32_t)(mass >> 32);
		sum += mass;
	}
	return sum_of_block(s, sum);
}

/* The n_top best of the row, in their order. */
static __device__ __forceinline__ void list_top(struct limit_shared *s, const struct ranked &r,
						int n_top, struct choice *out)
{
	order_t *found = s->warp_sum; /* LIMIT_THREADS / WARP of them: more than SAMPLE_TOP */
	order_t limit = find_limit(s, r, ~(order_t)0, (order_t)n_top, 0, false);

	__syncthreads();
	if (threadIdx.x == 0)
		s->n = 0;
	__syncthreads();
	for (int i = (int)threadIdx.x; i < r.n; i += LIMIT_THREADS) {
		order_t o = order_of(r.logits[i], i);

		if (o <= limit)
			found[atomicAdd(&s->n, 1)] = o;
	}
	__syncthreads();
	if ((int)threadIdx.x < s->n) {
		int rank = 0, id = id_of(found[threadIdx.x]);

		for (int i = 0; i < s->n; i++)
			rank += found[i] < found[threadIdx.x];
		out->top[rank].id = id;
		out->top[rank].logit = r.logits[id];
	}
	if (threadIdx.x == 0)
		out->n_top = s->n;
	__syncthreads();
}

/* Where top_k and top_p end.  digits: where many blocks have counted by mass, else NULL. */
static __device__ __forceinline__ order_t kept_limit(struct limit_shared *s,
						     const struct ranked &r,
						     const struct sample_how &how,
						     const struct first_digits *digits)
{
	order_t limit = ~(order_t)0, share;

	if (how.top_k > 0 && how.top_k < r.n)
		limit = find_limit(s, r, limit, (order_t)how.top_k, 0, false);
	__syncthreads();
	if (how.top_p < 1.0) {
		share = noise_share(how.top_p,
				    digits ? take_digits(s, digits) : mass_up_to(s, r, limit));
		limit = find_limit(s, r, limit, max(share, (order_t)1), 1, digits != NULL);
	}
	return limit;
}

/* The first digits of a row's tokens by count and mass, a block's part of them. */
static __global__ void __launch_bounds__(LIMIT_THREADS) sample_mass(struct sample_job j)
{
	kernel_begin();
	__shared__ struct limit_shared s;
	int at = (int)blockIdx.y;
	struct sample_how how = *j.how;
	struct ranked r = {row_logits(j, at), n_choice(j), 0.0f, how.temperature};
	struct first_digits *d = j.digits + at;
	order_t best;
	int bad;

	if (!spreads(j, at, how))
		return;
	combine_best(j.rows + at, &best, &bad);
	if (bad != INT32_MAX) /* nothing is chosen */
		return;
	r.best = r.logits[id_of(best)];
	for (int i = (int)threadIdx.x; i < DIGITS; i += LIMIT_THREADS)
		s.count[i] = s.low[i] = s.high[i] = 0;
	__syncthreads();
	for (int i = (int)(blockIdx.x * LIMIT_THREADS + threadIdx.x); i < r.n;
	     i += SAMPLE_BLOCKS * LIMIT_THREADS)
		count_digit(&s, r, r.logits[i], (int)(order_of(r.logits[i], i) >> 53), 1);
	__syncthreads();
	for (int i = (int)threadIdx.x; i < DIGITS; i += LIMIT_THREADS) {
		if (!s.count[i])
			continue;
		atomicAdd(&d->count[i], s.count[i]);
		atomicAdd(&d->mass[i], digit_weight(&s, i, 1));
	}
}

static __global__ void __launch_bounds__(LIMIT_THREADS) sample_limit(struct sample_job j)
{
	kernel_begin();
	__shared__ struct limit_shared s;
	struct sample_row *row = j.rows + blockIdx.x;
	struct choice *out = j.out + blockIdx.x;
	struct sample_how how = *j.how;
	struct ranked r = {row_logits(j, (int)blockIdx.x), n_choice(j), 0.0f, how.temperature};
	order_t best, limit = ~(order_t)0;
	int bad, races;

	combine_best(row, &best, &bad);
	races = bad == INT32_MAX && how.temperature > 0.0;
	/* best is no token where none is finite; then there is a bad one */
	if (bad == INT32_MAX)
		r.best = r.logits[id_of(best)];
	if ((int)threadIdx.x < SAMPLE_TOP) {
		out->top[threadIdx.x].id = 0;
		out->top[threadIdx.x].logit = 0.0f;
	}
	if (threadIdx.x == 0) {
		out->id = bad == INT32_MAX ? id_of(best) : -1;
		out->bad = bad == INT32_MAX ? -1 : bad;
		out->logit = bad == INT32_MAX ? r.best : r.logits[bad];
		out->n_top = 0;
	}
	__syncthreads();
	if (bad == INT32_MAX && j.n_top > 0)
		list_top(&s, r, j.n_top, out);
	if (races)
		limit = kept_limit(&s, r, how,
				   spreads(j, (int)blockIdx.x, how) ? j.digits + blockIdx.x
								    : NULL);
	if (threadIdx.x == 0) {
		row->limit = limit;
		row->best_id = id_of(best);
		row->races = races;
	}
}

#endif
