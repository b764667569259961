/*
 * Sixteen float32 lanes, whatever the processor has, with the same bits
 * everywhere: only correctly rounded operations, every multiply-add fused where
 * it says so and nowhere else (this folder is built with -ffp-contract=off), and
 * sums over lanes in one fixed tree.
 *
 * Included by the files that are compiled once for each instruction set
 * (vec_*.c).  Lane l of a run along K holds the elements l, l + 16, l + 32 …
 */
#ifndef KERNELS_CPU_VEC_H
#define KERNELS_CPU_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define VEC_AVX512 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define VEC_AVX2 1
#endif

#if defined(VEC_AVX512) || defined(VEC_AVX2)
#include <immintrin.h>
#endif

#define VEC_INLINE static inline __attribute__((always_inline, unused))

static const float e2m1_value[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,	3.0f,  4.0f,  6.0f,
				     -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

VEC_INLINE float bits_float(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

VEC_INLINE uint32_t float_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

/* 2^(b-127); b = 255 (NaN in E8M0) becomes infinity, and the logits say so. */
VEC_INLINE float e8m0_float(uint8_t b)
{
	return bits_float((uint32_t)b << 23 | (uint32_t)(b == 0) << 22);
}

VEC_INLINE float bf16_float(uint16_t b)
{
	return bits_float((uint32_t)b << 16);
}

/* ----------------------------------------------------------- the vector type */

#if defined(VEC_AVX512)

typedef __m512 f16;

VEC_INLINE f16 f16_set1(float a)
{
	return _mm512_set1_ps(a);
}
VEC_INLINE f16 f16_load(const float *p)
{
	return _mm512_loadu_ps(p);
}
VEC_INLINE void f16_store(float *p, f16 a)
{
	_mm512_storeu_ps(p, a);
}
VEC_INLINE f16 f16_add(f16 a, f16 b)
{
	return _mm512_add_ps(a, b);
}
VEC_INLINE f16 f16_sub(f16 a, f16 b)
{
	return _mm512_sub_ps(a, b);
}
VEC_INLINE f16 f16_mul(f16 a, f16 b)
{
	return _mm512_mul_ps(a, b);
}
VEC_INLINE f16 f16_div(f16 a, f16 b)
{
	return _mm512_div_ps(a, b);
}
VEC_INLINE f16 f16_max(f16 a, f16 b)
{
	return _mm512_max_ps(a, b);
}
VEC_INLINE f16 f16_min(f16 a, f16 b)
{
	return _mm512_min_ps(a, b);
}
VEC_INLINE f16 f16_fma(f16 a, f16 b, f16 c)
{
	return _mm512_fmadd_ps(a, b, c);
}
/* Makes the compiler hold a in a register, where it would load it again for every use. */
VEC_INLINE f16 f16_hold(f16 a)
{
	__asm__("" : "+v"(a));
	return a;
}
/* a · 2^n, n in the low bits of t (a magic-number rounding) */
VEC_INLINE f16 f16_scale_bits(f16 a, f16 t)
{
	__m512i e = _mm512_slli_epi32(_mm512_castps_si512(t), 23);

	return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), e));
}
/*
 * e4m3 codes · 2^-8, in two steps: f8_widen() turns 32 codes into halves, their seven low bits
 * put where a half's exponent and mantissa meet, so code 0 and subnormals come out right too,
 * and f16_f8() turns 16 of these into floats.  From memory, that takes one instruction; from
 * a register it would take another one that only moves.  Were the bits put where a float's
 * exponent and mantissa meet, a subnormal code were a subnormal float: some processors take a
 * hundred cycles for each product with one.
 */
typedef uint16_t f8_wide;

