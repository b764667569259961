/*
 * attention_rows: what stands between the products and attention, in one launch for few rows:
 * the compressors, the window rows, the queries and the index queries, each by blocks of its
 * own with the functions that their own operations have, so to the same bits; and the mixtures
 * that the joint before has left.
 *
 * Mapping: blocks of eight warps and one more: nine tokens' mixtures, a block of tokens to
 * pool, a token to keep, two window rows, or eight heads.  The longest come first.  Floor: a
 * launch and the latency of the step, the loads that depend on it, and a row's norm.
 */
#include "kernels/cuda/compress.cuh"
#include "kernels/cuda/mhc_mix.cuh"

#define WARPS       (POOL_THREADS / WARP)
#define WINDOW_ROWS (POOL_THREADS / KV_THREADS) /* of a block */

static_assert(KEEP_ALONG <= WARPS + 1, "a block has all tokens' mixtures");

enum part { PART_MIX, PART_POOL_0, PART_POOL_1, PART_WINDOW, PART_QUERY, PART_INDEX, N_PARTS };

struct rows_job {
	unsigned end[N_PARTS]; /* the block behind each part's last */
	struct pool pool[2];
	struct window_row_args window;
	struct query_args query;
	struct index_query_args index;
	struct mhc_mix_args mix;
};

static __global__ void __launch_bounds__(POOL_BLOCK)
	rows_kernel(const __grid_constant__ struct rows_job j)
{
	__shared__ union {
		struct pool_shared pool;
		float4 window[WINDOW_ROWS][HEAD_DIM / 4];
		float mix[WARPS + 1][16];
	} s;
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int part = 0, i;

	while (blockIdx.x >= j.end[part])
		part++;
	i = (int)(blockIdx.x - (part ? j.end[part - 1] : 0));
	if (part == PART_MIX) {
		kernel_begin();
		if (warp < j.mix.n_tok)
			mix_token(j.mix, warp, s.mix[warp], lane);
	} else if (part == PART_POOL_0) {
		pool_block(j.pool[0], i, &s.pool);
	} else if (part == PART_POOL_1) {
		pool_block(j.pool[1], i, &s.pool);
	} else if (warp == WARPS) { /* the one more: rows and heads have no work for it */
		kernel_begin();
	} else if (part == PART_WINDOW) {
		int row = warp / (KV_THREADS / WARP);

		window_row(j.window, i * WINDOW_ROWS + row, (float *)s.window[row],
			   (int)threadIdx.x % KV_THREADS);
	} else if (part == PART_QUERY) {
		query_head(j.query, (int64_t)i * WARPS + warp, lane);
	} else {
		index_head(j.index, (int64_t)i * WARPS + warp, lane);
	}
}

static unsigned blocks_for(int n, int each)
{
	return (unsigned)((n + each - 1) / each);
}

static int one_by_one(struct backend *be, const struct attention_rows_args *a, struct err *err)
{
	int rc = cuda_query(be, &a->query, err);

	if (!rc)
		rc = cuda_window_row(be, &a->window, err);
	for (int i = 0; !rc && i < a->n_compress; i++)
		rc = cuda_compress(be, &a->compress[i], err);
	if (!rc && a->index.n_head)
		rc = cuda_index_query(be, &a->index, err);
	return rc || !a->mix.raw ? rc : cuda_mhc_mix(be, &a->mix, err);
}

/* What the parts' own operations refuse. */
static int check(const struct attention_rows_args *a, struct err *err)
{
	int n = a->query.n_tok;

	if (n < 1 || a->query.n_head < 1 || a->query.n_head > 65536 || a->index.n_head < 0 ||
	    a->index.n_head > 65536 || a->window.n_tok != n || n > a->window.ring_rows ||
	    a->n_compress < 0 || a->n_compress > 2 ||
	    (a->index.n_head && a->index.n_tok != n) || (a->mix.raw && a->mix.n_tok != n))
		return cuda_refuse(err, "attention_rows",
				   "%d rows, a ring of %d, %d and %d heads, %d compressors", n,
				   a->window.ring_rows, a->query.n_head, a->index.n_head,
				   a->n_compress);
	for (int i = 0; i < a->n_compress; i++) {
		const struct compress_args *p = &a->compress[i];

		if (p->n_tok != n || (p->ratio != 4 && p->ratio != 128) ||
		    (p->dim != HEAD_DIM && p->dim != INDEX_DIM))
			return cuda_refuse(err, "attention_rows",
					   "%d rows, ratio %d, dim %d: not known", p->n_tok,
					   p->ratio, p->dim);
	}
	return 0;
}

int cuda_attention_rows(struct backend *be, const struct attention_rows_args *a,
			struct err *err)
{
	struct cuda *c = cuda_of(be);
	int n = a->query.n_tok;
	struct rows_job j = {};
	unsigned count[N_PARTS] = {}, end = 0;

	if (n > KEEP_ALONG)
		return one_by_one(be, a, err);
	if (check(a, err))
		return err->code;
	count[PART_MIX] = a->mix.raw != NULL; /* KEEP_ALONG tokens are no more than its warps */
	for (int i = 0; i < a->n_compress; i++)
		count[PART_POOL_0 + i] = pool_of(&a->compress[i], &j.pool[i]);
	count[PART_WINDOW] = blocks_for(n, WINDOW_ROWS);
	count[PART_QUERY] = blocks_for(n * a->query.n_head, WARPS);
	count[PART_INDEX] = blocks_for(n * a->index.n_head, WARPS);
	for (int i = 0; i < N_PARTS; i++) {
		end += count[i];
		j.end[i] = end;
	}
	j.window = a->window;
	j.query = a->query;
	j.index = a->index;
	j.mix = a->mix;
	launch_kernel(c, rows_kernel, end, POOL_BLOCK, 0, j);
	return cuda_check_launch(c, "attention_rows", err);
}
