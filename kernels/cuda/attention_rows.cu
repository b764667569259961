/*
 * attention_rows: what stands between the first products and attention, in two launches for few
 * rows, each part by the functions that its own operation has, so to the same bits.
 *
 * The first has the queries' products and beside them what does not read these and takes long
 * (rows_beside.cuh); the second has the queries and the index queries, a head a warp.  Floor:
 * that of the products, and a launch.
 */
#include "kernels/cuda/linear_check.cuh"
#include "kernels/cuda/linear_stage.cuh"

#define WARPS (POOL_THREADS / WARP)

/* Heads of the queries by `query_blocks` blocks, of the index queries by those behind. */
static __global__ void __launch_bounds__(POOL_THREADS)
	heads_kernel(const struct query_args query, const struct index_query_args index,
		     unsigned query_blocks)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;

	if (blockIdx.x < query_blocks)
		query_head(query, (int64_t)blockIdx.x * WARPS + warp, lane);
	else
		index_head(index, (int64_t)(blockIdx.x - query_blocks) * WARPS + warp, lane);
}

/* ------------------------------------------------------------------------ launching */

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

	if (a->queries.batch.n && linear_check_normed(&a->queries, err))
		return err->code;
	if (a->queries.batch.n && a->queries.norm.n_tok != n)
		return cuda_refuse(err, "attention_rows", "%d rows, products of %d", n,
				   a->queries.norm.n_tok);
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

/* The blocks that stand before those of the products. */
static struct beside_job beside_of(const struct attention_rows_args *a)
{
	struct beside_job j = {};
	unsigned count[N_PARTS] = {}, end = 0;

	count[PART_MIX] = a->mix.raw != NULL;
	for (int i = 0; i < a->n_compress; i++)
		count[PART_POOL_0 + i] = pool_of(&a->compress[i], &j.pool[i]);
	count[PART_WINDOW] = blocks_for(a->window.n_tok, WINDOW_ROWS);
	for (int i = 0; i < N_PARTS; i++) {
		end += count[i];
		j.end[i] = end;
	}
	j.window = a->window;
	j.mix = a->mix;
	return j;
}

static int launch_heads(struct cuda *c, const struct attention_rows_args *a, struct err *err)
{
	int n = a->query.n_tok;
	unsigned first = blocks_for(n * a->query.n_head, WARPS);
	unsigned more = blocks_for(n * a->index.n_head, WARPS);

	launch_kernel(c, heads_kernel, first + more, POOL_THREADS, 0, a->query, a->index,
		      first);
	return cuda_check_launch(c, "attention_rows", err);
}

int cuda_attention_rows(struct backend *be, const struct attention_rows_args *a,
			struct err *err)
{
	struct cuda *c = cuda_of(be);
	const struct linear_normed_args *q = &a->queries;
	struct tiles_stage s = {};
	size_t bytes = 0;
	int few = a->query.n_tok <= KEEP_ALONG, rc = few ? check(a, err) : 0;

	if (rc)
		return rc;
	if (q->batch.n && few && linear_normed_one_launch(q))
		rc = tiles_batch_of(c, q->batch.part, q->batch.n, &q->norm, 0, &s.batch, &bytes,
				    err);
	else if (q->batch.n)
		rc = cuda_linear_normed(be, q, err);
	if (rc)
		return rc;
	if (!few)
		return one_by_one(be, a, err);
	s.beside = beside_of(a);
	rc = cuda_linear_stage(c, &s, bytes, "attention_rows", err);
	return rc ? rc : launch_heads(c, a, err);
}
