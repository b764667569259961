/*
 * Cache rows: rounding to their stored form, and back; and the compressors'
 * pooling, which makes them.
 *
 * FP8: per 64 values s = 2^⌈log2(max(amax, 1e-4)/448)⌉, codes e4m3(x/s).
 * FP4: per 32 values s = 2^⌈log2(amax/6)⌉, codes nearest, ties to even.
 */
#include "kernels/cpu/vec_leaf.h"

/* 2^⌈log2 v⌉ as an E8M0 byte, v > 0 and normal, kept inside the byte's finite range */
static uint8_t e8m0_ceil(float v)
{
	uint32_t u = float_bits(v);
	uint32_t e = u >> 23 & 255;

	if (u & 0x7FFFFFu)
		e++;
	return (uint8_t)(e < 1 ? 1 : e > 254 ? 254 : e);
}

/* nearest e4m3, ties to even; |x| ≤ 448 but for NaN, which becomes NaN */
static uint8_t e4m3_round(float x)
{
	uint32_t u = float_bits(x);
	uint32_t sign = u >> 24 & 0x80u;
	float a = fabsf(x);

	if (!(a <= 448.0f))
		return (uint8_t)(sign | (a > 448.0f ? 0x7Eu : 0x7Fu));
	if (a < 0x1p-6f) /* subnormal: multiples of 2^-9; eight of them are the first normal */
		return (uint8_t)(sign | (uint32_t)(int)(a * 512.0f + 0x1.8p23f - 0x1.8p23f));
	u &= 0x7FFFFFFFu;
	u += 0x7FFFFu + (u >> 20 & 1); /* to three mantissa bits */
	return (uint8_t)(sign | ((u >> 20) - (120u << 3)));
}

static uint16_t bf16_round(float x)
{
	uint32_t u = float_bits(x);

	if ((u & 0x7FFFFFFFu) > 0x7F800000u)
		return (uint16_t)(u >> 16 | 0x40u);
	return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1)) >> 16);
}

static float absmax(const float *x, int n)
{
	float max = 0.0f;

	for (int i = 0; i < n; i++)
		max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
	return max;
}

void LEAF(kv_pack)(const float *x, uint8_t *row)
{
	for (int b = 0; b < 7; b++) {
		float amax = absmax(x + 64 * b, 64);
		uint8_t e = e8m0_ceil((amax > 1e-4f ? amax : 1e-4f) / 448.0f);
		float s = e8m0_float(e);

		for (int i = 64 * b; i < 64 * b + 64; i++)
			row[i] = e4m3_round(x[i] / s);
		row[448 + b] = e;
	}
	row[455] = 0;
	for (int i = 0; i < ROPE_DIM; i++) {
		uint16_t v = bf16_round(x[448 + i]);

		memcpy(row + 456 + 2 * i, &v, sizeof(v));
	}
}

void LEAF(kv_unpack)(const uint8_t *row, float *x)
{
	uint16_t tail[ROPE_DIM];

	for (int b = 0; b < 7; b++) {
		f16 s = f16_set1(e8m0_float(row[448 + b]) * F8_SCALE);

		for (int i = 64 * b; i < 64 * b + 64; i += 2 * LANES) {
			f8_wide w[2 * LANES];

			f8_widen(row + i, w);
			f16_store(x + i, f16_mul(f16_f8(w), s));
			f16_store(x + i + LANES, f16_mul(f16_f8(w + LANES), s));
		}
	}
	memcpy(tail, row + 456, sizeof(tail));
	for (int i = 0; i < ROPE_DIM; i += LANES)
		f16_store(x + 448 + i, f16_bf16(tail + i));
}

