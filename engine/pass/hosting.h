/*
 * Experts that lie in the host's memory: how often each expert is chosen is counted, and those
 * that are chosen most change places with those that are chosen least of the GPU's own.
 *
 * Which expert lies where changes no result, but for rounding where the host computes those that
 * lie there (hosting_choice.h).  Nothing here does anything where all experts lie
 * at hand (model_n_hosted() is 0).  Engine thread only, between calls of the model.
 */
#ifndef ENGINE_PASS_HOSTING_H
#define ENGINE_PASS_HOSTING_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/checkpoint/plan.h"
#include "kernels/backend.h"

struct layer_weights;
struct model;

struct hosting {
	enum hosted_by by; /* who computes hosted ones; HOSTING_AUTO: there are none */
	struct hosting_rates rates; /* as they were measured for that */
	dbuf uses; /* i32 [layers, experts]: choices since they were last taken; NULL: none are
		      counted */
	int32_t *taken; /* host memory, like uses */
	float *often;   /* [layers, experts]: choices, older ones counting less */
	bool *hosted;   /* [layers, experts] */
};

int hosting_new(struct model *m, struct err *err);
void hosting_release(struct model *m);

/* Where a layer's choices are counted; NULL: nowhere, as those of a draft layer. */
dbuf hosting_uses(const struct model *m, const struct layer_weights *w);

/* Choices of experts since the last call, and how many of them were of hosted ones. */
struct hosting_count {
	int64_t chosen, hosted;
};
int hosting_take(struct model *m, struct hosting_count *count, struct err *err);

/* Lets some experts change places, a few milliseconds' worth, by what hosting_take() has seen.
 */
int hosting_settle(struct model *m, struct err *err);

#endif
