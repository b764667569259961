/*
 * Sums and gathers over the GPUs of one host.
 *
 * In one shot: each rank writes what it has straight into the others' memory, as words of a
 * value and the call's number, and takes from its own memory what the others wrote.  A word is
 * there when its number is; so there is no flag beside it and no fence, and a call is one
 * crossing.
 *
 *   sum:    x[i] = ((x of rank 0)[i] + (x of rank 1)[i]) + …, so that all hold the same bits
 *   gather: out[t, first of q + j] = (in of rank q)[t, j]
 *
 * Inboxes are used in turns, two of them: who is at call s has ended s - 1, for which it needed
 * everybody's words of s - 1, which nobody sends before it has ended s - 2.
 *
 * Of many values in slices: a rank reads its slice of everybody's x and writes the sums to all,
 * which are the same bits; that is two crossings, and an N-th of the bytes.  A block tells the
 * others' blocks of its number that its rank has come, and that it has written; a rank has
 * ended when its blocks have heard the latter from all, so that no part of its x is still on
 * its way.
 *
 * Mapping: a thread an element (four, in slices), in grid strides; all is sent before anything
 * is waited for. There are no more blocks than multiprocessors, so all of a call's run at once:
 * what a block waits for is sent by one that runs on another GPU, and needs nothing of this
 * one.
 *
 * Floor: 8 bytes for each value and other rank over the links, and a crossing; in slices
 * 8 (N - 1) / N bytes a value and two.
 */
#include "kernels/cuda/peer.cuh"

#define THREADS 256
#define SLICES  512

static __global__ void sum_kernel(struct peer_view v, float *x, size_t n)
{
	kernel_begin();
	const uint32_t turn = peer_begin_turn(v);

	peer_sum(v, {blockIdx.x, gridDim.x}, turn, x, n);
	peer_end_turn(v, turn, gridDim.x);
}

static __global__ void __launch_bounds__(SLICES)
	slices_kernel(struct peer_view v, const __grid_constant__ struct peer_rows rows, size_t n)
{
	kernel_begin();
	const uint32_t turn = peer_begin_turn(v);

	peer_sum_slices(v, {blockIdx.x, gridDim.x}, turn, rows, n);
	peer_end_turn(v, turn, gridDim.x);
}

static __global__ void gather_kernel(struct peer_view v, struct gather_piece p)
{
	kernel_begin();
	const uint32_t turn = peer_begin_turn(v);
	const size_t first = (size_t)blockIdx.x * THREADS + threadIdx.x;
	const size_t stride = (size_t)gridDim.x * THREADS;
	const uint64_t since = now_ns();
	size_t to;

	for (size_t i = first; i < p.most; i += stride) {
		if (!place_of(p, v.rank, v.n_ranks, p.at + i, &to))
			continue;
		float value = p.in[p.at + i];

		peer_send_to_all(v, turn, i, value);
		p.out[to] = value;
	}
	for (size_t i = first; i < p.most; i += stride)
		for (int k = 1; k < v.n_ranks; k++) {
			int q = (v.rank + k) % v.n_ranks;

			if (place_of(p, q, v.n_ranks, p.at + i, &to))
				p.out[to] = peer_receive(v, turn, q, i, since);
		}
	peer_end_turn(v, turn, gridDim.x);
}

static unsigned blocks_for(const struct peer_view *v, size_t n, size_t each)
{
	size_t blocks = (n + each - 1) / each;

	return (unsigned)(blocks < (size_t)v->n_blocks ? blocks : (size_t)v->n_blocks);
}

extern "C" int cuda_peer_sum(struct cuda *c, const struct peer_view *v, float *x, size_t n,
			     struct err *err)
{
	if (n < 1 || n > PEER_VALUES)
		return cuda_refuse(err, "all-reduce", "%zu values, expected 1 to %d", n,
				   PEER_VALUES);
	launch_kernel(c, sum_kernel, blocks_for(v, n, THREADS), THREADS, 0, *v, x, n);
	return cuda_check_launch(c, "all-reduce", err);
}

extern "C" int cuda_peer_sum_slices(struct cuda *c, const struct peer_view *v,
				    const struct peer_rows *rows, size_t n, struct err *err)
{
	size_t each = (size_t)4 * SLICES * PEER_AT_ONCE * (size_t)v->n_ranks;

	if (n < 4 || n % 4)
		return cuda_refuse(err, "all-reduce", "%zu values, expected a multiple of 4", n);
	launch_kernel(c, slices_kernel, blocks_for(v, n, each), SLICES, 0, *v, *rows, n);
	return cuda_check_launch(c, "all-reduce", err);
}

extern "C" int cuda_peer_gather(struct cuda *c, const struct peer_view *v,
				const struct gather_args *a, struct err *err)
{
	size_t all = longest_part(a, v->n_ranks);
	struct gather_piece p = {
		(const float *)a->in, (float *)a->out, (size_t)a->n_row, 0, 0, a->total};
	int rc = check_gather(a, v->rank, v->n_ranks, err);

	for (; !rc && p.at < all; p.at += PEER_VALUES) {
		p.most = all - p.at < PEER_VALUES ? all - p.at : PEER_VALUES;
		launch_kernel(c, gather_kernel, blocks_for(v, p.most, THREADS), THREADS, 0, *v,
			      p);
		rc = cuda_check_launch(c, "gather", err);
	}
	return rc;
}
