/*
 * What device memory is told of a layer of whose experts the host computes some: behind the
 * addresses of all, where each is found once those of the host have been brought, which those
 * are, and one that is not.
 */
#ifndef KERNELS_CUDA_HOSTED_TABLE_H
#define KERNELS_CUDA_HOSTED_TABLE_H

#include "kernels/cuda/cuda.h"

struct hosted_table {
	unsigned char *rows; /* struct cuda_expert [n]: as in any table */
	unsigned char
		*brought; /* struct cuda_expert [n]: those of the host, where they are staged */
	unsigned char *place; /* i32 [n]: among what is staged; -1: it is the GPU's */
	unsigned char *own;   /* i32: some expert that is the GPU's */
};

static inline struct hosted_table hosted_table_at(unsigned char *p, int n)
{
	size_t rows = (size_t)n * sizeof(struct cuda_expert);
	struct hosted_table t = {p, p + rows, p + 2 * rows,
				 p + 2 * rows + (size_t)n * sizeof(int32_t)};

	return t;
}

static inline size_t hosted_table_bytes(int n)
{
	return 2 * (size_t)n * sizeof(struct cuda_expert) + ((size_t)n + 1) * sizeof(int32_t);
}

#endif
