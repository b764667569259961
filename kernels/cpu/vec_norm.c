/*
 * Norms and the hyper-connections' mixing.
 *
 * mHC: pre[j] = σ(m[j] s0 + b[j]) + eps, post[j] = 2 σ(m[4+j] s1 + b[4+j]),
 * C = m[8…] s2 + b[8…] as 4 × 4, row softmax + eps, then Sinkhorn: columns, and
 * n_iter − 1 times rows and columns, each divided by its sum + eps.
 */
#include "kernels/cpu/vec_leaf.h"

float LEAF(inv_rms)(const float *x, int n, float eps)
{
	return (float)inv_rms(x, n, eps);
}

/* Two products rounded once, for the reason that inv_rms() gives. */
void LEAF(rms_norm)(const float *x, const uint16_t *norm, int n, float eps, float *out)
{
	double r = inv_rms(x, n, eps);

	for (int i = 0; i < n; i++)
		out[i] = (float)((double)x[i] * r * (double)bf16_float(norm[i]));
}

void LEAF(scale)(float *x, int n, float a)
{
	for (int i = 0; i < n; i += LANES)
		f16_store(x + i, f16_mul(f16_load(x + i), f16_set1(a)));
}

void LEAF(add)(const float *x, int n, float *y)
{
	for (int i = 0; i < n; i += LANES)
		f16_store(y + i, f16_add(f16_load(y + i), f16_load(x + i)));
}

float LEAF(read)(const unsigned char *p, size_t n)
{
	const float *f = (const float *)(const void *)p;
	f16 acc[8] = {f16_zero(), f16_zero(), f16_zero(), f16_zero(),
		      f16_zero(), f16_zero(), f16_zero(), f16_zero()};

	for (size_t i = 0; i < n / sizeof(float); i += 8 * LANES) {
#pragma GCC unroll 8
		for (size_t j = 0; j < 8; j++)
			acc[j] = f16_max(acc[j], f16_load(f + i + j * LANES));
	}
	for (size_t j = 1; j < 8; j++)
		acc[0] = f16_max(acc[0], acc[j]);
	return f16_sum(acc[0]);
}

float LEAF(multiply)(int rounds)
{
	f16 acc[FMA_ROUND / LANES], a = f16_set1(0x1.fp-1f), b = f16_set1(0x1p-5f);

#pragma GCC unroll 24
	for (int j = 0; j < FMA_ROUND / LANES; j++)
		acc[j] = f16_set1((float)j);
	for (int i = 0; i < rounds; i++) {
#pragma GCC unroll 24
		for (int j = 0; j < FMA_ROUND / LANES; j++)
			acc[j] = f16_fma(acc[j], a, b);
	}
	for (int j = 1; j < FMA_ROUND / LANES; j++)
		acc[0] = f16_add(acc[0], acc[j]);
	return f16_sum(acc[0]);
}

/* A handful for each row, so in double: every later value is multiplied by them. */
static float sigmoid_one(float x)
{
	return (float)(1.0 / (1.0 + exp(-(double)x)));
}

static void sinkhorn(float c[16], int n_iter, float eps)
{
	float e[LANES];

	for (int j = 0; j < 4; j++) {
		float *row = c + 4 * j;
		float max = row[0];

		for (int k = 1; k < 4; k++)
			max = row[k] > max ? row[k] : max;
		for (int k = 0; k < 4; k++)
			row[k] = row[k] - max;
	}
	f16_store(e, f16_exp(f16_load(c)));
	for (int j = 0; j < 4; j++) {
		float sum = e[4 * j] + e[4 * j + 1] + e[4 * j + 2] + e[4 * j + 3];

		for (int k = 0; k < 4; k++)
			c[4 * j + k] = e[4 * j + k] / sum + eps;
	}
	for (int it = 0; it < n_iter; it++) {
		if (it) {
			for (int j = 0; j < 4; j++) {
				float *r = c + 4 * j;
				float sum = r[0] + r[1] + r[2] + r[3] + eps;

				for (int k = 0; k < 4; k++)
					r[k] = r[k] / sum;
			}
		}
		for (int k = 0; k < 4; k++)
			e[k] = c[k] + c[4 + k] + c[8 + k] + c[12 + k] + eps;
		for (int i = 0; i < 16; i++)
			c[i] = c[i] / e[i % 4];
	}
}

/* u = sum_j w[j] X[j] */
static void weigh_streams(const float w[4], const float *x, int d, float *u)
{
	for (int i = 0; i < d; i += LANES) {
		f16 s = f16_mul(f16_set1(w[0]), f16_load(x + i));

		for (int j = 1; j < 4; j++)
			s = f16_fma(f16_set1(w[j]), f16_load(x + (size_t)j * (size_t)d + i), s);
		f16_store(u + i, s);
	}
}

void LEAF(mhc_mix)(const float *m, const float *base, const float *scale, int n_iter, float eps,
		   const float *x, int d, float *u, float *post, float *comb)
{
	float pre[4], c[16];

	for (int j = 0; j < 4; j++) {
		pre[j] = sigmoid_one(__builtin_fmaf(m[j], scale[0], base[j])) + eps;
		post[j] = 2.0f * sigmoid_one(__builtin_fmaf(m[4 + j], scale[1], base[4 + j]));
	}
	for (int i = 0; i < 16; i++)
		c[i] = __builtin_fmaf(m[8 + i], scale[2], base[8 + i]);
	sinkhorn(c, n_iter, eps);
	memcpy(comb, c, sizeof(c));
	weigh_streams(pre, x, d, u);
}

void LEAF(mhc_head_mix)(const float *m, const float *base, const float *scale, float eps,
			const float *x, int d, float *u)
{
	float w[4];

	for (int j = 0; j < 4; j++)
		w[j] = sigmoid_one(__builtin_fmaf(m[j], scale[0], base[j])) + eps;
	weigh_streams(w, x, d, u);
}

void LEAF(mhc_post)(const float *y, const float *post, const float *comb, int d, int c0, int c1,
		    float *x)
{
	for (int i = c0; i < c1; i += LANES) {
		f16 v = f16_load(y + i), s[4];

		for (int j = 0; j < 4; j++)
			s[j] = f16_load(x + (size_t)j * (size_t)d + i);
		for (int k = 0; k < 4; k++) {
			f16 r = f16_mul(f16_set1(post[k]), v);

			for (int j = 0; j < 4; j++)
				r = f16_fma(f16_set1(comb[4 * j + k]), s[j], r);
			f16_store(x + (size_t)k * (size_t)d + i, r);
		}
	}
}

void LEAF(swiglu)(const float *g, const float *v, int n, float limit, float weight, float *t)
{
	f16 top = f16_set1(limit), bottom = f16_set1(-limit);

	for (int i = 0; i < n; i += LANES) {
		f16 a = f16_min(f16_load(g + i), top);
		f16 b = f16_max(f16_min(f16_load(v + i), top), bottom);

		a = f16_mul(a, f16_sigmoid(a));
		f16_store(t + i, f16_mul(f16_mul(a, b), f16_set1(weight)));
	}
}
