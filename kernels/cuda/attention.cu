/*
 * Attention of every head over one set of rows, which are keys and values at once.
 *
 *   out[h] = sum_r e^(s[h, r] - m) row[r] / (sum_r e^(s[h, r] - m) + e^(sink[h] - m))
 *
 * A block has one token and 16 MT heads, and takes the rows in tiles of 32: 584 bytes each come
 * by asynchronous copies while the tile before is worked on, and are unpacked to bf16, exactly.
 * Then S = Q Kᵀ and O += P V on tensor cores, the maximum running along.  P goes in two bf16
 * parts, high and rest, so that it loses nothing that the output could show.
 *
 * S: a warp has 16 heads × 8 rows (MT = 1: half of the columns each).
 * O: a warp has all the block's heads × 512 / WARPS columns, in registers.
 *
 * Up to 16 tokens, blocks share out a token's rows by its number of rows (split.h), and a
 * second kernel adds the parts in order.  More: a block takes all of them. Floor, one token,
 * 640 rows: 374 KB, 0.1 µs; the latency of about five dependent steps is more.
 */
#include "kernels/cuda/round.h"
#include "kernels/cuda/split.h"
#include "kernels/cuda/tensor.cuh"

#define PITCH    1040 /* bytes of a row of 512 bf16: 65 × 16, so no bank is met twice */
#define S_PITCH  36   /* floats */
#define P_PITCH  80   /* bytes of a row of 32 bf16 */
#define MAX_HEAD 1024
#define TOKENS   8 /* of one launch while decoding: bounds scratch */

template <int MT> struct shape {
	static constexpr int warps = MT == 1 ? 8 : 16;
	static constexpr int threads = warps * WARP;
	static constexpr int heads = 16 * MT;
	static constexpr int halves = warps / (4 * MT); /* of Q's columns, summed by softmax */
	static constexpr int lanes = threads / heads;   /* of one head's softmax */
	static constexpr int cols = ATTEND_ROWS / lanes;
	static constexpr int tiles = 512 / warps / 8; /* of a warp's output columns */
	/* shared memory, in bytes */
	static constexpr int q = 0;
	static constexpr int k = q + heads * PITCH;
	static constexpr int raw = k + ATTEND_ROWS * PITCH;
	static constexpr int s = raw + ATTEND_ROWS * KV_ROW_BYTES;
	static constexpr int p = s + halves * heads * S_PITCH * 4;
	static constexpr int alpha = p + 2 * heads * P_PITCH;
	static constexpr int bytes = alpha + heads * 4;
};

struct attend {
	struct attention_args a;
	int t0;      /* token of the first block */
	int n_split; /* parts of a token in `part`; 0: a block takes all rows */
	float *part; /* [tokens, n_split, n_head, 512] */
	float *sums; /* [tokens, n_split, n_head, 2]: maximum and sum */
};

/* The rows one token sees: compressed ones first, then the window, both ascending. */
struct seen {
	const int32_t *sel; /* NULL: all compressed rows */
	const int32_t *pages;
	const unsigned char *rows, *ring;
	int64_t n_comp, win0, n;
	int per_page, ring_rows;
};

static __device__ struct seen seen_by(const struct attention_args &a, int64_t t)
{
	const struct step *step = step_of(a.step);
	int64_t pos = step->pos0 + t;
	struct seen s;

	s.sel = NULL;
	s.n_comp = 0;
	s.per_page = 1;
	s.win0 = pos + 1 > a.window ? pos + 1 - a.window : 0;
	if (a.ratio == 4) {
		s.sel = (const int32_t *)a.sel + t * a.top_k;
		s.n_comp = ((const int32_t *)a.n_sel)[t];
	} else if (a.ratio) {
		s.n_comp = (pos + 1) / a.ratio;
	}
	if (a.ratio)
		s.per_page = PAGE_TOKENS / a.ratio;
	s.n = s.n_comp + pos + 1 - s.win0;
	s.pages = (const int32_t *)a.pages + step->slot * a.max_pages;
	s.rows = a.rows;
	s.ring = a.ring + (int64_t)step->slot * a.ring_rows * KV_ROW_BYTES;
	s.ring_rows = a.ring_rows;
	return s;
}

