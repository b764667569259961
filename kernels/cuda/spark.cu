/*
 * What the block drafter asks for beyond layers: means of streams, attention of rows that see
 * each other, and what a token says of the next.
 *
 *   stream_mean      a block a row, four columns of all streams a thread.  Floor: 18 d bytes a
 *                    row over bandwidth; at few rows, a launch.
 *   block_attention  all rows see the same ones: those that the last one would see alone, were
 *                    its window longer by the block.  So each row is one of attention's by
 *                    itself, at the last one's position.  Floor: a row's 137 cached ones are
 *                    80 KB; the launches, two a row, cost more.
 *   markov           a block copies e and adds up the confidence, linear makes w2 e, and a
 *                    third launch adds it.  Floor: w2, 66 MB of Flash, over bandwidth.
 */
#include "kernels/cuda/device.cuh"

#define THREADS   256
#define MOST_RANK 4096 /* values of e: bounds scratch */

/* --------------------------------------------------------------- means of streams */

static __device__ __forceinline__ float4 sum4(float4 a, float4 b)
{
	return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

static __global__ void __launch_bounds__(THREADS)
	stream_mean_kernel(const float4 *x, uint2 *out, int n, int n_part, int at)
{
	kernel_begin();
	size_t t = blockIdx.x;
	const float q = 1.0f / HC_MULT;

	x += t * HC_MULT * (size_t)n;
	out += (t * (size_t)n_part + (size_t)at) * (size_t)n;
	for (int i = (int)threadIdx.x; i < n; i += THREADS) {
		float4 s = x[i];

		for (int j = 1; j < HC_MULT; j++)
			s = sum4(s, x[(size_t)j * (size_t)n + (size_t)i]);
		out[i] = make_uint2(bf16_pair(s.x * q, s.y * q), bf16_pair(s.z * q, s.w * q));
	}
}

extern "C" int cuda_stream_mean(struct backend *be, const struct stream_mean_args *a,
				struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->d < 4 || a->d % 4)
		return cuda_refuse(err, "stream_mean",
				   "%d rows of %d columns, expected 1 to %d "
				   "of a multiple of 4",
				   a->n_tok, a->d, CUDA_MAX_ROWS);
	if (a->at < 0 || a->at >= a->n_part)
		return cuda_refuse(err, "stream_mean", "piece %d of %d", a->at, a->n_part);
	launch_kernel(c, stream_mean_kernel, (unsigned)a->n_tok, THREADS, 0,
		      (const float4 *)a->x, (uint2 *)a->out, a->d / 4, a->n_part, a->at);
	return cuda_check_launch(c, "stream_mean", err);
}

/* ----------------------------------------------------------- attention of a block */

static __global__ void last_row_kernel(const unsigned char *step, int n_tok, struct step *last)
{
	kernel_begin();
	const struct step *s = step_of(step);

	*last = {s->pos0 + n_tok - 1, 1, s->slot};
}

/* What attention takes of the scratch for one row; the step stands behind. */
static size_t attention_part(const struct cuda *c, int n_head)
{
	struct pass_shape one = {};
	size_t bytes = 0;

	one.rows = 1;
	one.n_head = n_head;
	cuda_part(&bytes, cuda_attention_scratch(c, &one));
	return bytes;
}

static int refuse_block(const struct attention_args *a, struct err *err)
{
	if (a->n_tok < 1 || a->n_tok > CUDA_DECODE_ROWS || a->n_head < 1 || a->ratio)
		return cuda_refuse(
			err, "block_attention",
			"%d rows, %d heads, ratio %d, expected 1 to %d rows, ratio 0", a->n_tok,
			a->n_head, a->ratio, CUDA_DECODE_ROWS);
	if (a->window < 1 || a->window > a->ring_rows - a->n_tok)
		return cuda_refuse(err, "block_attention",
				   "%d rows for a window of %d and %d more", a->ring_rows,
				   a->window, a->n_tok);
	return 0;
}

