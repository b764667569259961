/*
 * One operation on both backends: side 0 is the CPU's (the reference), side 1 the GPU's.
 *
 * A case makes pairs of buffers with the same contents on both sides, says how the operation
 * is called for rows t0 … t0 + n, and compares what came out:
 *
 *	bench_case(b, "%d rows, %d wide", n, d);
 *	k.x = bench_normal(b, PAIR_ACT, n * d, 1.0);
 *	k.out = bench_out(b, PAIR_ACT, n * d);
 *	bench_run(b, n, call, &k);
 *	bench_compare(b, "out", &k.out, n, d, 0.004, 0.01);
 *
 * Outputs are poisoned, and what lies behind every buffer is watched.  The GPU's side runs
 * several times, directly, as a recording's replay, and, up to 16 rows, row by row, always from
 * the same contents: all must give the same bytes.  A failure is counted, not thrown, so that
 * one run of a test shows everything; the test fails at its end.
 */
#ifndef TESTS_GPU_HARNESS_H
#define TESTS_GPU_HARNESS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "kernels/backend.h"
#include "kernels/ops.h"

#define CPU        0
#define GPU        1
#define BENCH_ROWS 16 /* up to so many rows a row has one result */

enum pair_kind {
	PAIR_ACT, /* float32 on the CPU, bf16 on the GPU; given values are bf16 ones  */
	PAIR_F32,
	PAIR_BF16, /* on both */
	PAIR_I32,
	PAIR_BYTES,
};

struct pair {
	dbuf p[2];
	size_t n; /* elements */
	enum pair_kind kind;
};

/* A weight and where each backend has it. */
struct weight_pair {
	struct weight w[2];
};

struct experts_pair {
	struct expert_weights *e[2]; /* [n] */
	dbuf table[2];               /* for experts_args */
	int n;
};

struct bench; /* of one test: tests/gpu/bench.h */

/* The running test's; every test function gets it as *state. */
struct backend *bench_backend(struct bench *b, int side);

/* Begins a case: what the last one made is freed.  The name stands in every line about it. */
void bench_case(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Random numbers of this case, the same in every run of the program. */
uint64_t bench_bits(struct bench *b);
double bench_uniform(struct bench *b, double low, double high);
int bench_below(struct bench *b, int n); /* 0 … n - 1 */
double bench_gauss(struct bench *b);

/* Inputs (or in and out).  Nothing fails softly here: no memory ends the test. */
struct pair bench_normal(struct bench *b, enum pair_kind kind, size_t n, double deviation);
struct pair bench_given(struct bench *b, enum pair_kind kind, const float *v, size_t n);
struct pair bench_ints(struct bench *b, const int32_t *v, size_t n);
struct pair bench_bytes(struct bench *b, const void *v, size_t bytes);
/* An output, all bytes 0xff before each run. */
struct pair bench_out(struct bench *b, enum pair_kind kind, size_t n);
/* What is written and means nothing afterwards. */
struct pair bench_scratch(struct bench *b, enum pair_kind kind, size_t n);
/* The step of the call at hand: position pos0 is that of row 0 of the whole case. */
struct pair bench_step(struct bench *b, int64_t pos0, int slot);
/* The 32 frequencies of the rotary embedding (f64), and for each row its (cos, sin) pairs. */
struct pair bench_freq(struct bench *b);
struct pair bench_rope(struct bench *b, int64_t pos0, int n_tok);
/* Pages of a slot's table in a scrambled order: i32 [slots, max_pages], no two alike. */
struct pair bench_pages(struct bench *b, int slots, int64_t max_pages);
/* The same of so many pages in all: those of one call are neighbours, so none meets another. */
#define BENCH_FEW_PAGES 16
struct pair bench_few_pages(struct bench *b, int slots, int64_t max_pages);
/* Cache rows as stored, with random contents (kv: KV_ROW_BYTES, else INDEX_ROW_BYTES). */
struct pair bench_rows(struct bench *b, size_t n_rows, bool kv);

/*
 * Random weights whose products with x of deviation 1 have deviation about 1, placed.  Placing
 * takes far longer than most operations: it is done once for all cases of a test that want the
 * same sizes (two of one case are never the same weights).  What a case changes in placed
 * memory, later ones find.
 */
struct weight_pair bench_weight(struct bench *b, enum weight_type type, int out, int in,
				int n_group);
struct experts_pair bench_experts(struct bench *b, enum weight_type type, int n, int d,
				  int inner);

/* The address of element i of a pair, on one side. */
dbuf bench_at(const struct pair *p, int side, size_t i);

/* Issues the operation for rows t0 … t0 + n - 1 of the case, on one side; the step says n rows
 * from position pos0 + t0 then. */
typedef int (*bench_call_fn)(struct backend *be, int side, int t0, int n, void *ctx,
			     struct err *err);

/* Runs a case of n_tok rows on both sides, see above.  */
void bench_run(struct bench *b, int n_tok, bench_call_fn call, void *ctx);
/* As bench_run, but never row by row: for what fills all rows of its output at once. */
void bench_run_whole(struct bench *b, int n_tok, bench_call_fn call, void *ctx);

/*
 * Of each row the relative error |gpu - cpu| / |cpu| (2-norms): the rows' median and the
 * largest may not exceed these; 0 and 0: all values equal.  Prints what it was.
 */
void bench_compare(struct bench *b, const char *what, const struct pair *p, int rows,
		   size_t row, double median, double largest);
/* Equal bytes, but for `allowed` of all of them. */
void bench_same_bytes(struct bench *b, const char *what, const struct pair *p, double allowed);

/* For comparisons of a test's own: the values as float32 (or the bytes) of one side; freed with
 * the case. */
const float *bench_values(struct bench *b, const struct pair *p, int side);
const void *bench_fetch(struct bench *b, const struct pair *p, int side);
/* Counts a failure of the running case and prints it. */
void bench_fail(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The operation must refuse this call with ERR_MODEL. */
void bench_refuses(struct bench *b, bench_call_fn call, void *ctx);

/* For tests of whole models: a backend as the options say, and the folder whose name begins
 * with `name` among the models (`--models DIR`). */
struct backend_options bench_options(int side);
int bench_open(struct backend **out, int side, struct err *err);
bool bench_model(const char *name, char *path, size_t size);
/* The test ends here if rc is not 0. */
void bench_ok(int rc, const struct err *err);
/* Any token of so many, the same one at place i in every run. */
int32_t bench_token(int vocab, int i);

/*
 * cmocka's setup and teardown of each test, and a main: `--list` prints the tests' names, a
 * name runs one (* stands for anything), `--skip NAME` all but that one; `--kernels`,
 * `--moe-backend` and `--threads` as the program has them; `--backend cpu` tries the cases
 * themselves where no GPU is: the CPU against itself.
 */
int bench_setup(void **state);
int bench_teardown(void **state);
int bench_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n);

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
#define BENCH_MAIN(argc, argv, tests)                                                          \
	bench_main(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
