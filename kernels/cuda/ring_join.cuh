/*
 * The first half of the joint behind the experts in the kernel that makes their sum, what
 * `products` of mhc.cu does with y from memory: a block has the 32 columns of its task, applies
 * post to the four streams there, and gives its parts of the 24 products with fn and of the
 * squares, a warp one or two of these.
 *
 * fn is on its way before kernel_begin(), the streams and the mixtures before the first product, by
 * those who multiply; each waits for its own with the first t that it stages.
 */
#ifndef KERNELS_CUDA_RING_JOIN_CUH
#define KERNELS_CUDA_RING_JOIN_CUH

#include "kernels/cuda/ring_plan.cuh"

struct ring_joint {
	float *fn;  /* [SQUARES][RING_JOINT] */
	float *x;   /* [n_tok][RING_JOINT] */
	float *mix; /* [n_tok][MHC_RAW]: post, then comb */
};

static __device__ __forceinline__ struct ring_joint
ring_joint_at(unsigned char *shared, const struct ring_side &side, int n_tok)
{
	struct ring_joint r;

	r.fn = (float *)(void *)(shared + side.joint);
	r.x = r.fn + SQUARES * RING_JOINT;
	r.mix = r.x + n_tok * RING_JOINT;
	return r;
}

/* Whether this thread takes part in a joint, and the block has columns of it. */
static __device__ __forceinline__ bool ring_joins(const struct experts_job &j,
						  const struct ring_side &side)
{
	return j.joint.fn && (int)threadIdx.x < RING_CONSUMERS &&
	       (int)blockIdx.x < side.tasks;
}

/* Four neighbouring columns, `at` of the block's, of stream `stream` of a row of four. */
static __device__ __forceinline__ const float *ring_columns(const float *rows, int64_t row,
							    int stream, int at, int d)
{
	return rows + (row * 4 + stream) * d + (int)blockIdx.x * STRIPS * PACKED_ROWS + at;
}

/* n rows of four streams, the block's columns of them. */
static __device__ __forceinline__ void ring_fetch_rows(float *to, const float *rows, int n, int d)
{
	const int units = RING_JOINT / 4, each = units / 4;

	for (int i = (int)threadIdx.x; i < n * units; i += RING_CONSUMERS)
		copy_async(shared_address(to + 4 * i),
			   ring_columns(rows, i / units, i / each % 4, i % each * 4, d), 1);
}

/* Before kernel_begin(). */
static __device__ __forceinline__ void ring_fetch_fn(unsigned char *shared,
						     const struct experts_job &j,
						     const struct ring_side &side)
{
	if (ring_joins(j, side))
		ring_fetch_rows(ring_joint_at(shared, side, j.n_tok).fn, j.joint.fn, SQUARES,
				j.d);
}

/* Behind it. */
static __device__ __forceinline__ void ring_fetch_streams(unsigned char *shared,
							  const struct experts_job &j,
							  const struct ring_side &side)
{
	const int units = MHC_RAW / 4;
	struct ring_joint to = ring_joint_at(shared, side, j.n_tok);

	if (!ring_joins(j, side))
		return;
	ring_fetch_rows(to.x, j.joint.x, j.n_tok, j.d);
	for (int i = (int)threadIdx.x; i < j.n_tok * units; i += RING_CONSUMERS) {
		int t = i / units, k = i % units;

		copy_async(shared_address(to.mix + 4 * i),
			   k ? j.joint.comb + 16 * t + 4 * (k - 1) : j.joint.post + 4 * t, 1);
	}
}

/* Column `column` of the block's, of token t: post, as mhc_post has it. */
static __device__ __forceinline__ void ring_post(const struct experts_job &j,
						 const struct ring_joint &s, int t, int column,
						 float y)
{
	const int width = STRIPS * PACKED_ROWS;
	const float *mix = s.mix + t * MHC_RAW;
	float x[4], r[4];

	for (int k = 0; k < 4; k++) {
		x[k] = s.x[t * RING_JOINT + k * width + column];
		r[k] = mix[k] * y;
	}
	for (int k = 0; k < 4; k++) {
		for (int of = 0; of < 4; of++)
			r[k] = fmaf(mix[4 + 4 * of + k], x[of], r[k]);
		s.x[t * RING_JOINT + k * width + column] = r[k];
		j.joint.x[((int64_t)t * 4 + k) * j.d + (int)blockIdx.x * width + column] = r[k];
	}
}

/* The block's parts of a token's sums; behind a barrier, when post has been applied to all. */
static __device__ __forceinline__ void ring_joint_sums(const struct experts_job &j,
						       const struct ring_joint &s, int t)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	float4 x = ((const float4 *)(s.x + t * RING_JOINT))[lane];

	static_assert(RING_JOINT == 4 * WARP, "a lane has four of a token's values");
	for (int o = warp; o < OUT; o += RING_WARPS) {
		float4 f = o == SQUARES ? x : ((const float4 *)(s.fn + o * RING_JOINT))[lane];
		float v = warp_sum(dot4(f, x, 0.0f));

		if (lane == 0)
			j.joint.part[((int64_t)t * OUT + o) * j.joint.n_part + blockIdx.x] = v;
	}
}

#endif