/* The codes of 32 values in units of their scale: how many of the middles they are beyond. */
static void e2m1_round(const float *x, uint8_t *code)
{
	static const float mid[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f};
	uint32_t n[32] = {0};

	/* a tie goes up where the upper code is even: codes 2, 4 and 6 */
	for (int c = 0; c < 7; c++) {
		for (int i = 0; i < 32; i++)
			n[i] += c % 2 ? fabsf(x[i]) >= mid[c] : fabsf(x[i]) > mid[c];
	}
	for (int i = 0; i < 32; i++)
		code[i] = (uint8_t)(n[i] | (float_bits(x[i]) >> 28 & 8u));
}

/* Walsh–Hadamard in Sylvester order, · 128^-½ */
static void hadamard(float *x)
{
	for (int h = 1; h < INDEX_DIM; h *= 2) {
		for (int i = 0; i < INDEX_DIM; i += 2 * h) {
			for (int j = i; j < i + h; j++) {
				float a = x[j], b = x[j + h];

				x[j] = a + b;
				x[j + h] = a - b;
			}
		}
	}
	for (int i = 0; i < INDEX_DIM; i++)
		x[i] = x[i] * 0x1.6a09e6p-4f;
}

void LEAF(index_pack)(const float *in, uint8_t *row)
{
	float x[INDEX_DIM];

	memcpy(x, in, sizeof(x));
	hadamard(x);
	for (int b = 0; b < 4; b++) {
		float amax = absmax(x + 32 * b, 32);
		uint8_t e = e8m0_ceil(amax / 6.0f);
		float s = e8m0_float(e);
		uint8_t code[32];

		for (int i = 32 * b; i < 32 * b + 32; i++)
			x[i] = x[i] / s;
		e2m1_round(x + 32 * b, code);
		for (int i = 0; i < 32; i += 2)
			row[16 * b + i / 2] = (uint8_t)(code[i] | code[i + 1] << 4);
		row[64 + b] = e;
	}
}

void LEAF(index_unpack)(const uint8_t *row, float *codes, float scales[4])
{
	for (int b = 0; b < 4; b++) {
		f16 lo, hi;

		f16_fp4(row + 16 * b, f16_set1(1.0f), &lo, &hi);
		f16_store(codes + 32 * b, lo);
		f16_store(codes + 32 * b + LANES, hi);
		scales[b] = e8m0_float(row[64 + b]);
	}
}

void LEAF(pool4)(const float *const a[8], const float *const z[8], const float *const ape[8],
		 int c0, int c1, float *out)
{
	int first = a[0] ? 0 : 4; /* block 0 has no block before it */

	for (int c = c0; c < c1; c += LANES) {
		f16 v[8], max = f16_set1(-INFINITY), sum = f16_zero(), mix = f16_zero();

		for (int t = first; t < 8; t++) {
			v[t] = f16_add(f16_load(z[t] + c), f16_load(ape[t] + c));
			max = f16_max(max, v[t]);
		}
		for (int t = first; t < 8; t++) {
			f16 e = f16_exp(f16_sub(v[t], max));

			sum = f16_add(sum, e);
			mix = f16_fma(e, f16_load(a[t] + c), mix);
		}
		f16_store(out + c, f16_div(mix, sum));
	}
}

void LEAF(pool128)(const float *a, const float *z, const float *ape, int first,
		   const float *before, float *after, int dim, int c0, int c1)
{
	for (int c = c0; c < c1; c += LANES) {
		f16 v = f16_add(f16_load(z + c), f16_load(ape + c)), in = f16_load(a + c);
		f16 max = v, sum = f16_set1(1.0f), mix = in;

		if (!first) {
			f16 old = f16_load(before + c), keep, take;

			max = f16_max(old, v);
			keep = f16_exp(f16_sub(old, max));
			take = f16_exp(f16_sub(v, max));
			sum = f16_fma(f16_load(before + dim + c), keep, take);
			mix = f16_fma(f16_load(before + 2 * dim + c), keep, f16_mul(in, take));
		}
		f16_store(after + c, max);
		f16_store(after + dim + c, sum);
		f16_store(after + 2 * dim + c, mix);
	}
}
