/*
 * What the two ways of computing the experts share: their arguments on the device and the inner
 * value; and the sum over a token's experts where there are many rows.
 *
 * A pair is a token with one of its slots, number t (n_used + 1) + slot; slot n_used is the
 * shared expert's.  A token's contributions are added up in the order of their slots: of many
 * rows each is kept on its own, part [n_tok, n_used + 1, d].
 */
#ifndef KERNELS_CUDA_EXPERTS_CUH
#define KERNELS_CUDA_EXPERTS_CUH

#include "kernels/cuda/device.cuh"

struct experts_job {
	int n_tok, d, inner, n_expert, n_used;
	int type, shared_type; /* enum weight_type, of all three matrices */
	float limit;
	struct cuda_expert shared;
	const struct cuda_expert *experts; /* [n_expert] */
	const unsigned char *x;            /* bf16 [n_tok, d] */
	const int32_t *chosen;             /* [n_tok, n_used] */
	const float *weight;               /* [n_tok, n_used] */
	uint16_t *t;                       /* bf16 [rows, inner]: what goes down */
	float *part;                       /* [n_tok, n_used + 1, d] */
};

/* silu(g) v weight, g clamped above and v on both sides. */
static __device__ __forceinline__ float inner_value(float g, float v, float limit, float weight)
{
	g = fminf(g, limit);
	v = fmaxf(fminf(v, limit), -limit);
	return g / (1.0f + expf(-g)) * v * weight;
}

/* y[t, :] = sum over the slots of part[t, slot, :], four columns a thread */
static __global__ void experts_sum(struct experts_job j, float *y)
{
	kernel_begin();
	int column = ((int)blockIdx.x * (int)blockDim.x + (int)threadIdx.x) * 4;
	size_t t = blockIdx.y;
	const float *from = j.part + t * (size_t)(j.n_used + 1) * (size_t)j.d + column;
	float4 sum = {0.0f, 0.0f, 0.0f, 0.0f};

	if (column >= j.d)
		return;
	for (int i = 0; i <= j.n_used; i++) {
		float4 v = *(const float4 *)(const void *)(from + (size_t)i * (size_t)j.d);

		sum.x += v.x;
		sum.y += v.y;
		sum.z += v.z;
		sum.w += v.w;
	}
	*(float4 *)(void *)(y + t * (size_t)j.d + column) = sum;
}

#endif
