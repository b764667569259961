/*
 * Hyper-connections around a sublayer.
 *
 *   m = (fn · X) rsqrt(mean(X²) + eps), 24 values (4 at the head)
 *   pre, post = σ, comb = Sinkhorn of the rest;  u = sum_j pre[j] X[j];  out = RMSNorm(u)
 *   post: X'[k] = post[k] y + sum_j comb[j][k] X[j]
 *
 * Products: a block takes pieces of 64 columns of all four streams for up to 8 tokens and a
 * warp three of the 24 rows of fn; its sums over the block's columns go to `part`.  A second
 * kernel adds them in the order of the columns and finishes: one block of a token makes u, the
 * other post and comb.  With `join` the first kernel applies post to its columns before.
 * Floor, one token: fn and the streams, 1.6 MB of Flash, 0.4 µs; two launches cost more.
 */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"

#define PIECE     64 /* columns of each stream */
#define MANY      8  /* pieces a block takes where there are many rows */
#define WARPS     8
#define ROWS      3  /* of fn, a warp */
#define OUT       25 /* sums of a token: 24 products and the squares */
#define SQUARES   24
#define FINISH    512 /* threads */
#define MAX_D     12288
#define TILE_MANY 8 /* tokens a block takes */
#define TILE_SOME 4

struct products {
	int n_tok, d, n_out;
	int pieces; /* of a block */
	int n_part; /* blocks along the columns */
	const float *fn, *y, *post, *comb;
	float *x;
	float *part; /* [n_tok, OUT, n_part] */
};

/* One column of the four streams of a token, after post where that is asked. */
template <bool JOIN>
static __device__ __forceinline__ void column(const struct products &p, int64_t t, int col,
					      float x[4])
{
	float *at = p.x + t * 4 * p.d + col;

	for (int j = 0; j < 4; j++)
		x[j] = at[(int64_t)j * p.d];
	if (JOIN) {
		const float *post = p.post + 4 * t, *comb = p.comb + 16 * t;
		float y = p.y[t * p.d + col], r[4];

		for (int k = 0; k < 4; k++) {
			r[k] = post[k] * y;
			for (int j = 0; j < 4; j++)
				r[k] = fmaf(comb[4 * j + k], x[j], r[k]);
		}
		for (int k = 0; k < 4; k++) {
			x[k] = r[k];
			at[(int64_t)k * p.d] = r[k];
		}
	}
}

/* acc += a · b, one after another */
static __device__ __forceinline__ float dot4(float4 a, float4 b, float acc)
{
	return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, acc))));
}

/* Tile of TILE tokens; lane l has columns 4 (l mod 16) … of streams l / 16 and l / 16 + 2. */
template <int TILE, bool JOIN>
static __global__ void __launch_bounds__(WARPS *WARP) products(struct products p)
{
	kernel_begin();
	__shared__ float4 xs[TILE][4][PIECE / 4];
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t t0 = (int64_t)blockIdx.y * TILE;
	int col = 4 * (lane % 16), stream = lane / 16;
	float acc[TILE][ROWS], squares = 0.0f;

	for (int t = 0; t < TILE; t++)
		for (int o = 0; o < ROWS; o++)
			acc[t][o] = 0.0f;
	for (int s = 0; s < p.pieces; s++) {
		int c0 = ((int)blockIdx.x * p.pieces + s) * PIECE;
		float4 f[ROWS][2];

		if (c0 >= p.d)
			break;
		for (int o = 0; o < ROWS; o++) {
			int row = warp * ROWS + o;

			for (int k = 0; k < 2; k++) {
				f[o][k] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
				if (row < p.n_out && c0 + col < p.d)
					f[o][k] = *(const float4 *)(p.fn +
								    (int64_t)row * 4 * p.d +
								    (int64_t)(stream + 2 * k) *
									    p.d +
								    c0 + col);
			}
		}
		for (int i = (int)threadIdx.x; i < TILE * PIECE; i += WARPS * WARP) {
			int t = i / PIECE, c = i % PIECE;
			float x[4] = {0.0f, 0.0f, 0.0f, 0.0f};

			if (t0 + t < p.n_tok && c0 + c < p.d)
				column<JOIN>(p, t0 + t, c0 + c, x);
			for (int j = 0; j < 4; j++)
				((float *)xs[t][j])[c] = x[j];
		}
		__syncthreads();
#pragma unroll
		for (int t = 0; t < TILE; t++) {
			for (int k = 0; k < 2; k++) {
				float4 v = xs[t][stream + 2 * k][lane % 16];

				for (int o = 0; o < ROWS; o++)
					acc[t][o] = dot4(f[o][k], v, acc[t][o]);
				if (t == warp)
					squares = dot4(v, v, squares);
			}
		}
		__syncthreads();
	}
#pragma unroll
	for (int t = 0; t < TILE; t++) {
		float *out = p.part + (t0 + t) * OUT * p.n_part + blockIdx.x;

		for (int o = 0; o < ROWS; o++) {
			float sum = warp_sum(acc[t][o]);

			if (lane == 0 && t0 + t < p.n_tok && warp * ROWS + o < p.n_out)
				out[(warp * ROWS + o) * p.n_part] = sum;
		}
		if (t == warp) {
			float sum = warp_sum(squares);

			if (lane == 0 && t0 + t < p.n_tok)
				out[SQUARES * p.n_part] = sum;
		}
	}
}

