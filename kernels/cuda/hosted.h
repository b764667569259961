/*
 * Experts that the host's processors compute: those whose weights lie in its memory, while the
 * GPU computes the others.
 *
 * The two meet in a mail, memory of the host that both see.  The GPU puts there what it asks
 * and then `asked`, with the question's number; a thread here has the CPU's backend compute it
 * and puts there what came out and then `answered`, with the same number.  The GPU waits for
 * that number before it asks again, so there is one question at a time, and what is asked
 * stands still while it is read; but not where it has lost patience, so it is copied first.
 *
 * Plain C, which knows of no GPU.
 */
#ifndef KERNELS_CUDA_HOSTED_H
#define KERNELS_CUDA_HOSTED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "engine/base/err.h"
#include "kernels/backend.h"

/* Of one question, at most. */
#define HOSTED_ROWS    16
#define HOSTED_USED    64
#define HOSTED_COLUMNS 32768

struct hosted_mail {
	/* number << 32 | job << 8 | rows; 0 rows: none of the choices is the host's, and
	 * nothing is computed or waited for */
	uint64_t asked;
	unsigned char apart[120]; /* what the GPU writes and what the host does */
	uint32_t answered;        /* number */
	uint32_t late;            /* the number that the GPU has waited for in vain; 0: none */
	unsigned char apart_too[120];
	int32_t expert[HOSTED_ROWS * HOSTED_USED]; /* [rows, used]; -1: the GPU's own */
	float weight[HOSTED_ROWS * HOSTED_USED];
	float x[HOSTED_ROWS * HOSTED_COLUMNS]; /* [rows, d] */
	float y[HOSTED_ROWS * HOSTED_COLUMNS]; /* [rows, d]: the sums of the host's choices */
};

struct hosted;       /* the thread, and what it knows */
struct experts_args; /* kernels/ops.h */

/*
 * `cpu` is its own from then on, also after a failure; the mail is not, and is all zero.  One
 * thread calls all of these.
 */
int hosted_new(struct hosted **out, struct backend *cpu, struct hosted_mail *mail,
	       struct err *err);
void hosted_free(struct hosted *h); /* NULL is fine */

/* The number by which the mail names the experts and sizes of *a; the same ones, the same. */
int hosted_job(struct hosted *h, const struct experts_args *a, uint32_t *job, struct err *err);

/* The GPU is going to ask n times more: until then the thread sleeps. */
void hosted_due(struct hosted *h, uint32_t n);

/* What went wrong since the last call, with nothing of the GPU's being under way: the answers
 * since then are worth nothing. */
int hosted_told(struct hosted *h, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
