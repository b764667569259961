/*
 * Whether a model fits, before a byte of it is read: what each part needs beside
 * what this machine has, and, where that is too little, what would fit.
 *
 * Policy alone: the caller fills in the sizes, which follow from config.json.
 * On the CPU the weights are mapped files that other processes share, but they
 * count in full, because a model that does not fit in memory is read from disk
 * again for every token.
 */
#ifndef ENGINE_CHECKPOINT_PLAN_H
#define ENGINE_CHECKPOINT_PLAN_H

#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/checkpoint/weights.h"

struct memory_plan {
	uint64_t weights[N_WEIGHT_KINDS]; /* weights_measure() */
	uint64_t cache_fixed;             /* windows and compressor states of one sequence */
	uint64_t cache_page;              /* of PAGE_TOKENS tokens of it */
	int64_t ctx_tokens;
	uint64_t scratch;                 /* activations, logits, scores, the backend's own */
	uint64_t available;               /* memory_available(), or a device's */
	int n_ranks;                      /* that need as much each, and have; 0 = 1 */
};

uint64_t plan_weights(const struct memory_plan *p);
uint64_t plan_cache(const struct memory_plan *p); /* at ctx_tokens */
uint64_t plan_total(const struct memory_plan *p);

/* The longest context that fits, a multiple of the page, at most ctx_tokens; 0: none does. */
int64_t plan_ctx_that_fits(const struct memory_plan *p);

/* ERR_MODEL says what is needed, what there is, and what would fit. */
int plan_check(const struct memory_plan *p, struct err *err);

/* The plan as a table, a line for each part that is not 0 and one for the sum. */
void plan_add_table(const struct memory_plan *p, struct buf *out);

/* "584 B", "3.5 KB", "160.0 GB": three digits at least, decimal units; returns `text`. */
const char *bytes_text(char text[32], uint64_t bytes);

#endif