VEC_INLINE void f8_widen(const uint8_t *p, f8_wide *out)
{
	__m512i v = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)p));

	v = _mm512_and_si512(_mm512_slli_epi16(v, 7), _mm512_set1_epi16((int16_t)0xBF80u));
	_mm512_storeu_si512((void *)out, v);
}
VEC_INLINE f16 f16_f8(const f8_wide *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
VEC_INLINE f16 f16_bf16(const uint16_t *p)
{
	__m512i v = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));

	return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
}
/* 2^(b-127) in every lane */
VEC_INLINE f16 f16_e8m0(uint8_t b)
{
	__m512i v = _mm512_slli_epi32(_mm512_set1_epi32(b), 23);

	return _mm512_castsi512_ps(_mm512_max_epu32(v, _mm512_set1_epi32(0x00400000)));
}
/* 16 bytes = 32 columns of FP4, times s */
VEC_INLINE void f16_fp4(const uint8_t *p, f16 s, f16 *a, f16 *b)
{
	__m512 table = _mm512_mul_ps(_mm512_loadu_ps(e2m1_value), s);
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i hi = _mm_srli_epi16(v, 4); /* bits above the low four are ignored below */

	*a = _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(v, hi)), table);
	*b = _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(_mm_unpackhi_epi8(v, hi)), table);
}
/* 64 bytes = 128 columns of FP4: fp4_column(v, j) is the codes' values of columns 8 l + j */
typedef __m512i fp4_block;

VEC_INLINE fp4_block fp4_load(const uint8_t *p)
{
	return _mm512_loadu_si512(p);
}
VEC_INLINE f16 fp4_column(fp4_block v, int j)
{
	/* bits above the low four of an index are ignored */
	__m512i index = j ? _mm512_srli_epi32(v, 4 * (unsigned)j) : v;

	return _mm512_permutexvar_ps(index, _mm512_loadu_ps(e2m1_value));
}
/* the scales of the same columns: 2^(p[l / 4] - 127) */
VEC_INLINE f16 fp4_scales(const uint8_t *p)
{
	const __m512i turn = _mm512_set_epi32(31, 31, 31, 31, 7, 7, 7, 7, 15, 15, 15, 15, 23, 23,
					      23, 23);
	uint32_t four;
	__m512i v;

	memcpy(&four, p, sizeof(four));
	v = _mm512_rolv_epi32(_mm512_set1_epi32((int)four), turn);
	v = _mm512_and_si512(v, _mm512_set1_epi32(0x7F800000));
	return _mm512_castsi512_ps(_mm512_max_epu32(v, _mm512_set1_epi32(0x00400000)));
}
VEC_INLINE float f16_sum(f16 a)
{
	__m256 v8 = _mm256_add_ps(_mm512_castps512_ps256(a),
				  _mm512_extractf32x8_ps(a, 1));
	__m128 v4 = _mm_add_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
	__m128 v2 = _mm_add_ps(v4, _mm_movehl_ps(v4, v4));

	return _mm_cvtss_f32(_mm_add_ss(v2, _mm_shuffle_ps(v2, v2, 1)));
}
/* f16_sum() of four, times s, one behind the other */
VEC_INLINE void f16_store_sums(const f16 a[4], float s, float *out)
{
	const __m512i first = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
	__m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a[0], a[1], 0x44),
				  _mm512_shuffle_f32x4(a[0], a[1], 0xEE));
	__m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(a[2], a[3], 0x44),
				  _mm512_shuffle_f32x4(a[2], a[3], 0xEE));
	__m512 v = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88),
				 _mm512_shuffle_f32x4(ab, cd, 0xDD));

	v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x4E));
	v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xB1));
	v = _mm512_permutexvar_ps(first, v);
	_mm_storeu_ps(out, _mm_mul_ps(_mm512_castps512_ps128(v), _mm_set1_ps(s)));
}

/* Sixteen lanes in double. */
typedef struct {
	__m512d v[2];
} d16;

