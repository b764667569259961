/*
 * Ranks on GPUs, as the files that join them share them: comm.c makes and ends them, and says
 * what becomes of a failure; what is added up and gathered goes one of three ways (enum way).
 */
#ifndef KERNELS_CUDA_COMM_H
#define KERNELS_CUDA_COMM_H

#include "kernels/cuda/private.h"

struct nccl; /* nccl.c */

enum way {
	WAY_PEER, /* a GPU a rank: into each other's memory                      */
	WAY_MAIL, /* some have a GPU in common: through mailboxes, see mailbox.c */
	WAY_NCCL, /* a GPU a rank: sums through NCCL, gathers as WAY_PEER        */
};

/* Host memory that every GPU sees. */
struct words {
	uint32_t poisoned;
	uint32_t missing[PEER_MAX]; /* as each rank found it */
};

struct cuda_comm {
	struct comm base; /* first: a struct comm * is a struct cuda_comm * */
	struct group *group;
	struct cuda *c;
	struct comm *host; /* its end among the threads */
	struct peer_view view;
	uint32_t *counts; /* turn, done: on this GPU */
	/* In turns of two, so that who is at one call may still look at what was said at the one
	 * before; counted by the host, as calls are issued: */
	unsigned n_said;
	float *said[2];        /* WAY_PEER: where this rank's values of a call lie */
	cudaEvent_t posted[2]; /* WAY_MAIL: its mailbox has what it brings */
};

struct group {
	int n;
	enum way way;
	struct words *words;
	struct nccl *nccl; /* WAY_NCCL; NULL: lost in a failure */
	struct cuda_comm end[];
};

/* mailbox.c */
int mailbox_open(struct cuda_comm *k, struct err *err);
void mailbox_close(struct cuda_comm *k);
int mailbox_sum(struct cuda_comm *k, float *x, size_t n, struct err *err);
int mailbox_gather(struct cuda_comm *k, const struct gather_args *a, struct err *err);

/*
 * nccl.c: NCCL where it is, opened when ranks are to use it.  nccl_new() makes n ends, for
 * these devices, and tries them with `room` (on each device, zeroed, of so many bytes, left
 * zeroed); ERR_MODEL says why there is none.  Every rank's thread issues its own sums.
 * nccl_abort() ends one rank's end, what it waits for, and its use.
 */
struct nccl_place {
	int device;
	cudaStream_t stream;
	void *room;
};
int nccl_new(struct nccl **out, const struct nccl_place *place, int n, size_t bytes,
	     struct err *err);
int nccl_sum(struct nccl *l, int rank, cudaStream_t stream, float *x, size_t n,
	     struct err *err);
void nccl_abort(struct nccl *l, int rank);
int nccl_is_whole(const struct nccl *l); /* no end was aborted */
void nccl_free(struct nccl *l);          /* NULL is fine; device by device, as it was made */
void nccl_describe(struct buf *out);     /* a line for doctor */

#endif
