/*
 * Sums and gathers of what lies in the ranks' mailboxes (mailbox.c), all of it before these
 * begin.
 *
 *   sum:    x[i] = (box 0)[i] + (box 1)[i] + …, in this order
 *   gather: out[t, first of q + j] = (box q)[t, j]
 *
 * Mapping: a thread an element, in grid strides.  Floor: 4 bytes a value and rank; ranks that
 * share a GPU gain nothing anyway.
 */
#include "kernels/cuda/peer.cuh"

#define THREADS 256

static __global__ void mail_sum_kernel(struct mail_view v, float *x, size_t n)
{
	kernel_begin();
	for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n;
	     i += (size_t)gridDim.x * THREADS) {
		float sum = v.box[0][i];

		for (int q = 1; q < v.n_ranks; q++)
			sum += v.box[q][i];
		x[i] = sum;
	}
}

static __global__ void mail_gather_kernel(struct mail_view v, struct gather_piece p)
{
	kernel_begin();
	for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < p.most;
	     i += (size_t)gridDim.x * THREADS)
		for (int q = 0; q < v.n_ranks; q++) {
			size_t to;

			if (place_of(p, q, v.n_ranks, p.at + i, &to))
				p.out[to] = v.box[q][i];
		}
}

static unsigned blocks_for(const struct cuda *c, size_t n)
{
	size_t blocks = (n + THREADS - 1) / THREADS, most = (size_t)c->n_sm * 4;

	return (unsigned)(blocks < most ? blocks : most);
}

extern "C" int cuda_mail_sum(struct cuda *c, const struct mail_view *v, float *x, size_t n,
			     struct err *err)
{
	launch_kernel(c, mail_sum_kernel, blocks_for(c, n), THREADS, 0, *v, x, n);
	return cuda_check_launch(c, "all-reduce", err);
}

extern "C" int cuda_mail_gather(struct cuda *c, const struct mail_view *v,
				const struct gather_args *a, size_t at, size_t n,
				struct err *err)
{
	const struct gather_piece p = {
		NULL, (float *)a->out, (size_t)a->n_row, at, n, a->total};
	int rc = check_gather(a, v->rank, v->n_ranks, err);

	if (rc)
		return rc;
	launch_kernel(c, mail_gather_kernel, blocks_for(c, n), THREADS, 0, *v, p);
	return cuda_check_launch(c, "gather", err);
}
