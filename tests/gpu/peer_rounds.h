/* All ranks of a sum between GPUs, played by the blocks of one launch on one. */
#ifndef TESTS_GPU_PEER_ROUNDS_H
#define TESTS_GPU_PEER_ROUNDS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ROUNDS_RANKS 8

struct rounds {
	int n_ranks;   /* 2 to ROUNDS_RANKS */
	int n_rounds;  /* of random sizes */
	int slices;    /* as sums of many values are made; else in one shot */
	size_t least, most; /* values of a round */
	int spoilt;    /* the round in which one value of one rank is another; -1: none */
};

struct rounds_result {
	unsigned long long n_bad; /* values that were not the sum, and the first such: */
	int round, rank;
	unsigned long long i;
	float got, want;
	int missing; /* 1 + a rank that did not come in time; 0: all came */
};

/* Is there a GPU, and does it run all of that at once?  Else 0 and why. */
int peer_rounds_here(char *why, size_t size);

/* 0, or what went wrong, in *why. */
int peer_rounds_play(const struct rounds *r, struct rounds_result *out, char *why, size_t size);

#ifdef __cplusplus
}
#endif

#endif
