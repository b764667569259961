/*
 * The second half of mhc_pre, mhc_head and mhc_head_sum: from the products of fn with the
 * streams, in parts, to u and to what post and comb are made of (mhc_mix.cuh).  A block has a
 * token.
 */
#ifndef KERNELS_CUDA_MHC_FINISH_CUH
#define KERNELS_CUDA_MHC_FINISH_CUH

#include "kernels/cuda/mhc_mix.cuh"

#define OUT     25 /* sums of a token: 24 products and the squares */
#define SQUARES 24
#define FINISH  1024 /* threads */
#define AT_ONCE 8    /* parts of a sum that a lane adds: those of a joint that makes 4096 columns */
#define MAX_D   (3 * 4 * FINISH)

/* N sums over the warp's lanes, as warp_sum() has them, side by side. */
template <int N> static __device__ __forceinline__ void warp_sums(float (&v)[N])
{
	for (int o = WARP / 2; o; o /= 2)
		for (int i = 0; i < N; i++)
			v[i] += __shfl_xor_sync(ALL_LANES, v[i], o);
}

/* acc += a · b, one after another */
static __device__ __forceinline__ float dot4(float4 a, float4 b, float acc)
{
	return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, acc))));
}

struct finish {
	int d, n_part, n_out;
	float eps, rms_eps;
	const float *part, *x, *base, *scale;
	const uint16_t *norm; /* NULL: out is u itself, in float32 */
	uint16_t *out;
	float *raw; /* [n_tok, MHC_RAW]; not written at the head, where n_out is 4 */
};

/* The small weights, and what a block's threads tell each other. */
struct finish_shared {
	float base[SQUARES], scale[3];
	float sum[OUT];
	float w[4]; /* of the streams in u */
	float part[33];
};

/* Sum i of a token, to every lane. */
static __device__ __forceinline__ float parts_sum(const struct finish &f, int64_t t, int i,
						  int lane)
{
	const float *p = f.part + (t * OUT + i) * f.n_part;
	float sum = 0.0f;

#pragma unroll 1
	for (int k0 = lane; k0 < f.n_part; k0 += AT_ONCE * WARP) {
		float v[AT_ONCE];

#pragma unroll
		for (int u = 0; u < AT_ONCE; u++) { /* all before the first is needed */
			int k = k0 + u * WARP;

			v[u] = k < f.n_part ? p[k] : 0.0f;
		}
#pragma unroll
		for (int u = 0; u < AT_ONCE; u++)
			sum += v[u];
	}
	return warp_sum(sum);
}

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

/* u of token t as it is. */
template <int COLUMNS>
static __device__ __forceinline__ void put_sum(const struct finish &f, int64_t t,
					       const float4 (&u)[COLUMNS])
{
	float4 *out = (float4 *)((float *)(void *)f.out + t * f.d);

#pragma unroll
	for (int k = 0; k < COLUMNS; k++) {
		int at = (int)threadIdx.x + k * FINISH;

		if (at < f.d / 4)
			out[at] = u[k];
	}
}

/* u of token t, a thread having COLUMNS · 4 columns, and its norm; `first` is the norm's
 * weights of the thread's first columns. */
template <int COLUMNS>
static __device__ __forceinline__ void finish_input(const struct finish &f, int64_t t,
						    uint2 first, struct finish_shared *s)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int n = f.d / 4, i = (int)threadIdx.x;
	const float *x = f.x + t * 4 * f.d;
	float4 v[4] = {}, u[COLUMNS];
	float sum = 0.0f, scale;

	if (i < n)
		load_streams(x, f.d, i, v);
	if (warp < f.n_out || warp == SQUARES) {
		float v = parts_sum(f, t, warp, lane);

		if (lane == 0)
			s->sum[warp] = v;
	}
	__syncthreads();
	if (i < f.n_out) {
		float m = s->sum[i] * rsqrtf(s->sum[SQUARES] / (float)(4 * f.d) + f.rms_eps);

		m = fmaf(m, s->scale[i < 4 ? 0 : i < 8 ? 1 : 2], s->base[i]);
		if (i < 4)
			s->w[i] = sigmoid(m) + f.eps;
		else
			f.raw[MHC_RAW * t + i - 4] = m;
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
	if (!f.norm) {
		put_sum<COLUMNS>(f, t, u);
		return;
	}
	sum = block_sum(sum, s->part);
	scale = rsqrtf(sum / (float)f.d + f.rms_eps);
#pragma unroll
	for (int k = 0; k < COLUMNS; k++) {
		int at = i + k * FINISH;

		if (at < n)
			((uint2 *)(f.out + t * f.d))[at] =
				normed(u[k], scale, k ? ((const uint2 *)f.norm)[at] : first);
	}
}

template <int COLUMNS> static __global__ void __launch_bounds__(FINISH) finish(struct finish f)
{
	__shared__ struct finish_shared s;
	int i = (int)threadIdx.x;
	uint2 first = {};

	if (i < f.n_out)
		s.base[i] = f.base[i];
	else if (i >= WARP && i < WARP + (f.n_out > 4 ? 3 : 1))
		s.scale[i - WARP] = f.scale[i - WARP];
	if (f.norm && i < f.d / 4)
		first = ((const uint2 *)f.norm)[i];
	__syncthreads();
	kernel_begin();
	finish_input<COLUMNS>(f, (int64_t)blockIdx.x, first, &s);
}

#endif