struct finish {
	int d, n_part, n_iter;
	float eps, rms_eps;
	const float *part, *x, *base, *scale;
	const uint16_t *norm;
	uint16_t *out;
	float *post, *comb; /* NULL at the head */
};

/* Sum `i` of a token over its parts, to every lane. */
static __device__ __forceinline__ float part_sum(const struct finish &f, int64_t t, int i,
						 int lane)
{
	const float *p = f.part + (t * OUT + i) * f.n_part;
	float v = 0.0f;

	for (int k = lane; k < f.n_part; k += WARP)
		v += p[k];
	return warp_sum(v);
}

static __device__ __forceinline__ float sigmoid(float x)
{
	return (float)(1.0 / (1.0 + exp(-(double)x)));
}

/* Lane 4 j + k (mod 16) has C[j][k]. */
static __device__ float sinkhorn(float c, int n_iter, float eps, int lane)
{
	int row = lane & 12, col = lane & 3;
	float r[4], max, sum;

	for (int k = 0; k < 4; k++)
		r[k] = __shfl_sync(ALL_LANES, c, row + k);
	max = r[0];
	for (int k = 1; k < 4; k++)
		max = r[k] > max ? r[k] : max;
	c = round_exp(c - max);
	for (int k = 0; k < 4; k++)
		r[k] = __shfl_sync(ALL_LANES, c, row + k);
	sum = r[0] + r[1] + r[2] + r[3];
	c = c / sum + eps;
	for (int it = 0; it < n_iter; it++) {
		if (it) {
			for (int k = 0; k < 4; k++)
				r[k] = __shfl_sync(ALL_LANES, c, row + k);
			sum = r[0] + r[1] + r[2] + r[3] + eps;
			c = c / sum;
		}
		for (int k = 0; k < 4; k++)
			r[k] = __shfl_sync(ALL_LANES, c, col + 4 * k);
		sum = r[0] + r[1] + r[2] + r[3] + eps;
		c = c / sum;
	}
	return c;
}

/* u and its norm; the 4 weights stand in m[0 … 3] as raw sums, the squares in m[SQUARES]. */
static __device__ void finish_input(const struct finish &f, int64_t t, const float *m,
				    float *part)
{
	extern __shared__ float4 u[];
	int d = f.d, n = d / 4;
	const float *x = f.x + t * 4 * d;
	float r = (float)(1.0 / sqrt((double)m[SQUARES] / (4 * d) + (double)f.rms_eps));
	float w[4], sum = 0.0f, scale;

	for (int j = 0; j < 4; j++)
		w[j] = sigmoid(fmaf(m[j] * r, f.scale[0], f.base[j])) + f.eps;
	for (int i = (int)threadIdx.x; i < n; i += FINISH) {
		float4 v = ((const float4 *)x)[i];
		float4 s = make_float4(w[0] * v.x, w[0] * v.y, w[0] * v.z, w[0] * v.w);

		for (int j = 1; j < 4; j++) {
			v = ((const float4 *)(x + (int64_t)j * d))[i];
			s = make_float4(fmaf(w[j], v.x, s.x), fmaf(w[j], v.y, s.y),
					fmaf(w[j], v.z, s.z), fmaf(w[j], v.w, s.w));
		}
		u[i] = s;
		sum = dot4(s, s, sum);
	}
	sum = block_sum(sum, part);
	scale = (float)(1.0 / sqrt((double)sum / d + (double)f.rms_eps));
	for (int i = (int)threadIdx.x; i < n; i += FINISH) {
		float4 s = u[i];
		uint2 w4 = ((const uint2 *)f.norm)[i];

		((uint2 *)(f.out + t * d))[i] =
			make_uint2(bf16_pair(s.x * scale * f32_of_bf16_low(w4.x),
					     s.y * scale * f32_of_bf16_high(w4.x)),
				   bf16_pair(s.z * scale * f32_of_bf16_low(w4.y),
					     s.w * scale * f32_of_bf16_high(w4.y)));
	}
}

