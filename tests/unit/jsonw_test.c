/* JSON written, read and written again. */
#include "tests/support/shared_files.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/base/jsonr.h"
#include "engine/base/jsonw.h"

static void doubles_are_written_as_python_writes_them(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{0.0, "0.0"},
		{-0.0, "-0.0"},
		{1, "1.0"},
		{100, "100.0"},
		{0.1, "0.1"},
		{-3.25, "-3.25"},
		{1e-4, "0.0001"},
		{1e-5, "1e-05"},
		{1e-7, "1e-07"},
		{1.5e-7, "1.5e-07"},
		{1e15, "1000000000000000.0"},
		{1e16, "1e+16"},
		{1e21, "1e+21"},
		{1.25e300, "1.25e+300"},
		{123456789012345680.0, "1.2345678901234568e+17"},
		{9007199254740993.0, "9007199254740992.0"},
		{1.0 / 3, "0.3333333333333333"},
		{2.0 / 3, "0.6666666666666666"},
		{5e-324, "5e-324"},
		{DBL_MAX, "1.7976931348623157e+308"},
		{0.00012, "0.00012"},
		{NAN, "NaN"},
		{INFINITY, "Infinity"},
		{-INFINITY, "-Infinity"},
		{123.456, "123.456"},
		{1e22, "1e+22"},
		{5e-5, "5e-05"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = {0};
		struct jsonw w;

		jsonw_init(&w, &b);
		jsonw_double(&w, cases[i].v);
		assert_string_equal(buf_z(&b), cases[i].text);
		buf_release(&b);
	}
}

static void doubles_read_back_as_they_were(void **state)
{
	(void)state;
	srand(5);
	for (int round = 0; round < 20000; round++) {
		uint64_t bits = 0;
		struct buf b = {0};
		struct jsonw w;
		double v;

		for (int i = 0; i < 8; i++)
			bits = bits << 8 | (uint64_t)(rand() & 255);
		memcpy(&v, &bits, sizeof(v));
		if (!isfinite(v))
			continue;
		jsonw_init(&w, &b);
		jsonw_double(&w, v);
		assert_true(strtod(buf_z(&b), NULL) == v);
		buf_release(&b);
	}
}

static void strings_escape_what_json_must_and_nothing_else(void **state)
{
	struct buf b = {0};

	(void)state;
	json_add_quoted(&b, STR_LIT("\"\\/\b\f\n\r\t\x01\x1b\x7f\0é世\xf0\x9f\x94\xa5<"));
	assert_string_equal(buf_z(&b),
			    "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001b\x7f\\u0000é世🔥<\"");
	buf_release(&b);
}

static void separators_stand_where_python_puts_them(void **state)
{
	struct buf b = {0};
	struct jsonw w;

	(void)state;
	jsonw_init(&w, &b);
	jsonw_begin_object(&w);
	jsonw_key(&w, "a");
	jsonw_begin_array(&w);
	jsonw_int(&w, INT64_MIN);
	jsonw_begin_object(&w);
	jsonw_end_object(&w);
	jsonw_begin_array(&w);
	jsonw_end_array(&w);
	jsonw_null(&w);
	jsonw_end_array(&w);
	jsonw_kv_bool(&w, "b", true);
	jsonw_kv_string(&w, "c", STR_LIT("d"));
	jsonw_kv_int(&w, "e", 7);
	jsonw_kv_double(&w, "f", 0.5);
	jsonw_key_str(&w, STR_LIT("g\""));
	jsonw_raw(&w, STR_LIT("[1]"));
	jsonw_end_object(&w);
	assert_string_equal(buf_z(&b),
			    "{\"a\": [-9223372036854775808, {}, [], null], \"b\": true, "
			    "\"c\": \"d\", \"e\": 7, \"f\": 0.5, \"g\\\"\": [1]}");
	buf_release(&b);
}

static void check_written(const char *in, const char *out,
			  void (*write)(const struct json_doc *doc, const json_t *v,
					struct jsonw *w))
{
	struct json_doc doc = {0};
	struct buf b = {0};
	struct jsonw w;
	struct err err = {0};

	if (json_doc_parse(&doc, str_of(in), &err))
		fail_msg("%s: %s", in, err.text);
	jsonw_init(&w, &b);
	write(&doc, doc.root, &w);
	assert_string_equal(buf_z(&b), out);
	buf_release(&b);
	json_doc_release(&doc);
}

static void read_and_written_again_json_keeps_numbers_and_order(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{" [ 1 , -0, 1.50,1E5 ,123456789012345678901234567890] ",
		 "[1, -0, 1.50, 1E5, 123456789012345678901234567890]"},
		{"{\"z\":1,\"a\":{\"\\u4e16\\n\":[true,false,null]},\"z\":\"1e5\"}",
		 "{\"z\": \"1e5\", \"a\": {\"世\\n\": [true, false, null]}}"},
		{"\"a \\\"7\\\" \\\\\"", "\"a \\\"7\\\" \\\\\""},
		{"-12.5e-7", "-12.5e-7"},
		{"\"\\u0000\"", "\"\\u0000\""},
		{"\"\\ud83d\\udd25\"", "\"🔥\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_written(cases[i].in, cases[i].out, json_doc_write);
}

static void numbers_can_be_written_as_python_prints_them(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"1.50", "1.5"},
		{"1E5", "100000.0"},
		{"-0", "0"},
		{"-0.0", "-0.0"},
		{"0e7", "0.0"},
		{"1e16", "1e+16"},
		{"1e15", "1000000000000000.0"},
		{"0.00001", "1e-05"},
		{"1e400", "Infinity"},
		{"-1e400", "-Infinity"},
		{"1e-400", "0.0"},
		{"100", "100"},
		{"123456789012345678901234567890", "123456789012345678901234567890"},
		{"0.1000000000000000055511151231257827", "0.1"},
		{"[1.0,{\"a\":-2.50e0},1.5]", "[1.0, {\"a\": -2.5}, 1.5]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_written(cases[i].in, cases[i].out, json_doc_write_python);
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const cases[] = {
		"",         "{",        "[1,]",    "01",
		"1.",       ".5",       "+1",      "-",
		"1e",       "1e+",      "0x10",    "NaN",
		"Infinity", "[1 2]",    "1 2",     "{\"a\" 1}",
		"'a'",      "\"a",      "\"\\x\"", "\"\\ud800\"",
		"\"\n\"",   "\"\xff\"", "tru",     "{1: 2}",
		"--1",      "1-2",      "1.2.3",   "{\"a\\u0000b\": 1}",
	};
	struct buf deep = {0};
	struct json_doc doc;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (json_doc_parse(&doc, str_of(cases[i]), &err) != ERR_FAILED)
			fail_msg("taken: %s", cases[i]);
		assert_true(err.text[0]);
		assert_int_equal(!strncmp(err.text, "line ", 5),
				 strchr(cases[i], '\n') != NULL);
		json_doc_release(&doc);
	}
	for (int i = 0; i < 1000000; i++)
		buf_addc(&deep, '[');
	assert_int_equal(json_doc_parse(&doc, buf_str(&deep), &err), ERR_FAILED);
	json_doc_release(&doc);
	buf_release(&deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_are_written_as_python_writes_them),
		cmocka_unit_test(doubles_read_back_as_they_were),
		cmocka_unit_test(strings_escape_what_json_must_and_nothing_else),
		cmocka_unit_test(separators_stand_where_python_puts_them),
		cmocka_unit_test(read_and_written_again_json_keeps_numbers_and_order),
		cmocka_unit_test(numbers_can_be_written_as_python_prints_them),
		cmocka_unit_test(what_is_no_json_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
