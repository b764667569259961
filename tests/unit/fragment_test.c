/*
 * The order in which the GPU's products of few rows take their operands apart: a product put
 * together from what each lane would hold equals the plain one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cuda/fragment.h"

#define MOST_STEP 128

static uint32_t seed = 20;

static uint32_t draw(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static double bf16_value(uint32_t half)
{
	uint32_t u = half << 16;
	float f;

	memcpy(&f, &u, sizeof(f));
	return (double)f;
}

/* Column k of a step of one row of W, as its type says. */
static double code_value(enum weight_type type, const uint8_t *w, int k)
{
	static const double e2m1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
	uint32_t half;
	int code, e;

	if (type == WEIGHT_BF16) {
		half = (uint32_t)w[2 * k] | (uint32_t)w[2 * k + 1] << 8;
		return bf16_value(half);
	}
	if (type == WEIGHT_FP4) {
		code = w[k / 2] >> (k % 2 * 4) & 15;
		return code & 8 ? -e2m1[code & 7] : e2m1[code & 7];
	}
	e = w[k] >> 3 & 15;
	return (w[k] & 128 ? -1 : 1) *
	       (e ? ldexp(8 + (w[k] & 7), e - 10) : ldexp(w[k] & 7, -9));
}

/* x in the order of shared memory: pairs of a step, fragment_unit() and fragment_order()
 * applied. */
static void order_x(enum weight_type type, const uint16_t *x, uint32_t *out)
{
	for (int u = 0; u < fragment_step(type) / 8; u++) {
		uint32_t pairs[4];

		for (int i = 0; i < 4; i++)
			pairs[i] = (uint32_t)x[8 * u + 2 * i] | (uint32_t)x[8 * u + 2 * i + 1]
									<< 16;
		fragment_order(type, pairs);
		memcpy(out + 4 * fragment_unit(type, u), pairs, sizeof(pairs));
	}
}

/* The pairs of W that a lane of the quad holds for its u-th unit, without their common factor.
 */
static void lane_pairs(enum weight_type type, const uint8_t *w, int quad, int u,
		       uint32_t out[4])
{
	uint32_t words[4];

	memcpy(words, w + 16 * quad, sizeof(words));
	for (int i = 0; i < 4; i++)
		out[i] = type == WEIGHT_BF16 ? words[i]
			 : type == WEIGHT_F8 ? fragment_e4m3(words[2 * u + i / 2], i % 2)
					     : fragment_e2m1(words[u], i);
}

static double pair_product(uint32_t a, uint32_t b)
{
	return bf16_value(a & 0xffff) * bf16_value(b & 0xffff) +
	       bf16_value(a >> 16) * bf16_value(b >> 16);
}

static double lanes_product(enum weight_type type, const uint8_t *w, const uint32_t *x)
{
	double sum = 0, factor = type == WEIGHT_F8 ? 0x1p120 : type == WEIGHT_FP4 ? 0x1p126 : 1;

	for (int quad = 0; quad < 4; quad++) {
		for (int u = 0; u < fragment_columns(type) / 8; u++) {
			uint32_t a[4];

			lane_pairs(type, w, quad, u, a);
			for (int i = 0; i < 4; i++)
				sum += pair_product(a[i], x[4 * (4 * u + quad) + i]) * factor;
		}
	}
	return sum;
}

static const enum weight_type types[] = {WEIGHT_BF16, WEIGHT_F8, WEIGHT_FP4};

static void a_step_of_lanes_multiplies_each_column_with_its_own(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		enum weight_type type = types[round % 3];
		uint8_t w[64];
		uint16_t x[MOST_STEP];
		uint32_t ordered[MOST_STEP / 2];
		double plain = 0;

		for (int i = 0; i < 64; i++)
			w[i] = (uint8_t)draw();
		for (int k = 0; k < fragment_step(type); k++) {
			if (type == WEIGHT_BF16) /* small exponents, so that sums are exact */
				w[2 * k + 1] = (uint8_t)((draw() & 0x80) | 0x3f);
			x[k] = (uint16_t)(0x4000 | (draw() & 0x803f));
			plain += code_value(type, w, k) * bf16_value(x[k]);
		}
		order_x(type, x, ordered);
		assert_true(plain == lanes_product(type, w, ordered));
	}
}

static void every_code_comes_apart_to_its_value(void **state)
{
	(void)state;
	for (int code = 0; code < 256; code++) {
		uint32_t w = (uint32_t)code * 0x01010101u;
		uint8_t bytes[4] = {(uint8_t)code, (uint8_t)code, (uint8_t)code, (uint8_t)code};

		for (int i = 0; i < 2; i++)
			assert_true(bf16_value(fragment_e4m3(w, i) & 0xffff) * 0x1p120 ==
				    code_value(WEIGHT_F8, bytes, 0));
		for (int i = 0; i < 4; i++)
			assert_true(bf16_value(fragment_e2m1(w, i) & 0xffff) * 0x1p126 ==
				    code_value(WEIGHT_FP4, bytes, i));
	}
}

static void the_columns_of_a_unit_stand_where_they_are_said_to(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		uint32_t pairs[4];
		int seen = 0;

		for (uint32_t p = 0; p < 4; p++)
			pairs[p] = 2 * p | (2 * p + 1) << 16;
		fragment_order(types[i], pairs);
		for (int p = 0; p < 8; p++)
			assert_int_equal(pairs[p / 2] >> (p % 2 * 16) & 0xffff,
					 fragment_column(types[i], p));
		for (int u = 0; u < fragment_step(types[i]) / 8; u++)
			seen |= 1 << fragment_unit(types[i], u);
		assert_int_equal(seen, (1 << fragment_step(types[i]) / 8) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_of_lanes_multiplies_each_column_with_its_own),
		cmocka_unit_test(every_code_comes_apart_to_its_value),
		cmocka_unit_test(the_columns_of_a_unit_stand_where_they_are_said_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
