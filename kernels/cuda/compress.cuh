/*
 * The compressors: pooling of blocks of tokens, and the cache rows that come of it.
 *
 * ratio 4: a block of threads pools one block of tokens, from this call's inputs or the ring,
 * and makes the row; further blocks keep the inputs in the ring. ratio 128: a block of threads
 * walks through one block of tokens and leaves the running state of the call's last 16
 * positions in the ring.
 *
 * Mapping: POOL_THREADS with two channels each; the last warp finds out where the row goes and
 * how it is turned.  Weights are loaded before kernel_begin(), which these functions call.
 */
#ifndef KERNELS_CUDA_COMPRESS_CUH
#define KERNELS_CUDA_COMPRESS_CUH

#include "kernels/cuda/rows.cuh"

#define POOL_THREADS 256
#define PLACE_FROM   (POOL_THREADS - WARP) /* the last warp's first thread */

/* While what they overwrite is not read, tokens are kept in the launch that pools: the ring has
 * 16 and a completed block needs the 7 before. */
#define KEEP_ALONG 9

struct pool {
	struct compress_args a;
	int n_pool;          /* blocks that pool, the others keep */
	int keep_from;       /* first token that is kept */
	const float *before; /* ratio 128: state before the call; NULL: in the ring */
};

/* What a block shares of the row that it makes. */
struct pool_shared {
	float4 x[HEAD_DIM / 4]; /* the pooled channels */
	float4 cs[ROPE_DIM / 4];
	int64_t at;
};

/* Weights of a thread, before they are needed. */
struct pool_weights {
	uint2 norm;  /* of the threads that make the row, four values each */
	double freq; /* of the last warp */
};

static __device__ __forceinline__ bool pools(const struct compress_args &a)
{
	return (int)threadIdx.x < a.dim / 2;
}

static __device__ __forceinline__ struct pool_weights
pool_weights_of(const struct compress_args &a)
{
	int i = (int)threadIdx.x;
	struct pool_weights w = {};

	if (i < a.dim / 4)
		w.norm = ((const uint2 *)a.norm)[i];
	if (i >= PLACE_FROM)
		w.freq = ((const double *)a.freq)[i - PLACE_FROM];
	return w;
}

/* The last warp: where the row goes, and its angles. */
static __device__ __forceinline__ void place_row(const struct compress_args &a, int slot,
						 int64_t block, double freq,
						 struct pool_shared *s)
{
	int lane = (int)threadIdx.x - PLACE_FROM, per_page = PAGE_TOKENS / a.ratio;
	double angle = (double)(block * a.ratio) * freq, sine, cosine;

	if (lane == 0) {
		int page = ((const int32_t *)a.pages)[slot * a.max_pages + block / per_page];

		s->at = (int64_t)page * per_page + block % per_page;
	}
	sincos(angle, &sine, &cosine);
	((float2 *)s->cs)[lane] = make_float2((float)cosine, (float)sine);
}

/* The row of what is pooled.  All threads call. */
static __device__ __forceinline__ void finish_row(const struct compress_args &a, uint2 norm,
						  const struct pool_shared *s)
{
	const float *x = (const float *)s->x;
	int i = (int)threadIdx.x;

	__syncthreads();
	if (i >= a.dim / 4)
		return;
	if (a.dim == HEAD_DIM) {
		make_kv_row(x, norm, a.eps, s->cs[i >= KV_ROTATED ? i - KV_ROTATED : 0],
			    a.rows + s->at * KV_ROW_BYTES, i);
	} else {
		float v[4];

		four_normed(v, x, row_inv_rms<INDEX_DIM>(x, a.eps, i), norm, i);
		rotate_index(v, (const float *)s->cs, i);
		make_index_row(v, a.rows + s->at * INDEX_ROW_BYTES, i);
	}
}

/* ------------------------------------------------------------------------ ratio 4 */

static __device__ __forceinline__ float *ring4(const struct compress_args &a, int slot,
					       int64_t pos)
{
	return (float *)a.ring +
	       ((int64_t)slot * COMPRESS_RING + pos % COMPRESS_RING) * 4 * a.dim;
}

