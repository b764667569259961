/*
 * A launch of products from tiles, with what may be made along: rows beside them
 * (rows_beside.cuh), and the first half of a joint behind them (mhc_product.cuh).
 *
 * It is one kernel for all, though each launch needs a part of it, so that those that follow
 * each other share their code.
 */
#ifndef KERNELS_CUDA_LINEAR_STAGE_CUH
#define KERNELS_CUDA_LINEAR_STAGE_CUH

#include "kernels/cuda/launch.h"
#include "kernels/cuda/mhc_product.cuh"
#include "kernels/cuda/rows_beside.cuh"

struct tiles_stage {
	struct tiles_batch batch;
	struct beside_job beside; /* its blocks are the first */
	struct product_join join; /* its product is the batch's only one, a tile of it a block's */
};

static_assert(POOL_THREADS == STREAM_THREADS, "one launch has both");

/* Bytes that a joint adds to a block's shared memory. */
static inline size_t join_bytes(int n_tok)
{
	return n_tok <= 8 ? sizeof(struct join_shared<1>) : sizeof(struct join_shared<2>);
}

#endif
