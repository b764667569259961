/*
 * The CUDA backend's own state: what its host side (.c) and the launchers of its kernels
 * (.cu) share.
 *
 * Everything is issued to one stream, in order; an operation allocates nothing, copies nothing
 * to the host and waits for nothing, so that runs of operations can be recorded.  A kernel file
 * is compiled once for each target (kernels/cuda/launch.h), so its kernels and device functions
 * are static.  Code for the GPU is compiled without contraction (-fmad=false): where a
 * multiply-add is meant, the source says fmaf.
 */
#ifndef KERNELS_CUDA_CUDA_H
#define KERNELS_CUDA_CUDA_H

#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

#ifdef __cplusplus
/* What C17 has and CUDA C++ has not. */
#define _Noreturn __attribute__((noreturn))
extern "C" {
#endif

#include "kernels/backend.h"
#include "kernels/ops.h"

/* Up to so many rows a row's bits do not depend on how many there are: the path of decoding. */
#define CUDA_DECODE_ROWS 16
/* Rows of one call, at most. */
#define CUDA_MAX_ROWS 8192

/* Counters of blocks that arrive somewhere: the last goes on with the work, or all do then. */
#define CUDA_COUNTERS 65536

/* Phases that marks may name. */
#define CUDA_PHASES 64

/* How the products of the experts are computed (--moe-backend). */
enum cuda_moe { CUDA_MOE_AUTO, CUDA_MOE_FUSED, CUDA_MOE_GROUPED, CUDA_MOE_REFERENCE };

/* How ranks add up (--comm). */
enum cuda_comm_way { CUDA_COMM_AUTO, CUDA_COMM_PEER, CUDA_COMM_NCCL };

/* Where an expert's weights lie, in device memory: place_experts() makes an array of these. */
struct cuda_expert {
	const unsigned char *w1, *s1; /* gate [inner, d] and its scales */
	const unsigned char *w2, *s2; /* down [d, inner]                */
	const unsigned char *w3, *s3; /* up [inner, d]                  */
};

static inline struct cuda_expert cuda_expert_of(const struct expert_weights *e)
{
	struct cuda_expert row = {e->w1.w,     e->w1.scale, e->w2.w,
				  e->w2.scale, e->w3.w,     e->w3.scale};

	return row;
}

struct cuda_target; /* kernels/cuda/launch.h */
struct cuda_blaslt; /* kernels/cuda/blaslt.c */
struct recording;   /* kernels/cuda/graph.c  */
struct place;       /* kernels/cuda/place.c  */
struct allocation;  /* kernels/cuda/memory.c */
struct cuda_comm;   /* kernels/cuda/comm.c   */
struct hosted;      /* kernels/cuda/hosted.h */
struct hosted_mail; /* kernels/cuda/hosted.h */

/* What the GPU has asked the host last; on the GPU. */
struct hosted_state {
	uint32_t number, rows;
};

/* Where the host computes the experts that lie there: both ends of that. */
struct hosted_ends {
	struct hosted *host; /* NULL: it computes none */
	struct hosted_mail *mail;
	struct hosted_state *state;
	int records;           /* what is issued is recorded, and runs later */
	uint32_t asks;         /* of that recording */
	unsigned char *staged; /* where their weights are brought to for many rows; NULL: none */
	size_t staged_bytes;
};

/* Buffers that are there, and pinned host memory on their way in and out. */
struct memory {
	struct allocation *list;
	size_t n, cap;
	unsigned char *staging;
	int half;            /* of two, whose turn it is that puts pass through it */
	size_t put_at;       /* before it, they may still be on their way */
	cudaEvent_t left[2]; /* all that passed through that half have */
};

#define SCRATCH_OLD 32
struct scratch {
	void *p;
	size_t bytes;
	size_t planned; /* scratch_bytes() said so */
	void *old[SCRATCH_OLD]; /* areas that recordings may still name */
	int n_old;
};

struct cuda {
	struct backend base; /* first: a struct backend * is a struct cuda * */
	const struct cuda_target *target;
	int device;
	int sm;           /* capability: 90 is 9.0 */
	int n_sm;         /* multiprocessors */
	int block_shared; /* bytes of shared memory that one block may ask for */
	int max_rows, prefill_rows;
	int has_company;  /* another rank uses the same GPU: blocks may not wait for each other */
	int begins_early; /* kernels may begin before the last one has ended: device.cuh */
	int behind_other; /* what was issued last is no kernel */
	enum cuda_moe moe;
	enum cuda_comm_way comm_way;
	uint64_t most_memory; /* as if this GPU had no more in all; 0: what it has */
	int n_here; /* ranks that have this GPU together, this one included */
	cudaStream_t stream;
	uint32_t *counters; /* [CUDA_COUNTERS], 0 between operations: who counts puts it back */
	struct cuda_blaslt *lt; /* ask cuda_blaslt_here() first */
	int lt_asked;
	struct memory memory;
	struct scratch scratch;       /* cuda_scratch() */
	struct recording *recordings; /* a list */
	struct recording *recording;  /* the one that is being made; else NULL */
	struct recording *unread;     /* ran with marks whose times nobody has read yet */
	int timing;                   /* marks are wanted */
	double phase[CUDA_PHASES];    /* seconds since they were last asked for */
	struct place *place;
	struct cuda_comm *comm;       /* this rank's end; NULL: it is alone */
	struct hosted_ends hosted;
	char name[64];
};

static inline struct cuda *cuda_of(struct backend *be)
{
	return (struct cuda *)be;
}

/* ------------------------------------------------------------------- errors */

/* "cuda: WHAT: the error's text" with ERR_MODEL (ERR_NOMEM for memory).  Returns the code; 0
 * where rc is success.  An error that the device does not survive is said to be one. */
int cuda_fail(cudaError_t rc, const char *what, struct err *err);

/* After a launch: 0, or what went wrong with it, naming the operation. */
int cuda_check_launch(struct cuda *c, const char *op, struct err *err);

/* "cuda OP: …", ERR_MODEL: shapes that this kernel cannot do. */
int cuda_refuse(struct err *err, const char *op, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ------------------------------------------------------------------ scratch */

/*
 * Memory for the operation at hand, aligned to 256 bytes, contents undefined; the next
 * operation gets the same.  As large as was planned, else it grows to the largest use (recordings
 * keep what they name).
 */
int cuda_scratch(struct cuda *c, size_t bytes, const char *op, void **out, struct err *err);

/* Takes `bytes` from a run of scratch, for layouts of several parts: *at grows by what it
 * takes. */
static inline size_t cuda_part(size_t *at, size_t bytes)
{
	size_t here = *at;

	*at += (bytes + 255) / 256 * 256;
	return here;
}

#ifdef __cplusplus
}
#endif

#endif
