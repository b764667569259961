/* What becomes of the words that a model gives as a title. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/talk/title.h"
#include "engine/base/utf8.h"

static void a_title_is_one_plain_line(void **state)
{
	static const struct {
		const char *said, *title;
	} cases[] = {
		{"Free disk space", "Free disk space"},
		{"  Free \t disk\u00A0space  ", "Free disk space"},
		{"\n\n \nFree disk space\nwith df\n", "Free disk space"},
		{"Free disk\r\nspace", "Free disk"},
		{"\"Free disk space\"", "Free disk space"},
		{"“Free” disk", "“Free” disk"},
		{"**\"`Free disk`\"**\n", "Free disk"},
		{"# Free disk", "Free disk"},
		{"「空き容量」", "空き容量"},
		{"«Привет»", "Привет"},
		{"\"\"\nFree", "\"\""},
		{"Free \xff\xfe disk \xe2\x82", "Free disk"},
		{"a\033[31mb\ac\xC2\x9B"
		 "d\u202Ee\u2066f\U000E0041g",
		 "a[31mbcdefg"},
		{"\033]0;owned\a", "]0;owned"},
		{"", ""},
		{" \n\t\n ", ""},
		{"\u200b\u200d\u0301", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = {0};

		title_of(&out, str_of(cases[i].said));
		assert_string_equal(buf_z(&out), cases[i].title);
		buf_release(&out);
	}
}

static void a_long_title_is_cut_between_characters(void **state)
{
	static const struct {
		const char *again;
		int columns;
	} cases[] = {{"x", 1}, {"宽", 2}, {"e\u0301", 1}, {"x宽", 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf said = {0}, out = {0};
		size_t n = strlen(cases[i].again);

		for (int k = 0; k < 10000; k++)
			buf_addz(&said, cases[i].again);
		title_of(&out, buf_str(&said));
		assert_true(utf8_valid(buf_str(&out)));
		assert_int_equal(out.len / n, TITLE_COLUMNS / cases[i].columns);
		assert_memory_equal(out.data, said.data, out.len);
		buf_release(&said);
		buf_release(&out);
	}
}

/* Bytes of any kind, and quotes in any depth. */
static void any_bytes_make_a_title_or_none(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct buf said = {0}, out = {0};

		for (int k = 0; k < 40; k++) {
			seed = seed * 1664525u + 1013904223u;
			buf_addc(&said, round % 2 ? "\"'`*_# \n\033a"[(seed >> 8) % 11]
						  : (char)(seed >> 8));
		}
		title_of(&out, buf_str(&said));
		assert_true(utf8_valid(buf_str(&out)));
		for (size_t k = 0; k < out.len; k++)
			assert_true((unsigned char)out.data[k] >= ' ');
		assert_in_range(out.len, 0, 4 * TITLE_COLUMNS);
		buf_release(&said);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_title_is_one_plain_line),
		cmocka_unit_test(a_long_title_is_cut_between_characters),
		cmocka_unit_test(any_bytes_make_a_title_or_none),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