static __device__ const unsigned char *seen_row(const struct seen &s, int64_t i)
{
	if (i < s.n_comp) {
		int64_t b = s.sel ? s.sel[i] : i;
		int64_t at = (int64_t)s.pages[b / s.per_page] * s.per_page + b % s.per_page;

		return s.rows + at * KV_ROW_BYTES;
	}
	return s.ring + (s.win0 + i - s.n_comp) % s.ring_rows * KV_ROW_BYTES;
}

/* Begins to copy a tile's rows; a warp's first lanes find where they are. */
template <int MT>
static __device__ void fetch_tile(const struct seen &s, int64_t tile, unsigned char *raw,
				  int warp, int lane)
{
	constexpr int warps = shape<MT>::warps, n = ATTEND_ROWS / warps;
	const unsigned char *from = NULL;

	if (lane < n) {
		int64_t i = tile * ATTEND_ROWS + warp + lane * warps;

		if (i < s.n)
			from = seen_row(s, i);
	}
#pragma unroll
	for (int j = 0; j < n; j++) {
		const unsigned char *p = (const unsigned char *)__shfl_sync(
			ALL_LANES, (unsigned long long)from, j);

		for (int c = lane; p && c < KV_ROW_BYTES / 8; c += WARP)
			copy8(raw + (warp + j * warps) * KV_ROW_BYTES + c * 8, p + c * 8);
	}
}

/* Eight columns of a row, as bf16. */
static __device__ __forceinline__ uint4 unpack_row(const unsigned char *row, int c)
{
	if (c < 56) {
		uint2 v = *(const uint2 *)(row + 8 * c);
		uint32_t s = round_f8_scale(row[448 + c / 8]);

		s |= s << 16;
		return make_uint4(
			bf16_pair_product(round_f8_pair(__byte_perm(v.x, 0, 0x1404)), s),
			bf16_pair_product(round_f8_pair(__byte_perm(v.x, 0, 0x3424)), s),
			bf16_pair_product(round_f8_pair(__byte_perm(v.y, 0, 0x1404)), s),
			bf16_pair_product(round_f8_pair(__byte_perm(v.y, 0, 0x3424)), s));
	} else {
		const uint2 *v = (const uint2 *)(row + 456 + 16 * (c - 56));

		return make_uint4(v[0].x, v[0].y, v[1].x, v[1].y);
	}
}

/* Rows that are not there become zeros: what multiplies them is 0. */
template <int MT> static __device__ void unpack_tile(unsigned char *shared, int64_t n_rows)
{
#pragma unroll 4
	for (int i = (int)threadIdx.x; i < ATTEND_ROWS * 64; i += shape<MT>::threads) {
		int r = i / 64, c = i % 64;
		uint4 v = make_uint4(0, 0, 0, 0);

		if (r < n_rows)
			v = unpack_row(shared + shape<MT>::raw + r * KV_ROW_BYTES, c);
		*(uint4 *)(shared + shape<MT>::k + r * PITCH + c * 16) = v;
	}
}

/* S of 16 heads and 8 rows, two chains of sums. */
template <int MT> static __device__ void score_tile(unsigned char *shared, int warp, int lane)
{
	using sh = shape<MT>;
	int nt = warp % 4, m = warp / 4 % MT, half = warp / 4 / MT;
	constexpr int steps = 32 / sh::halves;
	const unsigned char *q = shared + sh::q + (m * 16 + lane % 16) * PITCH +
				 lane / 16 * 16 + half * steps * 32;
	const unsigned char *k = shared + sh::k + (nt * 8 + lane % 8) * PITCH + lane / 8 * 16 +
				 half * steps * 32;
	float c0[4] = {0.0f, 0.0f, 0.0f, 0.0f}, c1[4] = {0.0f, 0.0f, 0.0f, 0.0f};
	float *s = (float *)(shared + sh::s) + half * sh::heads * S_PITCH;

#pragma unroll 4
	for (int i = 0; i < steps; i += 2) {
		uint32_t a0[4], a1[4], b[4];

		load_matrices(a0, q + i * 32);
		load_matrices(a1, q + i * 32 + 32);
		load_matrices(b, k + i * 32);
		tensor_bf16(c0, a0, b[0], b[1]);
		tensor_bf16(c1, a1, b[2], b[3]);
	}
	s += (m * 16 + lane / 4) * S_PITCH + nt * 8 + lane % 4 * 2;
	*(float2 *)s = make_float2(c0[0] + c1[0], c0[1] + c1[1]);
	*(float2 *)(s + 8 * S_PITCH) = make_float2(c0[2] + c1[2], c0[3] + c1[3]);
}

