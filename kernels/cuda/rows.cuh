/*
 * What the products leave, made ready for attention: cache rows, queries, index queries.  A KV
 * row is made by four warps, everything else by one.
 *
 * A cache row's sums run in the CPU backend's order and what is rounded to FP8 is a product in
 * double, as there: equal inputs give equal bytes.
 *
 * The functions that make a whole row or head call kernel_begin(), behind the loads of their
 * weights: each thread of a block calls one of them, once.
 */
#ifndef KERNELS_CUDA_ROWS_CUH
#define KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"

/* 1/sqrt(mean(x²) + eps) of N shared values, to every lane of the warp, summed as the CPU does.
 */
template <int N>
static __device__ __forceinline__ double row_inv_rms(const float *x, float eps, int lane)
{
	float acc = 0.0f;

#pragma unroll
	for (int i = 0; i < N; i += 16)
		acc = fmaf(x[i + lane % 16], x[i + lane % 16], acc);
	for (int o = 8; o; o /= 2)
		acc += __shfl_xor_sync(ALL_LANES, acc, o);
	return 1.0 / sqrt((double)acc / N + (double)eps);
}

static __device__ __forceinline__ float row_normed(float x, double r, uint16_t norm)
{
	return (float)((double)x * r * (double)f32_of_bf16(norm));
}

/* Four values of bf16. */
static __device__ __forceinline__ float4 four_of_bf16(uint2 w)
{
	return make_float4(f32_of_bf16_low(w.x), f32_of_bf16_high(w.x), f32_of_bf16_low(w.y),
			   f32_of_bf16_high(w.y));
}

/* Greatest of the N lanes around. */
template <int N> static __device__ __forceinline__ float lanes_max(float v)
{
	for (int o = 1; o < N; o *= 2)
		v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, o));
	return v;
}

/* The four values of x that are thread i's, normed. */
static __device__ __forceinline__ void four_normed(float v[4], const float *x, double r,
						   uint2 norm, int i)
{
	v[0] = row_normed(x[4 * i], r, (uint16_t)norm.x);
	v[1] = row_normed(x[4 * i + 1], r, (uint16_t)(norm.x >> 16));
	v[2] = row_normed(x[4 * i + 2], r, (uint16_t)norm.y);
	v[3] = row_normed(x[4 * i + 3], r, (uint16_t)(norm.y >> 16));
}

#define KV_THREADS (HEAD_DIM / 4)              /* that make a row, four values each */
#define KV_ROTATED ((HEAD_DIM - ROPE_DIM) / 4) /* the first of those whose values are turned   \
						*/
#define KV_SCALES 448                          /* where the row has its scales */
#define KV_TAIL   456                          /* where it has what is turned */

/*
 * Thread i of KV_THREADS, four whole warps, makes its part of a row: norm has the four weights
 * of its values, cs their cos, sin, cos, sin where i ≥ KV_ROTATED.  x: shared, [512]; row:
 * 8-byte aligned.
 *
 * A scale is a power of two, so that its inverse is a float and the product is the quotient.
 */
static __device__ __forceinline__ void make_kv_row(const float *x, uint2 norm, float eps,
						   float4 cs, unsigned char *row, int i)
{
	double r = row_inv_rms<HEAD_DIM>(x, eps, i % WARP);
	float v[4], amax = 0.0f, s;
	uint32_t e, out = 0;

	four_normed(v, x, r, norm, i);
	for (int k = 0; k < 4; k++)
		amax = fmaxf(amax, fabsf(v[k]));
	amax = lanes_max<16>(amax);
	if (i >= KV_ROTATED) {
		rotate(&v[0], &v[1], cs.x, cs.y, 1.0f);
		rotate(&v[2], &v[3], cs.z, cs.w, 1.0f);
		*(uint2 *)(row + KV_TAIL + 8 * (i - KV_ROTATED)) =
			make_uint2(bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]));
		if (i == KV_ROTATED)
			row[KV_TAIL - 1] = 0;
		return;
	}
	e = round_e8m0_ceil((amax > 1e-4f ? amax : 1e-4f) / 448.0f);
	s = round_scale(254 - e);
	for (int k = 0; k < 4; k++)
		out |= round_e4m3(v[k] * s) << (8 * k);
	*(uint32_t *)(row + 4 * i) = out;
	if (i % 16 == 0)
		row[KV_SCALES + i / 16] = (unsigned char)e;
}

/*
 * Hadamard, then FP4: lane l has values 4 l … 4 l + 3 of the 128.  Each butterfly is one sum of
 * two, so the order in which lanes work does not matter.  row: 4-byte aligned.
 */
