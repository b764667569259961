/* Names of this instruction set's leaves: LEAF(dots) is dots_v3 where CPU_TARGET is v3. */
#ifndef KERNELS_CPU_VEC_LEAF_H
#define KERNELS_CPU_VEC_LEAF_H

#include "kernels/cpu/leaf.h"
#include "kernels/cpu/vec.h"

#define LEAF_CAT2(a, b) a##_##b
#define LEAF_CAT(a, b)	LEAF_CAT2(a, b)
#define LEAF(name)	LEAF_CAT(name, CPU_TARGET)

void LEAF(matmul)(const struct weight *w, int o0, int o1, int n, const float *const *x,
		  float *const *y, float *scratch);
void LEAF(matmul_exact)(const struct weight *w, int o0, int o1, int n, const float *const *x,
			float *const *y, float *scratch);
void LEAF(fp4_order)(const float *x, int n, float *out);
void LEAF(fp4_matmul)(const struct weight *w, int o0, int o1, int n, const float *const *x,
		      float *const *y, float *scratch);
void LEAF(rms_norm)(const float *x, const uint16_t *norm, int n, float eps, float *out);
float LEAF(inv_rms)(const float *x, int n, float eps);
void LEAF(scale)(float *x, int n, float a);
void LEAF(mhc_mix)(const float *m, const float *base, const float *scale, int n_iter, float eps,
		   const float *x, int d, float *u, float *post, float *comb);
void LEAF(mhc_head_mix)(const float *m, const float *base, const float *scale, float eps,
			const float *x, int d, float *u);
void LEAF(mhc_post)(const float *y, const float *post, const float *comb, int d, int c0, int c1,
		    float *x);
void LEAF(kv_pack)(const float *x, uint8_t *row);
void LEAF(kv_unpack)(const uint8_t *row, float *x);
void LEAF(index_pack)(const float *x, uint8_t *row);
void LEAF(index_unpack)(const uint8_t *row, float *codes, float scales[4]);
void LEAF(pool4)(const float *const a[8], const float *const z[8], const float *const ape[8],
		 int c0, int c1, float *out);
void LEAF(pool128)(const float *a, const float *z, const float *ape, int first,
		   const float *before, float *after, int dim, int c0, int c1);
void LEAF(index_turn)(const uint8_t *const *rows, int n, float (*codes)[16], float (*scale)[16]);
void LEAF(index_scores)(const float *q, const float *q_scale, const float *w, int n_head,
			const float (*codes)[16], const float (*scale)[16], float *out);
void LEAF(dots)(const float *q, int n_q, const float *k, int n, float scale, float *s,
		size_t stride);
void LEAF(softmax)(float *s, int n, float sink);
void LEAF(mix)(const float *w, int n_q, size_t stride, const float *v, int n, float *o);
void LEAF(swiglu)(const float *g, const float *v, int n, float limit, float weight, float *t);
float LEAF(read)(const unsigned char *p, size_t n);
float LEAF(multiply)(int rounds);
void LEAF(add)(const float *x, int n, float *y);

#endif
