/*
 * The indexer's scores, and the choice of the best rows: score.cuh, choose.cuh, where formulas,
 * threads, data and floors stand.
 */
#include "kernels/cuda/choose.cuh"

#define MAX_HEAD    128
#define SCORE_BYTES ((size_t)64 << 20) /* of scratch for scores of many rows */

/* Tokens whose scores are held at once. */
static int tokens_at_once(int n_tok, int64_t stride)
{
	size_t fit = SCORE_BYTES / (sizeof(float) * (size_t)stride);

	return fit >= (size_t)n_tok     ? n_tok
	       : fit > INDEX_SCORE_ROWS ? (int)fit
					: INDEX_SCORE_ROWS;
}

static int64_t pages_of(int64_t stride)
{
	return (stride + PAGE_ROWS - 1) / PAGE_ROWS;
}

/* Scratch of so many tokens: scores, where the caller's have no room for all of them, and where
 * the groups' greatest keys begin; *bytes, all of it. */
static size_t scratch_layout(int tokens, int64_t stride, size_t *bytes)
{
	size_t best;

	*bytes = 0;
	if (tokens > INDEX_SCORE_ROWS)
		cuda_part(bytes, sizeof(float) * (size_t)tokens * (size_t)stride);
	best = cuda_part(bytes, sizeof(uint4) * (size_t)tokens * (size_t)pages_of(stride));
	return best;
}

size_t cuda_index_scratch(const struct cuda *c, const struct pass_shape *s)
{
	int64_t stride = (s->ctx / 4 + 15) / 16 * 16 + 16;
	size_t bytes;

	(void)c;
	scratch_layout(s->rows > INDEX_SCORE_ROWS ? tokens_at_once(s->rows, stride)
						  : INDEX_SCORE_ROWS,
		       stride, &bytes);
	return bytes;
}

static int launch(struct cuda *c, const struct scores *p, int tokens, struct err *err)
{
	const struct index_select_args *a = &p->a;
	int64_t share = c->n_sm / tokens; /* a block fills a multiprocessor */
	size_t bytes = query_bytes(heads_of(a->n_head));
	cudaError_t rc =
		cudaFuncSetAttribute(choose_rows, cudaFuncAttributeMaxDynamicSharedMemorySize,
				     (int)sizeof(struct chooser));

	if (rc != cudaSuccess)
		return cuda_fail(rc, "index_select", err);
	if (share > a->max_pages)
		share = a->max_pages;
	if (share < 1)
		share = 1;
	launch_kernel(c, score_rows, dim3((unsigned)share, (unsigned)tokens), SCORE_THREADS,
		      bytes, *p);
	if (cuda_check_launch(c, "index_select", err))
		return err->code;
	launch_kernel(c, choose_rows, (unsigned)tokens, CHOOSERS, sizeof(struct chooser), *p);
	return cuda_check_launch(c, "index_select", err);
}

static int refuse(const struct index_select_args *a, struct err *err)
{
	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_head < 1 || a->n_head > MAX_HEAD ||
	    a->top_k < 1 || a->top_k > MOST)
		return cuda_refuse(err, "index_select",
				   "%d rows of %d heads (at most %d), the best "
				   "%d (at most %d)",
				   a->n_tok, a->n_head, MAX_HEAD, a->top_k, MOST);
	if (a->scores_stride < 16 || a->scores_stride % 16 ||
	    a->max_pages > INT32_MAX / PAGE_ROWS)
		return cuda_refuse(err, "index_select", "scores in rows of %lld, %lld pages",
				   (long long)a->scores_stride, (long long)a->max_pages);
	return 0;
}

int cuda_index_select(struct backend *be, const struct index_select_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct scores p = {*a, 0, a->scores_stride, pages_of(a->scores_stride),
			   (float *)a->scores};
	int at_once = INDEX_SCORE_ROWS;
	size_t bytes, best;
	void *scratch;

	if (refuse(a, err))
		return err->code;
	if (a->n_tok > INDEX_SCORE_ROWS)
		at_once = tokens_at_once(a->n_tok, a->scores_stride);
	best = scratch_layout(at_once, p.stride, &bytes);
	if (cuda_scratch(c, bytes, "index_select", &scratch, err))
		return err->code;
	p.best = (uint4 *)((unsigned char *)scratch + best);
	if (at_once > INDEX_SCORE_ROWS)
		p.scores = (float *)scratch;
	for (p.t0 = 0; p.t0 < a->n_tok; p.t0 += at_once) {
		int n = a->n_tok - p.t0 < at_once ? a->n_tok - p.t0 : at_once;

		if (launch(c, &p, n, err))
			return err->code;
	}
	return 0;
}
