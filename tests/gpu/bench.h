/* Inside the harness: what a test's bench knows of its case (harness.h is what tests see). */
#ifndef TESTS_GPU_BENCH_H
#define TESTS_GPU_BENCH_H

#include "tests/gpu/harness.h"

#define GUARD       4096 /* bytes behind each buffer */
#define GUARD_BYTE  0xa5
#define MAX_BUFFERS 64

enum use { USE_IN, USE_OUT, USE_SCRATCH, USE_STEP };

/* What is known of one pair. */
struct buffer {
	struct pair pair;
	enum use use;
	size_t bytes[2];
	unsigned char *initial[2]; /* contents before each run */
	unsigned char *result[2];  /* behind the first whole run */
	float *values[2];          /* bench_values() */
};

struct bench {
	struct backend *be[2];
	struct err err;
	char name[200];
	uint64_t random;
	uint64_t key; /* of recordings */
	struct buffer buffers[MAX_BUFFERS];
	int n;
	int64_t pos0; /* of bench_step() */
	int slot;
	void **blocks; /* host memory of the case */
	int n_blocks;
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

/* Bytes of an element. */
size_t bench_width(enum pair_kind kind, int side);

float bench_of_bf16(uint16_t h);

#endif
