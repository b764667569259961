/*
 * The inner loops of the CPU backend, one table for each instruction set.
 *
 * The files vec_*.c are compiled once for each; all tables give the same bits.
 * Leaves run on one thread, on float32 activations, and never allocate.
 */
#ifndef KERNELS_CPU_LEAF_H
#define KERNELS_CPU_LEAF_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops.h"

/*
 * Many rows of x are multiplied in tiles of MATMUL_TILE_ROWS rows of W by MATMUL_TILE_X of x,
 * whose sums (16 lanes each) wait in scratch beside a run of decoded columns.
 */
#define MATMUL_TILE_ROWS 64
#define MATMUL_TILE_X	 96
#define MATMUL_RUN	 384
#define MATMUL_RUN_ROWS	 16
#define MATMUL_SCRATCH                                                                        \
	((size_t)MATMUL_RUN * MATMUL_RUN_ROWS + (size_t)MATMUL_TILE_ROWS * MATMUL_TILE_X * 16)

/*
 * Products that are summed in double: rows of x are widened, MATMUL_EXACT_X at once, and runs of
 * MATMUL_EXACT_ROWS rows of W; the sums, 16 lanes each, wait from one run to the next.
 */
#define MATMUL_EXACT_RUN  256
#define MATMUL_EXACT_ROWS 4
#define MATMUL_EXACT_X	  8
#define MATMUL_EXACT_SCRATCH(in)                                                              \
	(2 * (size_t)MATMUL_EXACT_X * (size_t)(in) +                                          \
	 (size_t)MATMUL_EXACT_ROWS * (3 * MATMUL_EXACT_RUN + 2 * MATMUL_EXACT_X * 16))

#define FMA_ROUND (24 * 16) /* multiply-adds that hang on none of their own round */

/* FP4 columns are worked on in blocks, and x is padded to whole ones. */
#define FP4_BLOCK      128
#define FP4_ORDERED(n) (((size_t)(n) + FP4_BLOCK - 1) / FP4_BLOCK * FP4_BLOCK)

struct leaf {
	const char *name; /* "x86-64-v4" */

	/*
	 * y[i][o] = W[o, :] · x[i][:] for o0 ≤ o < o1, i < n.  scratch: MATMUL_SCRATCH.
	 * For FP4 weights x[i] is in the order that fp4_order gives it.
	 */
	void (*matmul)(const struct weight *w, int o0, int o1, int n, const float *const *x,
		       float *const *y, float *scratch);

	/* The same, summed in double, but for FP4.  scratch: MATMUL_EXACT_SCRATCH(in). */
	void (*matmul_exact)(const struct weight *w, int o0, int o1, int n, const float *const *x,
			     float *const *y, float *scratch);

	/* x as products with FP4 weights read it; out: FP4_ORDERED(n) floats, not x. */
	void (*fp4_order)(const float *x, int n, float *out);

	/* out[i] = x[i] · rsqrt(mean(x²) + eps) · norm[i], n a multiple of 16; may be in place */
	void (*rms_norm)(const float *x, const uint16_t *norm, int n, float eps, float *out);
	/* 1/sqrt(mean(x²) + eps) */
	float (*inv_rms)(const float *x, int n, float eps);
	/* x[i] *= a */
	void (*scale)(float *x, int n, float a);

	/* m: the raw 24 (or 4) products; fills post, comb as mhc_pre_args has them, and u = sum pre X */
	void (*mhc_mix)(const float *m, const float *base, const float *scale, int n_iter,
			float eps, const float *x, int d, float *u, float *post, float *comb);
	void (*mhc_head_mix)(const float *m, const float *base, const float *scale, float eps,
			     const float *x, int d, float *u);
	/* columns c0 ≤ c < c1 of one row, in place */
	void (*mhc_post)(const float *y, const float *post, const float *comb, int d, int c0,
			 int c1, float *x);

	/* A cache row of 512 from its normed, rotated values, and back. */
	void (*kv_pack)(const float *x, uint8_t *row);
	void (*kv_unpack)(const uint8_t *row, float *x);
	/* A row of 128: Hadamard, then FP4; and its codes as small numbers with 4 block scales. */
	void (*index_pack)(const float *x, uint8_t *row);
	void (*index_unpack)(const uint8_t *row, float *codes, float scales[4]);

	/* Channels c0 ≤ c < c1 (multiples of 16) of one pooled block: 8 entries, or a running state. */
	void (*pool4)(const float *const a[8], const float *const z[8], const float *const ape[8],
		      int c0, int c1, float *out);
	/* state: [3][dim] maximum, sum, weighted sum; first: starts a block */
	void (*pool128)(const float *a, const float *z, const float *ape, int first,
			const float *before, float *after, int dim, int c0, int c1);

	/*
	 * 16 index rows at once, lanes being rows: first turned to codes[k][row] and
	 * scale[block][row] (rows from n on are zero), then, for each query,
	 * out[i] = sum_h w[h] · max(0, q[h] · row[i]), i < 16.
	 * q: codes [n_head][128] with scales [n_head][4].
	 */
	void (*index_turn)(const uint8_t *const *rows, int n, float (*codes)[16],
			   float (*scale)[16]);
	void (*index_scores)(const float *q, const float *q_scale, const float *w, int n_head,
			     const float (*codes)[16], const float (*scale)[16], float *out);

	/* s[h][i] = scale · q[h] · k[i], h < n_q, i < n, over 512 columns; stride: of s, in floats */
	void (*dots)(const float *q, int n_q, const float *k, int n, float scale, float *s,
		     size_t stride);
	/* Turns n scores into weights: exp(s - m) / (sum + exp(sink - m)), m the maximum of all. */
	void (*softmax)(float *s, int n, float sink);
	/* o[h][0..512) += sum_i w[h][i] v[i][:], h < n_q; stride: of w, in floats */
	void (*mix)(const float *w, int n_q, size_t stride, const float *v, int n, float *o);

	/* t[i] = silu(min(g, limit)) · clamp(v, ±limit) · weight */
	void (*swiglu)(const float *g, const float *v, int n, float limit, float weight,
		       float *t);
	/* Touches n bytes (a multiple of 1024); the value only keeps the loop from being left out. */
	float (*read)(const unsigned char *p, size_t n);
	/* Multiply-adds in registers, FMA_ROUND times `rounds` of them; a value as above. */
	float (*multiply)(int rounds);
	/* y[i] += x[i] */
	void (*add)(const float *x, int n, float *y);
};

#if defined(__x86_64__)
extern const struct leaf leaf_v2, leaf_v3, leaf_v4;
#else
extern const struct leaf leaf_generic;
#endif

#endif
