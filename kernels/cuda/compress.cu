/*
 * The compressors in launches of their own: see compress.cuh.  Up to KEEP_ALONG tokens, one
 * launch; of more, those to keep follow behind those that pool, for they overwrite what is
 * read.
 */
#include "kernels/cuda/compress.cuh"

static __global__ void __launch_bounds__(POOL_THREADS) pool4(struct pool p)
{
	__shared__ struct pool_shared s;

	if ((int)blockIdx.x < p.n_pool)
		pool4_block(p, (int)blockIdx.x, &s);
	else
		keep_token(p.a, p.keep_from + (int)blockIdx.x - p.n_pool);
}

static __global__ void __launch_bounds__(POOL_THREADS) pool128(struct pool p)
{
	__shared__ struct pool_shared s;

	pool128_block(p, (int)blockIdx.x, &s);
}

/* The ring's state before this call, where the call will overwrite it. */
static __global__ void save_state(struct compress_args a, float *out)
{
	kernel_begin();
	const struct step *step = step_of(a.step);
	const float *from = ring128(a, step->slot, step->pos0 + COMPRESS_RING - 1);

	for (int i = (int)threadIdx.x; i < 3 * a.dim; i += (int)blockDim.x)
		out[i] = from[i];
}

static int launch4(struct cuda *c, const struct compress_args *a, struct err *err)
{
	struct pool p;
	unsigned blocks = pool_of(a, &p);

	if (a->n_tok > KEEP_ALONG) {
		launch_kernel(c, pool4, (unsigned)p.n_pool, POOL_THREADS, 0, p);
		if (cuda_check_launch(c, "compress", err))
			return err->code;
		blocks -= (unsigned)p.n_pool;
		p.n_pool = 0;
	}
	launch_kernel(c, pool4, blocks, POOL_THREADS, 0, p);
	return cuda_check_launch(c, "compress", err);
}

static int launch128(struct cuda *c, const struct compress_args *a, struct err *err)
{
	struct pool p;
	unsigned blocks = pool_of(a, &p);
	void *before;

	if (a->n_tok >= COMPRESS_RING) {
		if (cuda_scratch(c, sizeof(float) * 3 * (size_t)a->dim, "compress", &before,
				 err))
			return err->code;
		launch_kernel(c, save_state, 1, POOL_THREADS, 0, *a, (float *)before);
		if (cuda_check_launch(c, "compress", err))
			return err->code;
		p.before = (const float *)before;
	}
	launch_kernel(c, pool128, blocks, POOL_THREADS, 0, p);
	return cuda_check_launch(c, "compress", err);
}

int cuda_compress(struct backend *be, const struct compress_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if ((a->ratio != 4 && a->ratio != 128) || (a->dim != HEAD_DIM && a->dim != INDEX_DIM) ||
	    a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS)
		return cuda_refuse(err, "compress", "%d rows, ratio %d, dim %d: not known",
				   a->n_tok, a->ratio, a->dim);
	return a->ratio == 4 ? launch4(c, a, err) : launch128(c, a, err);
}