static __device__ __forceinline__ void keep_token(const struct compress_args &a, int t)
{
	int n = 2 * a.dim / 4, i = (int)threadIdx.x;
	const struct step *step = step_of(a.step);
	float4 *to;

	kernel_begin();
	to = (float4 *)ring4(a, step->slot, step->pos0 + t);
	if (i < n) {
		to[i] = ((const float4 *)a.a)[t * n + i];
		to[n + i] = ((const float4 *)a.z)[t * n + i];
	}
}

/* A channel's mean of the 8 entries by the softmax of v; the first `first` are not there. */
static __device__ __forceinline__ float pool8(const float (&in)[8], const float (&v)[8],
					      int first)
{
	float max = -INFINITY, sum = 0.0f, mix = 0.0f;

#pragma unroll
	for (int t = 0; t < 8; t++) {
		if (t >= first)
			max = max > v[t] ? max : v[t];
	}
#pragma unroll
	for (int t = 0; t < 8; t++) {
		float e;

		if (t < first)
			continue;
		e = round_exp(v[t] - max);
		sum = sum + e;
		mix = fmaf(e, in[t], mix);
	}
	return mix / sum;
}

/* The inputs of this thread's two channels in a block of tokens, and their gates. */
struct pool_inputs {
	float in[2][8], gate[2][8];
};

static __device__ __forceinline__ void pool_load(const struct compress_args &a, int slot,
						 int64_t pos0, int64_t block,
						 const float2 (&ape)[8],
						 struct pool_inputs *out)
{
	int width = 2 * a.dim, c = (int)threadIdx.x;

#pragma unroll
	for (int t = 0; t < 8; t++) {
		int64_t pos = 4 * block - 4 + t;
		const float *in, *z;
		float2 v, g;

		if (pos < 0) /* before block 0 there is none */
			continue;
		if (pos < pos0) {
			in = ring4(a, slot, pos);
			z = in + width;
		} else {
			in = (const float *)a.a + (pos - pos0) * width;
			z = (const float *)a.z + (pos - pos0) * width;
		}
		v = ((const float2 *)(in + (t < 4 ? 0 : a.dim)))[c];
		g = ((const float2 *)(z + (t < 4 ? 0 : a.dim)))[c];
		out->in[0][t] = v.x;
		out->in[1][t] = v.y;
		out->gate[0][t] = g.x + ape[t].x;
		out->gate[1][t] = g.y + ape[t].y;
	}
}

static __device__ __forceinline__ void pool4_block(const struct pool &p, int i,
						   struct pool_shared *s)
{
	const struct compress_args &a = p.a;
	struct pool_weights w = pool_weights_of(a);
	const struct step *step = step_of(a.step);
	int64_t pos0, block;
	float2 ape[8];

#pragma unroll
	for (int t = 0; t < 8; t++)
		ape[t] = pools(a) ? ((const float2 *)((const float *)a.ape + t % 4 * 2 * a.dim +
						      (t < 4 ? 0 : a.dim)))[threadIdx.x]
				  : make_float2(0.0f, 0.0f);
	kernel_begin();
	pos0 = step->pos0;
	block = pos0 / 4 + i;
	if (block >= (pos0 + a.n_tok) / 4)
		return;
	if (pools(a)) {
		struct pool_inputs x;
		int first = block ? 0 : 4;

		pool_load(a, step->slot, pos0, block, ape, &x);
		((float2 *)s->x)[threadIdx.x] = make_float2(pool8(x.in[0], x.gate[0], first),
							    pool8(x.in[1], x.gate[1], first));
	}
	if (threadIdx.x >= PLACE_FROM)
		place_row(a, step->slot, block, w.freq, s);
	finish_row(a, w.norm, s);
}

/* ---------------------------------------------------------------------- ratio 128 */

static __device__ __forceinline__ float *ring128(const struct compress_args &a, int slot,
						 int64_t pos)
{
	return (float *)a.ring +
	       ((int64_t)slot * COMPRESS_RING + pos % COMPRESS_RING) * 3 * a.dim;
}

/* The running state of a channel. */
struct pool_state {
	float max, sum, mix;
};

static __device__ __forceinline__ void pool_enter(struct pool_state *s, float v, float in,
						  bool first)
{
	float old = s->max, keep, take;

	if (first) {
		*s = {v, 1.0f, in};
		return;
	}
	s->max = old > v ? old : v;
	keep = round_exp(old - s->max);
	take = round_exp(v - s->max);
	s->sum = fmaf(s->sum, keep, take);
	s->mix = fmaf(s->mix, keep, in * take);
}

