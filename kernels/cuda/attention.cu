/*
 * Attention of every head over one set of rows, which are keys and values at once.
 *
 *   out[h] = sum_r e^(s[h, r] - m) row[r] / (sum_r e^(s[h, r] - m) + e^(sink[h] - m))
 *
 * 1 … 16 tokens: attend_few.cuh.  More: attend_many.cuh.  Threads, data and floors stand there.
 */
#include "kernels/cuda/attend_few.cuh"
#include "kernels/cuda/attend_many.cuh"

#define MAX_HEAD 1024
#define TOKENS   8 /* of one launch while decoding: bounds scratch */

/* Parts of a token at most. */
static int most_parts(const struct attention_args *a)
{
	return attend_most_parts(a->window + (a->ratio == 4 ? a->top_k
					      : a->ratio    ? a->max_pages
							    : 0));
}

/* Scratch for `tokens` tokens: where the sums begin; *bytes, all of it. */
static size_t parts_layout(int tokens, int parts, int n_head, size_t *bytes)
{
	size_t n = (size_t)tokens * (size_t)parts * (size_t)few_heads(n_head), sums;

	*bytes = 0;
	cuda_part(bytes, n * HEAD_DIM * sizeof(float));
	sums = cuda_part(bytes, n * sizeof(float2));
	return sums;
}

size_t cuda_attention_scratch(const struct cuda *c, const struct pass_shape *s)
{
	size_t bytes;

	(void)c;
	parts_layout(s->rows < TOKENS ? s->rows : TOKENS, ATTEND_PARTS, s->n_head, &bytes);
	return bytes;
}

static int decode(struct cuda *c, const struct attention_args *a, struct err *err)
{
	struct few p = {*a, 0, most_parts(a)};
	size_t bytes, sums = parts_layout(a->n_tok < TOKENS ? a->n_tok : TOKENS, p.parts,
					  a->n_head, &bytes);
	unsigned groups = (unsigned)(few_heads(a->n_head) / FEW_HEADS);
	cudaError_t rc =
		cudaFuncSetAttribute(attend_few, cudaFuncAttributeMaxDynamicSharedMemorySize,
				     (int)sizeof(struct few_shared));
	void *scratch;

	if (rc != cudaSuccess)
		return cuda_fail(rc, "attention", err);
	if (cuda_scratch(c, bytes, "attention", &scratch, err))
		return err->code;
	p.part = (float *)scratch;
	p.sums = (float2 *)((unsigned char *)scratch + sums);
	for (p.t0 = 0; p.t0 < a->n_tok; p.t0 += TOKENS) {
		unsigned n = (unsigned)(a->n_tok - p.t0 < TOKENS ? a->n_tok - p.t0 : TOKENS);

		launch_kernel(c, attend_few, dim3((unsigned)p.parts, groups, n), FEW_THREADS,
			      sizeof(struct few_shared), p);
		if (cuda_check_launch(c, "attention", err))
			return err->code;
		launch_kernel(c, add_parts, dim3(ADD_BLOCKS, (unsigned)a->n_head, n),
			      ADD_THREADS, 0, p);
		if (cuda_check_launch(c, "attention", err))
			return err->code;
	}
	return 0;
}

template <int MT>
static int launch_many(struct cuda *c, const struct attention_args *a, struct err *err)
{
	using sh = shape<MT>;
	dim3 grid((unsigned)((a->n_head + sh::heads - 1) / sh::heads), (unsigned)a->n_tok);
	cudaError_t rc = cudaFuncSetAttribute(
		attend_many<MT>, cudaFuncAttributeMaxDynamicSharedMemorySize, sh::bytes);

	if (rc != cudaSuccess)
		return cuda_fail(rc, "attention", err);
	launch_kernel(c, attend_many<MT>, grid, sh::threads, sh::bytes, *a);
	return cuda_check_launch(c, "attention", err);
}

static int refuse(const struct attention_args *a, struct err *err)
{
	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_head < 1 || a->n_head > MAX_HEAD ||
	    a->window < 1 || a->window > a->ring_rows)
		return cuda_refuse(err, "attention", "%d rows, %d heads, a window of %d of %d",
				   a->n_tok, a->n_head, a->window, a->ring_rows);
	if ((a->ratio && a->ratio != 4 && a->ratio != 128) || (a->ratio == 4 && a->top_k < 1))
		return cuda_refuse(err, "attention", "ratio %d, %d rows chosen", a->ratio,
				   a->top_k);
	if (a->max_pages > INT32_MAX / PAGE_TOKENS)
		return cuda_refuse(err, "attention", "%lld pages", (long long)a->max_pages);
	return 0;
}

int cuda_attention(struct backend *be, const struct attention_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (refuse(a, err))
		return err->code;
	if (a->n_tok <= CUDA_DECODE_ROWS)
		return decode(c, a, err);
	if (a->n_head > shape<1>::heads && c->block_shared >= shape<4>::bytes)
		return launch_many<4>(c, a, err);
	return launch_many<1>(c, a, err);
}
