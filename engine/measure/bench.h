/*
 * How fast this machine is, and how far from what its memory allows.
 */
#ifndef ENGINE_MEASURE_BENCH_H
#define ENGINE_MEASURE_BENCH_H

#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct bench_request {
	const char *model_dir; /* a checkpoint, or NULL with: */
	const char *dummy;     /* random weights of a published shape */
	int layers;            /* so many of them; 0 = all */
	int n_threads;
	int64_t max_ctx;       /* decode is measured up to this context; 0 = the model's */
};

/*
 * Appends the report, a table for people: how fast this machine's memory reads and its
 * processor multiplies, measured beside each figure that is held against them; kernels alone, a
 * decode step by phase, decode by context length, prefill.  Medians.
 */
int bench_run(const struct bench_request *req, struct buf *out, struct err *err);

#endif