VEC_INLINE d16 d16_zero(void)
{
	return (d16){{_mm512_setzero_pd(), _mm512_setzero_pd()}};
}
VEC_INLINE d16 d16_of(const float *p)
{
	return (d16){{_mm512_cvtps_pd(_mm256_loadu_ps(p)),
		      _mm512_cvtps_pd(_mm256_loadu_ps(p + 8))}};
}
VEC_INLINE d16 d16_load(const double *p)
{
	return (d16){{_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)}};
}
VEC_INLINE void d16_store(double *p, d16 a)
{
	_mm512_storeu_pd(p, a.v[0]);
	_mm512_storeu_pd(p + 8, a.v[1]);
}
VEC_INLINE d16 d16_fma(d16 a, d16 b, d16 c)
{
	return (d16){{_mm512_fmadd_pd(a.v[0], b.v[0], c.v[0]),
		      _mm512_fmadd_pd(a.v[1], b.v[1], c.v[1])}};
}
VEC_INLINE double d16_sum(d16 a)
{
	__m512d v8 = _mm512_add_pd(a.v[0], a.v[1]);
	__m256d v4 = _mm256_add_pd(_mm512_castpd512_pd256(v8), _mm512_extractf64x4_pd(v8, 1));
	__m128d v2 = _mm_add_pd(_mm256_castpd256_pd128(v4), _mm256_extractf128_pd(v4, 1));

	return _mm_cvtsd_f64(_mm_add_sd(v2, _mm_unpackhi_pd(v2, v2)));
}

#elif defined(VEC_AVX2)

typedef struct {
	__m256 v[2];
} f16;

#define VEC_BOTH(expr0, expr1) ((f16){{(expr0), (expr1)}})

VEC_INLINE f16 f16_set1(float a)
{
	return VEC_BOTH(_mm256_set1_ps(a), _mm256_set1_ps(a));
}
VEC_INLINE f16 f16_load(const float *p)
{
	return VEC_BOTH(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8));
}
VEC_INLINE void f16_store(float *p, f16 a)
{
	_mm256_storeu_ps(p, a.v[0]);
	_mm256_storeu_ps(p + 8, a.v[1]);
}
VEC_INLINE f16 f16_add(f16 a, f16 b)
{
	return VEC_BOTH(_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1]));
}
VEC_INLINE f16 f16_sub(f16 a, f16 b)
{
	return VEC_BOTH(_mm256_sub_ps(a.v[0], b.v[0]), _mm256_sub_ps(a.v[1], b.v[1]));
}
VEC_INLINE f16 f16_mul(f16 a, f16 b)
{
	return VEC_BOTH(_mm256_mul_ps(a.v[0], b.v[0]), _mm256_mul_ps(a.v[1], b.v[1]));
}
VEC_INLINE f16 f16_div(f16 a, f16 b)
{
	return VEC_BOTH(_mm256_div_ps(a.v[0], b.v[0]), _mm256_div_ps(a.v[1], b.v[1]));
}
VEC_INLINE f16 f16_max(f16 a, f16 b)
{
	return VEC_BOTH(_mm256_max_ps(a.v[0], b.v[0]), _mm256_max_ps(a.v[1], b.v[1]));
}
VEC_INLINE f16 f16_min(f16 a, f16 b)
{
	return VEC_BOTH(_mm256_min_ps(a.v[0], b.v[0]), _mm256_min_ps(a.v[1], b.v[1]));
}
VEC_INLINE f16 f16_fma(f16 a, f16 b, f16 c)
{
	return VEC_BOTH(_mm256_fmadd_ps(a.v[0], b.v[0], c.v[0]),
			_mm256_fmadd_ps(a.v[1], b.v[1], c.v[1]));
}
VEC_INLINE f16 f16_hold(f16 a)
{
	__asm__("" : "+x"(a.v[0]), "+x"(a.v[1]));
	return a;
}
VEC_INLINE __m256 v8_scale_bits(__m256 a, __m256 t)
{
	__m256i e = _mm256_slli_epi32(_mm256_castps_si256(t), 23);

	return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), e));
}
VEC_INLINE f16 f16_scale_bits(f16 a, f16 t)
{
	return VEC_BOTH(v8_scale_bits(a.v[0], t.v[0]), v8_scale_bits(a.v[1], t.v[1]));
}
typedef uint16_t f8_wide;

