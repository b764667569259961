/*
 * A tiny model's logits, beside those that the model's own reference code made of it.  Trouble
 * fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/cache/seq.h"
#include "engine/checkpoint/safetensors.h"

#define GOLDEN "tests/golden/pro-micro"

struct golden {
	struct safetensors *st; /* the caller's to close */
	const token_id *ids, *long_ids;
	int n, n_long;
};

struct golden golden_open(const char *dir);

struct setup {
	const char *dir, *isa;
	int n_threads, chunk, n_ranks; /* 0: the engine's choice */
};

struct model *golden_model(struct setup s); /* on the CPU, 4096 tokens of context */

/* logits [n, vocab], draft [n - 1, vocab]: of a prefill, then single steps. */
struct golden_rows {
	size_t vocab, bytes;
	float *logits, *draft;
};

/* n rows of each, at the sequence's end. */
void golden_forward(struct seq *s, const token_id *ids, int n, float *logits, float *draft);
struct golden_rows golden_rows_of(struct setup s, const token_id *ids, int n, int prefill);
void golden_rows_free(struct golden_rows *r);
/* `what` and k say which case it is. */
void golden_same_bits(const struct golden_rows *a, const struct golden_rows *b,
		      const char *what, int k);

/* Median and 95 % quantile of the rows' relative error are at most so; rows ours[first …] stand
 * beside the tensor's. */
void golden_compare(const struct golden *g, const char *name, const float *ours, int first,
		    double median, double most);

#endif