/* post (lanes 16 … 19) and comb (lanes 0 … 15), by one warp. */
static __device__ void finish_mix(const struct finish &f, int64_t t, const float *m, int lane)
{
	float r = (float)(1.0 / sqrt((double)m[SQUARES] / (4 * f.d) + (double)f.rms_eps));
	int i = 8 + lane % 16;
	float c = sinkhorn(fmaf(m[i] * r, f.scale[2], f.base[i]), f.n_iter, f.eps, lane);

	if (lane < 16)
		f.comb[16 * t + lane] = c;
	else if (lane < 20)
		f.post[4 * t + lane - 16] =
			2.0f *
			sigmoid(fmaf(m[4 + lane - 16] * r, f.scale[1], f.base[4 + lane - 16]));
}

static __global__ void __launch_bounds__(FINISH) finish(struct finish f)
{
	kernel_begin();
	__shared__ float m[OUT], part[33];
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t t = blockIdx.x;
	int first = blockIdx.y ? 4 : 0, last = blockIdx.y ? SQUARES : 4;

	for (int i = first + warp; i <= last; i += FINISH / WARP) {
		int o = i == last ? SQUARES : i;
		float sum = part_sum(f, t, o, lane);

		if (lane == 0)
			m[o] = sum;
	}
	__syncthreads();
	if (blockIdx.y == 0)
		finish_input(f, t, m, part);
	else if (warp == 0)
		finish_mix(f, t, m, lane);
}

static __global__ void __launch_bounds__(256) post_columns(struct mhc_post_args a)
{
	kernel_begin();
	int64_t t = blockIdx.y;
	int i = (int)(blockIdx.x * blockDim.x + threadIdx.x), n = a.d / 4;
	const float *post = (const float *)a.post + 4 * t,
		    *comb = (const float *)a.comb + 16 * t;
	float4 *x = (float4 *)a.x + t * 4 * n, y, s[4];

	if (i >= n)
		return;
	y = ((const float4 *)a.y)[t * n + i];
	for (int j = 0; j < 4; j++)
		s[j] = x[(int64_t)j * n + i];
	for (int k = 0; k < 4; k++) {
		float p = post[k];
		float4 r = make_float4(p * y.x, p * y.y, p * y.z, p * y.w);

		for (int j = 0; j < 4; j++) {
			float c = comb[4 * j + k];

			r = make_float4(fmaf(c, s[j].x, r.x), fmaf(c, s[j].y, r.y),
					fmaf(c, s[j].z, r.z), fmaf(c, s[j].w, r.w));
		}
		x[(int64_t)k * n + i] = r;
	}
}

/* ------------------------------------------------------------------ launching */

static int pieces_of(int n_tok)
{
	return n_tok > CUDA_DECODE_ROWS ? MANY : 1;
}

static int parts_of(int n_tok, int d)
{
	int width = PIECE * pieces_of(n_tok);

	return (d + width - 1) / width;
}

static size_t part_bytes(int n_tok, int d)
{
	return sizeof(float) * OUT * (size_t)n_tok * (size_t)parts_of(n_tok, d);
}

size_t cuda_mhc_scratch(const struct cuda *c, const struct pass_shape *s)
{
	int few = s->rows < CUDA_DECODE_ROWS ? s->rows : CUDA_DECODE_ROWS;
	size_t a = part_bytes(few, s->d), b = part_bytes(s->rows, s->d);

	(void)c;
	return a > b ? a : b;
}