VEC_INLINE void f8_widen(const uint8_t *p, f8_wide *out)
{
	for (int i = 0; i < 2 * LANES; i += LANES) {
		__m256i v = _mm256_cvtepi8_epi16(
			_mm_loadu_si128((const __m128i *)(const void *)(p + i)));

		v = _mm256_and_si256(_mm256_slli_epi16(v, 7),
				     _mm256_set1_epi16((int16_t)0xBF80u));
		_mm256_storeu_si256((__m256i *)(void *)(out + i), v);
	}
}
VEC_INLINE f16 f16_f8(const f8_wide *p)
{
	return VEC_BOTH(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
			_mm256_cvtph_ps(
				_mm_loadu_si128((const __m128i *)(const void *)(p + 8))));
}
VEC_INLINE __m256 v8_bf16(const uint16_t *p)
{
	__m256i v = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));

	return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}
VEC_INLINE f16 f16_bf16(const uint16_t *p)
{
	return VEC_BOTH(v8_bf16(p), v8_bf16(p + 8));
}
VEC_INLINE __m256 v8_of_i8(__m128i v, __m256 s)
{
	return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)), s);
}
VEC_INLINE f16 f16_e8m0(uint8_t b)
{
	return f16_set1(e8m0_float(b));
}
VEC_INLINE void f16_fp4(const uint8_t *p, f16 s, f16 *a, f16 *b)
{
	/* Twice the values are small integers.  -0 comes out as +0: adding either is the same. */
	const __m128i twice =
		_mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
	__m256 half = _mm256_mul_ps(s.v[0], _mm256_set1_ps(0.5f));
	__m128i mask = _mm_set1_epi8(15);
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i lo = _mm_shuffle_epi8(twice, _mm_and_si128(v, mask));
	__m128i hi = _mm_shuffle_epi8(twice, _mm_and_si128(_mm_srli_epi16(v, 4), mask));
	__m128i c0 = _mm_unpacklo_epi8(lo, hi), c1 = _mm_unpackhi_epi8(lo, hi);

	*a = VEC_BOTH(v8_of_i8(c0, half), v8_of_i8(_mm_srli_si128(c0, 8), half));
	*b = VEC_BOTH(v8_of_i8(c1, half), v8_of_i8(_mm_srli_si128(c1, 8), half));
}
/* 64 bytes = 128 columns of FP4: fp4_column(v, j) is the codes' values of columns 8 l + j */
typedef struct {
	__m256i v[2];
} fp4_block;

VEC_INLINE fp4_block fp4_load(const uint8_t *p)
{
	return (fp4_block){{_mm256_loadu_si256((const __m256i *)(const void *)p),
			    _mm256_loadu_si256((const __m256i *)(const void *)(p + 32))}};
}
VEC_INLINE __m256 v8_fp4_column(__m256i v, int j)
{
	/* eight magnitudes by the low three bits of an index, and the fourth bit as the sign */
	__m256i index = j ? _mm256_srli_epi32(v, 4 * j) : v;
	__m256i sign = _mm256_and_si256(j < 7 ? _mm256_slli_epi32(v, 28 - 4 * j) : v,
					_mm256_set1_epi32((int)0x80000000u));

	return _mm256_xor_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(e2m1_value), index),
			     _mm256_castsi256_ps(sign));
}
VEC_INLINE f16 fp4_column(fp4_block b, int j)
{
	return VEC_BOTH(v8_fp4_column(b.v[0], j), v8_fp4_column(b.v[1], j));
}
/* the scales of the same columns: 2^(p[l / 4] - 127) */
VEC_INLINE __m256 v8_fp4_scales(uint8_t a, uint8_t b)
{
	return _mm256_set_m128(_mm_set1_ps(e8m0_float(b)), _mm_set1_ps(e8m0_float(a)));
}
VEC_INLINE f16 fp4_scales(const uint8_t *p)
{
	return VEC_BOTH(v8_fp4_scales(p[0], p[1]), v8_fp4_scales(p[2], p[3]));
}
VEC_INLINE float f16_sum(f16 a)
{
	__m256 v8 = _mm256_add_ps(a.v[0], a.v[1]);
	__m128 v4 = _mm_add_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
	__m128 v2 = _mm_add_ps(v4, _mm_movehl_ps(v4, v4));

	return _mm_cvtss_f32(_mm_add_ss(v2, _mm_shuffle_ps(v2, v2, 1)));
}
/* f16_sum() of four, times s, one behind the other */
VEC_INLINE void f16_store_sums(const f16 a[4], float s, float *out)
{
	__m256 v[4], ab, cd;

	for (int i = 0; i < 4; i++)
		v[i] = _mm256_add_ps(a[i].v[0], a[i].v[1]);
	ab = _mm256_add_ps(_mm256_permute2f128_ps(v[0], v[1], 0x20),
			   _mm256_permute2f128_ps(v[0], v[1], 0x31));
	cd = _mm256_add_ps(_mm256_permute2f128_ps(v[2], v[3], 0x20),
			   _mm256_permute2f128_ps(v[2], v[3], 0x31));
	/* a and c in the lower half, b and d in the upper one */
	ab = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
	ab = _mm256_add_ps(_mm256_shuffle_ps(ab, ab, 0x88), _mm256_shuffle_ps(ab, ab, 0xDD));
	_mm_storeu_ps(out, _mm_mul_ps(_mm_unpacklo_ps(_mm256_castps256_ps128(ab),
						      _mm256_extractf128_ps(ab, 1)),
				      _mm_set1_ps(s)));
}

