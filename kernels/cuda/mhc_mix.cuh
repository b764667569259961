/*
 * post and comb of the hyper-connections, from the 20 numbers that mhc_pre leaves of them: a
 * warp makes a token's.
 *
 * post = 2 σ of the first four, comb = Sinkhorn of the other 16.  The rounds are one behind the
 * other, 1 µs of them: so they run beside what else is to be done before they are needed.
 */
#ifndef KERNELS_CUDA_MHC_MIX_CUH
#define KERNELS_CUDA_MHC_MIX_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"

/* Within one of the last place; of what is not subnormal. */
static __device__ __forceinline__ float quick_inverse(float x)
{
	float r;

	asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
	return r;
}

static __device__ __forceinline__ float sigmoid(float x)
{
	return quick_inverse(1.0f + round_exp(-x));
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

/* Token t's.  c: shared, of this warp, [16].  Behind kernel_begin(). */
static __device__ __forceinline__ void mix_token(const struct mhc_mix_args &a, int64_t t,
						 float *c, int lane)
{
	const float *raw = (const float *)a.raw + MHC_RAW * t;
	float v = raw[lane < 16 ? 4 + lane : lane % 4], m = softmax4(v, a.eps);

	if (lane < 16)
		c[lane] = m;
	else if (lane < 20)
		((float *)a.post)[4 * t + lane - 16] = 2.0f * sigmoid(v);
	__syncwarp();
	if (lane == 0)
		sinkhorn(c, a.n_iter, a.eps, (float4 *)a.comb + 4 * t);
	__syncwarp();
}

#endif
