/*
 * Sums and gathers over the GPUs of one host, in one shot: each rank writes what it has
 * straight into the others' memory, as words of a value and the call's number, and takes from
 * its own memory what the others wrote.  A word is there when its number is; so there is no
 * flag beside it and no fence, and a call is one crossing.
 *
 *   sum:    x[i] = ((x of rank 0)[i] + (x of rank 1)[i]) + …, so that all hold the same bits
 *   gather: out[t, first of q + j] = (in of rank q)[t, j]
 *
 * Inboxes are used in turns, two of them: who is at call s has ended s - 1, for which it needed
 * everybody's words of s - 1, which nobody sends before it has ended s - 2.
 *
 * Mapping: a thread an element, in grid strides; all is sent before anything is waited for.
 * There are no more blocks than multiprocessors, so all of a call's run at once: what a block
 * waits for is sent by one that runs on another GPU, and needs nothing of this one.
 *
 * Floor: 8 bytes for each value and other rank over the links, and a crossing.
 */
#include "kernels/cuda/device.cuh"

#define THREADS 256
#define TRIES   1024 /* loads between two looks at the clock */

static __device__ __forceinline__ uint64_t now_ns(void)
{
	uint64_t t;

	asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));
	return t;
}

static __device__ __forceinline__ uint32_t load_host(const uint32_t *p)
{
	return *(const volatile uint32_t *)p;
}

/* One access of 64 bits: value and number come together. */
static __device__ __forceinline__ void send(uint64_t *to, float value, uint32_t turn)
{
	uint64_t word = (uint64_t)turn << 32 | __float_as_uint(value);

	asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(to), "l"(word) : "memory");
}

/* Slot i of what `from` sends to `to`. */
static __device__ __forceinline__ uint64_t *slot(const struct peer_view &v, uint32_t turn,
						 int to, int from, size_t i)
{
	return v.inbox[to] +
	       ((size_t)(turn & 1) * (size_t)v.n_ranks + (size_t)from) * PEER_VALUES + i;
}

/* False once it is over: somebody has failed, or `from` has not come in time. */
static __device__ __forceinline__ bool may_wait(const struct peer_view &v, int from,
						uint64_t since)
{
	if (load_host(v.poisoned) || load_host(v.missing))
		return false;
	if (now_ns() - since < v.patience_ns)
		return true;
	*(volatile uint32_t *)v.missing = 1 + (uint32_t)from;
	return false;
}

static __device__ __forceinline__ float receive(const struct peer_view &v, uint32_t turn,
						int from, size_t i, uint64_t since)
{
	const uint64_t *at = slot(v, turn, v.rank, from, i);

	for (unsigned n = 1;; n++) {
		uint64_t word;

		asm volatile("ld.relaxed.sys.global.u64 %0, [%1];"
			     : "=l"(word)
			     : "l"(at)
			     : "memory");
		if ((uint32_t)(word >> 32) == turn)
			return __uint_as_float((uint32_t)word);
		if (n % TRIES == 0 && !may_wait(v, from, since))
			return 0.0f;
	}
}

static __device__ __forceinline__ uint32_t begin_turn(const struct peer_view &v)
{
	return *(const volatile uint32_t *)v.turn + 1;
}

/* The last block to end moves on: by then all have read which turn it is. */
static __device__ __forceinline__ void end_turn(const struct peer_view &v, uint32_t turn)
{
	__syncthreads();
	if (threadIdx.x == 0 && atomicInc(v.done, gridDim.x - 1) == gridDim.x - 1)
		*(volatile uint32_t *)v.turn = turn;
}

static __device__ __forceinline__ void send_to_all(const struct peer_view &v, uint32_t turn,
						   size_t i, float value)
{
	for (int k = 1; k < v.n_ranks; k++) {
		int to = (v.rank + k) % v.n_ranks;

		send(slot(v, turn, to, v.rank, i), value, turn);
	}
}

static __global__ void sum_kernel(struct peer_view v, float *x, size_t n)
{
	kernel_begin();
	const uint32_t turn = begin_turn(v);
	const size_t first = (size_t)blockIdx.x * THREADS + threadIdx.x;
	const size_t stride = (size_t)gridDim.x * THREADS;
	const uint64_t since = now_ns();

	for (size_t i = first; i < n; i += stride)
		send_to_all(v, turn, i, x[i]);
	for (size_t i = first; i < n; i += stride) {
		float own = x[i], sum = v.rank ? receive(v, turn, 0, i, since) : own;

		for (int q = 1; q < v.n_ranks; q++)
			sum += q == v.rank ? own : receive(v, turn, q, i, since);
		x[i] = sum;
	}
	end_turn(v, turn);
}

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

static __global__ void gather_kernel(struct peer_view v, struct gather_piece p)
{
	kernel_begin();
	const uint32_t turn = begin_turn(v);
	const size_t first = (size_t)blockIdx.x * THREADS + threadIdx.x;
	const size_t stride = (size_t)gridDim.x * THREADS;
	const uint64_t since = now_ns();
	size_t to;

	for (size_t i = first; i < p.most; i += stride) {
		if (!place_of(p, v.rank, v.n_ranks, p.at + i, &to))
			continue;
		float value = p.in[p.at + i];

		send_to_all(v, turn, i, value);
		p.out[to] = value;
	}
	for (size_t i = first; i < p.most; i += stride)
		for (int k = 1; k < v.n_ranks; k++) {
			int q = (v.rank + k) % v.n_ranks;

			if (place_of(p, q, v.n_ranks, p.at + i, &to))
				p.out[to] = receive(v, turn, q, i, since);
		}
	end_turn(v, turn);
}

static unsigned blocks_for(const struct cuda *c, size_t n)
{
	size_t blocks = (n + THREADS - 1) / THREADS;

	return (unsigned)(blocks < (size_t)c->n_sm ? blocks : (size_t)c->n_sm);
}

extern "C" int cuda_peer_sum(struct cuda *c, const struct peer_view *v, float *x, size_t n,
			     struct err *err)
{
	if (n < 1 || n > PEER_VALUES)
		return cuda_refuse(err, "all-reduce", "%zu values, expected 1 to %d", n,
				   PEER_VALUES);
	launch_kernel(c, sum_kernel, blocks_for(c, n), THREADS, 0, *v, x, n);
	return cuda_check_launch(c, "all-reduce", err);
}

extern "C" int cuda_peer_gather(struct cuda *c, const struct peer_view *v,
				const struct gather_args *a, struct err *err)
{
	int first = part_first(a->total, v->rank, v->n_ranks);
	/* the longest part: every rank makes as many calls */
	size_t all = (size_t)a->n_row * (size_t)((a->total + v->n_ranks - 1) / v->n_ranks);
	struct gather_piece p = {
		(const float *)a->in, (float *)a->out, (size_t)a->n_row, 0, 0, a->total};
	int rc = 0;

	if (a->n_row < 1 || a->total < v->n_ranks || a->first != first ||
	    a->count != part_first(a->total, v->rank + 1, v->n_ranks) - first)
		return cuda_refuse(
			err, "gather", "%d rows of columns %d to %d of %d on rank %d of %d",
			a->n_row, a->first, a->first + a->count, a->total, v->rank, v->n_ranks);
	for (; !rc && p.at < all; p.at += PEER_VALUES) {
		p.most = all - p.at < PEER_VALUES ? all - p.at : PEER_VALUES;
		launch_kernel(c, gather_kernel, blocks_for(c, p.most), THREADS, 0, *v, p);
		rc = cuda_check_launch(c, "gather", err);
	}
	return rc;
}