template <int MT> static __device__ __forceinline__ float head_max(float v)
{
	for (int o = shape<MT>::lanes / 2; o; o /= 2)
		v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, o));
	return v;
}

template <int MT> static __device__ __forceinline__ float head_sum(float v)
{
	for (int o = shape<MT>::lanes / 2; o; o /= 2)
		v += __shfl_xor_sync(ALL_LANES, v, o);
	return v;
}

/* Turns S to P; *max and *sum run along, the same in all lanes of a head. */
template <int MT>
static __device__ void softmax_tile(unsigned char *shared, int64_t n_rows, float scale,
				    float *max, float *sum)
{
	using sh = shape<MT>;
	int head = (int)threadIdx.x / sh::lanes, col = (int)threadIdx.x % sh::lanes * sh::cols;
	const float *s = (const float *)(shared + sh::s) + head * S_PITCH + col;
	uint16_t *p = (uint16_t *)(shared + sh::p + head * P_PITCH) + col;
	float v[sh::cols], best = -INFINITY, total = 0.0f, alpha;

	for (int i = 0; i < sh::cols; i++) {
		v[i] = s[i];
		if (sh::halves == 2)
			v[i] += s[sh::heads * S_PITCH + i];
		v[i] = col + i < n_rows ? v[i] * scale : -INFINITY;
		best = fmaxf(best, v[i]);
	}
	best = fmaxf(*max, head_max<MT>(best));
	alpha = round_exp(*max - best);
	for (int i = 0; i < sh::cols; i++) {
		float e = col + i < n_rows ? round_exp(v[i] - best) : 0.0f;
		uint16_t high = bf16_of_f32(e);

		p[i] = high;
		p[sh::heads * P_PITCH / 2 + i] = bf16_of_f32(e - f32_of_bf16(high));
		total += e;
	}
	*sum = fmaf(*sum, alpha, head_sum<MT>(total));
	*max = best;
	if (col == 0)
		((float *)(shared + sh::alpha))[head] = alpha;
}

/* O = alpha O + P V */
template <int MT>
static __device__ void mix_tile(const unsigned char *shared, float (*o)[shape<MT>::tiles][4],
				int warp, int lane)
{
	using sh = shape<MT>;
	const float *alpha = (const float *)(shared + sh::alpha);
	const unsigned char *v =
		shared + sh::k + lane % 16 * PITCH + lane / 16 * 16 + warp * sh::tiles * 16;
	const unsigned char *p = shared + sh::p + lane % 16 * P_PITCH + lane / 16 * 16;

#pragma unroll
	for (int m = 0; m < MT; m++) {
		float low = alpha[m * 16 + lane / 4], high = alpha[m * 16 + lane / 4 + 8];

#pragma unroll
		for (int n = 0; n < sh::tiles; n++) {
			o[m][n][0] *= low;
			o[m][n][1] *= low;
			o[m][n][2] *= high;
			o[m][n][3] *= high;
		}
	}
#pragma unroll
	for (int k = 0; k < ATTEND_ROWS / 16; k++) {
		uint32_t b[sh::tiles / 2][4];

#pragma unroll
		for (int n = 0; n < sh::tiles / 2; n++)
			load_matrices_turned(b[n], v + k * 16 * PITCH + n * 32);
#pragma unroll
		for (int m = 0; m < 2 * MT; m++) { /* the rests after the high parts */
			uint32_t a[4];

			load_matrices(a, p + m * 16 * P_PITCH + k * 32);
#pragma unroll
			for (int n = 0; n < sh::tiles / 2; n++) {
				tensor_bf16(o[m % MT][2 * n], a, b[n][0], b[n][1]);
				tensor_bf16(o[m % MT][2 * n + 1], a, b[n][2], b[n][3]);
			}
		}
	}
}