/* Sixteen lanes in double. */
typedef struct {
	__m256d v[4];
} d16;

VEC_INLINE d16 d16_zero(void)
{
	__m256d z = _mm256_setzero_pd();

	return (d16){{z, z, z, z}};
}
VEC_INLINE d16 d16_of(const float *p)
{
	return (d16){{_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4)),
		      _mm256_cvtps_pd(_mm_loadu_ps(p + 8)),
		      _mm256_cvtps_pd(_mm_loadu_ps(p + 12))}};
}
VEC_INLINE d16 d16_load(const double *p)
{
	return (d16){{_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), _mm256_loadu_pd(p + 8),
		      _mm256_loadu_pd(p + 12)}};
}
VEC_INLINE void d16_store(double *p, d16 a)
{
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		_mm256_storeu_pd(p + 4 * i, a.v[i]);
}
VEC_INLINE d16 d16_fma(d16 a, d16 b, d16 c)
{
	return (d16){{_mm256_fmadd_pd(a.v[0], b.v[0], c.v[0]),
		      _mm256_fmadd_pd(a.v[1], b.v[1], c.v[1]),
		      _mm256_fmadd_pd(a.v[2], b.v[2], c.v[2]),
		      _mm256_fmadd_pd(a.v[3], b.v[3], c.v[3])}};
}
VEC_INLINE double d16_sum(d16 a)
{
	__m256d v4 = _mm256_add_pd(_mm256_add_pd(a.v[0], a.v[2]),
				   _mm256_add_pd(a.v[1], a.v[3]));
	__m128d v2 = _mm_add_pd(_mm256_castpd256_pd128(v4), _mm256_extractf128_pd(v4, 1));

	return _mm_cvtsd_f64(_mm_add_sd(v2, _mm_unpackhi_pd(v2, v2)));
}

#else /* any other processor: the compiler vectorises what it can */

typedef struct {
	float v[LANES];
} f16;

#define VEC_EACH(expr)                                                                        \
	do {                                                                                  \
		for (int l = 0; l < LANES; l++)                                               \
			r.v[l] = (expr);                                                      \
	} while (0)

