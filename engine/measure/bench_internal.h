/*
 * What the parts of bench share: the model they time, and the machine's bounds beside it.
 */
#ifndef ENGINE_MEASURE_BENCH_INTERNAL_H
#define ENGINE_MEASURE_BENCH_INTERNAL_H

#include "engine/cache/seq.h"
#include "engine/measure/bench.h"
#include "engine/pass/model_internal.h"

#define BENCH_STEPS 24 /* of decode; the median counts */
#define BENCH_ROWS  8  /* most rows of one step */

struct bench {
	struct model *m;
	struct seq *s;
	struct buf *out;
	int whole_layers; /* of the shape, where only some of them are run; else 0 */
	dbuf memory[SHARD_MAX_RANKS]; /* of each rank: read_bytes, to see how fast that goes */
	size_t read_bytes;
	double n_op[SHARD_MAX_RANKS]; /* of each rank, of the last multiply-adds */
	double read;   /* bytes a second beside the decode step, all ranks together */
	double step;   /* seconds of a decode step at context 1000 */
	double layers; /* of it, those that the layers take */
	double bytes;  /* of weights that all ranks read for it; and in all layers of the shape: */
	double whole_bytes;
	double sums;   /* all-reduces of it, and seconds that the first rank is at them */
	double summing;
	uint64_t seed;
	float *logits, *draft; /* one row each, draft behind logits */
};

/* The middle one; sorts them. */
double bench_median(double *v, int n);

/* A random id below the vocabulary's size; so many. */
token_id bench_draw_id(const struct model *m, uint64_t *seed);
void bench_draw_ids(struct bench *b, token_id *ids, int n);

/*
 * The memory of a shared machine is not equally fast at all times, so a pass of reads stands
 * beside everything that is held against it; the same of multiply-adds.  A second's bytes, a
 * second's operations, of all ranks at once.
 */
int bench_read(struct bench *b, double *rate, struct err *err);
int bench_multiply(struct bench *b, double *rate, struct err *err);

/* Until what was issued on this rank has run. */
int bench_wait(struct model *m, struct err *err);

/* Bytes that a weight takes, of what the rank has. */
double bench_weight_bytes(const struct weight *w);

/*
 * What all layers of the shape would take, if some take `t` beside `other` that is not of the
 * layers; t itself where all of them are run.
 */
double bench_whole(const struct bench *b, double t, double other);

/* Each appends its table. */
int bench_decode(struct bench *b, struct err *err);  /* by phase, by rows at once, by context */
int bench_prefill(struct bench *b, struct err *err); /* behind bench_decode() */
int bench_ranks(struct bench *b, struct err *err);   /* where there are several, likewise */

#endif
