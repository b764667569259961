/*
 * Which kernels a GPU gets, and how much at a time: decided from its capability and its memory,
 * nothing else.  Plain C, no CUDA.
 */
#ifndef KERNELS_CUDA_TILE_POLICY_H
#define KERNELS_CUDA_TILE_POLICY_H

#include <stdint.h>

enum cuda_variant {
	VARIANT_NONE,    /* older than anything there is code for    */
	VARIANT_GENERAL, /* what 8.0 has: it runs on all from there  */
	VARIANT_SM90A,   /* made for 9.0, runs on nothing else       */
};

struct tile_policy {
	enum cuda_variant variant;
	int has_code; /* 0: the driver compiles this variant from PTX when it is first used */
	int has_run;  /* 0: this variant has never run on this capability */
	int max_rows, prefill_rows;
};

/* `sm`: capability, 90 for 9.0.  `general`: not what was made for one chip alone. */
struct tile_policy tile_policy(int sm, uint64_t memory_bytes, int general);

/* Of a GPU that is used as if it had no more than `most` bytes in all (0: what it has): what is
 * free then. */
uint64_t tile_policy_free(uint64_t left, uint64_t all, uint64_t most);

#endif