/* What a part leaves: O as it is, with its maximum and sum. */
template <int MT>
static __device__ void store_part(const struct attend &p, const unsigned char *shared,
				  const float (*o)[shape<MT>::tiles][4], int warp, int lane)
{
	using sh = shape<MT>;
	int64_t at = ((int64_t)blockIdx.z * p.n_split + blockIdx.x) * p.a.n_head;
	const float2 *sums = (const float2 *)(shared + sh::s);

	for (int i = (int)threadIdx.x; i < sh::heads; i += sh::threads) {
		int head = (int)blockIdx.y * sh::heads + i;

		if (head < p.a.n_head)
			((float2 *)p.sums)[at + head] = sums[i];
	}
#pragma unroll
	for (int m = 0; m < 2 * MT; m++) {
		int head = (int)blockIdx.y * sh::heads + m * 8 + lane / 4;
		float *out =
			p.part + (at + head) * HEAD_DIM + warp * sh::tiles * 8 + lane % 4 * 2;

		if (head >= p.a.n_head)
			continue;
#pragma unroll
		for (int n = 0; n < sh::tiles; n++)
			*(float2 *)(out + n * 8) =
				make_float2(o[m / 2][n][m % 2 * 2], o[m / 2][n][m % 2 * 2 + 1]);
	}
}

/* Two columns of the result, turned back where they are rotary ones. */
static __device__ __forceinline__ uint32_t out_pair(const float *rope, int col, float x,
						    float y)
{
	if (col >= HEAD_DIM - ROPE_DIM) {
		const float *cs = rope + col - (HEAD_DIM - ROPE_DIM);

		rotate(&x, &y, cs[0], cs[1], -1.0f);
	}
	return bf16_pair(x, y);
}

/* The result, where one block had all rows. */
template <int MT>
static __device__ void store_whole(const struct attend &p, const unsigned char *shared,
				   const float (*o)[shape<MT>::tiles][4], int64_t t, int warp,
				   int lane)
{
	using sh = shape<MT>;
	const float2 *sums = (const float2 *)(shared + sh::s);
	const float *rope = (const float *)p.a.rope + t * ROPE_DIM;

#pragma unroll
	for (int m = 0; m < 2 * MT; m++) {
		int i = m * 8 + lane / 4, head = (int)blockIdx.y * sh::heads + i;
		float sink, max, part;
		uint32_t *out = (uint32_t *)p.a.out + (t * p.a.n_head + head) * (HEAD_DIM / 2);

		if (head >= p.a.n_head)
			continue;
		sink = ((const float *)p.a.sink)[head];
		max = fmaxf(sums[i].x, sink);
		part = round_exp(sums[i].x - max);
		part = part / fmaf(sums[i].y, part, round_exp(sink - max));
#pragma unroll
		for (int n = 0; n < sh::tiles; n++) {
			int col = (warp * sh::tiles + n) * 8 + lane % 4 * 2;

			out[col / 2] = out_pair(rope, col, o[m / 2][n][m % 2 * 2] * part,
						o[m / 2][n][m % 2 * 2 + 1] * part);
		}
	}
}

