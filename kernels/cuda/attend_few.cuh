/*
 * Attention of 1 … 16 tokens.
 *
 * A block has one token, 8 heads and one part of the rows (split.h), in tiles of 48.  A row
 * goes from memory through registers, unpacked to bf16, to shared memory, the next tile's while
 * this one is worked on.  Rows and columns are the 16 wide side of the matrices, heads the 8
 * wide one:
 *
 * S = K Qᵀ: a warp has 64 of the 512 columns of all rows; softmax adds the 8 sums.
 * O = Vᵀ P: a warp has 64 columns of all heads.  P goes in two bf16 parts, high and rest.
 *
 * Then add_parts() adds a head's parts in order: a block has 256 columns of a head, four a
 * thread.
 *
 * Floor, one token, 640 rows: 374 KB, 0.1 µs.  What it takes is a chain: step, choice, page,
 * row, the four phases; the launch of the second kernel, step, parts.  (Clusters of 16 blocks
 * that add up through each other's shared memory: some 8 of them run at once, so that the rows
 * wait in line, 13 µs for two and 33 for eight.)
 */
#ifndef KERNELS_CUDA_ATTEND_FEW_CUH
#define KERNELS_CUDA_ATTEND_FEW_CUH

#include "kernels/cuda/attend.cuh"

#define FEW_HEADS   8
#define FEW_WARPS   8
#define FEW_THREADS (FEW_WARPS * WARP)
#define FEW_EACH    (ATTEND_TILE / FEW_WARPS) /* rows of a tile that a warp loads */
#define FEW_S_PITCH 52                        /* floats: heads 2 t, rows g meet no bank twice */
#define FEW_P_PITCH 112                       /* bytes of 48 bf16 */

static __host__ __device__ __forceinline__ int few_heads(int n_head)
{
	return (n_head + FEW_HEADS - 1) / FEW_HEADS * FEW_HEADS;
}

struct few {
	struct attention_args a;
	int t0;       /* token of the first block */
	int parts;    /* of a token in `part`, at most */
	float *part;  /* [tokens][parts][heads in 8s][512]: the part's sums, not divided */
	float2 *sums; /* [tokens][parts][heads in 8s]: maximum and sum */
};

struct few_shared {
	__align__(16) unsigned char q[FEW_HEADS * PITCH];
	__align__(16) unsigned char k[ATTEND_TILE * PITCH];
	float s[FEW_WARPS][FEW_HEADS][FEW_S_PITCH];
	__align__(16) unsigned char p[2][FEW_HEADS * FEW_P_PITCH]; /* high parts, rests */
	__align__(8) float alpha[FEW_HEADS];
};

/* Of FEW_EACH rows what a lane has: columns 8 lane … + 7, 256 + 8 lane … + 7 (the last eight
 * lanes: 448 + 8 (lane - 24) …, in two pieces), and in the first 24 lanes the scales. */
struct few_rows {
	uint2 v[FEW_EACH][3];
};

/* Where the lane's row of a warp's FEW_EACH is; from `end` on it is the last one. */
static __device__ __forceinline__ const unsigned char *few_find(const struct seen &s, int row,
								int end, int lane)
{
	return row < end && lane < FEW_EACH ? seen_row(s, min(row + lane, end - 1)) : NULL;
}

/* Begins to load the rows that the lanes have found, if there are any. */
static __device__ __forceinline__ void few_fetch(const unsigned char *from, struct few_rows *r,
						 int lane)
{
	int second = lane < 24 ? 256 + 8 * lane : 456 + 16 * (lane - 24);
	int third = lane < 24 ? 448 : second + 8;

#pragma unroll
	for (int j = 0; j < FEW_EACH; j++) {
		const unsigned char *p = (const unsigned char *)__shfl_sync(
			ALL_LANES, (unsigned long long)from, j);

		if (!p)
			return;
		r->v[j][0] = *(const uint2 *)(p + 8 * lane);
		r->v[j][1] = *(const uint2 *)(p + second);
		r->v[j][2] = *(const uint2 *)(p + third);
	}
}

