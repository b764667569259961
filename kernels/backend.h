/*
 * A backend: device memory, and the table of operations (kernels/ops.h) on it.
 *
 * The forward pass is written once against this table.  Everything that changes
 * from step to step (position, page table, tokens) lives in device buffers that
 * an operation reads when it runs, never in its arguments: so a backend may
 * enqueue operations and capture a step in a graph, keyed by the row count.
 *
 * One thread per backend.  Every function returns 0 or a negative code with a
 * line in *err; an operation refuses shapes that its kernel cannot do.
 */
#ifndef KERNELS_BACKEND_H
#define KERNELS_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* A device address.  Only the backend dereferences it; host code may add to it. */
typedef unsigned char *dbuf;

struct backend;

struct backend_caps {
	char name[64];    /* "cpu x86-64-v4, 2 threads"                               */
	int act_bytes;    /* size of one activation: 4 = float32, 2 = bf16            */
	int max_rows;     /* most rows of one call that this backend is made for      */
	int prefill_rows; /* rows of one prefill chunk that it likes best             */
	int host_weights; /* 1: weights are read where they are mapped, never copied  */
};

/* Fills *caps.  Never fails. */
typedef void (*backend_caps_fn)(const struct backend *be, struct backend_caps *caps);

struct ops; /* kernels/ops.h */

struct backend {
	const struct ops *ops;
	backend_caps_fn caps;
	/* Zeroed memory; `lazy` memory may be address space that is filled on first touch. */
	int (*alloc)(struct backend *be, size_t bytes, int lazy, dbuf *out, struct err *err);
	void (*free)(struct backend *be, dbuf p);
	/* Host to device and back, in order with the operations; `get` waits for them. */
	int (*put)(struct backend *be, dbuf dst, const void *src, size_t bytes, struct err *err);
	int (*get)(struct backend *be, void *dst, dbuf src, size_t bytes, struct err *err);
	int (*copy)(struct backend *be, dbuf dst, dbuf src, size_t bytes, struct err *err);
	/* Reads every byte once, as fast as it can: measures the bandwidth that bounds a step. */
	int (*read)(struct backend *be, dbuf p, size_t bytes, struct err *err);
	/* Multiply-adds in registers, as fast as it can, *n_op operations in all (two each):
	 * measures the rate that bounds a product of many rows. */
	int (*multiply)(struct backend *be, double *n_op, struct err *err);
	void (*close)(struct backend *be);
};

/*
 * The reference backend.  n_threads 0: one for each physical core this process
 * may run on.  `isa` NULL: the best this processor has; else "v2", "v3", "v4" or
 * "generic", refused where the processor lacks it (ERR_MODEL).
 */
int backend_open_cpu(struct backend **out, int n_threads, const char *isa, struct err *err);

#endif
