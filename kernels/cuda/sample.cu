/*
 * sample: the choice of a token from each row of logits, with common noise.
 *
 *   best   64 blocks a row: the best token of each, and the lowest whose logit is not finite
 *   mass   where top_p alone decides, 64 blocks a row: its tokens' first digits, by mass
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
#include "kernels/cuda/sample_limit.cuh"

/* ------------------------------------------------------------------------- best */

/* This block's share of what the next kernel adds to. */
static __device__ __forceinline__ void clear_digits(struct first_digits *d)
{
	int each = DIGITS / SAMPLE_BLOCKS, i = (int)blockIdx.x * each + (int)threadIdx.x;

	if ((int)threadIdx.x < each) {
		d->mass[i] = 0;
		d->count[i] = 0;
	}
}

static __global__ void __launch_bounds__(SAMPLE_THREADS) sample_best(struct sample_job j)
{
	kernel_begin();
	__shared__ order_t best_part[SAMPLE_THREADS / WARP];
	__shared__ int bad_part[SAMPLE_THREADS / WARP];
	const float *logits = row_logits(j, (int)blockIdx.y);
	int n = n_choice(j), bad = INT32_MAX, warp = (int)threadIdx.x / WARP;
	order_t best = ~(order_t)0;

	if (spreads(j, (int)blockIdx.y, *j.how))
		clear_digits(j.digits + blockIdx.y);
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

static size_t rows_bytes(int n_tok)
{
	return (size_t)n_tok * sizeof(struct sample_row);
}

static int spread_rows(int n_tok)
{
	return n_tok < SAMPLE_SPREAD ? n_tok : SAMPLE_SPREAD;
}

static size_t digits_bytes(int n_tok)
{
	return (size_t)spread_rows(n_tok) * sizeof(struct first_digits);
}

size_t cuda_sample_scratch(const struct cuda *c, const struct pass_shape *shape)
{
	(void)c;
	return rows_bytes(shape->rows) + digits_bytes(shape->rows);
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
	rc = cuda_scratch(c, rows_bytes(a->n_tok) + digits_bytes(a->n_tok), "sample", &scratch,
			  err);
	if (rc)
		return rc;
	j.step = (const struct step *)(const void *)a->step;
	j.how = (const struct sample_how *)(const void *)a->how;
	j.logits = (const float *)(const void *)a->logits;
	j.out = (struct choice *)(void *)a->out;
	j.rows = (struct sample_row *)scratch;
	j.digits = (struct first_digits *)(void *)(j.rows + a->n_tok);
	j.counters = c->counters;
	launch_kernel(c, sample_best, blocks, SAMPLE_THREADS, 0, j);
	launch_kernel(c, sample_mass, dim3(SAMPLE_BLOCKS, (unsigned)spread_rows(a->n_tok)),
		      LIMIT_THREADS, 0, j);
	launch_kernel(c, sample_limit, (unsigned)a->n_tok, LIMIT_THREADS, 0, j);
	launch_kernel(c, sample_race, blocks, SAMPLE_THREADS, 0, j);
	return cuda_check_launch(c, "sample", err);
}