/* The warp's `n` rows, and zeros for those that are not there: what multiplies them is 0. */
static __device__ __forceinline__ void few_unpack(unsigned char *k, const struct few_rows *r,
						  int n, int lane)
{
#pragma unroll
	for (int j = 0; j < FEW_EACH; j++) {
		uint4 first = make_uint4(0, 0, 0, 0), second = first;

		if (j < n) {
			uint2 v = r->v[j][1], w = r->v[j][2];
			uint32_t low = __shfl_sync(ALL_LANES, w.x, 0);

			first = unpack_codes(r->v[j][0], low >> (lane / 8 * 8) & 255);
			second = lane < 24 ? unpack_codes(v, w.y >> (lane / 8 * 8) & 255)
					   : make_uint4(v.x, v.y, w.x, w.y);
		}
		*(uint4 *)(k + j * PITCH + lane * 16) = first;
		*(uint4 *)(k + j * PITCH + 512 + lane * 16) = second;
	}
}

/* S of a warp's 64 columns and 8 heads. */
static __device__ __forceinline__ void few_score(const unsigned char *q, const unsigned char *k,
						 float *s, int warp, int lane)
{
	float c[ATTEND_TILE / 16][4] = {};
	uint32_t b[2][4];

	q += lane % 8 * PITCH + lane / 8 * 16 + warp * 128;
	k += lane % 16 * PITCH + lane / 16 * 16 + warp * 128;
	s += lane % 4 * 2 * FEW_S_PITCH + lane / 4;
	load_matrices(b[0], q);
	load_matrices(b[1], q + 64);
#pragma unroll
	for (int i = 0; i < 4; i++) {
#pragma unroll
		for (int m = 0; m < ATTEND_TILE / 16; m++) {
			uint32_t a[4];

			load_matrices(a, k + m * 16 * PITCH + i * 32);
			tensor_bf16(c[m], a, b[i / 2][i % 2 * 2], b[i / 2][i % 2 * 2 + 1]);
		}
	}
#pragma unroll
	for (int m = 0; m < ATTEND_TILE / 16; m++) {
		s[m * 16] = c[m][0];
		s[m * 16 + FEW_S_PITCH] = c[m][1];
		s[m * 16 + 8] = c[m][2];
		s[m * 16 + 8 + FEW_S_PITCH] = c[m][3];
	}
}

static __device__ __forceinline__ void few_store_p(unsigned char *high, unsigned char *rest,
						   int row, float e)
{
	uint16_t h = bf16_of_f32(e);

	((uint16_t *)high)[row] = h;
	((uint16_t *)rest)[row] = bf16_of_f32(e - f32_of_bf16(h));
}

/* The greatest of the lanes' values, NaN not counted, to all. */
static __device__ __forceinline__ float few_max(float v)
{
	return round_of_key(__reduce_max_sync(ALL_LANES, round_key(v)));
}

/* Turns S of the warp's head to P; *max runs along, the same in all lanes, and *sum, the lane's
 * own. */
static __device__ __forceinline__ void few_softmax(struct few_shared *sh, int n, float scale,
						   float *max, float *sum, int head, int lane)
{
	bool second = lane < ATTEND_TILE - WARP;
	unsigned char *high = sh->p[0] + head * FEW_P_PITCH;
	unsigned char *rest = sh->p[1] + head * FEW_P_PITCH;
	float x = 0.0f, y = 0.0f, best, alpha;

#pragma unroll
	for (int w = 0; w < FEW_WARPS; w++) {
		x += sh->s[w][head][lane];
		y += second ? sh->s[w][head][WARP + lane] : 0.0f;
	}
	x = lane < n ? x * scale : -INFINITY;
	y = second && WARP + lane < n ? y * scale : -INFINITY;
	best = fmaxf(*max, few_max(fmaxf(x, y)));
	alpha = round_exp(*max - best);
	x = lane < n ? round_exp(x - best) : 0.0f;
	y = second && WARP + lane < n ? round_exp(y - best) : 0.0f;
	few_store_p(high, rest, lane, x);
	if (second)
		few_store_p(high, rest, WARP + lane, y);
	*sum = fmaf(*sum, alpha, x + y);
	*max = best;
	if (lane == 0)
		sh->alpha[head] = alpha;
}