VEC_INLINE f16 f16_set1(float a)
{
	f16 r;

	VEC_EACH(a);
	return r;
}
VEC_INLINE f16 f16_load(const float *p)
{
	f16 r;

	memcpy(r.v, p, sizeof(r.v));
	return r;
}
VEC_INLINE void f16_store(float *p, f16 a)
{
	memcpy(p, a.v, sizeof(a.v));
}
VEC_INLINE f16 f16_add(f16 a, f16 b)
{
	f16 r;

	VEC_EACH(a.v[l] + b.v[l]);
	return r;
}
VEC_INLINE f16 f16_sub(f16 a, f16 b)
{
	f16 r;

	VEC_EACH(a.v[l] - b.v[l]);
	return r;
}
VEC_INLINE f16 f16_mul(f16 a, f16 b)
{
	f16 r;

	VEC_EACH(a.v[l] * b.v[l]);
	return r;
}
VEC_INLINE f16 f16_div(f16 a, f16 b)
{
	f16 r;

	VEC_EACH(a.v[l] / b.v[l]);
	return r;
}
VEC_INLINE f16 f16_max(f16 a, f16 b) /* b where either is NaN, as x86 has it */
{
	f16 r;

	VEC_EACH(a.v[l] > b.v[l] ? a.v[l] : b.v[l]);
	return r;
}
VEC_INLINE f16 f16_min(f16 a, f16 b)
{
	f16 r;

	VEC_EACH(a.v[l] < b.v[l] ? a.v[l] : b.v[l]);
	return r;
}
VEC_INLINE f16 f16_fma(f16 a, f16 b, f16 c)
{
	f16 r;

	VEC_EACH(__builtin_fmaf(a.v[l], b.v[l], c.v[l]));
	return r;
}
VEC_INLINE f16 f16_hold(f16 a)
{
	return a;
}
VEC_INLINE f16 f16_scale_bits(f16 a, f16 t)
{
	f16 r;

	VEC_EACH(bits_float(float_bits(a.v[l]) + (float_bits(t.v[l]) << 23)));
	return r;
}
typedef float f8_wide;

VEC_INLINE void f8_widen(const uint8_t *p, f8_wide *out)
{
	for (int i = 0; i < 2 * LANES; i++)
		out[i] = bits_float((uint32_t)(int32_t)(int8_t)p[i] << 20 & 0x87F00000u) *
			 0x1p112f;
}
VEC_INLINE f16 f16_f8(const f8_wide *p)
{
	return f16_load(p);
}
VEC_INLINE f16 f16_bf16(const uint16_t *p)
{
	f16 r;

	VEC_EACH(bf16_float(p[l]));
	return r;
}
VEC_INLINE f16 f16_e8m0(uint8_t b)
{
	return f16_set1(e8m0_float(b));
}
VEC_INLINE void f16_fp4(const uint8_t *p, f16 s, f16 *a, f16 *b)
{
	for (int l = 0; l < LANES; l++) {
		a->v[l] = e2m1_value[p[l / 2] >> (l % 2 * 4) & 15] * s.v[l];
		b->v[l] = e2m1_value[p[8 + l / 2] >> (l % 2 * 4) & 15] * s.v[l];
	}
}
/* 64 bytes = 128 columns of FP4: fp4_column(v, j) is the codes' values of columns 8 l + j */
typedef struct {
	uint8_t b[64];
} fp4_block;

VEC_INLINE fp4_block fp4_load(const uint8_t *p)
{
	fp4_block v;

	memcpy(v.b, p, sizeof(v.b));
	return v;
}
VEC_INLINE f16 fp4_column(fp4_block v, int j)
{
	f16 r;

	VEC_EACH(e2m1_value[v.b[4 * l + j / 2] >> (j % 2 * 4) & 15]);
	return r;
}
/* the scales of the same columns: 2^(p[l / 4] - 127) */
VEC_INLINE f16 fp4_scales(const uint8_t *p)
{
	f16 r;

	VEC_EACH(e8m0_float(p[l / 4]));
	return r;
}
VEC_INLINE float f16_sum(f16 a)
{
	for (int w = LANES / 2; w; w /= 2) {
		for (int l = 0; l < w; l++)
			a.v[l] = a.v[l] + a.v[l + w];
	}
	return a.v[0];
}
/* f16_sum() of four, times s, one behind the other */
VEC_INLINE void f16_store_sums(const f16 a[4], float s, float *out)
{
	for (int i = 0; i < 4; i++)
		out[i] = f16_sum(a[i]) * s;
}

/* Sixteen lanes in double. */
typedef struct {
	double v[LANES];
} d16;

