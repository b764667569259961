/*
 * What a kernel does that is one rank's part of a sum or a gather (peer.cu), written for any
 * set of blocks, so that a test can play all ranks in one launch.
 */
#ifndef KERNELS_CUDA_PEER_CUH
#define KERNELS_CUDA_PEER_CUH

#include "kernels/cuda/device.cuh"

#define PEER_TRIES 1024 /* loads between two looks at the clock */

/* Which of how many blocks this one is among its rank's. */
struct peer_block {
	unsigned i, n;
};

static __device__ __forceinline__ uint32_t peer_load_host(const uint32_t *p)
{
	return *(const volatile uint32_t *)p;
}

/* False once it is over: somebody has failed, or `from` has not come in time. */
static __device__ __forceinline__ bool peer_may_wait(const struct peer_view &v, int from,
						     uint64_t since)
{
	if (peer_load_host(v.poisoned) || peer_load_host(v.missing))
		return false;
	if (now_ns() - since < v.patience_ns)
		return true;
	*(volatile uint32_t *)v.missing = 1 + (uint32_t)from;
	return false;
}

/* ------------------------------------------------------------------------- turns */

static __device__ __forceinline__ uint32_t peer_begin_turn(const struct peer_view &v)
{
	return *(const volatile uint32_t *)v.turn + 1;
}

/* The last block to end moves on: by then all have read which turn it is. */
static __device__ __forceinline__ void peer_end_turn(const struct peer_view &v, uint32_t turn,
						     unsigned n_blocks)
{
	__syncthreads();
	if (threadIdx.x == 0 && atomicInc(v.done, n_blocks - 1) == n_blocks - 1)
		*(volatile uint32_t *)v.turn = turn;
}

/* ---------------------------------------------------------- words of value and number */

/* One access of 64 bits: value and number come together. */
static __device__ __forceinline__ void peer_send(uint64_t *to, float value, uint32_t turn)
{
	uint64_t word = (uint64_t)turn << 32 | __float_as_uint(value);

	asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(to), "l"(word) : "memory");
}

/* Slot i of what `from` sends to `to`. */
static __device__ __forceinline__ uint64_t *peer_slot(const struct peer_view &v, uint32_t turn,
						      int to, int from, size_t i)
{
	return v.inbox[to] +
	       ((size_t)(turn & 1) * (size_t)v.n_ranks + (size_t)from) * PEER_VALUES + i;
}

static __device__ __forceinline__ float peer_receive(const struct peer_view &v, uint32_t turn,
						     int from, size_t i, uint64_t since)
{
	const uint64_t *at = peer_slot(v, turn, v.rank, from, i);

	for (unsigned n = 1;; n++) {
		uint64_t word;

		asm volatile("ld.relaxed.sys.global.u64 %0, [%1];"
			     : "=l"(word)
			     : "l"(at)
			     : "memory");
		if ((uint32_t)(word >> 32) == turn)
			return __uint_as_float((uint32_t)word);
		if (n % PEER_TRIES == 0 && !peer_may_wait(v, from, since))
			return 0.0f;
	}
}

static __device__ __forceinline__ void peer_send_to_all(const struct peer_view &v,
							uint32_t turn, size_t i, float value)
{
	for (int k = 1; k < v.n_ranks; k++) {
		int to = (v.rank + k) % v.n_ranks;

		peer_send(peer_slot(v, turn, to, v.rank, i), value, turn);
	}
}

/* The block's part of x = the sum over the ranks, n values, at most PEER_VALUES. */
static __device__ __forceinline__ void peer_sum(const struct peer_view &v,
						struct peer_block b, uint32_t turn, float *x,
						size_t n)
{
	const size_t first = (size_t)b.i * blockDim.x + threadIdx.x;
	const size_t stride = (size_t)b.n * blockDim.x;
	const uint64_t since = now_ns();

	for (size_t i = first; i < n; i += stride)
		peer_send_to_all(v, turn, i, x[i]);
	for (size_t i = first; i < n; i += stride) {
		float own = x[i], sum = v.rank ? peer_receive(v, turn, 0, i, since) : own;

		for (int q = 1; q < v.n_ranks; q++)
			sum += q == v.rank ? own : peer_receive(v, turn, q, i, since);
		x[i] = sum;
	}
}

/* ------------------------------------------------------------------ whole values, in place */

enum peer_flag { PEER_READY, PEER_WRITTEN };

/* What block i of `from` tells that of `to`. */
static __device__ __forceinline__ uint32_t *peer_flag(const struct peer_view &v,
						      enum peer_flag which, int to, int from,
						      unsigned i)
{
	return v.flags[to] + ((size_t)which * PEER_MAX + (size_t)from) * PEER_BLOCKS + i;
}

/* What the block has written anywhere is there when another one has seen this. */
static __device__ __forceinline__ void peer_tell(const struct peer_view &v, unsigned i,
						 enum peer_flag which, uint32_t turn)
{
	int to = (int)threadIdx.x;

	__syncthreads();
	if (to >= v.n_ranks || to == v.rank)
		return;
	__threadfence_system();
	asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(
			     peer_flag(v, which, to, v.rank, i)),
		     "r"(turn)
		     : "memory");
}

