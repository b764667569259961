/*
 * Ranks talking to each other: each runs the same calls in the same order, and every one of
 * these waits for all.
 *
 * A backend makes them (struct backend, comm_new): an end for each rank.  all_reduce and gather
 * are operations on device memory, in order with the backend's own, and may stand inside a run;
 * broadcast, barrier and settle are the host's, outside of one.  Float32 throughout.
 *
 * A rank that fails says so (poison).  From then on every call of every rank, also one that
 * waits, returns that failure, until mend(): so that none ever waits for a rank that will not
 * come. Nor does one wait for ever where a rank hangs: then the error names the operation and
 * the rank.
 *
 * An end belongs to its rank's thread, but for what says otherwise.
 */
#ifndef KERNELS_COMM_COMM_H
#define KERNELS_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/backend.h"

#define COMM_MAX_RANKS 64

/* out[t, :] = the ranks' parts of row t, one behind the other */
struct gather_args {
	int n_row;
	int first, count, total; /* this rank's columns, of so many */
	dbuf in;                 /* f32 [n_row, count] */
	dbuf out;                /* f32 [n_row, total] */
};

struct comm {
	const struct comm_ops *ops;
	int rank, n_ranks;
};

struct comm_ops {
	/* x = ((x of rank 0 + x of rank 1) + x of rank 2) + …, n float32 on every rank: the
	 * same bits on all. */
	int (*all_reduce)(struct comm *c, dbuf x, size_t n, struct err *err);
	int (*gather)(struct comm *c, const struct gather_args *a, struct err *err);
	/* Until what this rank issued has run: did every rank come to each of it?  What came of
	 * it is worth nothing if not. */
	int (*settle)(struct comm *c, struct err *err);
	/* Host memory: what rank 0 has there. */
	int (*broadcast)(struct comm *c, void *p, size_t bytes, struct err *err);
	/* Waits as long as it takes: ranks load at different speeds. */
	int (*barrier)(struct comm *c, struct err *err);

	/* Any thread.  The first failure since mend() is the one that is told. */
	void (*poison)(struct comm *c, const struct err *why);
	bool (*poisoned)(const struct comm *c);
	/* Of any one end, while no rank is in a call: */
	void (*mend)(struct comm *c);
	void (*free_all)(struct comm *c); /* every rank's end */
};

/* How long a rank waits for the others in all_reduce, gather and broadcast. */
#define COMM_PATIENCE_MS 120000

/*
 * n ranks that are threads of one process and whose device memory is the host's: out[i] is rank
 * i's end.  ERR_NOMEM at worst.
 */
int loopback_new(struct comm **out, int n, int patience_ms, struct err *err);

#endif
