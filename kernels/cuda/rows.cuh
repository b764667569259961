/*
 * Cache rows made by one warp: norm, rotary, rounding to the stored form.
 *
 * The sums run in the CPU backend's order and what is rounded to FP8 is a product in double, as
 * there: equal inputs give equal bytes.
 */
#ifndef KERNELS_CUDA_ROWS_CUH
#define KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"

/* 1/sqrt(mean(x²) + eps) of n shared values, to every lane of the warp, summed as the CPU does. */
static __device__ __forceinline__ double row_inv_rms(const float *x, int n, float eps, int lane)
{
	float acc = 0.0f;

	for (int i = lane % 16; i < n; i += 16)
		acc = fmaf(x[i], x[i], acc);
	for (int o = 8; o; o /= 2)
		acc += __shfl_xor_sync(ALL_LANES, acc, o);
	return 1.0 / sqrt((double)acc / n + (double)eps);
}

static __device__ __forceinline__ float row_normed(float x, double r, uint16_t norm)
{
	return (float)((double)x * r * (double)f32_of_bf16(norm));
}

/* Greatest of the eight lanes around. */
static __device__ __forceinline__ float eight_max(float v)
{
	for (int o = 1; o < 8; o *= 2)
		v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, o));
	return v;
}

/* x: shared, [512]; cs: 32 pairs of cos and sin; row: 8-byte aligned.  The whole warp calls. */
static __device__ void make_kv_row(const float *x, const uint16_t *norm, float eps,
				   const float *cs, unsigned char *row, int lane)
{
	double r = row_inv_rms(x, HEAD_DIM, eps, lane);

	for (int half = 0; half < 2; half++) {
		int at = 256 * half + 8 * lane;
		bool tail = half == 1 && lane >= 24;
		float v[8], amax = 0.0f, s;
		uint32_t e, out[4] = {0, 0, 0, 0};

		for (int i = 0; i < 8; i++) {
			v[i] = row_normed(x[at + i], r, norm[at + i]);
			amax = fmaxf(amax, fabsf(v[i]));
		}
		amax = eight_max(amax);
		if (tail) {
			for (int i = 0; i < 8; i += 2) {
				const float *c = cs + 8 * (lane - 24) + i;

				rotate(&v[i], &v[i + 1], c[0], c[1], 1.0f);
				out[i / 2] = bf16_pair(v[i], v[i + 1]);
			}
			row += 456 + 16 * (lane - 24);
			((uint2 *)row)[0] = make_uint2(out[0], out[1]);
			((uint2 *)row)[1] = make_uint2(out[2], out[3]);
			if (lane == 24)
				row[-1] = 0;
		} else {
			e = round_e8m0_ceil((amax > 1e-4f ? amax : 1e-4f) / 448.0f);
			s = round_scale(e);
			for (int i = 0; i < 8; i++)
				out[i / 4] |= round_e4m3(v[i] / s) << (i % 4 * 8);
			*(uint2 *)(row + at) = make_uint2(out[0], out[1]);
			if (lane % 8 == 0)
				row[448 + 4 * half + lane / 8] = (unsigned char)e;
		}
	}
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
	amax = eight_max(amax);
	e = round_e8m0_ceil(amax / 6.0f);
	s = round_scale(e);
	for (int i = 0; i < 4; i++)
		codes |= round_e2m1(v[i] / s) << (4 * i);
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

#endif
