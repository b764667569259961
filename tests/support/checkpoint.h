/*
 * A tiny checkpoint of random weights, made as a test wants it: every tensor that a configuration
 * asks for, of a size at which each of them matters to the logits.  Trouble fails the running
 * cmocka test.
 */
#ifndef TESTS_SUPPORT_CHECKPOINT_H
#define TESTS_SUPPORT_CHECKPOINT_H

#include "engine/checkpoint/safetensors.h"
#include "tests/support/tmpdir.h"

struct checkpoint {
	char *config; /* config.json */
	struct tensor *tensors;
	size_t n;
	uint64_t seed;
};

/* One with a block drafter; the same numbers each time. */
struct block_drafter {
	int stages, block;
	const char *targets; /* "0, 2"; of three main layers */
	int vocab;           /* 0: one that is no multiple of what vectors hold */
};
void checkpoint_make(struct checkpoint *c, struct block_drafter shape);
void checkpoint_release(struct checkpoint *c);

/* Tensors whose names begin so get the other beginning; NULL: they go. */
void checkpoint_rename(struct checkpoint *c, const char *prefix, const char *to);

/* Adds copies of them under the other beginning. */
void checkpoint_copy(struct checkpoint *c, const char *prefix, const char *to);

/* Replaces a piece of config.json. */
void checkpoint_config(struct checkpoint *c, const char *was, const char *is);

void checkpoint_write(struct checkpoint *c, const struct tmpdir *dir);
/* One that is made, written and done with. */
void checkpoint_put(const struct tmpdir *dir, struct block_drafter shape);

#endif