/* O = alpha O + Vᵀ P of a warp's 64 columns. */
static __device__ __forceinline__ void few_mix(const struct few_shared *sh, float (*o)[4],
					       int warp, int lane)
{
	const unsigned char *v =
		sh->k + (lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 16 + warp * 128;
	float2 alpha = *(const float2 *)(sh->alpha + lane % 4 * 2);
	int at = lane % 8 * FEW_P_PITCH;
	uint32_t b[3][4]; /* high parts and rests of steps 0 and 1, both of step 2 */

	load_matrices(b[0], sh->p[0] + at + lane / 8 * 16);
	load_matrices(b[1], sh->p[1] + at + lane / 8 * 16);
	load_matrices(b[2], sh->p[lane / 16] + at + 64 + lane / 8 % 2 * 16);
#pragma unroll
	for (int m = 0; m < 4; m++) {
		o[m][0] *= alpha.x;
		o[m][1] *= alpha.y;
		o[m][2] *= alpha.x;
		o[m][3] *= alpha.y;
	}
#pragma unroll
	for (int i = 0; i < ATTEND_TILE / 16; i++) {
		const uint32_t *high = i < 2 ? b[0] + 2 * i : b[2];
		const uint32_t *rest = i < 2 ? b[1] + 2 * i : b[2] + 2;

#pragma unroll
		for (int m = 0; m < 4; m++) {
			uint32_t a[4];

			load_matrices_turned(a, v + i * 16 * PITCH + m * 32);
			tensor_bf16(o[m], a, high[0], high[1]);
			tensor_bf16(o[m], a, rest[0], rest[1]);
		}
	}
}

/* What a part leaves; `at`: the place of its first head. */
static __device__ __forceinline__ void few_store(const struct few &p, int64_t at,
						 const float (*o)[4], float max, float sum,
						 int warp, int lane)
{
	float *to = p.part + (at + lane % 4 * 2) * HEAD_DIM + warp * 64 + lane / 4;

#pragma unroll
	for (int m = 0; m < 4; m++) {
		to[m * 16] = o[m][0];
		to[m * 16 + HEAD_DIM] = o[m][1];
		to[m * 16 + 8] = o[m][2];
		to[m * 16 + 8 + HEAD_DIM] = o[m][3];
	}
	sum = warp_sum(sum);
	if (lane == 0)
		p.sums[at + warp] = make_float2(max, sum);
}

/* Grid: parts, groups of heads, tokens. */
static __global__ void __launch_bounds__(FEW_THREADS, 2)
	attend_few(const __grid_constant__ struct few p)
{
	kernel_begin();
	extern __shared__ __align__(16) unsigned char shared[];
	struct few_shared *sh = (struct few_shared *)shared;
	const struct attention_args &a = p.a;
	int i = (int)threadIdx.x, lane = i % WARP, warp = i / WARP;
	int head = (int)blockIdx.y * FEW_HEADS, t = p.t0 + (int)blockIdx.z;
	const uint4 *queries = (const uint4 *)a.q + ((int64_t)t * a.n_head + head) * 64 + i;
	uint4 zero = make_uint4(0, 0, 0, 0);
	uint4 q0 = head + i / 64 < a.n_head ? queries[0] : zero;
	uint4 q1 = head + 4 + i / 64 < a.n_head ? queries[FEW_THREADS] : zero;
	struct seen s = seen_by(a, t);
	int run = attend_run(s.n), from = (int)blockIdx.x * run, end = min(from + run, s.n);
	int mine = from + warp * FEW_EACH;
	float o[4][4] = {}, max = -INFINITY, sum = 0.0f;
	const unsigned char *next;
	struct few_rows rows = {};

	if (from >= end)
		return;
	few_fetch(few_find(s, mine, end, lane), &rows, lane);
	*(uint4 *)(sh->q + i / 64 * PITCH + i % 64 * 16) = q0;
	*(uint4 *)(sh->q + (4 + i / 64) * PITCH + i % 64 * 16) = q1;
	next = few_find(s, mine += ATTEND_TILE, end, lane);
	for (; from < end; from += ATTEND_TILE) {
		few_unpack(sh->k + warp * FEW_EACH * PITCH, &rows, end - from - warp * FEW_EACH,
			   lane);
		__syncthreads();
		few_fetch(next, &rows, lane);
		next = few_find(s, mine += ATTEND_TILE, end, lane);
		few_score(sh->q, sh->k, sh->s[warp][0], warp, lane);
		__syncthreads();
		few_softmax(sh, end - from, a.scale, &max, &sum, warp, lane);
		__syncthreads();
		few_mix(sh, o, warp, lane);
		if (from + ATTEND_TILE < end)
			__syncthreads();
	}
	few_store(p,
		  (((int64_t)blockIdx.z * p.parts + blockIdx.x) * gridDim.y + blockIdx.y) *
			  FEW_HEADS,
		  o, max, sum, warp, lane);
}

/* -------------------------------------------------------------- adding parts */

#define ADD_THREADS 64
#define ADD_BLOCKS  (HEAD_DIM / 4 / ADD_THREADS) /* of a head */
#define ADD_AT_ONCE 16                           /* parts on their way; divides 32 */

static_assert(ATTEND_PARTS <= WARP, "a lane weighs each part");

/* Grid: pieces of a head's columns, heads, tokens.  (Without a least number of blocks the
 * compiler leaves registers for a few loads at a time.) */
static __global__ void __launch_bounds__(ADD_THREADS, 8)
	add_parts(const __grid_constant__ struct few p)
{
	int head = (int)blockIdx.y, lane = (int)threadIdx.x % WARP;
	int col = ((int)blockIdx.x * ADD_THREADS + (int)threadIdx.x) * 4;
	int t = p.t0 + (int)blockIdx.z, heads = few_heads(p.a.n_head), n, rows;
	int64_t at = (int64_t)blockIdx.z * p.parts * heads + head;
	float sink = ((const float *)p.a.sink)[head], max, weight, sum;
	const float *rope = (const float *)p.a.rope + (int64_t)t * ROPE_DIM;
	float2 mine = make_float2(-INFINITY, 0.0f);
	const float4 *from = (const float4 *)(p.part + at * HEAD_DIM + col);
	float4 o = make_float4(0.0f, 0.0f, 0.0f, 0.0f);

	kernel_begin();
	if (lane < p.parts)
		mine = p.sums[at + (int64_t)lane * heads];
	rows = seen_by(p.a, t).n;
	n = __popc(__ballot_sync(ALL_LANES, lane * attend_run(rows) < rows)); /* parts */
	if (lane >= n)
		mine = make_float2(-INFINITY, 0.0f);
	max = fmaxf(sink, warp_max(mine.x));
	weight = lane < n ? round_exp(mine.x - max) : 0.0f;
	sum = warp_sum(mine.y * weight) + round_exp(sink - max);
	for (int i = 0; i < n; i += ADD_AT_ONCE) {
		float4 v[ADD_AT_ONCE];

#pragma unroll
		for (int k = 0; k < ADD_AT_ONCE; k++)
			v[k] = i + k < n ? from[(int64_t)(i + k) * heads * (HEAD_DIM / 4)]
					 : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll
		for (int k = 0; k < ADD_AT_ONCE; k++) {
			float w = __shfl_sync(ALL_LANES, weight, i + k);

			o = make_float4(fmaf(w, v[k].x, o.x), fmaf(w, v[k].y, o.y),
					fmaf(w, v[k].z, o.z), fmaf(w, v[k].w, o.w));
		}
	}
	((uint2 *)p.a.out)[(((int64_t)t * p.a.n_head + head) * HEAD_DIM + col) / 4] =
		make_uint2(out_pair(rope, col, o.x / sum, o.y / sum),
			   out_pair(rope, col + 2, o.z / sum, o.w / sum));
}

#endif
