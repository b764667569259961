/* UTF-8, valid and not. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "engine/base/utf8.h"

#define R "\xef\xbf\xbd"

static void every_scalar_value_survives_the_round_trip(void **state)
{
	(void)state;
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		char bytes[4];
		uint32_t back = 0;
		size_t n;

		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		n = utf8_encode(cp, bytes);
		assert_int_equal(utf8_decode(bytes, n, &back), n);
		assert_int_equal(back, cp);
		for (size_t part = 1; part < n; part++)
			assert_int_equal(utf8_decode(bytes, part, &back), 0);
	}
}

static void what_is_no_scalar_value_is_written_as_a_replacement(void **state)
{
	static const uint32_t bad[] = {0xd800, 0xdfff, 0x110000, UINT32_MAX};
	char bytes[4];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(utf8_encode(bad[i], bytes), 3);
		assert_memory_equal(bytes, R, 3);
	}
}

static void invalid_bytes_become_one_replacement_for_each_longest_beginning(void **state)
{
	static const struct {
		const char *in, *out;
		size_t n_bad;
	} cases[] = {
		{"", "", 0},
		{"plain", "plain", 0},
		{"\x80", R, 1},
		{"\xc0\x80", R R, 2},             /* an over-long NUL */
		{"\xe0\x80\x80", R R R, 3},       /* over-long */
		{"\xed\xa0\x80", R R R, 3},       /* a surrogate */
		{"\xf4\x90\x80\x80", R R R R, 4}, /* above U+10FFFF */
		{"\xf0\x9f\x94", R, 1},           /* cut short */
		{"\xf0\x9f\x94z", R "z", 1},
		{"\xe4\xb8\xf0\x9f\x94\xa5", R "\xf0\x9f\x94\xa5", 1},
		{"\xf5\xff", R R, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf out = {0};

		assert_int_equal(utf8_add_clean(&out, str_of(cases[i].in)), cases[i].n_bad);
		assert_string_equal(buf_z(&out), cases[i].out);
		assert_int_equal(utf8_valid(str_of(cases[i].in)), cases[i].n_bad == 0);
		assert_true(utf8_valid(buf_str(&out)));
		buf_release(&out);
	}
}

static void an_unfinished_character_at_the_end_is_measured(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
		{"", 0},         {"a", 0},         {"\xc3", 1},
		{"\xc3\xa9", 0}, {"a\xe4\xb8", 2}, {"\xf0\x9f\x94", 3},
		{"\xf0\x9f", 2}, {"\x80\x80", 0},  {"\xe0\x80", 0},
		{"\xff", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(utf8_partial_tail(str_of(cases[i].text)), cases[i].n);
}

static void random_bytes_always_clean_to_valid_text_of_the_same_valid_parts(void **state)
{
	(void)state;
	srand(3);
	for (int round = 0; round < 5000; round++) {
		char bytes[16];
		size_t n = (size_t)rand() % sizeof(bytes);
		struct buf once = {0}, twice = {0};

		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)(rand() % 3 ? 0x80 + rand() % 0x80 : rand());
		utf8_add_clean(&once, (struct str){bytes, n});
		assert_true(utf8_valid(buf_str(&once)));
		assert_int_equal(utf8_add_clean(&twice, buf_str(&once)), 0);
		assert_true(str_eq(buf_str(&once), buf_str(&twice)));
		buf_release(&once);
		buf_release(&twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scalar_value_survives_the_round_trip),
		cmocka_unit_test(what_is_no_scalar_value_is_written_as_a_replacement),
		cmocka_unit_test(
			invalid_bytes_become_one_replacement_for_each_longest_beginning),
		cmocka_unit_test(an_unfinished_character_at_the_end_is_measured),
		cmocka_unit_test(
			random_bytes_always_clean_to_valid_text_of_the_same_valid_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
