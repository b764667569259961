/*
 * Rows of packed weights as floats, all but FP4, whose products look codes up as they go
 * (vec_fp4.c).  Included by the files that multiply with them (vec_*.c).
 */
#ifndef KERNELS_CPU_VEC_DECODE_H
#define KERNELS_CPU_VEC_DECODE_H

#include "kernels/cpu/vec.h"
#include "kernels/ops.h"

/*
 * What sums of FP8 products are too large by: a code times a scale of up to 2^94 stays finite,
 * and x times a scale, down to 2^-150, exact.
 */
#define F8_SUM_SCALE 0x1p24f

/* One row of W as the decoders want it. */
struct wrow {
	const uint8_t *w;
	const uint8_t *scale;
};

VEC_INLINE struct wrow wrow_of(enum weight_type type, const struct weight *w, int o)
{
	size_t out = (size_t)o, in = (size_t)w->in;
	struct wrow r = {0};

	switch (type) {
	case WEIGHT_F32:
		r.w = w->w + out * in * 4;
		break;
	case WEIGHT_BF16:
		r.w = w->w + out * in * 2;
		break;
	case WEIGHT_F8:
		r.w = w->w + out * in;
		r.scale = w->scale + out / 128 * ((in + 127) / 128);
		break;
	case WEIGHT_FP4: /* vec_fp4.c */
		break;
	}
	return r;
}

/* What FP8 codes as f16_f8() has them, or x in their place, are multiplied by in the 128
 * columns around column k; unused elsewhere. */
VEC_INLINE f16 block_scale(enum weight_type type, struct wrow r, int k)
{
	/* `type` is the weight's own, so wrow_of() set r.scale. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	return type == WEIGHT_F8
		       ? f16_mul(f16_e8m0(r.scale[k / 128]), f16_set1(F8_SCALE * F8_SUM_SCALE))
		       : f16_zero();
}

/* What a sum is multiplied by at its end. */
VEC_INLINE float sum_scale(enum weight_type type)
{
	return type == WEIGHT_F8 ? 1.0f / F8_SUM_SCALE : 1.0f;
}

/* A run of 128 columns of FP8, widened; nothing elsewhere. */
struct wide {
	_Alignas(64) f8_wide code[128];
};

VEC_INLINE void widen(enum weight_type type, struct wrow r, int k0, int k1, struct wide *to)
{
	for (int k = k0; k < k1 && type == WEIGHT_F8; k += 2 * LANES)
		f8_widen(r.w + k, to->code + (k - k0));
}

/* 16 columns from column k on, a multiple of 16; of FP8 without the block's scale, and from
 * `at` in what was widened. */
VEC_INLINE f16 decode(enum weight_type type, struct wrow r, int k, const f8_wide *at)
{
	switch (type) {
	case WEIGHT_F32:
		return f16_load((const float *)(const void *)r.w + k);
	case WEIGHT_BF16:
		return f16_bf16((const uint16_t *)(const void *)r.w + k);
	case WEIGHT_F8:
		return f16_f8(at);
	case WEIGHT_FP4: /* vec_fp4.c */
		break;
	}
	return f16_zero();
}

/* Columns from k0 on, a multiple of 128. */
VEC_INLINE void decode_row(enum weight_type type, const struct weight *w, int o, int k0, int k1,
			   float *out)
{
	struct wrow row = wrow_of(type, w, o);

	for (int k = k0; k < k1;) {
		int end = k1 - k < 128 ? k1 : k + 128;
		f16 s = block_scale(type, row, k);
		struct wide wide;
		const f8_wide *at = wide.code;

		widen(type, row, k, end, &wide);
		for (; k < end; k += LANES, at += LANES) {
			f16 v = decode(type, row, k, at);

			f16_store(out + (k - k0), type == WEIGHT_F8 ? f16_mul(v, s) : v);
		}
	}
}

static inline __attribute__((unused)) void decode_columns(const struct weight *w, int o, int k0,
							  int k1, float *out)
{
	switch (w->type) {
	case WEIGHT_F32:
		decode_row(WEIGHT_F32, w, o, k0, k1, out);
		break;
	case WEIGHT_BF16:
		decode_row(WEIGHT_BF16, w, o, k0, k1, out);
		break;
	case WEIGHT_F8:
		decode_row(WEIGHT_F8, w, o, k0, k1, out);
		break;
	case WEIGHT_FP4:
		break;
	}
}

#endif
