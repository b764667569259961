/* How weights lie in tiles, and that they come apart again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cuda/tiles.h"

/* e4m3 as the top half of its bf16, times 2^-120: exponent and mantissa at bf16's low ones. */
static uint32_t shifted(unsigned code)
{
	return (code & 0x80u) << 8 | (code & 0x7fu) << 4;
}

static void four_codes_come_apart_as_two_pairs(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		for (unsigned at = 0; at < 4; at++) {
			unsigned c[4] = {0x5a, 0xa5, 0x7e, 0x81};
			uint32_t w;

			c[at] = code;
			w = tiles_of_e4m3(c[0] | c[1] << 8 | c[2] << 16 | c[3] << 24);
			assert_int_equal(tiles_first(w), shifted(c[0]) | shifted(c[1]) << 16);
			assert_int_equal(tiles_second(w), shifted(c[2]) | shifted(c[3]) << 16);
		}
	}
}

#define TILES     3
#define ROW_BYTES 512

static void each_unit_stands_where_it_is_looked_for(void **state)
{
	static const int types[] = {WEIGHT_BF16, WEIGHT_F8};
	const size_t bytes = (size_t)TILES * TILE_ROWS * ROW_BYTES;
	unsigned char *from = malloc(bytes), *to = malloc(bytes);

	(void)state;
	assert_non_null(from);
	assert_non_null(to);
	for (size_t i = 0; i < bytes; i++)
		from[i] = (unsigned char)(i * 2654435761u >> 24);
	for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
		memset(to, 0, bytes);
		tiles_fill(types[k], to, from, ROW_BYTES, TILES);
		for (int r = 0; r < TILES * TILE_ROWS; r++) {
			for (int u = 0; u < ROW_BYTES / 16; u++) {
				uint32_t want[4], found[4];

				memcpy(want, from + r * ROW_BYTES + u * 16, 16);
				memcpy(found, to + tiles_unit(ROW_BYTES / 16, r, u) * 16, 16);
				for (int i = 0; i < 4; i++)
					assert_int_equal(found[i],
							 types[k] == WEIGHT_F8
								 ? tiles_of_e4m3(want[i])
								 : want[i]);
			}
		}
	}
	free(from);
	free(to);
}

static void what_fills_whole_tiles_fits(void **state)
{
	(void)state;
	assert_true(tiles_fit(WEIGHT_F8, 1024, 4096, 1));
	assert_true(tiles_fit(WEIGHT_F8, 8192, 4096, 8));
	assert_true(tiles_fit(WEIGHT_BF16, 64, 128, 1));
	assert_false(tiles_fit(WEIGHT_F8, 64, 128, 1));   /* half a round */
	assert_false(tiles_fit(WEIGHT_BF16, 24, 128, 1)); /* a tile and a half */
	assert_false(tiles_fit(WEIGHT_BF16, 64, 128, 8)); /* half a tile a group */
	assert_false(tiles_fit(WEIGHT_BF16, 64, 128, 3));
	assert_false(tiles_fit(WEIGHT_FP4, 64, 256, 1));
	assert_false(tiles_fit(WEIGHT_F32, 64, 256, 1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_codes_come_apart_as_two_pairs),
		cmocka_unit_test(each_unit_stands_where_it_is_looked_for),
		cmocka_unit_test(what_fills_whole_tiles_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
