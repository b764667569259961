/*
 * The compressors: pooling of blocks of tokens, and the cache rows that come of it.
 *
 * ratio 4: a block of threads pools one block of tokens, a thread four channels, from this
 * call's inputs or the ring; then one warp makes the row.  Further blocks keep the inputs in
 * the ring: in the same launch while what they overwrite is not read (up to 9 tokens: the ring
 * has 16 and a completed block needs the 7 before), in one of their own otherwise. ratio 128: a
 * block of threads walks through one block of tokens, a thread a channel, and leaves the
 * running state of the call's last 16 positions in the ring.
 */
#include "kernels/cuda/rows.cuh"

#define THREADS    128
#define KEEP_ALONG 9

struct pool {
	struct compress_args a;
	int n_pool;          /* blocks that pool, the others keep */
	int keep_from;       /* first token that is kept */
	const float *before; /* ratio 128: state before the call; NULL: in the ring */
};

static __device__ __forceinline__ int64_t row_at(const struct compress_args &a, int slot,
						 int64_t block)
{
	int per_page = PAGE_TOKENS / a.ratio;
	int page = ((const int32_t *)a.pages)[slot * a.max_pages + block / per_page];

	return (int64_t)page * per_page + block % per_page;
}

/* x: the pooled channels, shared; cs: shared, [64].  All threads call, a warp works. */
static __device__ void finish_row(const struct compress_args &a, int slot, int64_t block,
				  float *x, float *cs)
{
	int lane = (int)threadIdx.x;
	const uint16_t *norm = (const uint16_t *)a.norm;
	int64_t at;

	__syncthreads();
	if (lane >= WARP)
		return;
	{
		double angle = (double)(block * a.ratio) * ((const double *)a.freq)[lane];

		cs[2 * lane] = (float)cos(angle);
		cs[2 * lane + 1] = (float)sin(angle);
	}
	__syncwarp();
	at = row_at(a, slot, block);
	if (a.dim == HEAD_DIM) {
		make_kv_row(x, norm, a.eps, cs, a.rows + at * KV_ROW_BYTES, lane);
	} else {
		double r = row_inv_rms(x, INDEX_DIM, a.eps, lane);
		float v[4];

		for (int i = 0; i < 4; i++)
			v[i] = row_normed(x[4 * lane + i], r, norm[4 * lane + i]);
		rotate_index(v, cs, lane);
		make_index_row(v, a.rows + at * INDEX_ROW_BYTES, lane);
	}
}

static __device__ __forceinline__ float *ring4(const struct compress_args &a, int slot,
					       int64_t pos)
{
	return (float *)a.ring +
	       ((int64_t)slot * COMPRESS_RING + pos % COMPRESS_RING) * 4 * a.dim;
}

static __device__ void keep_token(const struct compress_args &a, const struct step *step, int t)
{
	int n = 2 * a.dim;
	float *to = ring4(a, step->slot, step->pos0 + t);
	const float *in = (const float *)a.a + (int64_t)t * n,
		    *z = (const float *)a.z + (int64_t)t * n;

	for (int i = (int)threadIdx.x; i < n; i += THREADS) {
		to[i] = in[i];
		to[n + i] = z[i];
	}
}

/* One channel of the 8 entries, of which the first `first` are not there. */
static __device__ float pool8(const float *const *in, const float *const *gate,
			      const float *ape, int dim, int c, int first)
{
	float v[8], max = -INFINITY, sum = 0.0f, mix = 0.0f;

#pragma unroll
	for (int t = 0; t < 8; t++) {
		if (t < first)
			continue;
		v[t] = gate[t][c] + ape[(t % 4) * 2 * dim + (t < 4 ? 0 : dim) + c];
		max = max > v[t] ? max : v[t];
	}
#pragma unroll
	for (int t = 0; t < 8; t++) {
		float e;

		if (t < first)
			continue;
		e = round_exp(v[t] - max);
		sum = sum + e;
		mix = fmaf(e, in[t][c], mix);
	}
	return mix / sum;
}

static __global__ void __launch_bounds__(THREADS) pool4(struct pool p)
{
	kernel_begin();
	__shared__ float x[HEAD_DIM], cs[ROPE_DIM];
	const struct compress_args &a = p.a;
	const struct step *step = step_of(a.step);
	int64_t pos0 = step->pos0, block = pos0 / 4 + blockIdx.x;
	const float *in[8], *gate[8];
	int width = 2 * a.dim;

	if ((int)blockIdx.x >= p.n_pool) {
		keep_token(a, step, p.keep_from + (int)blockIdx.x - p.n_pool);
		return;
	}
	if (block >= (pos0 + a.n_tok) / 4)
		return;
#pragma unroll
	for (int t = 0; t < 8; t++) {
		int64_t pos = 4 * block - 4 + t;
		int half = t < 4 ? 0 : a.dim;

		if (pos < pos0) { /* before block 0 there is none: not read */
			in[t] = ring4(a, step->slot, pos < 0 ? 0 : pos) + half;
			gate[t] = in[t] + width;
		} else {
			in[t] = (const float *)a.a + (pos - pos0) * width + half;
			gate[t] = (const float *)a.z + (pos - pos0) * width + half;
		}
	}
	for (int c = (int)threadIdx.x; c < a.dim; c += THREADS)
		x[c] = pool8(in, gate, (const float *)a.ape, a.dim, c, block ? 0 : 4);
	finish_row(a, step->slot, block, x, cs);
}