/* The state of two channels, as it lies in the ring: of each part one behind the other. */
static __device__ __forceinline__ void state_load(struct pool_state (&s)[2], const float *from,
						  int dim)
{
	float2 max = ((const float2 *)from)[threadIdx.x];
	float2 sum = ((const float2 *)(from + dim))[threadIdx.x];
	float2 mix = ((const float2 *)(from + 2 * dim))[threadIdx.x];

	s[0] = {max.x, sum.x, mix.x};
	s[1] = {max.y, sum.y, mix.y};
}

static __device__ __forceinline__ void state_store(float *to, const struct pool_state (&s)[2],
						   int dim)
{
	((float2 *)to)[threadIdx.x] = make_float2(s[0].max, s[1].max);
	((float2 *)(to + dim))[threadIdx.x] = make_float2(s[0].sum, s[1].sum);
	((float2 *)(to + 2 * dim))[threadIdx.x] = make_float2(s[0].mix, s[1].mix);
}

/* Tokens from … to - 1, all of one block, after those before pos0 where it has such. */
static __device__ __forceinline__ void pool_walk(const struct pool &p, int slot, int64_t pos0,
						 int64_t from, int64_t to,
						 struct pool_state (&s)[2])
{
	const struct compress_args &a = p.a;
	int64_t end = pos0 + a.n_tok;

	if (from == pos0 && pos0 % 128)
		state_load(s, p.before ? p.before : ring128(a, slot, pos0 + COMPRESS_RING - 1),
			   a.dim);
#pragma unroll 4
	for (int64_t pos = from; pos < to; pos++) {
		size_t at = (size_t)(pos - pos0) * (size_t)a.dim;
		float2 in = ((const float2 *)((const float *)a.a + at))[threadIdx.x];
		float2 z = ((const float2 *)((const float *)a.z + at))[threadIdx.x];
		float2 ape = ((const float2 *)((const float *)a.ape +
					       pos % 128 * a.dim))[threadIdx.x];

		pool_enter(&s[0], z.x + ape.x, in.x, pos % 128 == 0);
		pool_enter(&s[1], z.y + ape.y, in.y, pos % 128 == 0);
		if (pos >= end - COMPRESS_RING)
			state_store(ring128(a, slot, pos), s, a.dim);
	}
}

static __device__ __forceinline__ void pool128_block(const struct pool &p, int i,
						     struct pool_shared *s)
{
	const struct compress_args &a = p.a;
	struct pool_weights w = pool_weights_of(a);
	const struct step *step = step_of(a.step);
	int64_t pos0, block, from, to;

	kernel_begin();
	pos0 = step->pos0;
	block = pos0 / 128 + i;
	from = block * 128 < pos0 ? pos0 : block * 128;
	to = min((block + 1) * 128, pos0 + a.n_tok);
	if (from >= to)
		return;
	if (pools(a)) {
		struct pool_state v[2] = {};

		pool_walk(p, step->slot, pos0, from, to, v);
		((float2 *)s->x)[threadIdx.x] =
			make_float2(v[0].mix / v[0].sum, v[1].mix / v[1].sum);
	}
	if (to < (block + 1) * 128)
		return;
	if (threadIdx.x >= PLACE_FROM)
		place_row(a, step->slot, block, w.freq, s);
	finish_row(a, w.norm, s);
}

/* ------------------------------------------------------------------------ a block */

/* Block i of the pool's. */
static __device__ __forceinline__ void pool_block(const struct pool &p, int i,
						  struct pool_shared *s)
{
	if (p.a.ratio == 128)
		pool128_block(p, i, s);
	else if (i < p.n_pool)
		pool4_block(p, i, s);
	else
		keep_token(p.a, p.keep_from + i - p.n_pool);
}

/* Blocks of a call that keeps its tokens along, and needs no state from before it. */
static inline unsigned pool_of(const struct compress_args *a, struct pool *p)
{
	int keep = a->n_tok < COMPRESS_RING ? a->n_tok : COMPRESS_RING;

	*p = {*a, (a->n_tok + 3) / 4, a->n_tok - keep, NULL};
	if (a->ratio == 128) /* blocks of 128 tokens that it touches, wherever it begins */
		return ((unsigned)a->n_tok + 127 + 127) / 128;
	return (unsigned)(p->n_pool + keep);
}

#endif