static int check(const char *op, int n_tok, int d, struct err *err)
{
	if (n_tok < 1 || n_tok > CUDA_MAX_ROWS || d < 4 || d % 4 || d > MAX_D)
		return cuda_refuse(err, op, "%d rows of %d columns (a multiple of 4, up to %d)",
				   n_tok, d, MAX_D);
	return 0;
}

template <bool JOIN> static void launch_products(struct cuda *c, const struct products &p)
{
	int tile = p.n_tok > CUDA_DECODE_ROWS ? TILE_MANY : p.n_tok > 1 ? TILE_SOME : 1;
	dim3 grid((unsigned)p.n_part, (unsigned)((p.n_tok + tile - 1) / tile));

	if (tile == 1)
		launch_kernel(c, products<1, JOIN>, grid, WARPS * WARP, 0, p);
	else if (tile == TILE_SOME)
		launch_kernel(c, products<TILE_SOME, JOIN>, grid, WARPS * WARP, 0, p);
	else
		launch_kernel(c, products<TILE_MANY, JOIN>, grid, WARPS * WARP, 0, p);
}

/* Products of fn with the streams, and what is made of them; post: what is applied before. */
static int mix(struct cuda *c, const char *op, const struct mhc_pre_args *a, int n_out,
	       const struct mhc_post_args *post, struct err *err)
{
	struct products p = {a->n_tok, a->d, n_out, pieces_of(a->n_tok),
			     parts_of(a->n_tok, a->d)};
	struct finish f = {a->d, p.n_part, a->n_iter, a->eps, a->rms_eps};
	dim3 grid((unsigned)a->n_tok, a->comb ? 2 : 1);
	void *part;

	if (check(op, a->n_tok, a->d, err) ||
	    cuda_scratch(c, part_bytes(a->n_tok, a->d), op, &part, err))
		return err->code;
	p.fn = (const float *)a->fn;
	p.x = (float *)a->x;
	p.part = (float *)part;
	if (post) {
		p.y = (const float *)post->y;
		p.post = (const float *)post->post;
		p.comb = (const float *)post->comb;
		launch_products<true>(c, p);
	} else {
		launch_products<false>(c, p);
	}
	if (cuda_check_launch(c, op, err))
		return err->code;
	f.part = p.part;
	f.x = p.x;
	f.base = (const float *)a->base;
	f.scale = (const float *)a->scale;
	f.norm = (const uint16_t *)a->norm;
	f.out = (uint16_t *)a->out;
	f.post = (float *)a->post;
	f.comb = (float *)a->comb;
	launch_kernel(c, finish, grid, FINISH, (size_t)a->d * sizeof(float), f);
	return cuda_check_launch(c, op, err);
}

int cuda_mhc_pre(struct backend *be, const struct mhc_pre_args *a, struct err *err)
{
	return mix(cuda_of(be), "mhc_pre", a, 24, NULL, err);
}

int cuda_mhc_join(struct backend *be, const struct mhc_join_args *a, struct err *err)
{
	if (a->post.x != a->pre.x || a->post.n_tok != a->pre.n_tok || a->post.d != a->pre.d ||
	    a->post.post == a->pre.post || a->post.comb == a->pre.comb)
		return cuda_refuse(err, "mhc_join",
				   "post and pre are not of the same streams, "
				   "or share what they write");
	return mix(cuda_of(be), "mhc_join", &a->pre, 24, &a->post, err);
}

int cuda_mhc_head(struct backend *be, const struct mhc_head_args *a, struct err *err)
{
	struct mhc_pre_args pre = {a->n_tok, a->d, 0, a->eps, a->rms_eps};

	pre.x = a->x;
	pre.fn = a->fn;
	pre.base = a->base;
	pre.scale = a->scale;
	pre.norm = a->norm;
	pre.out = a->out;
	return mix(cuda_of(be), "mhc_head", &pre, 4, NULL, err);
}

int cuda_mhc_post(struct backend *be, const struct mhc_post_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	dim3 grid((unsigned)((a->d / 4 + 255) / 256), (unsigned)a->n_tok);

	if (check("mhc_post", a->n_tok, a->d, err))
		return err->code;
	launch_kernel(c, post_columns, grid, 256, 0, *a);
	return cuda_check_launch(c, "mhc_post", err);
}