static __device__ __forceinline__ float *ring128(const struct compress_args &a, int slot,
						 int64_t pos)
{
	return (float *)a.ring +
	       ((int64_t)slot * COMPRESS_RING + pos % COMPRESS_RING) * 3 * a.dim;
}

/* The ring's state before this call, where the call will overwrite it. */
static __global__ void save_state(struct compress_args a, float *out)
{
	kernel_begin();
	const struct step *step = step_of(a.step);
	const float *from = ring128(a, step->slot, step->pos0 + COMPRESS_RING - 1);

	for (int i = (int)threadIdx.x; i < 3 * a.dim; i += (int)blockDim.x)
		out[i] = from[i];
}

/* blockDim.x == dim */
static __global__ void __launch_bounds__(HEAD_DIM) pool128(struct pool p)
{
	kernel_begin();
	__shared__ float x[HEAD_DIM], cs[ROPE_DIM];
	const struct compress_args &a = p.a;
	const struct step *step = step_of(a.step);
	int dim = a.dim, c = (int)threadIdx.x, slot = step->slot;
	int64_t pos0 = step->pos0, end = pos0 + a.n_tok;
	int64_t block = pos0 / 128 + blockIdx.x, from = block * 128, to = from + 128;
	float max = 0.0f, sum = 0.0f, mix = 0.0f;

	if (from < pos0) {
		const float *before =
			p.before ? p.before : ring128(a, slot, pos0 + COMPRESS_RING - 1);

		from = pos0;
		max = before[c];
		sum = before[dim + c];
		mix = before[2 * dim + c];
	}
	if (to > end)
		to = end;
	if (from >= to)
		return;
#pragma unroll 4
	for (int64_t pos = from; pos < to; pos++) {
		int64_t at = (pos - pos0) * dim + c;
		float in = ((const float *)a.a)[at];
		float v =
			((const float *)a.z)[at] + ((const float *)a.ape)[pos % 128 * dim + c];

		if (pos % 128 == 0) {
			max = v;
			sum = 1.0f;
			mix = in;
		} else {
			float old = max, keep, take;

			max = old > v ? old : v;
			keep = round_exp(old - max);
			take = round_exp(v - max);
			sum = fmaf(sum, keep, take);
			mix = fmaf(mix, keep, in * take);
		}
		if (pos >= end - COMPRESS_RING) {
			float *after = ring128(a, slot, pos);

			after[c] = max;
			after[dim + c] = sum;
			after[2 * dim + c] = mix;
		}
	}
	if (to != (block + 1) * 128)
		return;
	x[c] = mix / sum;
	finish_row(a, slot, block, x, cs);
}

static int launch4(struct cuda *c, const struct compress_args *a, struct err *err)
{
	struct pool p = {*a, (a->n_tok + 3) / 4, 0, NULL};
	int keep = a->n_tok < COMPRESS_RING ? a->n_tok : COMPRESS_RING;
	int along = a->n_tok <= KEEP_ALONG;

	p.keep_from = a->n_tok - keep;
	launch_kernel(c, pool4, (unsigned)(p.n_pool + (along ? keep : 0)), THREADS, 0, p);
	if (cuda_check_launch(c, "compress", err))
		return err->code;
	if (along)
		return 0;
	p.n_pool = 0;
	launch_kernel(c, pool4, (unsigned)keep, THREADS, 0, p);
	return cuda_check_launch(c, "compress", err);
}

static int launch128(struct cuda *c, const struct compress_args *a, struct err *err)
{
	struct pool p = {*a, 0, 0, NULL};
	/* blocks of 128 tokens that the call touches, wherever it begins */
	unsigned n_block = ((unsigned)a->n_tok + 127 + 127) / 128;
	void *before;

	if (a->n_tok >= COMPRESS_RING) {
		if (cuda_scratch(c, sizeof(float) * 3 * (size_t)a->dim, "compress", &before,
				 err))
			return err->code;
		launch_kernel(c, save_state, 1, THREADS, 0, *a, (float *)before);
		if (cuda_check_launch(c, "compress", err))
			return err->code;
		p.before = (const float *)before;
	}
	launch_kernel(c, pool128, n_block, (unsigned)a->dim, 0, p);
	return cuda_check_launch(c, "compress", err);
}

int cuda_compress(struct backend *be, const struct compress_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if ((a->ratio != 4 && a->ratio != 128) || (a->dim != HEAD_DIM && a->dim != INDEX_DIM) ||
	    a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS)
		return cuda_refuse(err, "compress", "%d rows, ratio %d, dim %d: not known",
				   a->n_tok, a->ratio, a->dim);
	return a->ratio == 4 ? launch4(c, a, err) : launch128(c, a, err);
}
