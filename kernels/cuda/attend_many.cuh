/*
 * Attention of more than 16 tokens.
 *
 * A block has one token and 16 MT heads, and takes the rows in tiles of 32: 584 bytes each come
 * by asynchronous copies while the tile before is worked on, and are unpacked to bf16, exactly.
 * Then S = Q Kᵀ and O += P V on tensor cores, the maximum running along.  P goes in two bf16
 * parts, high and rest, so that it loses nothing that the output could show.
 *
 * S: a warp has 16 heads × 8 rows (MT = 1: half of the columns each).
 * O: a warp has all the block's heads × 512 / WARPS columns, in registers.
 *
 * Floor, 2048 tokens, 640 rows, 64 heads: 172 Gop, 0.2 ms.
 */
#ifndef KERNELS_CUDA_ATTEND_MANY_CUH
#define KERNELS_CUDA_ATTEND_MANY_CUH

#include "kernels/cuda/attend.cuh"

#define ATTEND_ROWS 32 /* of a tile */
#define S_PITCH     36 /* floats */
#define P_PITCH     80 /* bytes of a row of 32 bf16 */

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

/* Begins to copy a tile's rows; a warp's first lanes find where they are. */
template <int MT>
static __device__ void fetch_tile(const struct seen &s, int row, unsigned char *raw, int warp,
				  int lane)
{
	constexpr int warps = shape<MT>::warps, n = ATTEND_ROWS / warps;
	const unsigned char *from = NULL;

	if (lane < n) {
		int i = row + warp + lane * warps;

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
	const uint2 *v = (const uint2 *)(row + 456 + 16 * (c - 56));

	if (c < 56)
		return unpack_codes(*(const uint2 *)(row + 8 * c), row[448 + c / 8]);
	return make_uint4(v[0].x, v[0].y, v[1].x, v[1].y);
}

/* Rows that are not there become zeros: what multiplies them is 0. */
template <int MT> static __device__ void unpack_tile(unsigned char *shared, int n_rows)
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
static __device__ void softmax_tile(unsigned char *shared, int n_rows, float scale, float *max,
				    float *sum)
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

/* The result of the block's heads. */
template <int MT>
static __device__ void store_heads(const struct attention_args &a, const unsigned char *shared,
				   const float (*o)[shape<MT>::tiles][4], int t, int warp,
				   int lane)
{
	using sh = shape<MT>;
	const float2 *sums = (const float2 *)(shared + sh::s);
	const float *rope = (const float *)a.rope + (int64_t)t * ROPE_DIM;

#pragma unroll
	for (int m = 0; m < 2 * MT; m++) {
		int i = m * 8 + lane / 4, head = (int)blockIdx.x * sh::heads + i;
		float sink, max, part;
		uint32_t *out =
			(uint32_t *)a.out + ((int64_t)t * a.n_head + head) * (HEAD_DIM / 2);

		if (head >= a.n_head)
			continue;
		sink = ((const float *)a.sink)[head];
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
static __device__ void load_queries(const struct attention_args &a, int t,
				    unsigned char *shared)
{
	using sh = shape<MT>;
	const uint4 *q = (const uint4 *)a.q + (int64_t)t * a.n_head * (HEAD_DIM / 8);

	for (int i = (int)threadIdx.x; i < sh::heads * 64; i += sh::threads) {
		int head = (int)blockIdx.x * sh::heads + i / 64;
		uint4 v = make_uint4(0, 0, 0, 0);

		if (head < a.n_head)
			v = q[(int64_t)head * 64 + i % 64];
		*(uint4 *)(shared + sh::q + i / 64 * PITCH + i % 64 * 16) = v;
	}
}

/* Grid: groups of heads, tokens. */
template <int MT>
static __global__ void __launch_bounds__(shape<MT>::threads)
	attend_many(struct attention_args a)
{
	kernel_begin();
	extern __shared__ __align__(16) unsigned char shared[];
	using sh = shape<MT>;
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP, t = (int)blockIdx.y;
	struct seen s = seen_by(a, t);
	float o[MT][sh::tiles][4] = {}, max = -INFINITY, sum = 0.0f;

	fetch_tile<MT>(s, 0, shared + sh::raw, warp, lane);
	load_queries<MT>(a, t, shared);
	for (int row = 0; row < s.n; row += ATTEND_ROWS) {
		copies_wait();
		__syncthreads();
		unpack_tile<MT>(shared, s.n - row);
		__syncthreads();
		if (row + ATTEND_ROWS < s.n)
			fetch_tile<MT>(s, row + ATTEND_ROWS, shared + sh::raw, warp, lane);
		score_tile<MT>(shared, warp, lane);
		__syncthreads();
		softmax_tile<MT>(shared, s.n - row, a.scale, &max, &sum);
		__syncthreads();
		mix_tile<MT>(shared, o, warp, lane);
	}
	__syncthreads();
	if (threadIdx.x % sh::lanes == 0)
		((float2 *)(shared + sh::s))[threadIdx.x / sh::lanes] = make_float2(max, sum);
	__syncthreads();
	store_heads<MT>(a, shared, o, t, warp, lane);
}

#endif
