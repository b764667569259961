/*
 * The second half of mhc_pre and mhc_head: from the products of fn with the streams, in parts,
 * to u, post and comb.  See mhc.cu.
 */
#ifndef KERNELS_CUDA_MHC_FINISH_CUH
#define KERNELS_CUDA_MHC_FINISH_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"

#define OUT      25 /* sums of a token: 24 products and the squares */
#define SQUARES  24
#define FINISH   1024 /* threads */
#define COLUMNS  3    /* times four, a thread's of u */
#define MAX_D    (COLUMNS * 4 * FINISH)
#define MIXES    20 /* sums of a token that post and comb are made of, from 4 on */
#define MIX_MANY 32 /* tokens of a block that makes them, where there are many rows */

/* acc += a · b, one after another */
static __device__ __forceinline__ float dot4(float4 a, float4 b, float acc)
{
	return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, acc))));
}

struct finish {
	int n_tok, d, n_part, n_iter;
	int n_mix, mix_tokens; /* blocks that make post and comb, and the tokens of each */
	float eps, rms_eps;
	const float *part, *x, *base, *scale;
	const uint16_t *norm;
	uint16_t *out;
	float *post, *comb; /* NULL at the head */
};

/* The small weights, and what a block's threads tell each other. */
struct finish_shared {
	float base[SQUARES], scale[3];
	float w[4]; /* of the streams in u */
	float c[MIX_MANY][16 + 1];
	float part[33];
};

static __device__ __forceinline__ float sigmoid(float x)
{
	return 1.0f / (1.0f + round_exp(-x));
}

/* Product i of a token over its root mean square, to every lane. */
static __device__ __forceinline__ float mixed(const struct finish &f, int64_t t, int i,
					      int lane)
{
	const float *p = f.part + (t * OUT + i) * f.n_part;
	const float *q = f.part + (t * OUT + SQUARES) * f.n_part;
	float sum = 0.0f, squares = 0.0f;

	for (int k0 = lane; k0 < f.n_part; k0 += 4 * WARP) {
		float v[4], s[4];

#pragma unroll
		for (int u = 0; u < 4; u++) { /* all on their way before the first is needed */
			int k = k0 + u * WARP;

			v[u] = k < f.n_part ? p[k] : 0.0f;
			s[u] = k < f.n_part ? q[k] : 0.0f;
		}
#pragma unroll
		for (int u = 0; u < 4; u++) {
			sum += v[u];
			squares += s[u];
		}
	}
	sum = warp_sum(sum);
	squares = warp_sum(squares);
	return sum * (1.0f / sqrtf(squares / (float)(4 * f.d) + f.rms_eps));
}

/* ------------------------------------------------------------------ post and comb */

/* Within 1 of the last bit; of what is not tiny. */
static __device__ __forceinline__ float quick_inverse(float x)
{
	float r;

	asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
	return r;
}

/* Entry j, k of C is lane 4 j + k (mod 16)'s: softmax over k, and eps. */
static __device__ __forceinline__ float softmax4(float c, float eps)
{
	float max = fmaxf(c, __shfl_xor_sync(ALL_LANES, c, 1)), sum;

	max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 2));
	c = round_exp(c - max);
	sum = c + __shfl_xor_sync(ALL_LANES, c, 1);
	sum = sum + __shfl_xor_sync(ALL_LANES, sum, 2);
	return c / sum + eps;
}

/* u[i] = sum_j m[i][j] v[j] + eps u[i]; its inverses are r. */
static __device__ __forceinline__ void balance(const float (&m)[4][4], const float (&v)[4],
					       float eps, float (&u)[4], float (&r)[4])
{
	for (int i = 0; i < 4; i++)
		u[i] = u[i] * eps;
	for (int j = 0; j < 4; j++)
		for (int i = 0; i < 4; i++)
			u[i] = fmaf(m[i][j], v[j], u[i]);
	for (int i = 0; i < 4; i++)
		r[i] = quick_inverse(u[i]);
}

/*
 * Rounds of rows and columns, the first of columns alone, by one thread: what is balanced is
 * a[j] C[j][k] b[k], of which only a and b change.  A column's new b is b / (b s + eps), s its
 * sum without b; so 1/b becomes s + eps / b, and with rows alike.
 */
static __device__ __forceinline__ void sinkhorn(const float *c, int n_iter, float eps,
						float4 *out)
{
	float rows[4][4], columns[4][4];
	float a[4] = {1.0f, 1.0f, 1.0f, 1.0f}, b[4];
	float a_inverse[4] = {1.0f, 1.0f, 1.0f, 1.0f}, b_inverse[4] = {1.0f, 1.0f, 1.0f, 1.0f};

#pragma unroll
	for (int i = 0; i < 16; i++) {
		rows[i / 4][i % 4] = c[i];
		columns[i % 4][i / 4] = c[i];
	}
	balance(columns, a, eps, b_inverse, b);
	for (int it = 1; it < n_iter; it++) {
		balance(rows, b, eps, a_inverse, a);
		balance(columns, a, eps, b_inverse, b);
	}
#pragma unroll
	for (int j = 0; j < 4; j++)
		out[j] = make_float4(a[j] * rows[j][0] * b[0], a[j] * rows[j][1] * b[1],
				     a[j] * rows[j][2] * b[2], a[j] * rows[j][3] * b[3]);
}

