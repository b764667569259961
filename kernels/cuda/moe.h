/*
 * Which way the experts of a call are computed: the one place that decides.  Plain C.
 *
 *   reference  a row at a time, by the kernels of 1 … 16 rows (rows_launcher() says which)
 *   fused      the same kernels and bits, an expert read once for all its rows of the call
 *   grouped    rows sorted by expert, each expert a product of many rows
 */
#ifndef KERNELS_CUDA_MOE_H
#define KERNELS_CUDA_MOE_H

#include "kernels/cuda/cuda.h"

/* `want` as it was asked for; never CUDA_MOE_AUTO. */
static inline enum cuda_moe cuda_moe_choose(enum cuda_moe want, int n_tok)
{
	if (want != CUDA_MOE_AUTO)
		return want;
	return n_tok <= CUDA_DECODE_ROWS ? CUDA_MOE_FUSED : CUDA_MOE_GROUPED;
}

#endif
