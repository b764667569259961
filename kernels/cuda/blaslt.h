/*
 * cuBLASLt where it is: opened when it is first wanted, never needed.
 */
#ifndef KERNELS_CUDA_BLASLT_H
#define KERNELS_CUDA_BLASLT_H

#include "kernels/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* c[i][j] = sum over k of a[i][k] b[j][k], row-major; bf16 with float32 sums. */
struct blaslt_product {
	int m, n, k;                       /* rows of a, rows of b, columns of both */
	int64_t lda, ldb, ldc;             /* elements from row to row */
	int n_batch;                       /* 1, or so many products side by side */
	int64_t batch_a, batch_b, batch_c; /* elements from one to the next */
	const void *a, *b;                 /* bf16, 16-byte aligned */
	void *c;                           /* bf16, or float32 with c_f32 */
	int c_f32;
};

/* Is it here?  Opens it at the first question; 0 also where it is too old or too new. */
int cuda_blaslt_here(struct cuda *c);

/* Issues the product; only where cuda_blaslt_here().  ERR_MODEL where the library refuses. */
int cuda_blaslt_product(struct cuda *c, const struct blaslt_product *p, struct err *err);

void blaslt_close(struct cuda_blaslt *lt); /* NULL is fine */
/* A line for doctor. */
void blaslt_describe(struct buf *out);

#ifdef __cplusplus
}
#endif

#endif
