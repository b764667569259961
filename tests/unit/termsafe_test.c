/* What reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/base/jsonw.h"
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

/* Every character but a surrogate half, in a string: comes out harmless, reads the same. */
static void json_on_a_terminal_reads_as_the_same_text(void **state)
{
	(void)state;
	for (uint32_t cp = 1; cp < 0x110000; cp += cp < 0x3000 ? 1 : 61) {
		struct buf in = {0}, out = {0};
		char bytes[TERMSAFE_MAX];
		struct str rest;
		json_t *v;
		size_t n;

		if (cp >= 0xD800 && cp < 0xE000)
			continue;
		n = utf8_encode(cp, bytes);
		buf_addz(&in, "[");
		json_add_quoted(&in, (struct str){bytes, n});
		buf_addz(&in, ",\r\n\t1]");
		for (rest = buf_str(&in); rest.n;) {
			char shown[TERMSAFE_MAX];

			buf_add(&out, shown, termsafe_next_json(&rest, shown));
		}
		v = json_loadb(out.data, out.len, 0, NULL);
		assert_non_null(v);
		assert_int_equal(json_string_length(json_array_get(v, 0)), n);
		assert_memory_equal(json_string_value(json_array_get(v, 0)), bytes, n);
		json_decref(v);
		for (size_t i = 0; i < out.len;) {
			uint32_t seen;
			int used = utf8_decode(out.data + i, out.len - i, &seen);

			assert_true(used > 0);
			assert_int_equal(termsafe_map(seen), seen);
			assert_false(termsafe_drops(seen));
			i += (size_t)used;
		}
		buf_release(&in);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_acts_on_a_terminal_is_replaced_and_text_stays),
		cmocka_unit_test(no_control_survives_any_bytes),
		cmocka_unit_test(json_on_a_terminal_reads_as_the_same_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
