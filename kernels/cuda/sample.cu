/*
 * sample: the choice of a token from each row of logits, with common noise.
 *
 *   best   64 blocks a row: the best token of each, and the lowest whose logit is not finite
 *   limit  a block a row: the best of all; the alternatives; where top_k and top_p end
 *   race   64 blocks a row: argmax of (logit - best) / T + G over what is kept; the last
 *          block to end compares their winners
 *
 * Tokens are ordered by one number, small for the better one: the logit's bits turned so that
 * they fall as it rises, and the id below them.  A prefix of that order (top_k, top_p, the
 * alternatives) is found by its last number, digit by digit: a histogram of the digit among the
 * tokens that share the digits before it, by count or by mass of probability.  Masses are
 * integers (kernels/noise.h), so nothing depends on the order of additions.
 *
 * Floor: the logits over the memory's bandwidth, and their noise: 26 integer products for two
 * tokens.
 */
#include "kernels/cuda/device.cuh"
#include "kernels/noise.h"

#define SAMPLE_BLOCKS  64
#define SAMPLE_THREADS 256
#define LIMIT_THREADS  1024
#define DIGITS         2048 /* of 11 bits */

typedef unsigned long long order_t;

struct sample_job {
	int n_tok, vocab, first, n_top;
	const struct step *step;
	const struct sample_how *how;
	const float *logits;
	struct choice *out;
	struct sample_row *rows; /* [n_tok], scratch */
	uint32_t *counters;      /* [n_tok], 0 */
};

/* What the three kernels tell each other of a row. */
struct sample_row {
	order_t best[SAMPLE_BLOCKS];
	int bad[SAMPLE_BLOCKS];
	double sum[SAMPLE_BLOCKS]; /* of each block's winner */
	int id[SAMPLE_BLOCKS];
	order_t limit; /* the last that top_k and top_p keep */
	int best_id;
	int races; /* 0: the choice has been written */
};

static __device__ __forceinline__ const float *row_logits(const struct sample_job &j, int row)
{
	return j.logits + (size_t)row * (size_t)j.vocab;
}

/* Tokens that may be chosen: at least one. */
static __device__ __forceinline__ int n_choice(const struct sample_job &j)
{
	return max(1, min(j.how->n_choice, j.vocab));
}

/* -0 is as good as +0. */
static __device__ __forceinline__ order_t order_of(float logit, int id)
{
	uint32_t u = __float_as_uint(logit + 0.0f);
	uint32_t rising = u & 0x80000000u ? ~u : u | 0x80000000u;

	return (order_t)~rising << 32 | (uint32_t)id;
}

static __device__ __forceinline__ int id_of(order_t o)
{
	return (int)(uint32_t)o;
}

static __device__ __forceinline__ int is_finite(float v)
{
	return (__float_as_uint(v) & 0x7f800000u) != 0x7f800000u;
}

/* ------------------------------------------------------------------------- best */

static __global__ void __launch_bounds__(SAMPLE_THREADS) sample_best(struct sample_job j)
{
	kernel_begin();
	__shared__ order_t best_part[SAMPLE_THREADS / WARP];
	__shared__ int bad_part[SAMPLE_THREADS / WARP];
	const float *logits = row_logits(j, (int)blockIdx.y);
	int n = n_choice(j), bad = INT32_MAX, warp = (int)threadIdx.x / WARP;
	order_t best = ~(order_t)0;

	for (int i = (int)(blockIdx.x * SAMPLE_THREADS + threadIdx.x); i < n;
	     i += SAMPLE_BLOCKS * SAMPLE_THREADS) {
		float v = logits[i];

		if (is_finite(v))
			best = min(best, order_of(v, i));
		else
			bad = min(bad, i);
	}
	for (int o = WARP / 2; o; o /= 2) {
		best = min(best, __shfl_xor_sync(ALL_LANES, best, o));
		bad = min(bad, __shfl_xor_sync(ALL_LANES, bad, o));
	}
	if (threadIdx.x % WARP == 0) {
		best_part[warp] = best;
		bad_part[warp] = bad;
	}
	__syncthreads();
	if (threadIdx.x)
		return;
	for (int w = 1; w < SAMPLE_THREADS / WARP; w++) {
		best = min(best, best_part[w]);
		bad = min(bad, bad_part[w]);
	}
	j.rows[blockIdx.y].best[blockIdx.x] = best;
	j.rows[blockIdx.y].bad[blockIdx.x] = bad;
}