/* To all threads: has every other rank's block told?  Else it is over. */
static __device__ __forceinline__ bool peer_told(const struct peer_view &v, unsigned i,
						 enum peer_flag which, uint32_t turn,
						 uint64_t since)
{
	int from = (int)threadIdx.x;
	bool told = true;

	if (from < v.n_ranks && from != v.rank) {
		const uint32_t *at = peer_flag(v, which, v.rank, from, i);

		for (unsigned n = 1;; n++) {
			uint32_t at_turn;

			asm volatile("ld.acquire.sys.global.u32 %0, [%1];"
				     : "=r"(at_turn)
				     : "l"(at)
				     : "memory");
			if (at_turn == turn)
				break;
			if (n % PEER_TRIES == 0 && !peer_may_wait(v, from, since)) {
				told = false;
				break;
			}
		}
	}
	return __syncthreads_and(told);
}

#define PEER_AT_ONCE 4 /* loads of a thread on their way from each rank */

/* Four values at each of PEER_AT_ONCE places from i on, of those below `end`. */
static __device__ __forceinline__ void peer_sum_places(const struct peer_view &v,
						       const struct peer_rows &rows, size_t i,
						       size_t stride, size_t end)
{
	const float4 *x = (const float4 *)rows.x[0];
	float4 sum[PEER_AT_ONCE] = {}, other[PEER_AT_ONCE];

#pragma unroll
	for (int u = 0; u < PEER_AT_ONCE; u++)
		if (i + u * stride < end)
			sum[u] = __ldcg(x + i + u * stride);
	for (int q = 1; q < v.n_ranks; q++) {
		x = (const float4 *)rows.x[q];
#pragma unroll
		for (int u = 0; u < PEER_AT_ONCE; u++)
			other[u] = i + u * stride < end ? __ldcg(x + i + u * stride) : sum[u];
#pragma unroll
		for (int u = 0; u < PEER_AT_ONCE; u++)
			sum[u] = make_float4(sum[u].x + other[u].x, sum[u].y + other[u].y,
					     sum[u].z + other[u].z, sum[u].w + other[u].w);
	}
	for (int k = 0; k < v.n_ranks; k++) {
		float4 *to = (float4 *)rows.x[(v.rank + k) % v.n_ranks];

#pragma unroll
		for (int u = 0; u < PEER_AT_ONCE; u++)
			if (i + u * stride < end)
				__stcg(to + i + u * stride, sum[u]);
	}
}

/*
 * The block's part of the same sum of many values, n a multiple of 4: a rank has a slice of
 * them, reads it where each rank has it, and writes the sums there.
 */
static __device__ __forceinline__ void peer_sum_slices(const struct peer_view &v,
						       struct peer_block b, uint32_t turn,
						       const struct peer_rows &rows, size_t n)
{
	const size_t ranks = (size_t)v.n_ranks, rank = (size_t)v.rank;
	const size_t end = n / 4 * (rank + 1) / ranks, stride = (size_t)b.n * blockDim.x;
	const uint64_t since = now_ns();

	peer_tell(v, b.i, PEER_READY, turn);
	if (!peer_told(v, b.i, PEER_READY, turn, since))
		return;
	for (size_t i = n / 4 * rank / ranks + (size_t)b.i * blockDim.x + threadIdx.x; i < end;
	     i += PEER_AT_ONCE * stride)
		peer_sum_places(v, rows, i, stride, end);
	peer_tell(v, b.i, PEER_WRITTEN, turn);
	(void)peer_told(v, b.i, PEER_WRITTEN, turn, since);
}

/* ------------------------------------------------------------------------- parts of rows */

/* Columns of a rank's part, as struct shard has them. */
static __host__ __device__ __forceinline__ int part_first(int total, int rank, int n_ranks)
{
	return (int)((int64_t)total * rank / n_ranks);
}

/* Of each rank's n_row · count values those from `at` on, at most so many. */
struct gather_piece {
	const float *in;
	float *out;
	size_t n_row, at, most;
	int total;
};

/* Where value i of rank q's part belongs; false: it has no such value. */
static __device__ __forceinline__ bool place_of(const struct gather_piece &p, int q,
						int n_ranks, size_t i, size_t *to)
{
	int first = part_first(p.total, q, n_ranks);
	size_t count = (size_t)(part_first(p.total, q + 1, n_ranks) - first);

	*to = i / count * (size_t)p.total + (size_t)first + i % count;
	return i < p.n_row * count;
}

/* 0, or what is wrong with the parts. */
static inline int check_gather(const struct gather_args *a, int rank, int n_ranks,
			       struct err *err)
{
	int first = part_first(a->total, rank, n_ranks);

	if (a->n_row >= 1 && a->total >= n_ranks && a->first == first &&
	    a->count == part_first(a->total, rank + 1, n_ranks) - first)
		return 0;
	return cuda_refuse(err, "gather", "%d rows of columns %d to %d of %d on rank %d of %d",
			   a->n_row, a->first, a->first + a->count, a->total, rank, n_ranks);
}

#endif
