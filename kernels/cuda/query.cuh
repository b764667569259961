/*
 * A head of the queries by a warp: its norm and its rotary columns.  A lane has two runs of eight
 * values, from 8 lane and 256 + 8 lane on.
 */
#ifndef KERNELS_CUDA_QUERY_CUH
#define KERNELS_CUDA_QUERY_CUH

#include "kernels/cuda/device.cuh"

#define QUERY_ROTATED 24 /* the first lane whose second run is rotary */

/* As its product leaves it, and the lane's angles. */
struct query_lane {
	uint4 q[2];
	float4 cs[2];
};

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

/* rope: the token's angles. */
static __device__ __forceinline__ void query_angles(struct query_lane *h, const float4 *rope,
						    int lane)
{
	if (lane < QUERY_ROTATED)
		return;
	h->cs[0] = rope[2 * (lane - QUERY_ROTATED)];
	h->cs[1] = rope[2 * (lane - QUERY_ROTATED) + 1];
}

/* In place. */
static __device__ __forceinline__ void query_make(struct query_lane *h, float eps, int lane)
{
	float v[16], sum = 0.0f, r;

	unpack8(h->q[0], v);
	unpack8(h->q[1], v + 8);
	for (int k = 0; k < 16; k++)
		sum = fmaf(v[k], v[k], sum);
	r = 1.0f / sqrtf(warp_sum(sum) / HEAD_DIM + eps);
	for (int k = 0; k < 16; k++)
		v[k] = v[k] * r;
	if (lane >= QUERY_ROTATED) {
		for (int k = 0; k < 2; k++) {
			rotate(&v[8 + 4 * k], &v[9 + 4 * k], h->cs[k].x, h->cs[k].y, 1.0f);
			rotate(&v[10 + 4 * k], &v[11 + 4 * k], h->cs[k].z, h->cs[k].w, 1.0f);
		}
	}
	h->q[0] = pack8(v);
	h->q[1] = pack8(v + 8);
}

#endif