VEC_INLINE d16 d16_zero(void)
{
	return (d16){{0}};
}
VEC_INLINE d16 d16_of(const float *p)
{
	d16 r;

	VEC_EACH((double)p[l]);
	return r;
}
VEC_INLINE d16 d16_load(const double *p)
{
	d16 r;

	memcpy(r.v, p, sizeof(r.v));
	return r;
}
VEC_INLINE void d16_store(double *p, d16 a)
{
	memcpy(p, a.v, sizeof(a.v));
}
/* Of factors that were floats: their product is exact, so that it is one rounding here, too. */
VEC_INLINE d16 d16_fma(d16 a, d16 b, d16 c)
{
	d16 r;

	VEC_EACH(c.v[l] + a.v[l] * b.v[l]);
	return r;
}
VEC_INLINE double d16_sum(d16 a)
{
	for (int w = LANES / 2; w; w /= 2) {
		for (int l = 0; l < w; l++)
			a.v[l] = a.v[l] + a.v[l + w];
	}
	return a.v[0];
}

#endif

/* ------------------------------------------------- what builds on the type */

/* What f16_f8() leaves out. */
#define F8_SCALE 0x1p8f

VEC_INLINE f16 f16_zero(void)
{
	return f16_set1(0.0f);
}

/*
 * exp, within two units in the last place: 2^n · p(r) with x = n ln 2 + r and p the Taylor
 * polynomial of degree 7 (|r| ≤ 0.35: its error is below 2^-27).  Below -87 it gives
 * exp(-87) ≈ 1.6e-38, above 88 exp(88): no infinities, no subnormals.
 */
VEC_INLINE f16 f16_exp(f16 x)
{
	f16 magic = f16_set1(0x1.8p23f), t, n, r, p;

	x = f16_min(f16_max(x, f16_set1(-87.0f)), f16_set1(88.0f));
	t = f16_fma(x, f16_set1(0x1.715476p0f), magic);
	n = f16_sub(t, magic);
	r = f16_fma(n, f16_set1(-0x1.62e400p-1f), x);  /* ln 2, high part: 15 bits */
	r = f16_fma(n, f16_set1(-0x1.7f7d1cp-20f), r); /* ln 2, the rest           */
	p = f16_set1(0x1.a01a02p-13f);                 /* 1/7! … 1/1!, 1           */
	p = f16_fma(p, r, f16_set1(0x1.6c16c2p-10f));
	p = f16_fma(p, r, f16_set1(0x1.111112p-7f));
	p = f16_fma(p, r, f16_set1(0x1.555556p-5f));
	p = f16_fma(p, r, f16_set1(0x1.555556p-3f));
	p = f16_fma(p, r, f16_set1(0.5f));
	p = f16_fma(p, r, f16_set1(1.0f));
	p = f16_fma(p, r, f16_set1(1.0f));
	return f16_scale_bits(p, t);
}

/* The same function for one number, so that scalar and vector code agree. */
VEC_INLINE float exp_one(float x)
{
	float lanes[LANES];

	f16_store(lanes, f16_exp(f16_set1(x)));
	return lanes[0];
}

VEC_INLINE f16 f16_sigmoid(f16 x)
{
	f16 one = f16_set1(1.0f);

	return f16_div(one, f16_add(one, f16_exp(f16_sub(f16_zero(), x))));
}

/* sum of x² over n (a multiple of 16) */
VEC_INLINE float sum_squares(const float *x, int n)
{
	f16 acc = f16_zero();

	for (int i = 0; i < n; i += LANES) {
		f16 v = f16_load(x + i);

		acc = f16_fma(v, v, acc);
	}
	return f16_sum(acc);
}

/*
 * 1/sqrt(mean(x²) + eps), in double: which way a cache row's value rounds to FP8 can hang on
 * the last bit of what it is made of.
 */
VEC_INLINE double inv_rms(const float *x, int n, float eps)
{
	return 1.0 / sqrt((double)sum_squares(x, n) / n + (double)eps);
}

/* y[i] = s · f16_sum() of the i-th of n that lie one behind the other */
VEC_INLINE void store_sums(const float *acc, int n, float s, float *y)
{
	int r = 0;

	for (; r + 4 <= n; r += 4, acc += 4 * LANES) {
		f16 a[4];

		for (int i = 0; i < 4; i++)
			a[i] = f16_load(acc + i * LANES);
		f16_store_sums(a, s, y + r);
	}
	for (; r < n; r++, acc += LANES)
		y[r] = f16_sum(f16_load(acc)) * s;
}

#endif
