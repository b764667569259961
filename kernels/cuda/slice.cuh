/*
 * What both products of 1 … 16 rows, product.cuh and stream.cuh, have: x in shared memory, so
 * many rounds of its columns at a time, and the sums of the warps that share 16 rows of W.
 */
#ifndef KERNELS_CUDA_SLICE_CUH
#define KERNELS_CUDA_SLICE_CUH

#include "kernels/cuda/device.cuh"

#define SLICE_PAD 64 /* bytes between rows of x: no two rows of a phase share a bank */

/* Where x is kept: `rounds` of them at a time. */
struct slice {
	unsigned char *p;
	int rounds;
};

/* Of a row of x, for rounds of so many columns. */
static __host__ __device__ __forceinline__ size_t slice_row_bytes(int columns, int rounds)
{
	return (size_t)rounds * (size_t)columns * 2 + SLICE_PAD;
}

/*
 * Rounds of a slice for n rows of x in so many bytes of shared memory: all, or whole turns of
 * the n_warp warps, or as many as fit (then some warps wait through a slice); 0 where none
 * fits.
 */
static inline int slice_rounds(int columns, int n_round, int n, int n_warp, size_t bytes)
{
	size_t row = bytes / (size_t)n;
	int fit = row < SLICE_PAD ? 0 : (int)((row - SLICE_PAD) / (size_t)(columns * 2));

	if (n_round <= fit)
		return n_round;
	return fit >= n_warp ? fit / n_warp * n_warp : fit;
}

/* part[row of W][row of x] of a warp, 16 × 8 NT floats in shared memory. */
template <int NT>
static __device__ __forceinline__ void part_store(float *part, const float (&sum)[NT][4])
{
	int lane = (int)threadIdx.x % WARP;

	for (int n = 0; n < NT; n++) {
		for (int i = 0; i < 4; i++)
			part[(lane / 4 + i / 2 * 8) * (8 * NT) + n * 8 + lane % 4 * 2 + i % 2] =
				sum[n][i];
	}
}

/* The sum over the parts of n_warp warps, one behind the other, in their order. */
template <int NT>
static __device__ __forceinline__ float part_sum(const float *part, int n_warp, int row, int t)
{
	float v = part[row * (8 * NT) + t];

	for (int w = 1; w < n_warp; w++)
		v += part[w * (16 * 8 * NT) + row * (8 * NT) + t];
	return v;
}

#endif
