/*
 * What bounds a step: a read of memory, and multiply-adds of the tensor cores.
 *
 * read: threads side by side, 16 bytes each, 8 loads in flight; multiply: every warp has chains
 * of products of 16 x 16 by 16 x 8 in bf16, no memory touched.  What comes out is written only
 * where it is a value that it never is, so that nothing is left out by the compiler.
 */
#include "kernels/cuda/device.cuh"

#define READ_THREADS     512
#define READ_LOADS       8
#define MULTIPLY_THREADS 256
#define CHAINS           8
#define ROUNDS           4096

static __global__ void __launch_bounds__(READ_THREADS)
	read_kernel(const uint4 *p, size_t n, uint32_t *sink)
{
	kernel_begin();
	size_t all = (size_t)gridDim.x * READ_THREADS;
	size_t at = (size_t)blockIdx.x * READ_THREADS + threadIdx.x;
	uint32_t mix = 0;

	for (; at + (READ_LOADS - 1) * all < n; at += READ_LOADS * all) {
		uint4 v[READ_LOADS];

#pragma unroll
		for (int j = 0; j < READ_LOADS; j++)
			v[j] = p[at + j * all];
#pragma unroll
		for (int j = 0; j < READ_LOADS; j++)
			mix ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
	}
	for (; at < n; at += all)
		mix ^= p[at].x ^ p[at].y ^ p[at].z ^ p[at].w;
	if (mix == 0x9e3779b9u)
		*sink = mix;
}

extern "C" int cuda_read(struct backend *be, dbuf p, size_t bytes, struct err *err)
{
	struct cuda *c = cuda_of(be);
	void *sink;

	if (cuda_scratch(c, 256, "read", &sink, err))
		return err->code;
	launch_kernel(c, read_kernel, (unsigned)(32 * c->n_sm), READ_THREADS, 0,
		      (const uint4 *)p, bytes / sizeof(uint4), (uint32_t *)sink);
	return cuda_check_launch(c, "read", err);
}

static __global__ void __launch_bounds__(MULTIPLY_THREADS) multiply_kernel(float *sink)
{
	kernel_begin();
	uint32_t a = 0x3f803f80u + threadIdx.x, b = 0x3c003c00u;
	float acc[CHAINS][4];
	float sum = 0.0f;

#pragma unroll
	for (int j = 0; j < CHAINS; j++)
		acc[j][0] = acc[j][1] = acc[j][2] = acc[j][3] = (float)j;
	for (int i = 0; i < ROUNDS; i++) {
#pragma unroll
		for (int j = 0; j < CHAINS; j++)
			asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
				     "{%0, %1, %2, %3}, {%4, %4, %4, %4}, {%5, %5}, "
				     "{%0, %1, %2, %3};"
				     : "+f"(acc[j][0]), "+f"(acc[j][1]), "+f"(acc[j][2]),
				       "+f"(acc[j][3])
				     : "r"(a), "r"(b));
	}
#pragma unroll
	for (int j = 0; j < CHAINS; j++)
		sum += acc[j][0] + acc[j][1] + acc[j][2] + acc[j][3];
	if (sum == 0.3f)
		*sink = sum;
}

extern "C" int cuda_multiply(struct backend *be, double *n_op, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int blocks = 4 * c->n_sm;
	void *sink;

	if (cuda_scratch(c, 256, "multiply", &sink, err))
		return err->code;
	launch_kernel(c, multiply_kernel, (unsigned)blocks, MULTIPLY_THREADS, 0, (float *)sink);
	*n_op = 2.0 * 16 * 8 * 16 * CHAINS * (double)ROUNDS * (MULTIPLY_THREADS / WARP) *
		blocks;
	return cuda_check_launch(c, "multiply", err);
}
