/* Inside the harness: what a test's bench knows of its case (harness.h is what tests see). */
#ifndef TESTS_GPU_BENCH_H
#define TESTS_GPU_BENCH_H

#include "tests/gpu/harness.h"

#define GUARD       4096 /* bytes behind each buffer */
#define GUARD_BYTE  0xa5
#define MAX_BUFFERS 64
#define ALIGNMENT   256 /* of a buffer, as the backends' own */

enum use { USE_IN, USE_OUT, USE_SCRATCH, USE_STEP };

/* What is known of one pair. */
struct buffer {
	struct pair pair;
	enum use use;
	size_t bytes[2];
	unsigned char *initial[2]; /* contents before each run */
	unsigned char *result[2];  /* behind the first whole run */
	bool stands;               /* the GPU's side has its initial contents */
	float *values[2];          /* bench_values() */
};

/* Device memory of one side that cases take buffers from, each case from the start. */
struct slab {
	dbuf p;
	size_t bytes, used;
};

/* Weights, or n_expert experts' of out x in and in x out, that were placed. */
struct placed {
	enum weight_type type;
	int out, in, n_group, n_expert;
	bool taken; /* by the case at hand */
	struct weight_pair weight;
	struct experts_pair experts;
	struct placed *next;
};

struct bench {
	struct backend *be[2];
	struct err err;
	char name[200];
	uint64_t random;
	uint64_t of_case; /* where it was when weights were begun */
	uint64_t key;     /* of recordings */
	struct buffer buffers[MAX_BUFFERS];
	int n;
	int64_t pos0; /* of bench_step() */
	int slot;
	void **blocks; /* host memory of the case */
	int n_blocks;
	struct slab *slabs[2];
	int n_slabs[2];
	struct placed *placed;
	unsigned char *again; /* what another run gave */
	size_t again_bytes;
	dbuf *held; /* the CPU's memory of weights */
	int n_held;
	int failures;
};

/* Of an activation on each side; one test at a time. */
extern size_t bench_act_bytes[2];

/* Ends the test where rc says so: behind a lost device nothing means anything. */
void bench_check(struct bench *b, int rc, const char *what);

/* Zeroed host memory, up to the case's end. */
void *bench_block(struct bench *b, size_t bytes);
/* The same with any contents. */
void *bench_room(struct bench *b, size_t bytes);

/* What cases share is free again, or freed. */
void bench_return(struct bench *b);
void bench_release(struct bench *b);

/* Bytes of an element. */
size_t bench_width(enum pair_kind kind, int side);

float bench_of_bf16(uint16_t h);

#endif
