/*
 * The seam between a cycle of drafting (cycle.c) and the draft head of a checkpoint: one table
 * for each kind of head.  model.head is the loaded model's, NULL where it has none.
 *
 * All of these issue operations alone, inside a run, and depend on nothing but their arguments:
 * what changes from step to step lies in device memory (work.inputs).
 * Internal to engine/pass.
 */
#ifndef ENGINE_PASS_DRAFT_H
#define ENGINE_PASS_DRAFT_H

#include <stdbool.h>

#include "engine/base/err.h"

struct model;
struct run_shape;

struct draft_head {
	int most; /* tokens that it drafts at once, at most DRAFT_MAX; and see model_draft_most() */
	/* It writes work.accepted's confidence, before the sigmoid: a block is cut by it. */
	bool is_sure;
	/*
	 * Behind the main rows of a call (n of them in work.x, from row 1 on): keeps what it needs
	 * of their positions for drafts to come, as far as it is known; and its logits where
	 * the shape wants them.
	 */
	int (*follow)(struct model *m, const struct run_shape *s, struct err *err);
	/*
	 * Drafts n tokens, 1 … most, behind what the sequence holds and the next id: writes
	 * ids[1 … n] of work.main.ids (i32, inside the vocabulary), of which ids[0] is the next.
	 * advance() has run: work.main.step stands at the next id's position P (the streams of
	 * P - 1 are in the ring, and are recalled to row 0 of work.x), work.chain holds a step of
	 * one row each at P - 1, P, …  A draft for position P + 1 + i is chosen with that
	 * position's noise (`sample` with work.how).  May write what later rows rewrite.
	 */
	int (*draft)(struct model *m, int n, struct err *err);
};

/* The block of one token (mtp.0), fed its own streams: draft_block.c. */
extern const struct draft_head draft_block;
/* Stages that draft a block at once (mtp.0 …, dspark_* keys): spark.c. */
extern const struct draft_head draft_spark;

#endif