/* ------------------------------------------------------------------------ limit */

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
	order_t sum = one + two;

	for (int o = 1; o < WARP; o *= 2) {
		order_t v = __shfl_up_sync(ALL_LANES, sum, o);

		sum += lane >= o ? v : 0;
	}
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
	for (int i = (int)threadIdx.x; i < r.n; i += LIMIT_THREADS) {
		order_t o = order_of(r.logits[i], i);
		int digit = (int)(o >> shift) & ((1 << bits) - 1);

		/* the first digit has nothing before it */
		if (o > within || (shift + bits < 64 && o >> (shift + bits) != prefix))
			continue;
		atomicAdd(&s->count[digit], 1u);
		if (by_mass) {
			uint64_t mass =
				noise_mass(noise_behind(r.logits[i], r.best, r.temperature));

			if (mass)
				add_mass(&s->low[digit], &s->high[digit], mass);
		}
	}
	__syncthreads();
}

/*
 * The end of the shortest prefix of the order whose weight reaches `target` (> 0): as an order
 * number that keeps just its tokens.  `within` where all up to that weigh less.
 */
static __device__ __forceinline__ order_t find_limit(struct limit_shared *s,
						     const struct ranked &r, order_t within,
						     order_t target, int by_mass)
{
	order_t prefix = 0, base = 0;

	for (int shift = 64; shift > 0;) {
		int bits = shift == 64 || shift > 11 ? 11 : shift;

		shift -= bits;
		count_digits(s, r, within, prefix, shift, bits, by_mass);
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

static __device__ __forceinline__ order_t mass_up_to(struct limit_shared *s,
						     const struct ranked &r, order_t limit)
{
	order_t sum = 0;

	for (int i = (int)threadIdx.x; i < r.n; i += LIMIT_THREADS) {
		if (order_of(r.logits[i], i) <= limit)
			sum += noise_mass(noise_behind(r.logits[i], r.best, r.temperature));
	}
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

/* The n_top best of the row, in their order. */
static __device__ __forceinline__ void list_top(struct limit_shared *s, const struct ranked &r,
						int n_top, struct choice *out)
{
	order_t *found = s->warp_sum; /* LIMIT_THREADS / WARP of them: more than SAMPLE_TOP */
	order_t limit = find_limit(s, r, ~(order_t)0, (order_t)n_top, 0);

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

/* Where top_k and top_p end. */
static __device__ __forceinline__ order_t kept_limit(struct limit_shared *s,
						     const struct ranked &r,
						     const struct sample_how &how)
{
	order_t limit = ~(order_t)0;

	if (how.top_k > 0 && how.top_k < r.n)
		limit = find_limit(s, r, limit, (order_t)how.top_k, 0);
	__syncthreads();
	if (how.top_p < 1.0) {
		order_t share = noise_share(how.top_p, mass_up_to(s, r, limit));

		limit = find_limit(s, r, limit, max(share, (order_t)1), 1);
	}
	return limit;
}

/* The best of all blocks, and the lowest bad one, to all threads: each warp looks for itself.
 */
static __device__ __forceinline__ void combine_best(const struct sample_row *row, order_t *best,
						    int *bad)
{
	*best = ~(order_t)0;
	*bad = INT32_MAX;
	for (int b = (int)threadIdx.x % WARP; b < SAMPLE_BLOCKS; b += WARP) {
		*best = min(*best, row->best[b]);
		*bad = min(*bad, row->bad[b]);
	}
	for (int o = WARP / 2; o; o /= 2) {
		*best = min(*best, __shfl_xor_sync(ALL_LANES, *best, o));
		*bad = min(*bad, __shfl_xor_sync(ALL_LANES, *bad, o));
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
		limit = kept_limit(&s, r, how);
	if (threadIdx.x == 0) {
		row->limit = limit;
		row->best_id = id_of(best);
		row->races = races;
	}
}

/* ------------------------------------------------------------------------- race */

/*
 * below[k] is a uniform number whose Gumbel variate is less than k, by more than any rounding
 * in here: a token k or more behind that drew no more cannot win, which spares nearly all their
 * logarithms.
 */
#define N_BELOW 37

struct runner {
	double sum;
	int id;
};

static __device__ __forceinline__ struct runner better_runner(struct runner a, struct runner b)
{
	return b.sum > a.sum || (b.sum == a.sum && b.id < a.id) ? b : a;
}

static __device__ __forceinline__ struct runner warp_winner(struct runner a)
{
	for (int o = WARP / 2; o; o /= 2) {
		struct runner b;

		b.sum = __shfl_xor_sync(ALL_LANES, a.sum, o);
		b.id = __shfl_xor_sync(ALL_LANES, a.id, o);
		a = better_runner(a, b);
	}
	return a;
}

struct race {
	const float *logits;
	const double *below;
	uint64_t seed, position;
	double temperature, min_x;
	float best;
	order_t limit;
};

/* Whether a token x behind the best (x ≤ 0) may still win against `a`, whatever it draws. */
static __device__ __forceinline__ int may_win(struct runner a, double x)
{
	return noise_add(a.sum, -x) < (double)N_BELOW;
}

static __device__ __forceinline__ struct runner
enter(const struct race &r, struct runner a, double x, int id, struct noise_block noise)
{
	double behind = noise_add(a.sum, -x), u = noise_uniform_of(noise, (uint32_t)id);
	struct runner b;

	if (behind >= 0 && u <= r.below[(int)behind])
		return a;
	b.sum = noise_add(x, noise_gumbel(u));
	b.id = id;
	return better_runner(a, b);
}

/* Tokens 2i and 2i + 1, which share a block of noise. */
static __device__ __forceinline__ struct runner enter_pair(const struct race &r,
							   struct runner a, int i, int n)
{
	double x[2];
	int on[2];
	struct noise_block noise;

	for (int k = 0; k < 2; k++) {
		int id = 2 * i + k;

		on[k] = 0;
		if (id >= n)
			continue;
		x[k] = noise_behind(r.logits[id], r.best, r.temperature);
		on[k] = x[k] >= r.min_x && order_of(r.logits[id], id) <= r.limit &&
			may_win(a, x[k]);
	}
	if (!on[0] && !on[1])
		return a;
	noise = noise_pair(r.seed, r.position, (uint32_t)(2 * i));
	for (int k = 0; k < 2; k++) {
		/* the first of the two may have raised what the second has to beat */
		if (on[k] && may_win(a, x[k]))
			a = enter(r, a, x[k], 2 * i + k, noise);
	}
	return a;
}

/* Thread 0 gets the winner of the block. */
static __device__ __forceinline__ struct runner block_winner(struct runner a,
							     struct runner *part)
{
	a = warp_winner(a);
	if (threadIdx.x % WARP == 0)
		part[threadIdx.x / WARP] = a;
	__syncthreads();
	if (threadIdx.x == 0) {
		for (int w = 1; w < SAMPLE_THREADS / WARP; w++)
			a = better_runner(a, part[w]);
	}
	return a;
}

/* The winner of all blocks, by the warp that saw them all end. */
static __device__ __forceinline__ void finish_race(const struct sample_job &j, int at)
{
	const struct sample_row *row = j.rows + at;
	int lane = (int)threadIdx.x;
	struct runner a = {__ldcg(&row->sum[lane]), __ldcg(&row->id[lane])};

	for (int b = lane + WARP; b < SAMPLE_BLOCKS; b += WARP) {
		struct runner other = {__ldcg(&row->sum[b]), __ldcg(&row->id[b])};

		a = better_runner(a, other);
	}
	a = warp_winner(a);
	if (lane)
		return;
	j.out[at].id = a.id;
	j.out[at].logit = row_logits(j, at)[a.id];
	j.counters[at] = 0;
}

static __global__ void __launch_bounds__(SAMPLE_THREADS) sample_race(struct sample_job j)
{
	kernel_begin();
	__shared__ double below[N_BELOW];
	__shared__ struct runner part[SAMPLE_THREADS / WARP];
	int at = (int)blockIdx.y, n = n_choice(j);
	struct sample_row *row = j.rows + at;
	struct sample_how how = *j.how;
	struct race r = {row_logits(j, at), below, how.seed};
	struct runner a;
	int last = 0;

	if (!row->races)
		return;
	if (threadIdx.x < N_BELOW)
		below[threadIdx.x] = exp(-exp(-(double)threadIdx.x)) * (1 - 1e-12);
	__syncthreads();
	r.position = (uint64_t)(j.step->pos0 + j.first + at + 1);
	r.temperature = how.temperature;
	r.min_x = how.min_p > 0 ? noise_min_p(how.min_p) : -INFINITY;
	r.best = r.logits[row->best_id];
	r.limit = row->limit;
	/* the best token is always kept: what it draws is what others have to beat */
	a.id = row->best_id;
	a.sum = noise_gumbel(noise_uniform(r.seed, r.position, (uint32_t)a.id));
	for (int i = (int)(blockIdx.x * SAMPLE_THREADS + threadIdx.x); i < (n + 1) / 2;
	     i += SAMPLE_BLOCKS * SAMPLE_THREADS)
		a = enter_pair(r, a, i, n);
	a = block_winner(a, part);
	if (threadIdx.x >= WARP)
		return;
	if (threadIdx.x == 0) {
		row->sum[blockIdx.x] = a.sum;
		row->id[blockIdx.x] = a.id;
		__threadfence();
		last = atomicAdd(&j.counters[at], 1u) == SAMPLE_BLOCKS - 1;
		__threadfence();
	}
	if (__shfl_sync(ALL_LANES, last, 0))
		finish_race(j, at);
}

/* --------------------------------------------------------------------- launches */

size_t cuda_sample_scratch(const struct cuda *c, const struct pass_shape *shape)
{
	(void)c;
	return (size_t)shape->rows * sizeof(struct sample_row);
}

int cuda_sample(struct backend *be, const struct sample_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct sample_job j = {a->n_tok, a->vocab, a->first, a->n_top};
	dim3 blocks(SAMPLE_BLOCKS, (unsigned)a->n_tok);
	void *scratch;
	int rc;

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->vocab < 1)
		return cuda_refuse(err, "sample", "%d rows of %d tokens, expected 1 to %d rows",
				   a->n_tok, a->vocab, CUDA_MAX_ROWS);
	if (a->n_top < 0 || a->n_top > SAMPLE_TOP)
		return cuda_refuse(err, "sample", "%d alternatives, expected 0 to %d", a->n_top,
				   SAMPLE_TOP);
	rc = cuda_scratch(c, (size_t)a->n_tok * sizeof(struct sample_row), "sample", &scratch,
			  err);
	if (rc)
		return rc;
	j.step = (const struct step *)(const void *)a->step;
	j.how = (const struct sample_how *)(const void *)a->how;
	j.logits = (const float *)(const void *)a->logits;
	j.out = (struct choice *)(void *)a->out;
	j.rows = (struct sample_row *)scratch;
	j.counters = c->counters;
	launch_kernel(c, sample_best, blocks, SAMPLE_THREADS, 0, j);
	launch_kernel(c, sample_limit, (unsigned)a->n_tok, LIMIT_THREADS, 0, j);
	launch_kernel(c, sample_race, blocks, SAMPLE_THREADS, 0, j);
	return cuda_check_launch(c, "sample", err);
}
