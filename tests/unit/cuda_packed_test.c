/*
 * How the GPU keeps the experts' weights: every unit and every scale has a place of its own,
 * and codes come apart to the values of the columns that they are said to belong to.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cuda/packed.h"

#define MOST_UNITS 21

static const enum weight_type types[] = {WEIGHT_BF16, WEIGHT_F8, WEIGHT_FP4};

static uint32_t seed = 7;

static uint32_t draw(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8 ^ seed << 16;
}

static double bf16_value(uint32_t half)
{
	uint32_t u = half << 16;
	float f;

	memcpy(&f, &u, sizeof(f));
	return (double)f;
}

/* Column k of a unit as the checkpoint has it. */
static double code_value(enum weight_type type, const uint32_t unit[4], int k)
{
	static const double e2m1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
	uint32_t code;

	if (type == WEIGHT_BF16)
		return bf16_value(unit[k / 2] >> (k % 2 * 16) & 0xffff);
	if (type == WEIGHT_FP4) {
		code = unit[k / 8] >> (k % 8 * 4) & 15;
		return code & 8 ? -e2m1[code & 7] : e2m1[code & 7];
	}
	code = unit[k / 4] >> (k % 4 * 8) & 255;
	return (code & 128 ? -1 : 1) *
	       (code >> 3 & 15 ? ldexp(8 + (code & 7), (int)(code >> 3 & 15) - 10)
			       : ldexp(code & 7, -9));
}

/* The pair of columns 2 p and 2 p + 1 of the eight that stand at place i of a packed unit. */
static uint32_t pair_of(enum weight_type type, const uint32_t packed[4], int i, int p)
{
	if (type == WEIGHT_FP4)
		return packed_e2m1(packed[i], p);
	if (type == WEIGHT_F8)
		return packed_e4m3(packed[2 * i + p / 2], p % 2);
	return packed[p];
}

static void codes_come_apart_to_the_values_of_their_columns(void **state)
{
	(void)state;
	for (int n = 0; n < 3 * 3000; n++) {
		enum weight_type type = types[n % 3];
		int u = n / 3 % 9, eights = packed_columns((int)type) / 8;
		double factor = type == WEIGHT_FP4 ? 0x1p126 : type == WEIGHT_F8 ? 0x1p120 : 1;
		uint32_t unit[4], packed[4];

		for (int i = 0; i < 4; i++) /* e4m3's 0x7f and 0xff are no numbers */
			unit[i] = type == WEIGHT_F8 ? draw() & 0xf7f7f7f7u : draw();
		if (type == WEIGHT_BF16)
			unit[0] = unit[1] = unit[2] = unit[3] = unit[0] & 0xbf7fbf7fu;
		packed_words((int)type, u, unit, packed);
		for (int i = 0; i < eights; i++) {
			int first = 8 * packed_eight((int)type, u, i);

			for (int p = 0; p < 4; p++) {
				uint32_t pair = pair_of(type, packed, i, p);

				assert_true(bf16_value(pair & 0xffff) * factor ==
					    code_value(type, unit, first + 2 * p));
				assert_true(bf16_value(pair >> 16) * factor ==
					    code_value(type, unit, first + 2 * p + 1));
			}
		}
	}
}

static void every_unit_and_scale_has_a_place_of_its_own(void **state)
{
	(void)state;
	for (int n = 1; n <= MOST_UNITS; n++) {
		char units[PACKED_ROWS * MOST_UNITS] = {0},
					 scales[PACKED_ROWS * MOST_UNITS] = {0};

		for (int row = 0; row < PACKED_ROWS; row++) {
			for (int u = 0; u < n; u++) {
				size_t at = packed_unit(row, u, n) / 16;
				size_t scale = packed_scale_at(row, u, n);

				assert_int_equal(packed_unit(row, u, n) % 16, 0);
				assert_int_equal(packed_unit_of((int)at, n).row, row);
				assert_int_equal(packed_unit_of((int)at, n).unit, u);
				assert_int_equal(packed_scale_of((int)scale, n).row, row);
				assert_int_equal(packed_scale_of((int)scale, n).unit, u);
				assert_true(at < (size_t)(PACKED_ROWS * n) && !units[at]);
				assert_true(scale < (size_t)(PACKED_ROWS * n) &&
					    !scales[scale]);
				units[at] = scales[scale] = 1;
			}
		}
	}
}

/* What a lane loads at its own place of a step: the unit lane % 4 of rows lane / 4 and 8 more.
 */
static void a_full_step_is_in_the_order_of_the_lanes(void **state)
{
	(void)state;
	for (int lane = 0; lane < 32; lane++) {
		int row = lane / 4, u = 8 + lane % 4;

		for (int h = 0; h < 2; h++) {
			assert_int_equal(packed_unit(row + 8 * h, u, 12),
					 2 * PACKED_STEP_BYTES + h * 512 + lane * 16);
			assert_int_equal(packed_scale_at(row + 8 * h, u, 12),
					 2 * PACKED_STEP_SCALE + lane * 2 + h);
		}
	}
}

/* Words of one number of a quad's lanes, or of two quads whose rows of x lie 64 bytes apart. */
static void no_two_lanes_of_two_rows_meet_a_bank(void **state)
{
	(void)state;
	for (size_t t = 0; t < 3; t++) {
		int eights = packed_columns((int)types[t]) / 8;

		for (int i = 0; i < eights; i++) {
			int seen = 0;

			for (int lane = 0; lane < 8; lane++) {
				int u = lane % 4;
				int at = lane / 4 * 64 +
					 (u * eights + packed_eight((int)types[t], u, i)) * 16;

				seen |= 1 << at / 16 % 8;
			}
			assert_int_equal(seen, 255);
		}
	}
}

static void a_scale_is_the_field_of_its_factor(void **state)
{
	(void)state;
	assert_int_equal(packed_scale(0), 110);
	assert_int_equal(packed_scale(127), 127 + 126 - 16);
	assert_int_equal(packed_scale(145), 255);
	assert_int_equal(packed_scale(255), 255);
}

static void what_was_packed_can_be_had_back(void **state)
{
	(void)state;
	for (int n = 0; n < 3 * 40; n++) {
		enum weight_type type = types[n % 3];
		uint32_t unit[4], packed[4], back[4] = {0};
		int u = n / 3 % 9;

		for (int i = 0; i < 4; i++)
			unit[i] = draw();
		packed_words((int)type, u, unit, packed);
		for (int b = 0; b < 128; b++) {
			int at = packed_bit((int)type, u, b);

			assert_int_equal(at, packed_bit((int)type, u % PACKED_UNITS, b));
			back[b / 32] |= (packed[at / 32] >> at % 32 & 1) << b % 32;
		}
		assert_memory_equal(unit, back, sizeof(unit));
	}
	for (int e = 0; e <= 145; e++)
		assert_int_equal(packed_scale_back(packed_scale((uint8_t)e)), e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_come_apart_to_the_values_of_their_columns),
		cmocka_unit_test(every_unit_and_scale_has_a_place_of_its_own),
		cmocka_unit_test(a_full_step_is_in_the_order_of_the_lanes),
		cmocka_unit_test(no_two_lanes_of_two_rows_meet_a_bank),
		cmocka_unit_test(a_scale_is_the_field_of_its_factor),
		cmocka_unit_test(what_was_packed_can_be_had_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