static __device__ void make_index_row(float v[4], unsigned char *row, int lane)
{
	float a = v[0] + v[1], b = v[0] - v[1], c = v[2] + v[3], d = v[2] - v[3];
	float amax = 0.0f, s;
	uint32_t e, codes = 0;

	v[0] = a + c;
	v[1] = b + d;
	v[2] = a - c;
	v[3] = b - d;
	for (int m = 1; m < WARP; m *= 2) {
		for (int i = 0; i < 4; i++) {
			float o = __shfl_xor_sync(ALL_LANES, v[i], m);

			v[i] = lane & m ? o - v[i] : v[i] + o;
		}
	}
	for (int i = 0; i < 4; i++) {
		v[i] = v[i] * 0x1.6a09e6p-4f;
		amax = fmaxf(amax, fabsf(v[i]));
	}
	amax = lanes_max<8>(amax);
	e = round_e8m0_ceil(amax / 6.0f);
	s = round_scale(254 - e); /* as above: the inverse */
	for (int i = 0; i < 4; i++)
		codes |= round_e2m1(v[i] * s) << (4 * i);
	codes |= __shfl_xor_sync(ALL_LANES, codes, 1) << 16; /* the even lane's is meant */
	if (lane % 2 == 0)
		*(uint32_t *)(row + 2 * lane) = codes;
	if (lane % 8 == 0)
		row[64 + lane / 8] = (unsigned char)e;
}

/* The lane's four of 128 values that end in 32 rotated pairs. */
static __device__ __forceinline__ void rotate_index(float v[4], const float *cs, int lane)
{
	if (lane < 16)
		return;
	cs += 4 * (lane - 16);
	rotate(&v[0], &v[1], cs[0], cs[1], 1.0f);
	rotate(&v[2], &v[3], cs[2], cs[3], 1.0f);
}

/* ------------------------------------------------------- rows and heads, whole */

/* Row t by the threads i = 0 … KV_THREADS - 1; x: shared, [512].  The whole block calls. */
static __device__ __forceinline__ void window_row(const struct window_row_args &a, int t,
						  float *x, int i)
{
	uint2 norm = ((const uint2 *)a.norm)[i];
	const struct step *step = step_of(a.step);
	float4 cs = {0.0f, 0.0f, 0.0f, 0.0f};
	int64_t slot;

	kernel_begin();
	if (t < a.n_tok) {
		((float4 *)x)[i] = four_of_bf16(((const uint2 *)a.kv)[t * KV_THREADS + i]);
		if (i >= KV_ROTATED)
			cs = ((const float4 *)a.rope)[t * (ROPE_DIM / 4) + i - KV_ROTATED];
		slot = (step->pos0 + t) % a.ring_rows + (int64_t)step->slot * a.ring_rows;
	}
	__syncthreads();
	if (t < a.n_tok)
		make_kv_row(x, norm, a.eps, cs, a.ring + slot * KV_ROW_BYTES, i);
}

static __device__ __forceinline__ void unpack8(uint4 w, float v[8])
{
	uint32_t u[4] = {w.x, w.y, w.z, w.w};

	for (int i = 0; i < 4; i++) {
		v[2 * i] = f32_of_bf16_low(u[i]);
		v[2 * i + 1] = f32_of_bf16_high(u[i]);
	}
}

static __device__ __forceinline__ uint4 pack8(const float v[8])
{
	return make_uint4(bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]), bf16_pair(v[4], v[5]),
			  bf16_pair(v[6], v[7]));
}

/* Head i of all rows' by a warp: a lane has two runs of 8 values. */
static __device__ __forceinline__ void query_head(const struct query_args &a, int64_t i,
						  int lane)
{
	uint4 *q = (uint4 *)a.q + i * (HEAD_DIM / 8);
	float v[16], sum = 0.0f, r;
	float4 cs[2];

	kernel_begin();
	if (i >= (int64_t)a.n_tok * a.n_head)
		return;
	unpack8(q[lane], v);
	unpack8(q[WARP + lane], v + 8);
	if (lane >= 24) {
		const float4 *from = (const float4 *)a.rope + i / a.n_head * (ROPE_DIM / 4) +
				     2 * (lane - 24);

		cs[0] = from[0];
		cs[1] = from[1];
	}
	for (int k = 0; k < 16; k++)
		sum = fmaf(v[k], v[k], sum);
	r = 1.0f / sqrtf(warp_sum(sum) / HEAD_DIM + a.eps);
	for (int k = 0; k < 16; k++)
		v[k] = v[k] * r;
	if (lane >= 24) {
		for (int k = 0; k < 2; k++) {
			rotate(&v[8 + 4 * k], &v[9 + 4 * k], cs[k].x, cs[k].y, 1.0f);
			rotate(&v[10 + 4 * k], &v[11 + 4 * k], cs[k].z, cs[k].w, 1.0f);
		}
	}
	q[lane] = pack8(v);
	q[WARP + lane] = pack8(v + 8);
}

/* Indexer head i of all rows' by a warp. */
static __device__ __forceinline__ void index_head(const struct index_query_args &a, int64_t i,
						  int lane)
{
	float4 x;

	kernel_begin();
	if (i >= (int64_t)a.n_tok * a.n_head)
		return;
	x = four_of_bf16(((const uint2 *)a.q)[i * (INDEX_DIM / 4) + lane]);
	{
		float v[4] = {x.x, x.y, x.z, x.w};

		rotate_index(v, (const float *)a.rope + i / a.n_head * ROPE_DIM, lane);
		make_index_row(v, a.out + i * INDEX_ROW_BYTES, lane);
	}
}

#endif
