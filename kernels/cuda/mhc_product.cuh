/*
 * The first half of the joint behind a sublayer in the kernel of the product that ends it, for
 * 1 … 16 rows and weights in tiles: what `products` of mhc.cu does with y from memory.
 *
 * A block makes 16 columns of y (stream.cuh), applies post to the four streams there, and gives
 * its parts of the 24 products with fn and of the squares: a warp three rows of fn, a lane two
 * of the 64 values.  fn comes to shared memory before kernel_begin(), the streams and the
 * mixtures right behind it, so that all of it waits for y, which comes last.
 *
 * Floor: that of the product; fn is 1.5 MB of Flash.
 */
#ifndef KERNELS_CUDA_MHC_PRODUCT_CUH
#define KERNELS_CUDA_MHC_PRODUCT_CUH

#include "kernels/cuda/linear_tiles.cuh"
#include "kernels/cuda/mhc_finish.cuh"

#define JOIN_VALUES (4 * TILE_ROWS) /* of a block's streams, a token */
#define JOIN_MIX    20              /* post and comb of a token */
#define FN_ROWS     3               /* of fn, a warp */

struct product_join {
	int d, n_part;
	const float *fn; /* NULL: there is no joint */
	const float *post, *comb;
	float *x, *part; /* as in struct products */
};

/* What a block has of a joint, for up to 8 NT tokens. */
template <int NT> struct join_shared {
	__align__(16) float fn[SQUARES][JOIN_VALUES];
	__align__(16) float x[8 * NT][JOIN_VALUES];
	__align__(16) float mix[8 * NT][JOIN_MIX];
};

/* The block's columns of fn on their way; they come with the ring's first copies. */
template <int NT>
static __device__ __forceinline__ void join_fetch_fn(const struct product_join &j,
						     struct join_shared<NT> *s)
{
	for (int i = (int)threadIdx.x; i < SQUARES * JOIN_VALUES / 4; i += STREAM_THREADS) {
		int row = i / (JOIN_VALUES / 4), stream = i / 4 % 4, at = i % 4 * 4;

		copy_async(shared_address(&s->fn[row][stream * TILE_ROWS + at]),
			   j.fn + ((int64_t)row * 4 + stream) * j.d +
				   (int)blockIdx.x * TILE_ROWS + at,
			   1);
	}
}

/* The same of its streams and of the tokens' mixtures, where there is a joint. */
template <int NT> struct join_fetch {
	const struct product_join &j;
	struct join_shared<NT> *s;
	int n_tok;

	__device__ __forceinline__ void operator()(void) const
	{
		if (j.fn)
			fetch();
	}

	__device__ __forceinline__ void fetch(void) const
	{
		int i = (int)threadIdx.x, t = i / (JOIN_VALUES / 4), stream = i / 4 % 4;
		int at = i % 4 * 4, of = i / (JOIN_MIX / 4), k = i % (JOIN_MIX / 4);

		if (t < n_tok)
			copy_async(shared_address(&s->x[t][stream * TILE_ROWS + at]),
				   j.x + ((int64_t)t * 4 + stream) * j.d +
					   (int)blockIdx.x * TILE_ROWS + at,
				   1);
		if (of < n_tok)
			copy_async(shared_address(&s->mix[of][4 * k]),
				   k ? j.comb + 16 * of + 4 * (k - 1) : j.post + 4 * of, 1);
	}
};

static_assert(8 * 2 * JOIN_VALUES / 4 <= STREAM_THREADS, "a thread has one piece of a stream");

/* post on the block's columns, which go back to memory, too. */
template <int NT>
static __device__ __forceinline__ void join_post(const struct product_join &j, int n_tok,
						 const float *part, struct join_shared<NT> *s)
{
	for (int i = (int)threadIdx.x; i < n_tok * TILE_ROWS; i += STREAM_THREADS) {
		int t = i / TILE_ROWS, c = i % TILE_ROWS;
		float y = part_sum<NT>(part, STREAM_WARPS, c, t), x[4], r[4];

		for (int k = 0; k < 4; k++) {
			x[k] = s->x[t][k * TILE_ROWS + c];
			r[k] = s->mix[t][k] * y;
		}
		for (int k = 0; k < 4; k++) {
			for (int of = 0; of < 4; of++)
				r[k] = fmaf(s->mix[t][4 + 4 * of + k], x[of], r[k]);
			s->x[t][k * TILE_ROWS + c] = r[k];
			j.x[((int64_t)t * 4 + k) * j.d + (int)blockIdx.x * TILE_ROWS + c] =
				r[k];
		}
	}
}

/* The block's parts of a token's sums. */
template <int NT>
static __device__ __forceinline__ void join_sums(const struct product_join &j, int t,
						 const struct join_shared<NT> &s)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	float2 x = ((const float2 *)s.x[t])[lane];
	float *out = j.part + (int64_t)t * OUT * j.n_part + blockIdx.x, sum[FN_ROWS + 1];

	static_assert(FN_ROWS * STREAM_WARPS == SQUARES, "a warp has three rows of fn");
	for (int o = 0; o < FN_ROWS; o++) {
		float2 f = ((const float2 *)s.fn[warp * FN_ROWS + o])[lane];

		sum[o] = fmaf(f.y, x.y, f.x * x.x);
	}
	sum[FN_ROWS] = fmaf(x.y, x.y, x.x * x.x);
	warp_sums(sum);
	if (lane)
		return;
	for (int o = 0; o < FN_ROWS; o++)
		out[(warp * FN_ROWS + o) * j.n_part] = sum[o];
	if (warp == 0)
		out[SQUARES * j.n_part] = sum[FN_ROWS];
}

/* Behind the block's product, whose sums are in `part`. */
template <int NT>
static __device__ __forceinline__ void join_end(const struct product_join &j, int n_tok,
						const float *part, struct join_shared<NT> *s)
{
	copy_commit(); /* of a warp without a round, what join_fetch began is in no group yet */
	copy_wait_but<0>();
	__syncthreads();
	join_post<NT>(j, n_tok, part, s);
	__syncthreads();
	for (int t = 0; t < n_tok; t++)
		join_sums<NT>(j, t, *s);
}

#endif