/* post and comb of the block's tokens. */
static __device__ void finish_mix(const struct finish &f, struct finish_shared *s)
{
	int lane = (int)threadIdx.x % WARP, t0 = (int)blockIdx.x * f.mix_tokens;
	int n = min(f.mix_tokens, f.n_tok - t0), i = (int)threadIdx.x;

	for (int p = i / WARP; p < n * MIXES; p += FINISH / WARP) {
		int t = p / MIXES, o = 4 + p % MIXES;
		float v = mixed(f, t0 + t, o, lane);

		v = fmaf(v, s->scale[o < 8 ? 1 : 2], s->base[o]);
		if (lane == 0 && o < 8)
			f.post[4 * (t0 + t) + o - 4] = 2.0f * sigmoid(v);
		else if (lane == 0)
			s->c[t][o - 8] = v;
	}
	__syncthreads();
	if (i < (16 * n + WARP - 1) / WARP * WARP) { /* half a warp a token */
		float *c = &s->c[i / 16][i % 16];

		*c = softmax4(*c, f.eps);
	}
	__syncthreads();
	if (i < n)
		sinkhorn(s->c[i], f.n_iter, f.eps, (float4 *)f.comb + 4 * (t0 + i));
}

/* ------------------------------------------------------------------------------- u */

static __device__ __forceinline__ void load_streams(const float *x, int d, int i,
						    float4 (&v)[4])
{
	for (int j = 0; j < 4; j++)
		v[j] = ((const float4 *)(x + (int64_t)j * d))[i];
}

static __device__ __forceinline__ float4 weighed(const float4 (&v)[4], const float *w)
{
	float4 s = make_float4(w[0] * v[0].x, w[0] * v[0].y, w[0] * v[0].z, w[0] * v[0].w);

	for (int j = 1; j < 4; j++)
		s = make_float4(fmaf(w[j], v[j].x, s.x), fmaf(w[j], v[j].y, s.y),
				fmaf(w[j], v[j].z, s.z), fmaf(w[j], v[j].w, s.w));
	return s;
}

static __device__ __forceinline__ uint2 normed(float4 s, float scale, uint2 w)
{
	return make_uint2(bf16_pair(s.x * scale * f32_of_bf16_low(w.x),
				    s.y * scale * f32_of_bf16_high(w.x)),
			  bf16_pair(s.z * scale * f32_of_bf16_low(w.y),
				    s.w * scale * f32_of_bf16_high(w.y)));
}

/* u of token t, and its norm; `first` is the norm's weights of the thread's first columns. */
static __device__ void finish_input(const struct finish &f, int64_t t, uint2 first,
				    struct finish_shared *s)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int n = f.d / 4, i = (int)threadIdx.x;
	const float *x = f.x + t * 4 * f.d;
	float4 v[4] = {}, u[COLUMNS];
	float sum = 0.0f, scale;

	if (i < n)
		load_streams(x, f.d, i, v);
	if (warp < 4) {
		float m = mixed(f, t, warp, lane);

		if (lane == 0)
			s->w[warp] = sigmoid(fmaf(m, s->scale[0], s->base[warp])) + f.eps;
	}
	__syncthreads();
#pragma unroll
	for (int k = 0; k < COLUMNS; k++) {
		if (i + k * FINISH >= n)
			break;
		if (k)
			load_streams(x, f.d, i + k * FINISH, v);
		u[k] = weighed(v, s->w);
		sum = dot4(u[k], u[k], sum);
	}
	sum = block_sum(sum, s->part);
	scale = 1.0f / sqrtf(sum / (float)f.d + f.rms_eps);
#pragma unroll
	for (int k = 0; k < COLUMNS; k++) {
		int at = i + k * FINISH;

		if (at < n)
			((uint2 *)(f.out + t * f.d))[at] =
				normed(u[k], scale, k ? ((const uint2 *)f.norm)[at] : first);
	}
}

static __global__ void __launch_bounds__(FINISH) finish(struct finish f)
{
	__shared__ struct finish_shared s;
	int i = (int)threadIdx.x;
	uint2 first = {};

	if (i < (f.comb ? SQUARES : 4))
		s.base[i] = f.base[i];
	else if (i >= WARP && i < WARP + (f.comb ? 3 : 1))
		s.scale[i - WARP] = f.scale[i - WARP];
	if (i < f.d / 4)
		first = ((const uint2 *)f.norm)[i];
	__syncthreads();
	kernel_begin();
	if ((int)blockIdx.x < f.n_mix)
		finish_mix(f, &s);
	else
		finish_input(f, (int64_t)blockIdx.x - f.n_mix, first, &s);
}

#endif
