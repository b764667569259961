/*
 * Whether a model fits, before a byte of it is read: what each part needs beside
 * what this machine has, and, where that is too little, what would fit.
 *
 * Policy alone: the caller fills in the sizes, which follow from config.json.
 * On the CPU the weights are mapped files that other processes share, but they
 * count in full, because a model that does not fit in memory is read from disk
 * again for every token.  A GPU may leave routed experts in the host's memory, and read them
 * there.
 */
#ifndef ENGINE_CHECKPOINT_PLAN_H
#define ENGINE_CHECKPOINT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/checkpoint/weights.h"

/* Who computes the experts that lie in the host's memory. */
enum hosted_by {
	HOSTING_AUTO,
	HOSTING_NONE,     /* none lie there */
	HOSTING_READ,     /* the GPU, which reads them over the bus */
	HOSTING_COMPUTED, /* the host's processors, for few rows */
};

/* Bytes a second; 0: not measured. */
struct hosting_rates {
	double own; /* that the GPU reads of its own memory */
	double bus; /* … and of the host's */
	double cpu; /* of experts that the host computes */
};

struct memory_plan {
	uint64_t weights[N_WEIGHT_KINDS]; /* weights_measure() */
	uint64_t cache_fixed;             /* windows and compressor states of one sequence */
	uint64_t cache_page;              /* of PAGE_TOKENS tokens of it */
	int64_t ctx_tokens;
	bool ctx_told;      /* by somebody: it is not cut */
	uint64_t scratch;   /* activations, logits, scores, the backend's own */
	uint64_t available; /* memory_available(), or a device's */
	/* Of that, what stays free for what is not counted, like the memory of graphs, where
	 * something may give way: the context, experts. */
	uint64_t reserve;
	int n_ranks;          /* that need as much each, and have; 0 = 1 */
	int n_ranks_that_fit; /* so many would, where n_ranks do not; 0: not known */
	/* Of each layer's n_experts routed experts so many lie in the host's memory, the last
	 * ones; n_experts is 0 where that cannot be. */
	int n_hosted, n_experts;
	int n_told;              /* of n_experts, so many are not by somebody's wish; 0:
				    nobody has one */
	uint64_t expert;         /* bytes of one of them, over all layers */
	uint64_t host_available; /* to a rank: its part of the host's memory */
	int n_used;              /* experts of a layer that a token takes */
	uint64_t staged;         /* on the GPU, for each hosted one of a layer */
	enum hosted_by hosting;  /* of the hosted ones, where there are any */
	int chunk_rows;          /* of a prompt, read at a time; 0: not known */
	struct hosting_rates rates;
};

uint64_t plan_weights(const struct memory_plan *p); /* wherever they lie */
uint64_t plan_hosted(const struct memory_plan *p);  /* of these, what lies on the host */
uint64_t plan_cache(const struct memory_plan *p);   /* at ctx_tokens */
uint64_t plan_total(const struct memory_plan *p);

/* The longest context that fits, a multiple of the page, at most ctx_tokens; 0: none does. */
int64_t plan_ctx_that_fits(const struct memory_plan *p);

/*
 * Sets n_hosted: all but n_told of a layer's experts, or, with 0, as few as must, so that the
 * rest fits, the whole context included; as many as the host has room for, at most.  One at
 * least is not.
 */
void plan_host_experts(struct memory_plan *p);

/* ERR_MODEL says what is needed, what there is, and what would fit. */
int plan_check(const struct memory_plan *p, struct err *err);

/* The words of that, behind what is needed: ways to make it fit, as far as they are known. */
void plan_add_ways(const struct memory_plan *p, struct buf *out);

/* Who is faster where nobody wants something else; and in words. */
enum hosted_by plan_hosting(enum hosted_by want, const struct hosting_rates *r);
const char *plan_hosting_text(enum hosted_by hosting);

/*
 * Who computes the hosted ones, by what is wanted and by the rates: sets hosting, and, for the
 * host (which needs `staged` bytes on the GPU for each), staged and n_hosted anew.  The host
 * does not, unless it is wanted, where that leaves no room for the context that was told, or
 * for a quarter of what there would be else.
 */
void plan_choose_hosting(struct memory_plan *p, enum hosted_by want, uint64_t staged);

/*
 * Seconds that a decode step takes at the least, each expert being chosen as often as another:
 * bytes over the rates alone.  0: no rates.
 */
double plan_step_s(const struct memory_plan *p);

/*
 * The same of chunk_rows of a prompt, for which the hosted experts cross the bus once, nearly
 * all of them being chosen.  0: there are none, or no rates.
 */
double plan_chunk_s(const struct memory_plan *p);
void plan_add_hosting(const struct memory_plan *p, struct buf *out); /* lines of the table */

/* The plan as a table, a line for each part that is not 0 and one for the sum. */
void plan_add_table(const struct memory_plan *p, struct buf *out);

/* "584 B", "3.5 KB", "160.0 GB": three digits at least, decimal units; returns `text`. */
const char *bytes_text(char text[32], uint64_t bytes);

#endif