template <int MT>
static __device__ void load_queries(const struct attention_args &a, int64_t t,
				    unsigned char *shared)
{
	using sh = shape<MT>;
	const uint4 *q = (const uint4 *)a.q + t * a.n_head * (HEAD_DIM / 8);

	for (int i = (int)threadIdx.x; i < sh::heads * 64; i += sh::threads) {
		int head = (int)blockIdx.y * sh::heads + i / 64;
		uint4 v = make_uint4(0, 0, 0, 0);

		if (head < a.n_head)
			v = q[(int64_t)head * 64 + i % 64];
		*(uint4 *)(shared + sh::q + i / 64 * PITCH + i % 64 * 16) = v;
	}
}

/* Grid: parts, groups of heads, tokens. */
template <int MT>
static __global__ void __launch_bounds__(shape<MT>::threads) attend_rows(struct attend p)
{
	kernel_begin();
	extern __shared__ __align__(16) unsigned char shared[];
	using sh = shape<MT>;
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t t = p.t0 + (int64_t)blockIdx.z;
	struct seen s = seen_by(p.a, t);
	int64_t tiles = attend_tiles(s.n), run = p.n_split ? attend_run(s.n) : tiles;
	int64_t tile = blockIdx.x * run, end = tile + run < tiles ? tile + run : tiles;
	float o[MT][sh::tiles][4], max = -INFINITY, sum = 0.0f;

	if (tile >= end)
		return;
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int n = 0; n < sh::tiles; n++)
			for (int i = 0; i < 4; i++)
				o[m][n][i] = 0.0f;
	fetch_tile<MT>(s, tile, shared + sh::raw, warp, lane);
	load_queries<MT>(p.a, t, shared);
	for (; tile < end; tile++) {
		int64_t n_rows = s.n - tile * ATTEND_ROWS;

		copies_wait();
		__syncthreads();
		unpack_tile<MT>(shared, n_rows);
		__syncthreads();
		if (tile + 1 < end)
			fetch_tile<MT>(s, tile + 1, shared + sh::raw, warp, lane);
		score_tile<MT>(shared, warp, lane);
		__syncthreads();
		softmax_tile<MT>(shared, n_rows, p.a.scale, &max, &sum);
		__syncthreads();
		mix_tile<MT>(shared, o, warp, lane);
	}
	__syncthreads();
	if (threadIdx.x % sh::lanes == 0)
		((float2 *)(shared + sh::s))[threadIdx.x / sh::lanes] = make_float2(max, sum);
	__syncthreads();
	if (p.n_split)
		store_part<MT>(p, shared, o, warp, lane);
	else
		store_whole<MT>(p, shared, o, t, warp, lane);
}

#define ADD_THREADS (HEAD_DIM / 4)

/* Adds a token's parts in order.  Grid: heads, tokens; a thread has four columns. */
static __global__ void __launch_bounds__(ADD_THREADS) add_parts(struct attend p)
{
	kernel_begin();
	int head = (int)blockIdx.x, col = (int)threadIdx.x * 4;
	int64_t t = p.t0 + (int64_t)blockIdx.y;
	int n = attend_splits(seen_by(p.a, t).n);
	int64_t at = (int64_t)blockIdx.y * p.n_split * p.a.n_head + head;
	float sink = ((const float *)p.a.sink)[head], max = sink, sum = 0.0f;
	const float *rope = (const float *)p.a.rope + t * ROPE_DIM;
	float4 o = make_float4(0.0f, 0.0f, 0.0f, 0.0f);

	for (int i = 0; i < n; i++)
		max = fmaxf(max, p.sums[2 * (at + (int64_t)i * p.a.n_head)]);
#pragma unroll 4
	for (int i = 0; i < n; i++) {
		int64_t k = at + (int64_t)i * p.a.n_head;
		float2 s = ((const float2 *)p.sums)[k];
		float4 v = *(const float4 *)(p.part + k * HEAD_DIM + col);
		float w = round_exp(s.x - max);

		sum = fmaf(s.y, w, sum);
		o = make_float4(fmaf(w, v.x, o.x), fmaf(w, v.y, o.y), fmaf(w, v.z, o.z),
				fmaf(w, v.w, o.w));
	}
	sum += round_exp(sink - max);
	((uint2 *)p.a.out)[(t * p.a.n_head + head) * ADD_THREADS + threadIdx.x] =
		make_uint2(out_pair(rope, col, o.x / sum, o.y / sum),
			   out_pair(rope, col + 2, o.z / sum, o.w / sum));
}

