/*
 * linear for more than 16 rows: 64 or 128 rows of x by 128 rows of W a block (gemm.cuh).
 * Floor: 2 · rows · out · in operations over the rate of mma.sync.
 */
#ifndef KERNELS_CUDA_LINEAR_MANY_CUH
#define KERNELS_CUDA_LINEAR_MANY_CUH

#include "kernels/cuda/gemm.cuh"

struct gemm_job {
	const unsigned char *w, *s, *x;
	unsigned char *y;
	int out, in, n_group, n_tok, f32;
};

struct gemm_rows_x {
	const unsigned char *x;
	size_t bytes;
	int first, last;
	__device__ __forceinline__ const unsigned char *row(int r) const
	{
		return x + (size_t)min(first + r, last) * bytes;
	}
};

template <int TYPE, int LAYOUT> struct gemm_rows_w {
	const unsigned char *w, *s;
	int first, last, in;
	__device__ __forceinline__ const unsigned char *row(int r) const
	{
		int at = min(first + r, last);
		size_t units = (size_t)(in / gemm_codes<TYPE>::columns);

		return w + (LAYOUT ? tiles_unit(units, at, 0) : (size_t)at * units) * 16;
	}
	__device__ __forceinline__ const unsigned char *scale(int r) const
	{
		int at = min(first + r, last);

		return TYPE == WEIGHT_FP4  ? s + (size_t)at * (size_t)(in / 32)
		       : TYPE == WEIGHT_F8 ? s + (size_t)(at / 128) * (size_t)((in + 127) / 128)
					   : NULL;
	}
};

/* Two neighbouring elements of y, the second only where it is inside. */
static __device__ __forceinline__ void store_two(const struct gemm_job &j, size_t at, int both,
						 float a, float b)
{
	if (j.f32) {
		float *y = (float *)(void *)j.y + at;

		if (both && (uintptr_t)y % 8 == 0) {
			*(float2 *)(void *)y = make_float2(a, b);
			return;
		}
		y[0] = a;
		if (both)
			y[1] = b;
	} else {
		uint16_t *y = (uint16_t *)(void *)j.y + at;

		if (both && (uintptr_t)y % 4 == 0) {
			*(uint32_t *)(void *)y = bf16_pair(a, b);
			return;
		}
		y[0] = bf16_of_f32(a);
		if (both)
			y[1] = bf16_of_f32(b);
	}
}

template <int TYPE, int LAYOUT, int MT>
static __global__ void __launch_bounds__(GEMM_THREADS, 2) linear_many(struct gemm_job j)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char shared[];
	int group_rows = j.out / j.n_group;
	int group_tiles = (group_rows + GEMM_N - 1) / GEMM_N;
	int group = (int)blockIdx.y / group_tiles, n0 = (int)blockIdx.y % group_tiles * GEMM_N;
	int first = group * group_rows, m0 = (int)blockIdx.x * gemm_size<MT>::rows;
	struct gemm_rows_x x = {j.x + (size_t)group * (size_t)j.in * 2,
				(size_t)j.n_group * (size_t)j.in * 2, m0, j.n_tok - 1};
	struct gemm_rows_w<TYPE, LAYOUT> w = {
		j.w, j.s, first + n0, first + group_rows - 1, j.in
	};
	float acc[MT][4][4] = {};

	gemm_tile<gemm_w<TYPE, LAYOUT>, MT>(acc, x, w, j.in, shared);
#pragma unroll
	for (int i = 0; i < MT; i++) {
#pragma unroll
		for (int n = 0; n < 4; n++) {
#pragma unroll
			for (int c = 0; c < 4; c += 2) {
				int t = m0 + gemm_row<MT>(i, c), o = n0 + gemm_column(n, c);
				size_t at = (size_t)t * (size_t)j.out + (size_t)(first + o);

				if (t < j.n_tok && o < group_rows)
					store_two(j, at, o + 1 < group_rows, acc[i][n][c],
						  acc[i][n][c + 1]);
			}
		}
	}
}

template <int TYPE, int LAYOUT, int MT>
static int launch_many(struct cuda *c, const struct linear_args *a, struct err *err)
{
	struct gemm_job j = {a->w.w,  a->w.scale, a->x,     a->y,      a->w.out,
			     a->w.in, a->n_group, a->n_tok, a->out_f32};
	int group_tiles = (a->w.out / a->n_group + GEMM_N - 1) / GEMM_N;
	int blocks = (a->n_tok + gemm_size<MT>::rows - 1) / gemm_size<MT>::rows;
	cudaError_t rc = cudaFuncSetAttribute(linear_many<TYPE, LAYOUT, MT>,
					      cudaFuncAttributeMaxDynamicSharedMemorySize,
					      gemm_size<MT>::bytes);

	if (rc != cudaSuccess)
		return cuda_fail(rc, "linear", err);
	if ((long long)group_tiles * a->n_group > 65535)
		return cuda_refuse(err, "linear", "%d x %d in %d groups: too many tiles",
				   a->w.out, a->w.in, a->n_group);
	launch_kernel(c, linear_many<TYPE, LAYOUT, MT>,
		      dim3((unsigned)blocks, (unsigned)(group_tiles * a->n_group)),
		      GEMM_THREADS, gemm_size<MT>::bytes, j);
	return cuda_check_launch(c, "linear", err);
}

#endif