extern "C" int cuda_block_attention(struct backend *be, const struct attention_args *a,
				    struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct attention_args one = *a;
	const size_t row = (size_t)a->n_head * HEAD_DIM * sizeof(uint16_t);
	size_t at;
	void *scratch;

	if (refuse_block(a, err))
		return err->code;
	at = attention_part(c, a->n_head);
	if (cuda_scratch(c, at + sizeof(struct step), "block_attention", &scratch, err))
		return err->code;
	one.n_tok = 1;
	one.window = a->window + a->n_tok;
	one.step = (dbuf)scratch + at;
	launch_kernel(c, last_row_kernel, 1, 1, 0, a->step, a->n_tok, (struct step *)one.step);
	if (cuda_check_launch(c, "block_attention", err))
		return err->code;
	for (size_t t = 0; t < (size_t)a->n_tok; t++) {
		one.q = a->q + t * row;
		one.rope = a->rope + t * ROPE_DIM * sizeof(float);
		one.out = a->out + t * row;
		if (cuda_attention(be, &one, err))
			return err->code;
	}
	return 0;
}

/* ------------------------------------------------- what the token before says */

static __global__ void __launch_bounds__(THREADS)
	before_kernel(const int32_t *before, const uint16_t *w1, const uint16_t *proj,
		      const float *x, int d, int rank, uint16_t *e, float *confidence)
{
	kernel_begin();
	__shared__ float part[33];
	const uint16_t *from = w1 + (size_t)*before * (size_t)rank;
	float sum = 0.0f;

	for (int i = (int)threadIdx.x; i < d; i += THREADS)
		sum = fmaf(f32_of_bf16(proj[i]), x[i], sum);
	for (int i = (int)threadIdx.x; i < rank; i += THREADS) {
		uint16_t v = from[i];

		e[i] = v;
		sum = fmaf(f32_of_bf16(proj[d + i]), f32_of_bf16(v), sum);
	}
	sum = block_sum(sum, part);
	if (threadIdx.x == 0)
		*confidence = sum;
}

static __global__ void __launch_bounds__(THREADS)
	add_kernel(const float *from, float *to, int n)
{
	kernel_begin();
	int i = (int)(blockIdx.x * THREADS + threadIdx.x);

	if (i < n)
		to[i] += from[i];
}

/* Scratch of markov: e, and behind it w2 e. */
static size_t markov_layout(int vocab, size_t *added)
{
	size_t bytes = 0;

	cuda_part(&bytes, MOST_RANK * sizeof(uint16_t));
	*added = cuda_part(&bytes, (size_t)vocab * sizeof(float));
	return bytes;
}

static int refuse_markov(const struct markov_args *a, struct err *err)
{
	if (a->rank < 1 || a->rank > MOST_RANK || a->d < 1 || a->vocab < 1 ||
	    a->w2.out != a->vocab || a->w2.in != a->rank)
		return cuda_refuse(err, "markov",
				   "%d x %d for a vocabulary of %d and rank %d (up to %d)",
				   a->w2.out, a->w2.in, a->vocab, a->rank, MOST_RANK);
	if (a->proj.type != WEIGHT_BF16 || a->proj.layout || a->proj.out != 1 ||
	    a->proj.in != a->d + a->rank)
		return cuda_refuse(
			err, "markov",
			"confidence of %d x %d, type %d, layout %d, expected 1 x %d of "
			"BF16 as the checkpoint has it",
			a->proj.out, a->proj.in, (int)a->proj.type, a->proj.layout,
			a->d + a->rank);
	return 0;
}

extern "C" int cuda_markov(struct backend *be, const struct markov_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct linear_args product = {1, 1, 1};
	size_t added, bytes = markov_layout(a->vocab, &added);
	void *scratch;

	if (refuse_markov(a, err) || cuda_scratch(c, bytes, "markov", &scratch, err))
		return err->code;
	launch_kernel(c, before_kernel, 1, THREADS, 0, (const int32_t *)a->before,
		      (const uint16_t *)a->w1, (const uint16_t *)a->proj.w, (const float *)a->x,
		      a->d, a->rank, (uint16_t *)scratch, (float *)a->confidence);
	if (cuda_check_launch(c, "markov", err))
		return err->code;
	product.w = a->w2;
	product.x = (dbuf)scratch;
	product.y = (dbuf)scratch + added;
	if (cuda_linear(be, &product, err)) /* of one row: it takes no scratch of its own */
		return err->code;
	launch_kernel(c, add_kernel, (unsigned)((a->vocab + THREADS - 1) / THREADS), THREADS, 0,
		      (const float *)product.y, (float *)a->logits, a->vocab);
	return cuda_check_launch(c, "markov", err);
}

size_t cuda_spark_scratch(const struct cuda *c, const struct pass_shape *s)
{
	size_t block = attention_part(c, s->n_head) + sizeof(struct step), added;
	size_t markov = markov_layout(s->vocab, &added);

	return block > markov ? block : markov;
}