/* ------------------------------------------------------------------ launching */

/* Parts of a token at most. */
static int most_splits(int window, int ratio, int top_k, int64_t max_pages)
{
	return attend_most_splits(window + (ratio == 4 ? top_k : ratio ? max_pages : 0));
}

/* Scratch for `tokens` tokens: where the sums begin; *bytes, all of it. */
static size_t parts_layout(int tokens, int n_split, int n_head, size_t *bytes)
{
	size_t n = (size_t)tokens * (size_t)n_split * (size_t)n_head, sums;

	*bytes = 0;
	cuda_part(bytes, n * HEAD_DIM * sizeof(float));
	sums = cuda_part(bytes, n * 2 * sizeof(float));
	return sums;
}

size_t cuda_attention_scratch(const struct cuda *c, const struct pass_shape *s)
{
	size_t bytes;

	(void)c;
	parts_layout(s->rows < TOKENS ? s->rows : TOKENS, ATTEND_SPLITS, s->n_head, &bytes);
	return bytes;
}

template <int MT>
static int launch(struct cuda *c, const struct attend &p, int parts, int tokens,
		  struct err *err)
{
	using sh = shape<MT>;
	dim3 grid((unsigned)parts, (unsigned)((p.a.n_head + sh::heads - 1) / sh::heads),
		  (unsigned)tokens);
	cudaError_t rc = cudaFuncSetAttribute(
		attend_rows<MT>, cudaFuncAttributeMaxDynamicSharedMemorySize, sh::bytes);

	if (rc != cudaSuccess)
		return cuda_fail(rc, "attention", err);
	launch_kernel(c, attend_rows<MT>, grid, sh::threads, sh::bytes, p);
	return cuda_check_launch(c, "attention", err);
}

static int decode(struct cuda *c, struct attend *p, struct err *err)
{
	const struct attention_args *a = &p->a;
	size_t bytes, sums;
	void *scratch;

	p->n_split = most_splits(a->window, a->ratio, a->top_k, a->max_pages);
	sums = parts_layout(a->n_tok < TOKENS ? a->n_tok : TOKENS, p->n_split, a->n_head,
			    &bytes);
	if (cuda_scratch(c, bytes, "attention", &scratch, err))
		return err->code;
	p->part = (float *)scratch;
	p->sums = (float *)((unsigned char *)scratch + sums);
	for (p->t0 = 0; p->t0 < a->n_tok; p->t0 += TOKENS) {
		int n = a->n_tok - p->t0 < TOKENS ? a->n_tok - p->t0 : TOKENS;

		if (launch<1>(c, *p, p->n_split, n, err))
			return err->code;
		launch_kernel(c, add_parts, dim3((unsigned)a->n_head, (unsigned)n), ADD_THREADS,
			      0, *p);
		if (cuda_check_launch(c, "attention", err))
			return err->code;
	}
	return 0;
}

int cuda_attention(struct backend *be, const struct attention_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct attend p = {*a, 0, 0, NULL, NULL};

	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_head < 1 || a->n_head > MAX_HEAD ||
	    a->window < 1 || a->window > a->ring_rows)
		return cuda_refuse(err, "attention", "%d rows, %d heads, a window of %d of %d",
				   a->n_tok, a->n_head, a->window, a->ring_rows);
	if ((a->ratio && a->ratio != 4 && a->ratio != 128) || (a->ratio == 4 && a->top_k < 1))
		return cuda_refuse(err, "attention", "ratio %d, %d rows chosen", a->ratio,
				   a->top_k);
	if (a->n_tok <= CUDA_DECODE_ROWS)
		return decode(c, &p, err);
	if (a->n_head > shape<1>::heads && c->block_shared >= shape<4>::bytes)
		return launch<4>(c, p, 1, a->n_tok, err);
	return launch<1>(c, p, 1, a->n_tok, err);
}
