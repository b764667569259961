/*
 * How fast this machine is, and how far from what its memory allows.
 */
#ifndef ENGINE_MEASURE_BENCH_H
#define ENGINE_MEASURE_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct engine_config; /* engine/engine.h */

struct bench_request {
	/* Its model_dir is a checkpoint, or NULL with `dummy`; its ctx_tokens are how far
	 * decode is measured, 0 = to the model's. */
	const struct engine_config *config;
	const char *dummy; /* random weights of a published shape */
	int layers;        /* so many of its layers; 0 = as many as fit */
	bool draft;        /* instead of all the rest: what steps cost that draft */
};

/*
 * Appends the report, a table for people: how fast this machine's memory reads and its
 * processor multiplies, measured beside each figure that is held against them; kernels alone, a
 * decode step by phase, by rows and by context length, prefill.  Medians.  Where layers of a
 * shape were left out, what all of them would take is derived, and said to be.
 */
int bench_run(const struct bench_request *req, struct buf *out, struct err *err);

/* Of loading alone: the model is opened and closed twice. */
int bench_load_run(const struct bench_request *req, struct buf *out, struct err *err);

/*
 * The same of what is kept of conversations: going back to one of 32K, 128K and, where the
 * context is as long, 1M tokens, in memory and on disk ($TMPDIR, or /tmp), and writing it
 * there, alone and beside decoding; with a checkpoint, the price of a long draft.
 */
int bench_cache_run(const struct bench_request *req, struct buf *out, struct err *err);

#endif
