/*
 * What attention_rows makes beside the products of the queries, in blocks of its own: the
 * compressors, the window rows, and the mixtures that the joint before has left.
 *
 * Mapping: a block of eight warps has all tokens' mixtures, a block of tokens to pool, a token
 * to keep, or two window rows.
 */
#ifndef KERNELS_CUDA_ROWS_BESIDE_CUH
#define KERNELS_CUDA_ROWS_BESIDE_CUH

#include "kernels/cuda/compress.cuh"
#include "kernels/cuda/mhc_mix.cuh"

#define BESIDE_WARPS (POOL_THREADS / WARP)
#define WINDOW_ROWS  (POOL_THREADS / KV_THREADS) /* of a block */

enum part { PART_MIX, PART_POOL_0, PART_POOL_1, PART_WINDOW, N_PARTS };

struct beside_job {
	unsigned end[N_PARTS]; /* the block behind each part's last; all 0: there are none */
	struct pool pool[2];
	struct window_row_args window;
	struct mhc_mix_args mix;
};

/* What a block shares of them. */
union beside_shared {
	struct pool_shared pool;
	float4 window[WINDOW_ROWS][HEAD_DIM / 4];
	float mix[BESIDE_WARPS][16];
};

/* Block blockIdx.x of them. */
static __device__ __forceinline__ void beside_run(const struct beside_job &j,
						  union beside_shared *s)
{
	int warp = (int)threadIdx.x / WARP, part = 0, i;

	while (blockIdx.x >= j.end[part])
		part++;
	i = (int)(blockIdx.x - (part ? j.end[part - 1] : 0));
	if (part == PART_MIX) {
		kernel_begin();
		for (int t = warp; t < j.mix.n_tok; t += BESIDE_WARPS)
			mix_token(j.mix, t, s->mix[warp], (int)threadIdx.x % WARP);
	} else if (part == PART_WINDOW) {
		int row = warp / (KV_THREADS / WARP);

		window_row(j.window, i * WINDOW_ROWS + row, (float *)s->window[row],
			   (int)threadIdx.x % KV_THREADS);
	} else {
		pool_block(j.pool[part == PART_POOL_1], i, &s->pool);
	}
}

#endif
