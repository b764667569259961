/* What reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

static const struct {
	const char *in, *out;
} cases[] = {
	{"plain\n\ttext", "plain\n\ttext"},
	{"a\r\nb\rc", "a\nb\xE2\x90\x8D"
		      "c"},
	{"\x1B[31mred", "\xE2\x90\x9B[31mred"},
	{"\x07\x7F", "\xE2\x90\x87\xE2\x90\xA1"},
	{"\xC2\x9B"
	 "2J",
	 "\xEF\xBF\xBD"
	 "2J"}, /* C1 CSI as UTF-8 */
	{"\x9B"
	 "2J",
	 "\xEF\xBF\xBD"
	 "2J"}, /* C1 CSI as a bare byte */
	{"a\xE2\x80\xAE"
	 "b",
	 "a\xEF\xBF\xBD"
	 "b"}, /* right-to-left override */
	{"a\xE2\x81\xA6"
	 "b",
	 "a\xEF\xBF\xBD"
	 "b"},                                /* isolate */
	{"\xF3\xA0\x81\x81", "\xEF\xBF\xBD"}, /* tag letter */
	{"\uFEFFx", "x"},                     /* byte order mark */
	{"so\u00ADft \u200Bzero\u200E \u200Fto\u061C \u180Eleft\u2060", "soft zero to left"},
	{"n\u200Cj", "n\u200Cj"},                        /* joiners that languages need */
	{"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", /* woman, joiner, laptop stay */
	 "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB"},
	{"\xE4\xBD", "\xEF\xBF\xBD"}, /* cut short */
};

static void what_acts_on_a_terminal_is_replaced_and_text_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = {0};

		termsafe_add(&b, str_of(cases[i].in));
		assert_string_equal(buf_z(&b), cases[i].out);
		buf_release(&b);
	}
}

static void no_control_survives_any_bytes(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char in[64];
		struct buf b = {0};
		uint32_t cp;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed = seed * 1664525u + 1013904223u;
			in[i] = (char)(seed >> 24);
		}
		termsafe_add(&b, (struct str){in, sizeof(in)});
		for (size_t i = 0; i < b.len;) {
			int n = utf8_decode(b.data + i, b.len - i, &cp);

			assert_true(n > 0);
			assert_int_equal(termsafe_map(cp), cp);
			assert_false(cp < 0x20 && cp != '\n' && cp != '\t');
			i += (size_t)n;
		}
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_acts_on_a_terminal_is_replaced_and_text_stays),
		cmocka_unit_test(no_control_survives_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
